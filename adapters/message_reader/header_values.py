"""What stands in the headers of a message: values, addresses, and whom the recipients are named by.

What is read of a header is bounded: the standard library is quadratic for some that are long.
"""

import contextlib
from collections.abc import Iterator, Sequence
from email.errors import HeaderParseError
from email.header import decode_header
from email.message import Message
from email.policy import Compat32
from email.utils import getaddresses, parseaddr
from typing import Final

from adapters.message_reader.charsets import text_of

MOST_HEADERS: Final = 200
MOST_HEADER_CHARACTERS: Final = 4096
MOST_HEADERS_CHARACTERS: Final = 64 * 1024  # of all headers together
MOST_ADDRESS_CHARACTERS: Final = 64 * 1024  # of To and Cc: a hundred recipients are well below


class BoundedHeaders(Compat32):
    """Headers as they stand in the message, without an end that is too long."""

    def header_source_parse(self, sourcelines: list[str]) -> tuple[str, str]:
        name, value = super().header_source_parse(sourcelines)
        address = name.lower() in ("to", "cc")
        return name, value[: MOST_ADDRESS_CHARACTERS if address else MOST_HEADER_CHARACTERS]

    def header_fetch_parse(self, name: str, value: str) -> str:
        return octets_shown(value)


def headers_of(message: Message) -> Iterator[tuple[str, str]]:
    """The name and the decoded value of each, in order; of very many or long ones the first."""
    left = MOST_HEADERS_CHARACTERS
    for name, value in message.items()[:MOST_HEADERS]:
        begun = value[: min(left, MOST_HEADER_CHARACTERS)]
        left -= len(begun)
        yield clean(name[:MOST_HEADER_CHARACTERS]), decoded(begun)


def decoded(value: str) -> str:
    """A header's value with its encoded words decoded (RFC 2047); as it stands if it cannot be."""
    value = value[:MOST_HEADER_CHARACTERS].replace("\r", "").replace("\n", "")
    if "=?" not in value:
        return clean(value)
    try:
        pieces = decode_header(value)
    except (HeaderParseError, ValueError):
        return clean(value)
    return clean("".join(_piece(piece, charset) for piece, charset in pieces))


def _piece(piece: bytes | str, charset: str | None) -> str:
    if isinstance(piece, str):
        return piece
    if charset is None:  # between encoded words, as decode_header writes it
        return piece.decode("raw_unicode_escape", "replace")
    return text_of(piece, charset)


def told_apart(
    recipients: Sequence[str], *, to: set[str], cc: set[str]
) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """The *recipients* whom To names, whom only Cc names, and whom neither names."""

    def whose(wanted: int) -> tuple[str, ...]:
        return tuple(address for address in recipients if place(_compared(address)) == wanted)

    def place(address: str) -> int:
        return 0 if address in to else 1 if address in cc else 2

    return whose(0), whose(1), whose(2)


def named(message: Message, header: str) -> set[str]:
    """The addresses in all headers of this name, as they are compared."""
    value = ", ".join(message.get_all(header, ()))[:MOST_ADDRESS_CHARACTERS]
    plain = value.replace("\r", "").replace("\n", "")
    return {_compared(address) for _, address in getaddresses([plain])}


def author_of(message: Message) -> tuple[str, str]:
    """The name and the address in From, each "" if there is none."""
    value = message.get("From", "")[:MOST_HEADER_CHARACTERS].replace("\r", "").replace("\n", "")
    name, address = parseaddr(value)
    return decoded(name), clean(address)


def _compared(address: str) -> str:
    """The address in one of the ways that it may be written."""
    local, _, domain = address.rpartition("@")
    if not domain.isascii() and len(domain) <= 253:
        with contextlib.suppress(ValueError):
            domain = domain.encode("idna").decode()
    return f"{local}@{domain}".casefold()


def octets_shown(text: str) -> str:
    """The parser's way to hold octets that are not ASCII, read as UTF-8."""
    if text.isascii():
        return text
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def clean(text: str) -> str:
    """*text* as UTF-8 can carry it: lone surrogates become question marks."""
    return text.encode("utf-8", "replace").decode()
