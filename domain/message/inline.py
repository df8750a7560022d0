"""Images that the HTML shows by ``cid:`` (RFC 2392), and those that it carries itself.

Gmail shows no ``data:`` URIs, so images in them become parts of the message. Time is proportional
to the HTML, whatever it holds.
"""

import re
from binascii import a2b_base64
from collections.abc import Collection, Iterator, Sequence
from html import unescape
from typing import Final
from urllib.parse import unquote

import attrs

from domain.errors import FieldError, InvalidInput
from domain.message.attachment import (
    DENIED,
    MAX_ATTACHMENTS,
    Attachment,
    check_attachment,
)

# It begins with a set of letters, which are looked for in a fifth of the time of whole words.
_SHOWN: Final = re.compile(  # src, background, poster, href as whole words, and url(
    r"""[sbphuSBPHU](?i:
    (?: (?<![\w-].)(?:(?<=s)rc|(?<=b)ackground|(?<=p)oster|(?<=h)ref)\s*=\s* | (?<=u)rl\( )
    (?: "\s*cid:([^"]*)" | '\s*cid:([^']*)' | \s*cid:([^\s"'>)]+) ))""",
    re.VERBOSE,
)
_CARRIED: Final = re.compile(
    r"""((?<![\w-])src\s*=\s*)(["'])\s*data:image/(png|jpeg|gif|webp);base64,([A-Za-z0-9+/=\s]+)\2""",
    re.IGNORECASE,
)


def may_have_inline(html: str) -> bool:
    """Whether it may show or carry an image; quick, for it is asked of every email."""
    return ":" in html and ("cid:" in html or "data:image/" in html)


def shown_ids(html: str) -> Iterator[str]:
    """The Content-IDs that it shows, each as often as it does."""
    # bytes are lowered in a third of the time of a str that is not ASCII
    if b"cid:" not in html.encode(errors="replace").lower():
        return
    for found in _SHOWN.finditer(html):
        yield unquote(unescape(found[1] or found[2] or found[3] or "")).strip()


def check_attachments(
    attachments: Sequence[Attachment], *, html: str | None, denied: Collection[str] = DENIED
) -> None:
    """Nothing, or InvalidInput that names all that is wrong with the files and what shows them."""
    if len(attachments) > MAX_ATTACHMENTS:
        raise InvalidInput(FieldError("attachments", f"at most {MAX_ATTACHMENTS}"))
    errors: list[FieldError] = []
    for place, attachment in enumerate(attachments):
        try:
            check_attachment(attachment, field=f"attachments/{place}", denied=denied)
        except InvalidInput as error:
            errors += error.errors
    if errors:
        raise InvalidInput(*errors)
    _check_ids([attachment.content_id for attachment in attachments], html=html)


def _check_ids(given: Sequence[str | None], *, html: str | None) -> None:
    shown = {} if html is None else dict.fromkeys(shown_ids(html))
    missing = [
        FieldError("html", f"shows cid:{content_id}, which no attachment has as its content_id")
        for content_id in shown
        if content_id not in given
    ]
    if missing:
        raise InvalidInput(*missing, code="cid_unknown")
    errors = []
    for place, content_id in enumerate(given):
        if content_id is not None and content_id in given[:place]:
            message = "is that of another attachment"
            errors.append(FieldError(f"attachments/{place}/content_id", message))
        elif content_id is not None and content_id not in shown:
            message = f"is not shown: the HTML has no cid:{content_id}"
            errors.append(FieldError(f"attachments/{place}/content_id", message))
    if errors:
        raise InvalidInput(*errors, code="cid_unused")


@attrs.frozen
class Extracted:
    """HTML that shows by ``cid:`` what it carried before, and those images."""

    html: str
    images: tuple[Attachment, ...] = ()


def extracted(html: str, *, token: str, most: int = MAX_ATTACHMENTS) -> Extracted:
    """The images in ``data:`` URIs taken out, up to *most* different ones.

    *token* makes their Content-IDs unlike those of other emails. What is no base64 stays.
    """
    if "data:image/" not in html:
        return Extracted(html)
    images: dict[tuple[str, bytes], Attachment] = {}

    def shown(found: re.Match[str]) -> str:
        octets = _octets(found[4])
        kind = found[3].lower()
        if octets is None or ((kind, octets) not in images and len(images) >= most):
            return found[0]
        number = len(images) + 1
        image = images.setdefault(
            (kind, octets),
            Attachment(
                filename=f"image{number}.{kind}",
                content_type=f"image/{kind}",
                octets=octets,
                content_id=f"image{number}.{token}",
            ),
        )
        return f"{found[1]}{found[2]}cid:{image.content_id}{found[2]}"

    return Extracted(_CARRIED.sub(shown, html), tuple(images.values()))


def _octets(base64: str) -> bytes | None:
    try:
        return a2b_base64("".join(base64.split()), strict_mode=True)
    except ValueError:
        return None
