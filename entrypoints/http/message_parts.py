"""How a message is given to a browser: its HTML in a frame that can do no harm, its parts as files.

A message is somebody else's. The frame can neither run scripts, load anything, nor reach the page
around it; a file is never shown or run.
"""

from collections.abc import Iterable
from typing import Final
from urllib.parse import quote

from flask import Response

from domain.message.letter import LetterPart

FRAME_CSP: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox; frame-ancestors 'self'"
)
MOST_SOURCE: Final = 256 * 1024  # octets that a page shows of a message's source
_ENDINGS: Final = {"text/plain": ".txt", "text/html": ".html", "text/calendar": ".ics"}


def frame(html: str) -> Response:
    """The document for a frame; *html* was made harmless before."""
    response = Response(html, content_type="text/html; charset=utf-8")
    response.headers["Content-Security-Policy"] = FRAME_CSP
    response.headers["X-Frame-Options"] = "SAMEORIGIN"
    return response


def file_name(part: LetterPart) -> str:
    """What a part is called when it is kept."""
    return part.filename or f"part-{part.number}{_ENDINGS.get(part.content_type, '')}"


def part_file(part: LetterPart, octets: bytes) -> Response:
    """A part to be kept as a file with its own name (RFC 6266)."""
    name = file_name(part)
    plain = "".join(c if c.isascii() and c.isprintable() and c not in '"\\/' else "_" for c in name)
    response = Response(octets, content_type="application/octet-stream")
    response.headers["Content-Disposition"] = (
        f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
    )
    response.headers["Content-Security-Policy"] = "default-src 'none'; sandbox"
    return response


def message_file(octets: bytes | Iterable[bytes], name: str) -> Response:
    """A whole message as a file. *octets* may come in pieces, *name* is plain ASCII."""
    response = Response(octets, content_type="message/rfc822")
    response.headers["Content-Disposition"] = f'attachment; filename="{name}.eml"'
    return response


def source_of(octets: bytes) -> str:
    """The beginning of a message as text."""
    return octets[:MOST_SOURCE].decode("utf-8", "replace")
