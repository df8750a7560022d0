"""The dashboard: pages for people, under /dashboard.

Every page works without JavaScript. `page.py` answers a page or an error, `forms.py` reads forms,
`words.py` has the words for what is shown, `http/browsers.py` knows cookies and the tokens of
forms. A module for each subject has a class with its pages; they call the same use cases as the
API, with the caller's own limits. The door (`http/access.py`) has recognised the caller, and
checked a form, before a page is asked.
"""

from typing import ClassVar, Final, Protocol

from flask import Blueprint, Response
from werkzeug.exceptions import HTTPException
from werkzeug.exceptions import NotFound as NoSuchPage

from application import Application
from domain.errors import EmailServiceError
from entrypoints.http.dashboard.accounts import AccountsPages
from entrypoints.http.dashboard.email import OneEmailPages
from entrypoints.http.dashboard.email_changes import EmailChangePages
from entrypoints.http.dashboard.emails import EmailPages
from entrypoints.http.dashboard.keys import KeyPages
from entrypoints.http.dashboard.login import LoginPages
from entrypoints.http.dashboard.new_account import NewAccountPages
from entrypoints.http.dashboard.newsletter import NewsletterPages
from entrypoints.http.dashboard.overview import OverviewPages
from entrypoints.http.dashboard.page import ROOT, error_page
from entrypoints.http.dashboard.suppressions import SuppressionPages
from entrypoints.http.dashboard.templates import TemplatePages
from entrypoints.http.dashboard.webhooks import WebhookPages


class Pages(Protocol):
    """The pages of one subject."""

    def add_to(self, routes: Blueprint) -> None:
        """Route every path, relative to /dashboard."""
        ...


class Dashboard:
    """All pages under /dashboard. Links are made by endpoint: any path prefix of a proxy works."""

    BLUEPRINT: ClassVar = "dashboard"

    def __init__(self, application: Application) -> None:
        accounts = AccountsPages(application)
        self._pages: Final[tuple[Pages, ...]] = (
            LoginPages(application),
            OverviewPages(application),
            NewsletterPages(application),
            WebhookPages(application),
            KeyPages(application),
            accounts,
            NewAccountPages(application, accounts),
            EmailPages(application),
            OneEmailPages(application),
            EmailChangePages(application),
            TemplatePages(application),
            SuppressionPages(application),
        )

    def routes(self) -> Blueprint:
        """Every path with what answers it."""
        routes = Blueprint(
            self.BLUEPRINT,
            __name__,
            url_prefix=ROOT,
            template_folder="../templates",
            static_folder="../static/dashboard",
            static_url_path="/static",
        )
        for pages in self._pages:
            pages.add_to(routes)
        routes.add_url_rule("/<path:unknown>", "unknown", _unknown, methods=["GET", "POST"])
        routes.register_error_handler(EmailServiceError, error_page)
        routes.register_error_handler(HTTPException, error_page)
        return routes


def _unknown(unknown: str) -> Response:
    raise NoSuchPage
