"""What stands between a client's socket and uvicorn: size, time and form of a request's octets.

httptools has no limits, and uvicorn with it neither: a header, a chunk's size line or a trailer may
be endless and arrive one octet a minute. So each connection has a `Front`, which parses what comes
with a parser of its own and passes on only what is within the limits. What is not is answered here,
as a problem, and the connection is closed.

uvicorn's own protocol stands behind it unchanged, and is used through the methods of
``asyncio.Protocol`` alone; what it writes passes through a transport that sends the head and the
body of a reply together, and closes gently.
"""

import asyncio
import re
from enum import Enum
from typing import Any, Final

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from entrypoints.http.refusals import (
    BAD_REQUEST,
    HEADERS_TOO_LARGE,
    NO_CONNECTION,
    NOT_IMPLEMENTED,
    TIMEOUT,
    TOO_LARGE,
    Refusal,
)
from entrypoints.http.server.connections import Connections
from entrypoints.http.server.limits import Limits

FRONT: Final = "front"  # where the guard finds it, in the state of an ASGI scope
_PATH: Final = re.compile(rb"/[!-\"$-~]*")
_URL: Final = re.compile(rb"https?://[^/?#]+/[!-\"$-~]*", re.IGNORECASE)
_UPGRADE: Final = re.compile(rb"\r\nupgrade:", re.IGNORECASE)
_LENGTH: Final = re.compile(rb"[0-9]{1,18}")
_HOST: Final = re.compile(rb"[A-Za-z0-9._~%!$&'()*+,;=:\[\]-]{1,255}")
_END_OF_HEAD: Final = b"\r\n\r\n"
_LINE_OVERHEAD: Final = 4  # ": " and the end of the line
_NEVER: Final = 2**62  # the place of what was not found: find answers -1


class _Part(Enum):
    """What of a request comes next."""

    NOTHING_YET = 0
    HEAD = 1
    BODY = 2
    WHOLE = 3


