"""The HTTP edge: parses requests into domain values, calls a use case, shows what it answers.

No rule of the business may enter, and no adapter: it is handed an `Application`.
"""

from collections.abc import Sequence
from typing import Final

from flask import Flask
from werkzeug.exceptions import NotFound
from werkzeug.routing import BaseConverter

from application import Application
from domain.account.network import Network
from entrypoints.http.access import install_access
from entrypoints.http.api_keys import KeyCalls
from entrypoints.http.attachments import Attachments
from entrypoints.http.authorization_page import AuthorizationPage
from entrypoints.http.dashboard import Dashboard
from entrypoints.http.dialects.calls import DialectCalls
from entrypoints.http.dialects.registry import Dialects
from entrypoints.http.dialects.shipped import SHIPPED
from entrypoints.http.docs import Docs, DocsPages
from entrypoints.http.email_templates import Templates
from entrypoints.http.emails import Emails, Submissions
from entrypoints.http.erasures import Erasures
from entrypoints.http.events import EventCalls
from entrypoints.http.headers import install_headers
from entrypoints.http.hooks import ProviderHooks
from entrypoints.http.json_reader import read_limit
from entrypoints.http.metrics import MetricsCalls
from entrypoints.http.openapi import operations_of
from entrypoints.http.operations import Operations
from entrypoints.http.problems import install_problems
from entrypoints.http.providers import ProviderCatalogue
from entrypoints.http.proxies import install_proxies
from entrypoints.http.requests import DIALECTS, ServiceFlask, the_request
from entrypoints.http.smtp_configs import (
    Authorize,
    Dkim,
    DoctorCalls,
    ForecastCalls,
    HookSettings,
    SmtpConfigs,
)
from entrypoints.http.suppressions import Suppressions
from entrypoints.http.times import RFC_3339
from entrypoints.http.unsubscribe import UnsubscribePages
from entrypoints.http.validation import refuse_unknown_query
from entrypoints.http.webhooks import WebhookCalls
from entrypoints.ids import LARGEST_ID

MAX_BODY_BYTES: Final = 30 * 1024 * 1024
OPERATIONS: Final = (
    *operations_of(Submissions),
    *operations_of(Emails),
    *operations_of(Attachments),
    *operations_of(Templates),
    *operations_of(Suppressions),
    *operations_of(Erasures),
    *operations_of(SmtpConfigs),
    *operations_of(Authorize),
    *operations_of(Dkim),
    *operations_of(HookSettings),
    *operations_of(ProviderCatalogue),
    *operations_of(DoctorCalls),
    *operations_of(ForecastCalls),
    *operations_of(EventCalls),
    *operations_of(WebhookCalls),
    *operations_of(KeyCalls),
    *operations_of(Operations),
    *operations_of(MetricsCalls),
    *operations_of(Docs),
)
_WITH_QUERY: Final = frozenset(one.endpoint for one in OPERATIONS if one.query is not None)


class IdConverter(BaseConverter):
    """An id in a path: what cannot be one is a path that does not exist."""

    regex = "[1-9][0-9]{0,18}"

    def to_python(self, value: str) -> int:
        """The id."""
        number = int(value)
        if number > LARGEST_ID:
            raise NotFound  # a ValidationError becomes a 405 where the path has several methods
        return number


def create_http(
    application: Application,
    *,
    version: str,
    max_body_bytes: int = MAX_BODY_BYTES,
    document_needs_key: bool = False,
    test_ids: bool = False,
    trusted_proxies: Sequence[Network] = (),
    rfc3339_times: bool = False,
    dialects: Dialects = SHIPPED,
    try_calls: bool = False,
) -> Flask:
    """The WSGI application that answers for *application*. Nothing is started.

    With *try_calls* the pages of the documentation have forms that send calls.
    """
    app = ServiceFlask("email_service", static_folder=None, template_folder=None)
    app.url_map.merge_slashes = False  # "//api" is no path of ours, and nothing to redirect
    app.config[RFC_3339] = rfc3339_times
    app.config[DIALECTS] = dialects
    app.config["MAX_CONTENT_LENGTH"] = read_limit(max_body_bytes)
    app.url_map.converters["id"] = IdConverter
    install_headers(app)
    install_problems(app)
    install_proxies(app, trusted=trusted_proxies, is_open=application.access.is_open)
    install_access(app, application, OPERATIONS, dialects, document_needs_key=document_needs_key)
    pages = DocsPages(
        OPERATIONS,
        version=version,
        rfc3339_times=rfc3339_times,
        try_calls=try_calls,
        is_open=application.access.is_open,
    )
    for calls in (
        Operations(application, version=version),
        MetricsCalls(application, version=version),
        SmtpConfigs(application),
        Authorize(application),
        Dkim(application),
        HookSettings(application),
        ProviderCatalogue(application),
        DoctorCalls(application),
        ForecastCalls(application),
        Submissions(application, test_ids=test_ids),
        Emails(application),
        Attachments(application),
        Templates(application),
        Suppressions(application),
        Erasures(application),
        EventCalls(application),
        WebhookCalls(application),
        KeyCalls(application),
        Docs(pages),
    ):
        routes = calls.routes()
        routes.before_request(_refuse_unknown_query)
        app.register_blueprint(routes)
    for dialect in dialects.all:
        app.register_blueprint(DialectCalls(dialect, application, test_ids=test_ids).routes())
    # without that refusal: what others add to a link must not make it useless
    app.register_blueprint(pages.routes())
    app.register_blueprint(AuthorizationPage(application).routes())
    app.register_blueprint(UnsubscribePages(application).routes())
    app.register_blueprint(ProviderHooks(application).routes())
    app.register_blueprint(Dashboard(application).routes())
    return app


def _refuse_unknown_query() -> None:
    if the_request().endpoint not in _WITH_QUERY:
        refuse_unknown_query()
