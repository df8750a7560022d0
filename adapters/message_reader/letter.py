"""What stands in a message, read once, whatever it is.

The standard library's parser is quadratic, or recurses, for messages that are sent only to
harm: what is read of one is bounded before it is read.
"""

import contextlib
from base64 import b64encode
from collections.abc import Iterator, Sequence
from email import message_from_bytes
from email.message import Message
from typing import Final

from adapters.message_reader.charsets import text_of
from adapters.message_reader.header_values import (
    MOST_HEADER_CHARACTERS,
    MOST_HEADERS,
    BoundedHeaders,
    author_of,
    clean,
    decoded,
    headers_of,
    named,
    octets_shown,
    told_apart,
)
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
from domain.lint.outline import outline_of
from domain.message.letter import Letter, LetterPart

MOST_OCTETS: Final = 2 * 1024**2  # of a message that are read, without its large files
MOST_IMAGE_OCTETS: Final = 8 * 1024**2  # of all images that one page shows
MOST_CONTAINERS: Final = 20  # parts that hold parts


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


def html_with_images(letter: Letter, octets: bytes, *, remote: bool = False) -> str:
    """The letter's HTML; its ``cid:`` images stand in it as ``data:``, up to 8 MB of them.

    With *remote* also the images that are loaded from elsewhere stand in it.
    """
    html, left = (_html_again(octets) if remote else letter.html) or "", MOST_IMAGE_OCTETS
    for part in letter.parts:
        place = f'src="cid:{part.content_id}"'
        if part.content_type in IMAGES and part.content_id and place in html:
            image = part_octets(octets, part.number) if (part.size or 0) <= left else None
            left -= len(image or b"")
            if image is not None:
                data = b64encode(image).decode()
                html = html.replace(place, f'src="data:{part.content_type};base64,{data}"')
    return html


def _html_again(octets: bytes) -> str | None:
    with contextlib.suppress(Exception):  # as above
        whole = compact(octets)
        html = _body(_parsed(whole), "text/html", whole)
        return None if html is None else shown_html(clean(html), remote=True)
    return None


class _Unreadable(Exception):
    """It has more containers than any honest message."""


def _parsed(whole: Compact) -> Message:
    """The message, as far as it is read. _Unreadable, and whatever the parser raises."""
    begun = whole.octets[:MOST_OCTETS]
    low = begun.lower()
    if low.count(b"multipart/") + low.count(b"message/") > MOST_CONTAINERS:
        raise _Unreadable
    message: Message = message_from_bytes(begun, policy=BoundedHeaders())
    return message


def _read(whole: Compact, recipients: Sequence[str]) -> Letter:
    cut = len(whole.octets) > MOST_OCTETS
    message = _parsed(whole)
    text, html = _body(message, "text/plain", whole), _body(message, "text/html", whole)
    if text is None and html is None:
        text = _without_parts(message)
    to, cc, bcc = told_apart(recipients, to=named(message, "To"), cc=named(message, "Cc"))
    return Letter(
        subject=decoded(message.get("Subject", ""))[:MOST_HEADER_CHARACTERS],
        author=author_of(message),
        to=to,
        cc=cc,
        bcc=bcc,
        headers=tuple(headers_of(message)),
        text=None if text is None else clean(text[:MOST_CHARACTERS]),
        html=None if html is None else shown_html(clean(html)),
        html_size=None if html is None else len(html.encode("utf-8", "replace")),
        outline=None if html is None else outline_of(clean(html[:MOST_CHARACTERS])),
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
        text=clean(octets.decode("utf-8", "replace")[:MOST_CHARACTERS]),
        html=None,
        cut=len(octets) > MOST_CHARACTERS,
    )


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
        content_type=clean(part.get_content_type()[:MOST_FILENAME]),
        disposition=clean((part.get_content_disposition() or "")[:MOST_FILENAME]),
        filename=_filename(part),
        content_id=decoded(part.get("Content-ID", "")).strip().strip("<>")[:MOST_FILENAME],
        size=None if is_container(part) else len(whole.decoded(part)),
    )


def _filename(part: Message) -> str:
    try:
        name = part.get_filename() or ""
    except Exception:  # as with the charset below
        name = ""
    return decoded(name)[:MOST_FILENAME]


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
    return octets_shown(inner) if multipart and isinstance(inner, str) else None
