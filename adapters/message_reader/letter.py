"""What stands in a message, read once, whatever it is.

The standard library's parser is quadratic, or recurses, for messages that are sent only to
harm: what is read of one is bounded before it is read.
"""

import contextlib
from base64 import b64encode
from collections.abc import Iterator, Sequence
from email import message_from_bytes
from email.errors import HeaderParseError
from email.header import decode_header
from email.message import Message
from email.policy import Compat32
from email.utils import getaddresses
from typing import Final

from adapters.message_reader.charsets import text_of
from adapters.message_reader.parts import (
    IMAGES,
    MOST_FILENAME,
    MOST_PARTS,
    Compact,
    compact,
    is_container,
    walk,
)
from adapters.message_reader.shown_html import MOST_CHARACTERS, is_cut, shown_html
from domain.message.letter import Letter, LetterPart

MOST_OCTETS: Final = 2 * 1024**2  # of a message that are read, without its large files
MOST_IMAGE_OCTETS: Final = 8 * 1024**2  # of all images that one page shows
MOST_CONTAINERS: Final = 20  # parts that hold parts
MOST_HEADERS: Final = 200
MOST_HEADER_CHARACTERS: Final = 4096
MOST_HEADERS_CHARACTERS: Final = 64 * 1024  # of all headers together
MOST_ADDRESS_CHARACTERS: Final = 64 * 1024  # of To and Cc: a hundred recipients are well below


class _Bounded(Compat32):
    """Headers as they stand in the message, without an end that is too long."""

    def header_source_parse(self, sourcelines: list[str]) -> tuple[str, str]:
        name, value = super().header_source_parse(sourcelines)
        address = name.lower() in ("to", "cc")
        return name, value[: MOST_ADDRESS_CHARACTERS if address else MOST_HEADER_CHARACTERS]

    def header_fetch_parse(self, name: str, value: str) -> str:
        return _octets_shown(value)


def read_letter(octets: bytes, recipients: Sequence[str]) -> Letter:
    """The letter in *octets*, sent to these recipients of the envelope. Never raises."""
    try:
        return _read(compact(octets), recipients)
    except Exception:  # the parser raises whatever it stumbles upon: then it is shown as it came
        return _unread(octets[:MOST_OCTETS], recipients)


def part_octets(octets: bytes, number: int) -> bytes | None:
    """The part of this number, decoded; None if there is none, or it holds parts. Never raises."""
    with contextlib.suppress(Exception):  # as above
        whole = compact(octets)
        for place, (_, part) in enumerate(walk(_parsed(whole))):
            if place == number and not is_container(part):
                return whole.decoded(part)
    return None


def html_with_images(letter: Letter, octets: bytes) -> str:
    """The letter's HTML; its ``cid:`` images stand in it as ``data:``, up to 8 MB of them."""
    html, left = letter.html or "", MOST_IMAGE_OCTETS
    for part in letter.parts:
        place = f'src="cid:{part.content_id}"'
        if part.content_type in IMAGES and part.content_id and place in html:
            image = part_octets(octets, part.number) if (part.size or 0) <= left else None
            left -= len(image or b"")
            if image is not None:
                data = b64encode(image).decode()
                html = html.replace(place, f'src="data:{part.content_type};base64,{data}"')
    return html


class _Unreadable(Exception):
    """It has more containers than any honest message."""


def _parsed(whole: Compact) -> Message:
    """The message, as far as it is read. _Unreadable, and whatever the parser raises."""
    begun = whole.octets[:MOST_OCTETS]
    low = begun.lower()
    if low.count(b"multipart/") + low.count(b"message/") > MOST_CONTAINERS:
        raise _Unreadable
    message: Message = message_from_bytes(begun, policy=_Bounded())
    return message


def _read(whole: Compact, recipients: Sequence[str]) -> Letter:
    cut = len(whole.octets) > MOST_OCTETS
    message = _parsed(whole)
    text, html = _body(message, "text/plain", whole), _body(message, "text/html", whole)
    if text is None and html is None:
        text = _without_parts(message)
    to, cc, bcc = _told_apart(recipients, to=_named(message, "To"), cc=_named(message, "Cc"))
    return Letter(
        subject=_decoded(message.get("Subject", ""))[:MOST_HEADER_CHARACTERS],
        to=to,
        cc=cc,
        bcc=bcc,
        headers=tuple(_headers(message)),
        text=None if text is None else _clean(text[:MOST_CHARACTERS]),
        html=None if html is None else shown_html(_clean(html)),
        parts=tuple(
            _part(part, number, depth, whole) for number, (depth, part) in enumerate(walk(message))
        ),
        cut=cut
        or len(text or "") > MOST_CHARACTERS
        or (html is not None and is_cut(html))
        or len(message) > MOST_HEADERS,
    )


