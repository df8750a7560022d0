"""The ASGI application: judges a request, reads its body, and lets the WSGI application answer.

Everything that waits for a client, for a place or for a turn waits here, in the event loop, and
holds no thread.
"""

from collections.abc import Awaitable, Callable, Mapping
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

import attrs

from entrypoints.http.dialects.registry import Dialects
from entrypoints.http.judgement import JUDGEMENT, Judgement
from entrypoints.http.refusals import INTERNAL, NO_PLACE, NO_ROOM, TOO_LARGE, Refusal
from entrypoints.http.server.bridge import (
    Answer,
    call,
    environ_of,
    refused,
    with_body,
)
from entrypoints.http.server.front import FRONT, Front
from entrypoints.http.server.limits import Limits
from entrypoints.http.server.places import Places, Turns
from entrypoints.runtime.budget import Budget
from entrypoints.runtime.workers import Workers

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication, WSGIEnvironment

Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

HEALTH: Final = ("/healthz", "/readyz")
_READING: Final = frozenset({"GET", "HEAD"})
_CLOSE: Final = (b"connection", b"close")


def _failed() -> Answer:
    return refused(INTERNAL, {})


class _Left(Exception):
    """The client has closed the connection."""


class _Refused(Exception):
    """The request is refused before its body is read."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status)
        self.answer = answer


@attrs.define
class _Body:
    """The part of a body that was received, and its share of the memory budget."""

    parts: list[bytes] = attrs.field(factory=list)
    size: int = 0
    reserved: int = 0


class Guard:
    """An ASGI application in front of the WSGI application *app*."""

    def __init__(
        self,
        app: "WSGIApplication",
        limits: Limits,
        *,
        workers: int,
        reads: int | None,
        draining: Callable[[], bool],
        begin: Callable[[], object],
        dialects: Dialects,
    ) -> None:
        self._app = app
        self._dialects = dialects
        self._limits = limits
        self._draining = draining
        self._workers = Workers(workers, name="http", failed=_failed, begin=begin)
        self._health = {
            path: Workers(1, name=f"http-{path[1:]}", failed=_failed) for path in HEALTH
        }
        self._turns = Turns(reads)
        self._places = Places(most=limits.calls_of_key, wait_s=limits.wait_for_place_s)
        self._budget = Budget(limits.bodies_bytes)
        self._started = False

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        """Answer one request."""
        if not self._started:
            self._start()
        front: Front = scope["state"][FRONT]
        body = _Body()
        try:
            environ = environ_of(scope)
            try:
                await self._read(environ, receive, body)
                answer = await self._answer(environ, body, front)
            except _Refused as error:
                answer = error.answer
                answer.headers.append(_CLOSE)
            if self._draining():
                answer.headers.append(_CLOSE)
            await send(
                {
                    "type": "http.response.start",
                    "status": answer.status,
                    "headers": answer.headers,
                }
            )
            await send({"type": "http.response.body", "body": answer.body})
        except _Left:
            return
        finally:
            self._budget.give_back(body.reserved)
            front.answered()

    @property
    def body_bytes_left(self) -> int:
        """The octets left in the memory budget for bodies."""
        return self._budget.left

    def stop(self) -> None:
        """Start no more calls. From any thread."""
        for workers in (self._workers, *self._health.values()):
            workers.stop()

    def _start(self) -> None:
        self._started = True
        for workers in (self._workers, *self._health.values()):
            workers.start()

    # -- the body -------------------------------------------------------------------------------

    async def _read(self, environ: "WSGIEnvironment", receive: Receive, body: _Body) -> None:
        """Read the body; a longer one only after the caller was authorised to send it."""
        declared: str | None = environ.get("CONTENT_LENGTH")
        chunked = "HTTP_TRANSFER_ENCODING" in environ
        if not chunked and declared in (None, "0"):
            return
        free = self._limits.unjudged_bytes
        if declared is not None:
            size = int(declared)
            if size > free:
                await self._judge(environ)
                free = size
            if not self._budget.take(size):
                raise _Refused(self._refused(NO_ROOM, environ))
            body.reserved = size
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise _Left
            part: bytes = message.get("body", b"")
            if part:
                body.parts.append(part)
                body.size += len(part)
            if chunked:
                self._reserve(len(part), body, environ)
            if not message.get("more_body", False):
                return
            if body.size > free:
                await self._judge(environ)
                free = self._limits.body_bytes

    def _reserve(self, number: int, body: _Body, environ: "WSGIEnvironment") -> None:
        if body.size > self._limits.body_bytes:
            raise _Refused(self._refused(TOO_LARGE, environ))
        if not self._budget.take(number):
            raise _Refused(self._refused(NO_ROOM, environ))
        body.reserved += number

    async def _judge(self, environ: "WSGIEnvironment") -> None:
        """Ask the application whether it would refuse the request without its body."""
        judgement = environ[JUDGEMENT] = Judgement()
        asked = with_body(dict(environ), b"")
        answer = await self._workers.do(lambda: call(self._app, asked))
        if not judgement.passed:
            raise _Refused(answer)

    def _refused(self, refusal: Refusal, environ: "WSGIEnvironment") -> Answer:
        return refused(refusal, environ, self._dialects)

    # -- the call -------------------------------------------------------------------------------

    async def _answer(self, environ: "WSGIEnvironment", body: _Body, front: Front) -> Answer:
        with_body(environ, body.parts[0] if len(body.parts) == 1 else b"".join(body.parts))
        body.parts.clear()
        health = self._health.get(environ["PATH_INFO"])
        if health is not None:
            return await health.do(lambda: call(self._app, environ))
        key = self._dialects.presented_key(environ)
        if key is None:
            return await self._call(environ)
        place = sha256(key.encode("latin-1")).digest()
        if not await self._places.take(place):
            return self._refused(NO_PLACE, environ)
        try:
            if front.gone:
                raise _Left
            return await self._call(environ)
        finally:
            self._places.leave(place)

    async def _call(self, environ: "WSGIEnvironment") -> Answer:
        if environ["REQUEST_METHOD"] not in _READING:
            return await self._workers.do(lambda: call(self._app, environ))
        if not self._turns.try_take():
            await self._turns.take()
        try:
            return await self._workers.do(lambda: call(self._app, environ))
        finally:
            self._turns.leave()
