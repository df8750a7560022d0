"""Calls a WSGI application in worker threads, once a request has been read completely.

One hand-over to the thread and one back: general bridges between ASGI and WSGI pass each piece of
a body between the threads. An answer is passed back whole too.
"""

import asyncio
import logging
import queue
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from io import BytesIO
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote_to_bytes

import attrs

from entrypoints.http.refusals import INTERNAL, Refusal, encoded

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_log = logging.getLogger("email_service.server")

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


def refused(refusal: Refusal, environ: Mapping[str, Any]) -> Answer:
    """The response to a request that is refused before the application sees it."""
    headers, body = refusal.headers_and_body(environ.get("HTTP_X_REQUEST_ID", ""))
    return Answer(refusal.status, headers, body)


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


class Workers:
    """Worker threads of an event loop."""

    def __init__(self, count: int, *, name: str, begin: Callable[[], object]) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._begin = begin
        self._asked: queue.SimpleQueue[tuple[asyncio.Future[Answer], Callable[[], Answer]] | None]
        self._asked = queue.SimpleQueue()
        self._done: deque[tuple[asyncio.Future[Answer], Answer]] = deque()
        self._told = False
        self._threads = [
            threading.Thread(target=self._run, name=f"{name}-{number}", daemon=True)
            for number in range(count)
        ]

    def start(self) -> None:
        """Call it in the event loop that they work for."""
        self._loop = asyncio.get_running_loop()
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Start no more work; work in progress may finish. From any thread."""
        for _ in self._threads:
            self._asked.put(None)

    def do(self, work: Callable[[], Answer]) -> "asyncio.Future[Answer]":
        """Run *work* in a thread and return its result."""
        assert self._loop is not None
        future: asyncio.Future[Answer] = self._loop.create_future()
        self._asked.put((future, work))
        return future

    def _run(self) -> None:
        self._begin()
        while (asked := self._asked.get()) is not None:
            future, work = asked
            try:
                answer = work()
            except BaseException:  # a bug in the work must not end the thread
                _log.exception("a request could not be answered")
                answer = refused(INTERNAL, {})
            self._done.append((future, answer))
            del asked, future, work, answer  # an idle thread keeps no request alive
            if not self._told:
                self._told = True
                self._tell()

    def _tell(self) -> None:
        assert self._loop is not None
        try:
            self._loop.call_soon_threadsafe(self._hand_back)
        except RuntimeError:  # the loop has ended, so nothing awaits the result
            return

    def _hand_back(self) -> None:
        self._told = False  # first: a thread that finishes from now on notifies again
        while self._done:
            future, answer = self._done.popleft()
            if not future.done():
                future.set_result(answer)
