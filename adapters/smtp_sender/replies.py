"""Bytes of a mail server in, replies out: RFC 5321 section 4.2, read strictly.

smtplib reads without a limit, takes ``550-no`` + ``250 ok`` for a success and garbage for a code.
Here anything that is not a well-formed reply ends the dialogue.
"""

import re
from typing import Final

import attrs

from domain.handoff import Reply

MAX_BYTES: Final = 64 * 1024
MAX_LINES: Final = 100
_LINE: Final = re.compile(rb"([2-5][0-9]{2})(?:([ -])([^\r\n]*))?")


class Malformed(Exception):
    """What came is not an SMTP reply, or is larger than any reply has reason to be."""


@attrs.frozen
class ServerReply:
    """One reply as it stood on the wire, a text for each line."""

    code: int
    lines: tuple[str, ...]

    @property
    def positive(self) -> bool:
        """2xx."""
        return self.code < 300

    @property
    def intermediate(self) -> bool:
        """3xx."""
        return 300 <= self.code < 400

    def as_reply(self) -> Reply:
        """The domain's value: one text, its enhanced status recognised."""
        return Reply.of(self.code, " ".join(self.lines))


class ReplyParser:
    """Collects bytes and gives out whole replies. Holds at most one reply's cap and one read."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._lines: list[str] = []
        self._code = b""
        self._size = 0

    @property
    def empty(self) -> bool:
        """Whether every byte that came has been given out."""
        return not self._buffer and not self._lines

    def feed(self, octets: bytes) -> None:
        """Add what was read."""
        self._buffer += octets

    def next(self) -> ServerReply | None:
        """The next whole reply, None if more bytes are needed. Malformed if it cannot be one."""
        while (end := self._buffer.find(b"\r\n")) >= 0:
            line = bytes(self._buffer[:end])
            del self._buffer[: end + 2]
            self._size += end + 2
            last = self._add(line)
            if last:
                return self._whole()
        if self._size + len(self._buffer) > MAX_BYTES:
            raise Malformed(f"a reply of more than {MAX_BYTES} bytes")
        return None

    def _add(self, line: bytes) -> bool:
        match = _LINE.fullmatch(line)
        if match is None:
            raise Malformed("not an SMTP reply")
        code, separator, text = match.groups()
        if self._code and code != self._code:
            raise Malformed("a reply with two codes")
        self._code = code
        self._lines.append((text or b"").decode("utf-8", "replace"))
        if self._size > MAX_BYTES or len(self._lines) > MAX_LINES:
            raise Malformed(f"a reply of more than {MAX_BYTES} bytes or {MAX_LINES} lines")
        return bool(separator != b"-")

    def _whole(self) -> ServerReply:
        reply = ServerReply(int(self._code), tuple(self._lines))
        self._lines, self._code, self._size = [], b"", 0
        return reply