class Refused(Exception):
    """The request is answered with a refusal."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.code)
        self.refusal = refusal


class Front(asyncio.Protocol):
    """One connection. A subclass says which `Limits` and `Connections` are meant."""

    limits: Limits
    connections: Connections

    def __init__(self, **given: Any) -> None:
        # Any: uvicorn hands over what its own protocol wants, and nobody else looks at it
        self._loop = asyncio.get_running_loop()
        self._server = HttpToolsProtocol(**(given | {"app_state": {FRONT: self}}))
        self._reader = _Reader(self.limits)
        self._address = ""
        self._transport: _Transport | None = None
        self._deadline: float | None = self._loop.time() + self.limits.header_s
        self._reply_deadline: float | None = None
        self._admitted = False
        self._unanswered = 0
        self._refusal: Refusal | None = None
        self._deaf = False  # nothing more is wanted of the client
        self._swallowed = 0
        self.gone = False

    # -- asyncio.Protocol -----------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection, or turn it away."""
        assert isinstance(transport, asyncio.Transport)
        peer = transport.get_extra_info("peername")
        self._address = str(peer[0]) if isinstance(peer, tuple) else ""
        self._transport = _Transport(transport, self)
        if not self.connections.admit(self, self._address):
            self._deaf = True
            transport.write(NO_CONNECTION.reply())
            transport.close()
            return
        self._admitted = True
        self._server.connection_made(self._transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """The client has gone, or was sent away."""
        self.gone = True
        self.connections.leave(self, self._address)
        if self._transport is not None:
            self._transport.lost()
        if self._admitted:
            self._server.connection_lost(exc)

    def eof_received(self) -> bool | None:
        """The client sends nothing more: what it has asked is still answered."""
        if self._deaf or not self._unanswered:
            return None
        self._deaf = True
        self._deadline = None
        if self._reader.part in (_Part.HEAD, _Part.BODY):
            return None  # what was begun will never be whole
        assert self._transport is not None
        self._transport.close_when_answered = True
        return True

    def pause_writing(self) -> None:
        """The client does not take its reply."""
        self._reply_deadline = self._loop.time() + self.limits.reply_s
        self._server.pause_writing()

    def resume_writing(self) -> None:
        """It does."""
        self._reply_deadline = None
        self._server.resume_writing()

    def data_received(self, data: bytes) -> None:
        """Look at what has come, and pass it on if it may."""
        if self._deaf:
            self._swallow(len(data))
            return
        reader = self._reader
        part_before, whole_before = reader.part, reader.whole
        try:
            if reader.part is not _Part.BODY:
                data = _without_upgrade(data)
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

    def _set_deadline(self, part: _Part) -> None:
        """For what a request now waits for; an answer that is under way has none here."""
        if part is _Part.WHOLE:
            self._deadline = None
        elif part is _Part.BODY:
            self._deadline = self._loop.time() + self.limits.body_s
        elif self._deadline is None or self._reader.whole:
            self._deadline = self._loop.time() + self.limits.header_s

    # -- what the guard and `Connections` ask for -------------------------------------------------

    @property
    def resting(self) -> bool:
        """Whether no request is being answered."""
        return not self._unanswered

    def answered(self) -> None:
        """One more of its requests has got its reply."""
        self._unanswered -= 1
        if self._unanswered:
            return
        self.connections.rested(self, self._address)
        if self._reader.part is _Part.WHOLE:
            self._deadline = self._loop.time() + self.limits.idle_s
        if self._refusal is not None:
            self._send_refusal()
        elif self._transport is not None and self._transport.close_when_answered:
            self._transport.close()

    def look(self, now: float) -> None:
        """Refuse or close what is late."""
        if self._transport is None:
            return
        if self._reply_deadline is not None and now >= self._reply_deadline:
            self._transport.abort()
        elif self._deadline is not None and now >= self._deadline:
            self._deadline = None
            if self._deaf or self._reader.part in (_Part.NOTHING_YET, _Part.WHOLE):
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
        """Whether the client may still be sending what is not wanted any more."""
        return self._refusal is not None or self._reader.part is _Part.BODY

    def linger(self) -> None:
        """Hear, for a moment, what the client goes on sending: a reset would take the reply away
        from it.
        """
        self._deaf = True
        self._deadline = self._loop.time() + self.limits.linger_s

    # -- refusing -------------------------------------------------------------------------------

    def _refuse(self, refusal: Refusal) -> None:
        """Answer it, once the requests before have been answered."""
        self._deaf = True
        self._deadline = None
        self._refusal = refusal
        before = self._unanswered - (self._reader.part is _Part.BODY and self._reader.passed_on)
        if before <= 0:
            self._send_refusal()

    def _send_refusal(self) -> None:
        assert self._transport is not None
        assert self._refusal is not None
        if not self._transport.is_closing():
            self._transport.write(self._refusal.reply())
            self._transport.close()

    def _swallow(self, number: int) -> None:
        self._swallowed += number
        if self._transport is not None and self._swallowed > self.limits.linger_bytes:
            self._transport.abort()


class _Reader:
    """Follows the requests of a connection, and raises `Refused` for one that may not go on."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._parser = httptools.HttpRequestParser(self)
        self.part = _Part.NOTHING_YET
        self.whole = 0  # requests that have come to their end
        self.last = False  # the client wants the connection closed after the last of them
        self.passed_on = False
        self._begun = 0
        self._head_ended = False
        self._raw_head = 0
        self._tail = b""
        self._raw_body = 0
        self._refusal: Refusal | None = None
        self._clear()

    def _clear(self) -> None:
        self._target = b""
        self._headers = 0
        self._head = 0
        self._hosts = 0
        self._length: int | None = None
        self._chunked = False
        self._body = 0

    def take_begun(self) -> int:
        """How many requests have come to the end of their headers since."""
        begun, self._begun = self._begun, 0
        if begun:
            self.passed_on = True
        return begun

    def feed(self, data: bytes) -> None:
        """Read on."""
        part_before = self.part
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            # what follows a last request is nobody's
            if self._refusal is not None or not self.last:
                raise Refused(self._refusal or BAD_REQUEST) from None
        self._check_sizes(data, part_before)

    def _check_sizes(self, data: bytes, before: _Part) -> None:
        if before is not _Part.BODY:
            self._count_head(data)
        elif self._chunked:
            self._raw_body += len(data)
            if self._raw_body - 2 * self._body > self._limits.overhead_bytes:
                raise Refused(BAD_REQUEST)

    def _count_head(self, data: bytes) -> None:
        """What precedes the end of the headers, blanks too, of which the parser tells nothing."""
        most = self._limits.header_bytes
        if self._head_ended:
            self._head_ended = False
            if self._raw_head:
                self._raw_head += (self._tail + data[:most]).find(_END_OF_HEAD) % _NEVER
            else:
                self._raw_head = data.find(_END_OF_HEAD) % _NEVER
            fits = self._raw_head <= most
            self._raw_head, self._tail = 0, b""
        else:
            self._raw_head += len(data)
            self._tail = (self._tail + data)[-3:]
            fits = self._raw_head <= most
        if not fits:
            raise Refused(HEADERS_TOO_LARGE)

    # -- what httptools calls ---------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """The first octet of a request."""
        self.part = _Part.HEAD
        self.passed_on = False
        self._raw_body = 0
        self._clear()

    def on_url(self, url: bytes) -> None:
        """A piece of what the request is for."""
        self._target += url
        if len(self._target) > self._limits.target_bytes:
            self._refuse(HEADERS_TOO_LARGE)

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header, or a line of the trailer: uvicorn would take it for a header."""
        if self.part is not _Part.HEAD:
            self._refuse(BAD_REQUEST)
        self._headers += 1
        self._head += len(name) + len(value) + _LINE_OVERHEAD
        if self._headers > self._limits.headers or self._head > self._limits.header_bytes:
            self._refuse(HEADERS_TOO_LARGE)
        name = name.lower()
        if b"_" in name:  # WSGI could not tell it from the one with a dash
            self._refuse(BAD_REQUEST)
        elif name == b"host":
            self._hosts += 1
            if not _HOST.fullmatch(value):
                self._refuse(BAD_REQUEST)
        elif name == b"content-length":
            if not _LENGTH.fullmatch(value):
                self._refuse(BAD_REQUEST)
            self._length = int(value)
        elif name == b"transfer-encoding":
            if value.lower() != b"chunked" or self._chunked:
                self._refuse(NOT_IMPLEMENTED)
            self._chunked = True

    def on_headers_complete(self) -> None:
        """All of them are there."""
        old = self._parser.get_http_version() == "1.0"
        if (
            self._parser.get_http_version() not in ("1.0", "1.1")
            or self._hosts > 1
            or (self._hosts == 0 and not old)
            or self._parser.should_upgrade()
            or (self._chunked and (old or self._length is not None))
            or not _is_target(self._target)
        ):
            self._refuse(BAD_REQUEST)
        if self._length is not None and self._length > self._limits.body_bytes:
            self._refuse(TOO_LARGE)
        self.part = _Part.BODY
        self._head_ended = True
        self._begun += 1

    def on_body(self, body: bytes) -> None:
        """A piece of it."""
        self._body += len(body)

    def on_message_complete(self) -> None:
        """The request is whole."""
        self.part = _Part.WHOLE
        self.whole += 1
        if not self._parser.should_keep_alive():
            self.last = True

    def _refuse(self, refusal: Refusal) -> None:
        """Stop the parser; `feed` finds the reason here."""
        self._refusal = self._refusal or refusal
        raise Refused(refusal)


def _without_upgrade(data: bytes) -> bytes:
    """The octets that begin a request, with its Upgrade header made into one that means nothing.

    To change the protocol is an offer that need not be taken. The parser takes it, and what
    follows, a body too, for something else than HTTP.
    """
    end = data.find(_END_OF_HEAD)
    head = data if end < 0 else data[:end]
    if b"pgrade" not in head and b"PGRADE" not in head:
        return data
    return _UPGRADE.sub(b"\r\nignored:", head) + data[len(head) :]


def _is_target(target: bytes) -> bool:
    """Whether uvicorn will find a path in it."""
    if not _PATH.fullmatch(target) and not _URL.fullmatch(target):
        return False
    try:
        return httptools.parse_url(target).path is not None
    except httptools.HttpParserInvalidURLError:
        return False


class _Transport(asyncio.Transport):
    """The connection's transport as uvicorn sees it."""

    def __init__(self, real: asyncio.Transport, front: Front) -> None:
        super().__init__()
        self._real = real
        self._front = front
        self._loop = asyncio.get_running_loop()
        self._kept: list[bytes] = []
        self._closing = False
        self.close_when_answered = False

    def write(self, data: Any) -> None:
        """Send it with all that is written in this turn of the loop."""
        if not self._kept:
            self._loop.call_soon(self._flush)
        self._kept.append(data)

    def _flush(self) -> None:
        kept, self._kept = self._kept, []
        if kept:
            self._real.write(kept[0] if len(kept) == 1 else b"".join(kept))

    def close(self) -> None:
        """Close it when everything is sent; gently, if the client is still sending."""
        if self._closing:
            return
        self._closing = True
        self._flush()
        if self._front.unfinished and self._real.can_write_eof() and not self._real.is_closing():
            self._front.linger()
            self._real.resume_reading()
            self._real.write_eof()
        else:
            self._real.close()

    def end(self) -> None:
        """Close it, whatever the client is still sending."""
        self._closing = True
        self._flush()
        self._real.close()

    def abort(self) -> None:
        """Close it, whatever is left."""
        self._closing = True
        self._kept.clear()
        self._real.abort()

    def lost(self) -> None:
        """Nothing can be sent any more."""
        self._closing = True
        self._kept.clear()

    def is_closing(self) -> bool:
        """Whether it was closed, or is being."""
        return self._closing or self._real.is_closing()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """What the real one knows."""
        return self._real.get_extra_info(name, default)

    def pause_reading(self) -> None:
        """Hear nothing for now."""
        if not self._closing:
            self._real.pause_reading()

    def resume_reading(self) -> None:
        """Hear again."""
        if not self.is_closing():
            self._real.resume_reading()
