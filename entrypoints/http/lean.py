"""Flask without what this service has no use for, because every call pays for it.

There are no sessions, no views that are coroutines, no WebSockets, and no host has routes of its
own. What a client sees is the same.
"""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Final

from flask import Flask, Request, Response
from flask.sessions import NullSession, SessionInterface, SessionMixin
from werkzeug.routing import MapAdapter

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

_WITH_A_BODY: Final = frozenset({200, 201})


class LeanResponse(Response):
    """A response whose headers are final where nothing is left to be worked out."""

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        """Answer a WSGI call."""
        whole = self.response
        if (
            isinstance(whole, list)  # then Content-Length has been set
            and self.status_code in _WITH_A_BODY
            and environ["REQUEST_METHOD"] != "HEAD"
            and not environ.get("SCRIPT_NAME")  # it stands in Location as it came
        ):
            start_response(self.status, list(self.headers))
            return whole
        return super().__call__(environ, start_response)


class LeanFlask(Flask):
    """The application, to be built like any other one."""

    response_class = LeanResponse

    def __init__(self, name: str) -> None:
        super().__init__(name, static_folder=None, template_folder=None)
        self.session_interface = _NoSessions()
        self.url_map.merge_slashes = False  # "//api" is no path of ours, and nothing to redirect

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """As it is: to look whether it is a coroutine costs more than most of them."""
        return func

    def create_url_adapter(self, request: Request | None) -> MapAdapter | None:
        """What finds the route."""
        if request is None:
            return super().create_url_adapter(request)
        return self.url_map.bind(
            request.host,
            script_name=request.root_path,
            url_scheme=request.scheme,
            default_method=request.method,
            path_info=request.path,
        )


class _NoSessions(SessionInterface):
    _none: Final = NullSession()

    def open_session(self, app: Flask, request: Request) -> SessionMixin:
        """One that holds nothing, for all."""
        return self._none

    def is_null_session(self, obj: object) -> bool:
        """Nothing is ever to be saved."""
        return True
