"""The application and the request that Flask makes, for a service without sessions and coroutines.

What is overridden here is what Flask's documentation names for it.
"""

from collections.abc import Callable
from typing import Any, Final, cast

from flask import Flask, Request, request
from flask.sessions import NullSession, SessionInterface, SessionMixin
from werkzeug.routing import MapAdapter

from application.rate_limit import Allowance
from domain.access import Caller


class ServiceRequest(Request):
    """A request, its id and who sent it."""

    request_id = ""
    caller: Caller | None = None
    allowance: Allowance | None = None


def the_request() -> ServiceRequest:
    """The current request itself: going through Flask's proxy for each access is a tenth of
    what a call costs.
    """
    return cast("ServiceRequest", request._get_current_object())  # type: ignore[attr-defined]


class _NoSessions(SessionInterface):
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
        """The URL adapter. No route depends on the host, so the host is not matched."""
        if request is None:
            return super().create_url_adapter(request)
        return self.url_map.bind(
            request.host,
            script_name=request.root_path,
            url_scheme=request.scheme,
            default_method=request.method,
            path_info=request.path,
        )

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """The function itself: none is a coroutine, and the check costs more than most."""
        return func
