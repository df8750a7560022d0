"""For whoever runs the service: is it alive, does it accept, where is everything."""

from flask import Blueprint, Response

from application import Application
from entrypoints.http.replies import reply
from entrypoints.http.schemas import Health, Welcome

LINKS = {
    "emails": "/api/emails",
    "smtp_configs": "/api/smtp-configs",
    "docs": "/docs",
    "openapi": "/api/openapi.json",
    "health": "/healthz",
    "readiness": "/readyz",
}


class Operations:
    """The calls outside of /api."""

    def __init__(self, application: Application, *, version: str) -> None:
        self._admission = application.admission
        self._overview = application.overview
        self._version = version

    def routes(self) -> Blueprint:
        """Every path with what answers it."""
        routes = Blueprint("operations", __name__)
        routes.get("/")(self.welcome)
        routes.get("/healthz")(self.alive)
        routes.get("/readyz")(self.ready)
        return routes

    def welcome(self) -> Response:
        """What this is, and where to go from here."""
        return reply(Welcome(name="email-service", version=self._version, links=LINKS))

    def alive(self) -> Response:
        """This process answers."""
        return reply(Health(status="ok"))

    def ready(self) -> Response:
        """The store can be read and email is accepted; else 503."""
        self._admission.check()
        self._overview.ready()
        return reply(Health(status="ready"))
