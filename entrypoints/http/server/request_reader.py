"""Parses the requests of a connection, and refuses one that exceeds the limits."""

import re
from enum import Enum
from typing import Final

import httptools

from entrypoints.http.refusals import (
    BAD_REQUEST,
    HEADERS_TOO_LARGE,
    NOT_IMPLEMENTED,
    TOO_LARGE,
    Refusal,
)
from entrypoints.http.server.limits import Limits

_PATH: Final = re.compile(rb"/[!-\"$-~]*")
_URL: Final = re.compile(rb"https?://[^/?#]+/[!-\"$-~]*", re.IGNORECASE)
_UPGRADE: Final = re.compile(rb"\r\nupgrade:", re.IGNORECASE)
_LENGTH: Final = re.compile(rb"[0-9]{1,18}")
_HOST: Final = re.compile(rb"[A-Za-z0-9._~%!$&'()*+,;=:\[\]-]{1,255}")
_END_OF_HEAD: Final = b"\r\n\r\n"
_LINE_OVERHEAD: Final = 4  # ": " and the end of the line
_NEVER: Final = 2**62  # stands for "not found", where find returns -1


class Part(Enum):
    """The part of a request that is read next."""

    NOTHING_YET = 0
    HEAD = 1
    BODY = 2
    WHOLE = 3


class Refused(Exception):
    """The request is refused."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.code)
        self.refusal = refusal


class RequestReader:
    """Parses the requests of a connection. Raises `Refused` for one that exceeds the limits."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._parser = httptools.HttpRequestParser(self)
        self.part = Part.NOTHING_YET
        self.whole = 0  # requests that were read completely
        self.last = False  # the client wants the connection closed after this one
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
        """How many requests have reached the end of their headers since the last call."""
        begun, self._begun = self._begun, 0
        if begun:
            self.passed_on = True
        return begun

    @property
    def path(self) -> str:
        """The path of the request that is read, as far as there is one."""
        if not _PATH.fullmatch(self._target):
            return ""
        return self._target.partition(b"?")[0].decode("ascii")

    def feed(self, data: bytes) -> None:
        """Parse more octets."""
        part_before = self.part
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            # what follows the last request is discarded
            if self._refusal is not None or not self.last:
                raise Refused(self._refusal or BAD_REQUEST) from None
        self._check_sizes(data, part_before)

    def _check_sizes(self, data: bytes, before: Part) -> None:
        if before is not Part.BODY:
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
        self.part = Part.HEAD
        self.passed_on = False
        self._raw_body = 0
        self._clear()

    def on_url(self, url: bytes) -> None:
        """A piece of the request's target."""
        self._target += url
        if len(self._target) > self._limits.target_bytes:
            self._refuse(HEADERS_TOO_LARGE)

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header, or a line of the trailer: uvicorn would take it for a header."""
        if self.part is not Part.HEAD:
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
        """The headers are complete."""
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
        self.part = Part.BODY
        self._head_ended = True
        self._begun += 1

    def on_body(self, body: bytes) -> None:
        """A piece of the body."""
        self._body += len(body)

    def on_message_complete(self) -> None:
        """The request is complete."""
        self.part = Part.WHOLE
        self.whole += 1
        if not self._parser.should_keep_alive():
            self.last = True

    def _refuse(self, refusal: Refusal) -> None:
        """Stop the parser; `feed` finds the reason here."""
        self._refusal = self._refusal or refusal
        raise Refused(refusal)


def without_upgrade(data: bytes) -> bytes:
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
