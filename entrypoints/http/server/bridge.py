"""Calls a WSGI application, once a request has been read completely.

One hand-over to a worker thread and one back: general bridges between ASGI and WSGI pass each piece
of a body between the threads. An answer is passed back whole too.
"""

import sys
from collections.abc import Iterable, Mapping
from io import BytesIO
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote_to_bytes

import attrs

from entrypoints.http.dialects.registry import NO_DIALECTS, Dialects
from entrypoints.http.refusals import Refusal, encoded

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

# A bounded cache of header names, beside the two that have no HTTP_
_KEYS: Final = {b"content-type": "CONTENT_TYPE", b"content-length": "CONTENT_LENGTH"}
_MOST_KEYS: Final = 256
_CHUNKED: Final = "HTTP_TRANSFER_ENCODING"

Headers = list[tuple[bytes, bytes]]


@attrs.frozen
class Answer:
    """A complete response."""

    status: int
    headers: Headers
    body: bytes


def refused(
    refusal: Refusal, environ: Mapping[str, Any], dialects: Dialects = NO_DIALECTS
) -> Answer:
    """The response to a request that is refused before the application sees it."""
    dialect = dialects.of(environ.get("PATH_INFO", ""))
    reply = refusal.reply_to(environ.get("HTTP_X_REQUEST_ID", ""), dialect)
    return Answer(reply.status, reply.headers, reply.body)


def environ_of(scope: Mapping[str, Any]) -> "WSGIEnvironment":
    """The request as PEP 3333 wants it, still without its body."""
    path: bytes = scope["raw_path"]
    server = scope["server"] or ("", 0)
    client = scope["client"] or ("", 0)
    environ: WSGIEnvironment = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": "",
        "PATH_INFO": (unquote_to_bytes(path) if b"%" in path else path).decode("latin-1"),
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "SERVER_NAME": server[0],
        "SERVER_PORT": str(server[1]),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "REMOTE_ADDR": client[0],
        "REMOTE_PORT": str(client[1]),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope["scheme"],
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    for name, value in scope["headers"]:
        key = _KEYS.get(name) or _key(name)
        text = value.decode("latin-1")
        environ[key] = f"{environ[key]},{text}" if key in environ else text
    return environ


def _key(name: bytes) -> str:
    """The WSGI environment's name of a header."""
    key = "HTTP_" + name.decode("latin-1").upper().replace("-", "_")
    if len(_KEYS) < _MOST_KEYS:
        _KEYS[name] = key
    return key


def with_body(environ: "WSGIEnvironment", body: bytes) -> "WSGIEnvironment":
    """The environ of a request whose body was read; its framing headers are gone."""
    if environ.pop(_CHUNKED, None) is not None:
        environ["CONTENT_LENGTH"] = str(len(body))
    environ["wsgi.input"] = BytesIO(body)
    return environ


def call(app: "WSGIApplication", environ: "WSGIEnvironment") -> Answer:
    """The response of the application."""
    given: list[tuple[str, list[tuple[str, str]]]] = []

    def start_response(status: str, headers: list[tuple[str, str]], _: Any = None) -> Any:
        given.append((status, headers))
        return written.append

    written: list[bytes] = []
    start: StartResponse = start_response
    result: Iterable[bytes] = app(environ, start)
    try:
        body = b"".join([*written, *result])
    finally:
        close = getattr(result, "close", None)
        if close is not None:
            close()
    status, headers = given[-1]
    return Answer(int(status[:3]), encoded(headers), body)
