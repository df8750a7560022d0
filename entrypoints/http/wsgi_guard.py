"""What gunicorn does not do: check the form of a request, let only 4 calls of a key run at once,
and let a client whose large body was refused see why.
The embedded server does the same in `entrypoints.http.server`, where a call that waits for a place
holds no thread.
"""

import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from hashlib import sha256
from socket import SHUT_WR, socket
from typing import TYPE_CHECKING, Any, Final

from werkzeug.wsgi import ClosingIterator

from entrypoints.http.dialects.registry import NO_DIALECTS, Dialects
from entrypoints.http.refusals import BAD_REQUEST, NO_PLACE, Refusal
from entrypoints.http.server.limits import Limits

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

MOST: Final = 4
WAIT_S: Final = 5.0
MOST_WAITING: Final = 4  # of the 16 threads that gunicorn.conf.py has
_HEALTH: Final = frozenset({"/healthz", "/readyz"})
_PIECE: Final = 2**16
_LIMITS: Final = Limits()


class GuardedCalls:
    """WSGI middleware: *app* answers a valid request once its key has a place."""

    def __init__(
        self,
        app: "WSGIApplication",
        *,
        most: int = MOST,
        wait_s: float = WAIT_S,
        most_waiting: int = MOST_WAITING,
        dialects: Dialects = NO_DIALECTS,
    ) -> None:
        self._app = app
        self._dialects = dialects
        self._places = ThreadPlaces(most=most, wait_s=wait_s, most_waiting=most_waiting)

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        """Handle one request."""
        connection: socket | None = environ.get("gunicorn.socket")
        if connection is None or not _is_large(environ):
            return self._answer(environ, start_response)
        refused = False

        def started(status: str, *rest: Any) -> Callable[[bytes], object]:
            nonlocal refused
            refused = status >= "400"
            return start_response(status, *rest)

        answer = self._answer(environ, started)
        return ClosingIterator(answer, [lambda: _end(connection)]) if refused else answer

    def _answer(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        if not _is_well_formed(environ):
            return self._refused(BAD_REQUEST, environ, start_response)
        key = self._dialects.presented_key(environ)
        if key is None or environ.get("PATH_INFO") in _HEALTH:
            return self._app(environ, start_response)
        place = sha256(key.encode("latin-1")).digest()
        if not self._places.take(place):
            return self._refused(NO_PLACE, environ, start_response)
        try:
            answer = self._app(environ, start_response)
        except BaseException:
            self._places.leave(place)
            raise
        leave: Callable[[], None] = lambda: self._places.leave(place)  # noqa: E731
        return ClosingIterator(answer, [leave])

    def _refused(
        self, refusal: Refusal, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> list[bytes]:
        dialect = self._dialects.of(environ.get("PATH_INFO", ""))
        reply = refusal.reply_to(environ.get("HTTP_X_REQUEST_ID", ""), dialect)
        text = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in reply.headers]
        start_response(f"{reply.status} {reply.title}", text)
        return [reply.body]


def _is_well_formed(environ: "WSGIEnvironment") -> bool:
    """Whether the request has a path and a host; HTTP/1.0 has no Host header."""
    has_host = environ.get("HTTP_HOST") or environ["SERVER_PROTOCOL"] == "HTTP/1.0"
    return bool(has_host) and environ["PATH_INFO"].startswith("/")


def _is_large(environ: "WSGIEnvironment") -> bool:
    """Whether the body is more than gunicorn itself reads after an answer.

    Chunked bodies are left to gunicorn: its parser of chunks is slow, and nginx sends none.
    """
    return int(environ.get("CONTENT_LENGTH") or 0) > _LIMITS.unjudged_bytes


def _end(connection: socket) -> None:
    """Say that nothing more comes, and read on until the client has closed its side too.

    A connection that is closed on an unread body is reset, and a client or nginx that still sends
    may lose the answer with it. One that sends on for `Limits.linger_s` loses it all the same.
    """
    buffer, left = bytearray(_PIECE), _LIMITS.linger_bytes
    deadline = time.monotonic() + _LIMITS.linger_s
    with suppress(OSError):
        connection.shutdown(SHUT_WR)
        while left > 0 and (patience := deadline - time.monotonic()) > 0:
            connection.settimeout(patience)
            received = connection.recv_into(buffer)
            if not received:
                return
            left -= received


class ThreadPlaces:
    """At most *most* calls of each key; others wait for *wait_s* at most, and each holds a thread.

    So at most *most_waiting* calls wait, of all keys together; one more is refused at once.
    """

    def __init__(self, *, most: int, wait_s: float, most_waiting: int) -> None:
        self._most = most
        self._wait_s = wait_s
        self._most_waiting = most_waiting
        self._waiting = 0
        self._running: dict[bytes, int] = {}
        self._changed = threading.Condition()

    def take(self, key: bytes) -> bool:
        """Whether there was a place in time. Give it back with `leave`."""
        with self._changed:
            if not self._is_free(key):
                if self._waiting >= self._most_waiting:
                    return False
                self._waiting += 1
                try:
                    if not self._changed.wait_for(lambda: self._is_free(key), self._wait_s):
                        return False
                finally:
                    self._waiting -= 1
            self._running[key] = self._running.get(key, 0) + 1
            return True

    def leave(self, key: bytes) -> None:
        """Give a place back."""
        with self._changed:
            self._running[key] -= 1
            if not self._running[key]:
                del self._running[key]
            if self._waiting:
                self._changed.notify_all()

    def _is_free(self, key: bytes) -> bool:
        return self._running.get(key, 0) < self._most
