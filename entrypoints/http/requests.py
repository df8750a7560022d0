"""The application and the request that Flask makes, for a service without sessions and coroutines.

What is overridden here is what Flask's documentation names for it.
"""

from functools import cached_property
from typing import TYPE_CHECKING, Final, cast

from flask import Flask, Request, current_app, request
from flask.sessions import NullSession, SessionInterface, SessionMixin
from werkzeug.routing import MapAdapter

from application.rate_limit import Allowance
from domain.access import Caller

if TYPE_CHECKING:
    from entrypoints.http.dialects.dialect import Dialect
    from entrypoints.http.dialects.registry import Dialects

DIALECTS: Final = "EMAIL_SERVICE_DIALECTS"  # in the configuration of the Flask application


class ServiceRequest(Request):
    """A request, its id and who sent it."""

    request_id = ""
    caller: Caller | None = None
    allowance: Allowance | None = None
    visit = ""  # what the tokens of forms are made of where nobody has logged in

    @cached_property
    def dialect(self) -> "Dialect | None":
        """The vendor's API that its path belongs to; None for our own."""
        dialects: Dialects = current_app.config[DIALECTS]
        return dialects.of(self.path)


def the_request() -> ServiceRequest:
    """The current request itself: with Flask's proxy for each access a POST takes 12 % more
    instructions.
    """
    return cast("ServiceRequest", request._get_current_object())  # type: ignore[attr-defined]


class _NoSessions(SessionInterface):
    """With Flask's own a POST takes 3 % more instructions."""

    _none: Final = NullSession()

    def open_session(self, app: Flask, request: Request) -> SessionMixin:
        """The same empty session for every request."""
        return self._none

    def is_null_session(self, obj: object) -> bool:
        """Nothing is saved."""
        return True


class ServiceFlask(Flask):
    """The Flask application; built like any other."""

    request_class = ServiceRequest
    session_interface = _NoSessions()

    def create_url_adapter(self, request: Request | None) -> MapAdapter | None:
        """The URL adapter. No route depends on the host, so the host is not matched.

        With Flask's own a POST takes 3 % more instructions.
        """
        if request is None:
            return super().create_url_adapter(request)
        return self.url_map.bind(
            request.host,
            script_name=request.root_path,
            url_scheme=request.scheme,
            default_method=request.method,
            path_info=request.path,
        )
