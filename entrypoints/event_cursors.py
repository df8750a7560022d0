"""Positions among the events, as a text that a reader passes back and cannot make up."""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Final
from zlib import crc32

from domain.event.event import Position

PATTERN: Final = "^[A-Za-z0-9_-]{27}$"
_CURSOR: Final = re.compile(PATTERN)
_OCTETS: Final = 8  # of each of the two numbers
_NUMBERS: Final = range(2**63)  # what a database can hold


def cursor_of(position: Position) -> str:
    """The cursor of what comes behind this position."""
    octets = position.commit.to_bytes(_OCTETS) + position.id.to_bytes(_OCTETS)
    return urlsafe_b64encode(octets + _check(octets)).rstrip(b"=").decode("ascii")


def position_of(cursor: str) -> Position:
    """The position that *cursor* stands for. ValueError for one that was not made here."""
    octets = urlsafe_b64decode(f"{cursor}=") if _CURSOR.fullmatch(cursor) else b""
    head, check = octets[: 2 * _OCTETS], octets[2 * _OCTETS :]
    commit, event_id = int.from_bytes(head[:_OCTETS]), int.from_bytes(head[_OCTETS:])
    if check != _check(head) or commit not in _NUMBERS or event_id not in _NUMBERS:
        raise ValueError("must come from the Link header of a page before")
    return Position(commit, event_id)


def _check(octets: bytes) -> bytes:
    return crc32(octets).to_bytes(4)