def _unread(octets: bytes, recipients: Sequence[str]) -> Letter:
    return Letter(
        subject="(a message that cannot be read)",
        to=(),
        cc=(),
        bcc=tuple(recipients),
        headers=(),
        text=_clean(octets.decode("utf-8", "replace")[:MOST_CHARACTERS]),
        html=None,
        cut=len(octets) > MOST_CHARACTERS,
    )


# -- headers -------------------------------------------------------------------------------------


def _headers(message: Message) -> Iterator[tuple[str, str]]:
    left = MOST_HEADERS_CHARACTERS
    for name, value in message.items()[:MOST_HEADERS]:
        begun = value[: min(left, MOST_HEADER_CHARACTERS)]
        left -= len(begun)
        yield _clean(name[:MOST_HEADER_CHARACTERS]), _decoded(begun)


def _decoded(value: str) -> str:
    """A header's value with its encoded words decoded (RFC 2047); as it stands if it cannot be."""
    value = value[:MOST_HEADER_CHARACTERS].replace("\r", "").replace("\n", "")
    if "=?" not in value:
        return _clean(value)
    try:
        pieces = decode_header(value)
    except (HeaderParseError, ValueError):
        return _clean(value)
    return _clean("".join(_piece(piece, charset) for piece, charset in pieces))


def _piece(piece: bytes | str, charset: str | None) -> str:
    if isinstance(piece, str):
        return piece
    if charset is None:  # between encoded words, as decode_header writes it
        return piece.decode("raw_unicode_escape", "replace")
    return text_of(piece, charset)


def _told_apart(
    recipients: Sequence[str], *, to: set[str], cc: set[str]
) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    def whose(wanted: int) -> tuple[str, ...]:
        return tuple(address for address in recipients if place(_compared(address)) == wanted)

    def place(address: str) -> int:
        return 0 if address in to else 1 if address in cc else 2

    return whose(0), whose(1), whose(2)


def _named(message: Message, header: str) -> set[str]:
    value = ", ".join(message.get_all(header, ()))[:MOST_ADDRESS_CHARACTERS]
    plain = value.replace("\r", "").replace("\n", "")
    return {_compared(address) for _, address in getaddresses([plain])}


def _compared(address: str) -> str:
    """The address in one of the ways that it may be written."""
    local, _, domain = address.rpartition("@")
    if not domain.isascii() and len(domain) <= 253:
        with contextlib.suppress(ValueError):
            domain = domain.encode("idna").decode()
    return f"{local}@{domain}".casefold()


# -- bodies --------------------------------------------------------------------------------------


def _body(message: Message, content_type: str, whole: Compact) -> str | None:
    """The first part of this type that is no attachment."""
    for part in _parts(message):
        if part.get_content_type() == content_type:
            return text_of(whole.decoded(part), _charset(part))
    return None


def _part(part: Message, number: int, depth: int, whole: Compact) -> LetterPart:
    return LetterPart(
        number=number,
        depth=depth,
        content_type=_clean(part.get_content_type()[:MOST_FILENAME]),
        disposition=_clean((part.get_content_disposition() or "")[:MOST_FILENAME]),
        filename=_filename(part),
        content_id=_decoded(part.get("Content-ID", "")).strip().strip("<>")[:MOST_FILENAME],
        size=None if is_container(part) else len(whole.decoded(part)),
    )


def _filename(part: Message) -> str:
    try:
        name = part.get_filename() or ""
    except Exception:  # as with the charset below
        name = ""
    return _decoded(name)[:MOST_FILENAME]


def _parts(message: Message) -> Iterator[Message]:
    """The parts that are read in place, in their order, without those within a message within."""
    waiting = [message]
    for _ in range(MOST_PARTS):
        if not waiting:
            return
        part = waiting.pop()
        if part.get_content_disposition() == "attachment" and part is not message:
            continue
        inner = part.get_payload()
        if not isinstance(inner, list):
            yield part
        elif part.get_content_maintype() == "multipart":
            waiting.extend(one for one in reversed(inner) if isinstance(one, Message))


def _charset(part: Message) -> str | None:
    try:
        charset = part.get_content_charset()
    except Exception:  # parameters of RFC 2231 can name a charset for the charset's name
        return None
    return charset if isinstance(charset, str) else None


def _without_parts(message: Message) -> str | None:
    """What stands where parts should be, as without a boundary."""
    inner = message.get_payload()
    multipart = message.get_content_maintype() == "multipart"
    return _octets_shown(inner) if multipart and isinstance(inner, str) else None


def _octets_shown(text: str) -> str:
    """The parser's way to hold octets that are not ASCII, read as UTF-8."""
    if text.isascii():
        return text
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _clean(text: str) -> str:
    """*text* as UTF-8 can carry it: lone surrogates become question marks."""
    return text.encode("utf-8", "replace").decode()
