"""Flask without what this service has no use for, because every call pays for it.

There are no sessions, no views that are coroutines, no WebSockets, no blueprints in blueprints, and
no host has routes of its own. What a client sees is the same.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final, cast

from flask import Flask, Request, Response, request
from flask.sessions import NullSession, SessionInterface, SessionMixin
from flask.typing import ResponseReturnValue
from werkzeug.datastructures import Headers
from werkzeug.routing import MapAdapter

from application.throttle import Allowance
from domain.access import Caller

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

_WITH_A_BODY: Final = frozenset({200, 201})


class LeanRequest(Request):
    """A request, with what its way in has found out about it."""

    request_id = ""
    caller: Caller | None = None
    allowance: Allowance | None = None


def the_request() -> LeanRequest:
    """The current request itself: to go through Flask's proxy for each look at it is a tenth of
    what a call costs.
    """
    return cast("LeanRequest", request._get_current_object())  # type: ignore[attr-defined]


class LeanResponse(Response):
    """A response whose headers are final where nothing is left to be worked out.

    ``last_headers`` are known to be right, and come after the others.
    """

    last_headers: Sequence[tuple[str, str]] = ()

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
            start_response(self.status, [*self.headers, *self.last_headers])
            return whole
        return super().__call__(environ, start_response)

    def get_wsgi_headers(self, environ: "WSGIEnvironment") -> Headers:
        """All of them."""
        headers = super().get_wsgi_headers(environ)
        for name, value in self.last_headers:
            headers.add(name, value)
        return headers


class LeanFlask(Flask):
    """The application, to be built like any other one."""

    request_class = LeanRequest
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

    def preprocess_request(self) -> ResponseReturnValue | None:
        """What the application and the route's blueprint want to be called before it."""
        asked = the_request()
        asked.max_content_length = self.config["MAX_CONTENT_LENGTH"]  # else it is looked up twice
        for scope in _scopes(asked):
            for before in self.before_request_funcs.get(scope, ()):
                answer = before()
                if answer is not None:
                    return cast("ResponseReturnValue", answer)
        return None

    def process_response(self, response: Response) -> Response:
        """And after it, the last one first."""
        for scope in reversed(_scopes(the_request())):
            for after in reversed(self.after_request_funcs.get(scope, ())):
                response = cast("Response", after(response))
        return response


def _scopes(asked: LeanRequest) -> Sequence[str | None]:
    """Whose functions are called: the application's, and those of the route's blueprint."""
    blueprint = asked.blueprint
    return (None,) if blueprint is None else (None, blueprint)


class _NoSessions(SessionInterface):
    _none: Final = NullSession()

    def open_session(self, app: Flask, request: Request) -> SessionMixin:
        """One that holds nothing, for all."""
        return self._none

    def is_null_session(self, obj: object) -> bool:
        """Nothing is ever to be saved."""
        return True
