"""Bytes of a mail server in, replies out: RFC 5321 section 4.2, read strictly.

smtplib reads without a limit, takes ``550-no`` + ``250 ok`` for a success and garbage for a code.
Here anything that is not a well-formed reply ends the dialogue.
"""

import re
from functools import lru_cache
from typing import Final

import attrs

from domain.outcome.handoff import Reply, joined

MAX_BYTES: Final = 64 * 1024
MAX_LINES: Final = 100
SHORT: Final = 120  # so long a line may be remembered
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
        text = self.lines[0] if len(self.lines) == 1 else joined(self.lines)
        return _known_reply(self.code, text) if len(text) <= SHORT else Reply.of(self.code, text)


class ReplyParser:
    """Collects bytes and gives out whole replies. Holds at most one reply's cap and one read."""

    def __init__(self) -> None:
        self._buffer = b""
        self._ahead: list[ServerReply] = []  # what comes before the buffer, the last first
        self._lines: list[str] = []
        self._code = 0
        self._size = 0

    @property
    def empty(self) -> bool:
        """Whether every byte that came has been given out."""
        return not (self._buffer or self._ahead or self._lines)

    def feed(self, octets: bytes) -> None:
        """Add what was read."""
        self._buffer += octets

    def next(self) -> ServerReply | None:
        """The next whole reply, None if more bytes are needed. Malformed if it cannot be one."""
        if self._ahead:
            return self._ahead.pop()
        while True:
            line, end, rest = self._buffer.partition(b"\r\n")
            if not end:
                break
            self._buffer = rest
            if not self._lines and len(line) <= SHORT and (alone := _known_alone(line)):
                if 0 < len(rest) <= SHORT and (ahead := _known_ahead(rest)):
                    self._buffer, self._ahead = b"", list(ahead)
                return alone
            self._size += len(line) + 2
            code, last, text = _known(line) if len(line) <= SHORT else _parsed(line)
            if self._lines and code != self._code:
                raise Malformed("a reply with two codes")
            self._code = code
            self._lines.append(text)
            if self._size > MAX_BYTES or len(self._lines) > MAX_LINES:
                raise Malformed(f"a reply of more than {MAX_BYTES} bytes or {MAX_LINES} lines")
            if last:
                lines, self._lines, self._size = tuple(self._lines), [], 0
                return ServerReply(code, lines)
        if self._size + len(self._buffer) > MAX_BYTES:
            raise Malformed(f"a reply of more than {MAX_BYTES} bytes")
        return None


def _parsed(line: bytes) -> tuple[int, bool, str]:
    """Code, whether it is the reply's last line, and text."""
    match = _LINE.fullmatch(line)
    if match is None:
        raise Malformed("not an SMTP reply")
    code, separator, text = match.groups()
    return int(code), separator != b"-", (text or b"").decode("utf-8", "replace")


# A server says the same few lines for ever, all but the one that names the message.
_known = lru_cache(maxsize=512)(_parsed)


@lru_cache(maxsize=512)
def _known_alone(line: bytes) -> ServerReply | None:
    """The reply if the line is all of it."""
    code, last, text = _parsed(line)
    return ServerReply(code, (text,)) if last else None


@lru_cache(maxsize=64)
def _known_ahead(octets: bytes) -> tuple[ServerReply, ...]:
    """What they are if they are whole replies of one line each, the last first; else nothing."""
    *lines, rest = octets.split(b"\r\n")
    try:
        replies = [_known_alone(line) for line in reversed(lines)]
    except Malformed:  # it is told when its turn comes
        return ()
    whole = tuple([reply for reply in replies if reply is not None])
    return () if rest or len(whole) < len(replies) else whole


_known_reply = lru_cache(maxsize=512)(Reply.of)
