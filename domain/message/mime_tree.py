"""The tree of a message with attachments, as Outlook and Gmail expect it.

``mixed( alternative( text, related( html, inline images ), calendar ), attachments )``, and no
wrapper around a single part. What is large is not in the octets: a `Blob` stands in its place until
the message is handed off.
"""

from binascii import b2a_base64
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from struct import Struct
from typing import Final, TypeAlias

import attrs

from domain.message.attachment import (
    LINE,
    OCTET_STREAM,
    AsItIs,
    Attachment,
    Blob,
    attachment_headers,
)
from domain.message.calendar import CalendarPart
from domain.message.mime import transfer_encoded
from domain.message.plain_lines import are_plain

CRLF: Final = b"\r\n"
_BLOCK: Final = Struct(f"{LINE}s" * 64)  # cuts lines in half of the time that slices take
Piece: TypeAlias = bytes | Blob | AsItIs


@attrs.frozen
class Entity:
    """Headers with their CRLFs, and a body that does not end in CRLF."""

    headers: str
    body: tuple[Piece, ...]


class Boundaries:
    """A boundary for each multipart of one message. None is the beginning of another."""

    def __init__(self, token: str) -> None:
        self._token = token
        self._number = 0

    def next(self) -> str:
        """The next one."""
        self._number += 1
        return self._token if self._number == 1 else f"{self._number}{self._token}"


def tree(
    *,
    text: str | None,
    html: str | None,
    attachments: Sequence[Attachment] = (),
    calendar: CalendarPart | None = None,
    boundary: str,
) -> Entity:
    """The body of a message: at least one of *text*, *html* and *calendar*."""
    boundaries = Boundaries(boundary)
    inline = [file for file in attachments if file.content_id is not None]
    files = [attachment_part(file) for file in attachments if file.content_id is None]
    if calendar is not None:
        files.append(_invitation_file(calendar))
    outer = boundaries.next() if files else ""
    alternatives: list[Entity] = []
    choice = (
        boundaries.next() if (text is not None) + (html is not None) + bool(calendar) > 1 else ""
    )
    if text is not None:
        alternatives.append(_text_part("plain", text, boundary))
    if html is not None:
        page = _text_part("html", html, boundary)
        images = [attachment_part(file) for file in inline]
        alternatives.append(
            multipart("related", [page, *images], boundaries.next(), extra='; type="text/html"')
            if images
            else page
        )
    if calendar is not None:
        alternatives.append(_invitation(calendar))
    content = (
        alternatives[0]
        if len(alternatives) == 1
        else multipart("alternative", alternatives, choice)
    )
    return multipart("mixed", [content, *files], outer) if files else content


def multipart(subtype: str, parts: Iterable[Entity], boundary: str, *, extra: str = "") -> Entity:
    """The parts one after the other, between lines of *boundary*."""
    delimiter = f"--{boundary}".encode("ascii")
    body: list[Piece] = []
    for part in parts:
        body += [delimiter, CRLF, part.headers.encode("ascii"), CRLF, *part.body, CRLF]
    body += [delimiter, b"--"]
    headers = f'Content-Type: multipart/{subtype}{extra};\r\n boundary="{boundary}"\r\n'
    return Entity(headers, tuple(body))


def _text_part(subtype: str, text: str, boundary: str) -> Entity:
    encoding, octets = transfer_encoded(text, delimiter=boundary.encode("ascii"))
    headers = (
        f"Content-Type: text/{subtype}; charset=utf-8\r\nContent-Transfer-Encoding: {encoding}\r\n"
    )
    return Entity(headers, (octets,))


def attachment_part(attachment: Attachment) -> Entity:
    """A file, in base64. A message stands as it is; one that cannot is a file like others."""
    octets = attachment.octets
    if attachment.is_message:
        if attachment.plain if isinstance(octets, Blob) else are_plain((octets,)):
            body = AsItIs(octets) if isinstance(octets, Blob) else octets
            return Entity(attachment_headers(attachment, encoding="7bit"), (body,))
        attachment = attrs.evolve(attachment, content_type=OCTET_STREAM)
    encoded = octets if isinstance(octets, Blob) else base64_lines(octets)
    return Entity(attachment_headers(attachment), (encoded,))


def _invitation(calendar: CalendarPart) -> Entity:
    """The last alternative. Without name or disposition: with them Outlook shows a file."""
    headers = (
        f"Content-Type: text/calendar; charset=utf-8; method={calendar.method}\r\n"
        "Content-Transfer-Encoding: base64\r\n"
    )
    return Entity(headers, (base64_lines(_calendar_octets(calendar)),))


def _invitation_file(calendar: CalendarPart) -> Entity:
    """The same once more as a file, for readers that know no invitations."""
    file = Attachment(
        filename="invite.ics", content_type="application/ics", octets=_calendar_octets(calendar)
    )
    return attachment_part(file)


def _calendar_octets(calendar: CalendarPart) -> bytes:
    """Lines end in CRLF (RFC 5545, 3.1)."""
    lines = calendar.content.replace("\r\n", "\n").replace("\r", "\n").rstrip("\n").split("\n")
    return "".join(f"{line}\r\n" for line in lines).encode()


def base64_lines(octets: bytes) -> bytes:
    """*octets* in lines of 76 characters, without the CRLF of the last one."""
    encoded = b2a_base64(octets, newline=False)
    end = len(encoded) // _BLOCK.size * _BLOCK.size
    rest = (encoded[at : at + LINE] for at in range(end, len(encoded), LINE))
    blocks = chain.from_iterable(_BLOCK.iter_unpack(memoryview(encoded)[:end]))
    return CRLF.join((*blocks, *rest))


def joined(pieces: Iterable[Piece]) -> Iterator[Piece]:
    """The same pieces, octets that stand next to one another as one."""
    pending: list[bytes] = []
    for piece in pieces:
        if isinstance(piece, bytes):
            pending.append(piece)
            continue
        if pending:
            yield b"".join(pending)
            pending = []
        yield piece
    if pending:
        yield b"".join(pending)
