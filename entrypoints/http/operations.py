"""For whoever runs the service: is it alive, does it accept, where is everything."""

import shlex
from typing import ClassVar, Final

from flask import Blueprint, Response, current_app, render_template

from application import Application
from domain.errors import StoreUnavailable
from entrypoints.http.openapi import Answer, Tag, add_routes, operation
from entrypoints.http.replies import reply
from entrypoints.http.requests import ServiceRequest, the_request
from entrypoints.http.schemas import Health, Welcome

LINKS: Final = {
    "emails": "/api/emails",
    "smtp_configs": "/api/smtp-configs",
    "docs": "/docs",
    "openapi": "/api/openapi.json",
    "health": "/healthz",
    "readiness": "/readyz",
}
PAGE_CSP: Final = (
    "default-src 'none'; style-src 'self'; img-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
SANDBOX: Final = "email_service.sandbox"  # the application's extension: the inbox that is open
_LONGEST_ACCEPT: Final = 1000


class Operations:
    """The calls outside of /api."""

    BLUEPRINT: ClassVar = "operations"

    def __init__(self, application: Application, *, version: str) -> None:
        self._access = application.access
        self._admission = application.admission
        self._queries = application.queries
        self._version = version

    def routes(self) -> Blueprint:
        """Every path with what answers it."""
        routes = Blueprint(
            self.BLUEPRINT,
            __name__,
            template_folder="templates",
            static_folder="static/welcome",
            static_url_path="/welcome/static",
        )
        add_routes(routes, self)
        return routes

    @operation(
        "GET",
        "/healthz",
        name="isAlive",
        tag=Tag.OPERATIONS,
        answer=Answer(description="It is.", model=Health, example={"status": "ok"}),
    )
    def alive(self) -> Response:
        """Check that the process answers.

        Nothing else is checked.
        """
        return reply(Health(status="ok"))

    @operation(
        "GET",
        "/readyz",
        name="isReady",
        tag=Tag.OPERATIONS,
        answer=Answer(description="It does.", model=Health, example={"status": "ready"}),
        refusals=(503,),
    )
    def ready(self) -> Response:
        """Check that email is accepted.

        200 if the database can be read and email is accepted; otherwise 503.
        """
        self._admission.check()
        self._queries.ready()
        return reply(Health(status="ready"))

    @operation(
        "GET",
        "/",
        name="welcome",
        tag=Tag.OPERATIONS,
        answer=Answer(
            description="What this is, and where to go from here.",
            model=Welcome,
            example={
                "name": "email-service",
                "version": "0.1.0",
                "links": {
                    "emails": "/api/emails",
                    "smtp_configs": "/api/smtp-configs",
                    "docs": "/docs",
                },
            },
            page=True,
        ),
    )
    def welcome(self) -> Response:
        """Show the name, the version and the links.

        A client that asks for HTML gets a page.
        """
        asked = the_request()
        answer = self._page(asked) if _prefers_html(asked) else self._links(asked)
        answer.headers["Vary"] = "Accept"
        return answer

    def _links(self, asked: ServiceRequest) -> Response:
        links = {name: asked.script_root + path for name, path in LINKS.items()}
        return reply(Welcome(name="email-service", version=self._version, links=links))

    def _page(self, asked: ServiceRequest) -> Response:
        page = render_template(
            "welcome/index.html",
            version=self._version,
            configs_url=shlex.quote(f"{asked.url_root}api/smtp-configs"),
            emails_url=shlex.quote(f"{asked.url_root}api/emails"),
            inbox=current_app.extensions.get(SANDBOX),
            needs_key=not self._is_open(),
        )
        return Response(
            page,
            content_type="text/html; charset=utf-8",
            headers={"Content-Security-Policy": PAGE_CSP, "Cache-Control": "no-cache"},
        )

    def _is_open(self) -> bool:
        try:
            return self._access.is_open()
        except StoreUnavailable:
            return False


def _prefers_html(asked: ServiceRequest) -> bool:
    """What a browser says; who takes anything, or says nothing, is a program."""
    accept = asked.environ.get("HTTP_ACCEPT", "")
    if "text/" not in accept or len(accept) > _LONGEST_ACCEPT:
        return False
    wanted = asked.accept_mimetypes
    return wanted["text/html"] > wanted["application/json"]
