"""Checks what a client sends before uvicorn sees it: the size, time and form of its requests.

httptools has no limits, and uvicorn with it neither: a header, a chunk's size line or a trailer may
be endless and arrive one octet a minute. So each connection has a `Front`, which parses what comes
with a parser of its own and passes on only what is within the limits. What is not is answered here,
as a problem, and the connection is closed.

uvicorn's own protocol stands behind it unchanged, and is used through the methods of
``asyncio.Protocol`` alone; what it writes passes through a transport that sends the head and the
body of a reply together, and closes gently.
"""

import asyncio
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from entrypoints.http.dialects.registry import NO_DIALECTS, Dialects
from entrypoints.http.refusals import (
    NO_CONNECTION,
    TIMEOUT,
    Refusal,
)
from entrypoints.http.server.limits import Limits
from entrypoints.http.server.request_reader import Part, Refused, RequestReader, without_upgrade
from entrypoints.http.server.transport import ReplyTransport
from entrypoints.runtime.connections import Connections

FRONT: Final = "front"  # where the guard finds it, in the state of an ASGI scope


class Front(asyncio.Protocol):
    """The protocol of one connection. A subclass sets `limits` and `connections`."""

    limits: Limits
    connections: Connections
    dialects: Dialects = NO_DIALECTS

    def __init__(self, **given: Any) -> None:
        # Any: these are the arguments of uvicorn's own protocol
        self._loop = asyncio.get_running_loop()
        self._server = HttpToolsProtocol(**(given | {"app_state": {FRONT: self}}))
        self._reader = RequestReader(self.limits)
        self._address = ""
        self._transport: ReplyTransport | None = None
        self._deadline: float | None = self._loop.time() + self.limits.header_s
        self._reply_deadline: float | None = None
        self._admitted = False
        self._unanswered = 0
        self._refusal: Refusal | None = None
        self._deaf = False  # what the client still sends is discarded
        self._swallowed = 0
        self.gone = False

    # -- asyncio.Protocol -----------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Admit the connection or refuse it."""
        assert isinstance(transport, asyncio.Transport)
        peer = transport.get_extra_info("peername")
        self._address = str(peer[0]) if isinstance(peer, tuple) else ""
        self._transport = ReplyTransport(transport, self)
        if not self.connections.admit(self, self._address):
            self._deaf = True
            transport.write(NO_CONNECTION.reply_to().octets())
            transport.close()
            return
        self._admitted = True
        self._server.connection_made(self._transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection has ended."""
        self.gone = True
        self.connections.leave(self, self._address)
        if self._transport is not None:
            self._transport.lost()
        if self._admitted:
            self._server.connection_lost(exc)

    def eof_received(self) -> bool | None:
        """The client has closed its side: requests that it has sent are still answered."""
        if self._deaf or not self._unanswered:
            return None
        self._deaf = True
        self._deadline = None
        if self._reader.part in (Part.HEAD, Part.BODY):
            return None  # an incomplete request will never be complete
        assert self._transport is not None
        self._transport.close_when_answered = True
        return True

    def pause_writing(self) -> None:
        """The client does not read its response."""
        self._reply_deadline = self._loop.time() + self.limits.reply_s
        self._server.pause_writing()

    def resume_writing(self) -> None:
        """The client reads its response again."""
        self._reply_deadline = None
        self._server.resume_writing()

    def data_received(self, data: bytes) -> None:
        """Check what was received, and pass it on if it is within the limits."""
        if self._deaf:
            self._swallow(len(data))
            return
        reader = self._reader
        part_before, whole_before = reader.part, reader.whole
        try:
            if reader.part is not Part.BODY:
                data = without_upgrade(data)
            reader.feed(data)
            self._unanswered += reader.take_begun()
            self._server.data_received(data)
        except Refused as error:
            self._refuse(error.refusal)
            return
        if reader.part is not part_before or reader.whole != whole_before:
            self._set_deadline(reader.part)
        if reader.last:
            self._deaf = True

    def _set_deadline(self, part: Part) -> None:
        """Set the deadline of the request's current part; a response in progress has none here."""
        if part is Part.WHOLE:
            self._deadline = None
        elif part is Part.BODY:
            self._deadline = self._loop.time() + self.limits.body_s
        elif self._deadline is None or self._reader.whole:
            self._deadline = self._loop.time() + self.limits.header_s

    # -- what the guard and `Connections` ask for -------------------------------------------------

    @property
    def resting(self) -> bool:
        """Whether no request is being answered."""
        return not self._unanswered

    def answered(self) -> None:
        """One more of its requests was answered."""
        self._unanswered -= 1
        if self._unanswered:
            return
        self.connections.rested(self, self._address)
        if self._reader.part is Part.WHOLE:
            self._deadline = self._loop.time() + self.limits.idle_s
        if self._refusal is not None:
            self._send_refusal()
        elif self._transport is not None and self._transport.close_when_answered:
            self._transport.close()

    def look(self, now: float) -> None:
        """Refuse the request, or close the connection, if it is past its deadline."""
        if self._transport is None:
            return
        if self._reply_deadline is not None and now >= self._reply_deadline:
            self._transport.abort()
        elif self._deadline is not None and now >= self._deadline:
            self._deadline = None
            if self._deaf or self._reader.part in (Part.NOTHING_YET, Part.WHOLE):
                self._transport.end()
            else:
                self._refuse(TIMEOUT)

    def drop(self) -> None:
        """Close it at once."""
        self.connections.leave(self, self._address)
        self._deaf = True
        if self._transport is not None:
            self._transport.end()

    @property
    def unfinished(self) -> bool:
        """Whether the client may still be sending what will be discarded."""
        return self._refusal is not None or self._reader.part is Part.BODY

    def linger(self) -> None:
        """Read for a moment what the client still sends: a reset would discard the response
        from it.
        """
        self._deaf = True
        self._deadline = self._loop.time() + self.limits.linger_s

    # -- refusing -------------------------------------------------------------------------------

    def _refuse(self, refusal: Refusal) -> None:
        """Send the refusal, after the responses to the requests before it."""
        self._deaf = True
        self._deadline = None
        self._refusal = refusal
        before = self._unanswered - (self._reader.part is Part.BODY and self._reader.passed_on)
        if before <= 0:
            self._send_refusal()

    def _send_refusal(self) -> None:
        assert self._transport is not None
        assert self._refusal is not None
        if not self._transport.is_closing():
            dialect = self.dialects.of(self._reader.path)
            self._transport.write(self._refusal.reply_to(dialect=dialect).octets())
            self._transport.close()

    def _swallow(self, number: int) -> None:
        self._swallowed += number
        if self._transport is not None and self._swallowed > self.limits.linger_bytes:
            self._transport.abort()
