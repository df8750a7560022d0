"""Octets that may stand in a message without an encoding (7bit: RFC 2045, 2.7)."""

from collections.abc import Iterable
from typing import Final

from domain.message.headers import MAX_LINE
from domain.message.mime import lines_fit

_CRLF: Final = b"\r\n"


def are_plain(pieces: Iterable[bytes]) -> bool:
    """Whether *pieces*, which end anywhere, are together ASCII without NUL in lines that end in
    CRLF and have at most 998 octets. The last one needs no CRLF.
    """
    rest = b""
    for piece in pieces:
        whole, end, rest = (rest + piece).rpartition(_CRLF)
        if not _is_plain(whole + end) or len(rest) > MAX_LINE + 1:
            return False
    return _is_plain(rest) and len(rest) <= MAX_LINE


def _is_plain(octets: bytes) -> bool:
    bare = octets.replace(_CRLF, b"")
    return (
        octets.isascii()
        and b"\0" not in octets
        and b"\n" not in bare
        and b"\r" not in bare
        and lines_fit(octets, ending=2)
    )
