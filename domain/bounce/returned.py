"""What a report returns of the message that it is about, and by what it names its email."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, TypeAlias

from domain.bounce.mail_parts import Part, decoded_words, fields
from domain.bounce.report import References
from domain.bounce.status_fields import addresses_in

Headers: TypeAlias = Mapping[str, Sequence[str]]
RECIPIENT_HEADERS: Final = ("to", "delivered-to", "x-original-to", "envelope-to", "x-envelope-to")

_HOTMAILS_RECIPIENT: Final = "x-hmxmroriginalrecipient"
_RETURNED: Final = frozenset(
    {"text/rfc822-headers", "text/rfc822", "message/rfc822-headers", "message/global-headers"}
)
_TAG: Final = re.compile(r"(?<![^\s<,;:\"])[^\s<>@+,;:\"]{1,64}\+([^\s<>@+]{8,64})@")
_MESSAGE_ID: Final = re.compile(r"<[!-;=?A-~]{1,200}@[!-;=?A-~]{1,200}>")
_MOST_REFERENCES: Final = 20
_LONGEST_COPY: Final = 30_000  # characters in which its headers end
_BLANK: Final = re.compile(r"\n[> \t]*\n")


def references_of(parts: Sequence[Part], about: Headers, copy: str) -> References:
    """By what a report names its email.

    *about* are the fields of a delivery report about the message, *copy* is what stands in a text
    behind the line that begins a copy of the message.
    """
    top, *_ = parts
    returned = [*_returned_headers(parts), *_headers_of_copy(copy)]
    refs = [value for headers in returned for value in headers.get("x-email-ref", ())]
    ids = [value for headers in returned for value in headers.get("message-id", ())]
    ids += about.get("x-original-message-id", ())
    ids += [*top.headers.get("in-reply-to", ()), *top.headers.get("references", ())]
    tags = [
        tag
        for name in RECIPIENT_HEADERS
        for value in top.headers.get(name, ())
        for tag in _TAG.findall(value[:2000])
    ]
    return References(
        refs=_first(refs),
        envelope_ids=_first(about.get("original-envelope-id", ())),
        message_ids=_first(found for value in ids for found in _MESSAGE_ID.findall(value[:5000])),
        tags=_first(tags),
    )


def written_to(parts: Sequence[Part], copy: str = "") -> list[str]:
    """To whom the returned message was written, if to one: of several it may be any."""
    for headers in [*_returned_headers(parts), *_headers_of_copy(copy)]:
        for name in (_HOTMAILS_RECIPIENT, "x-original-to", "delivered-to", "to"):
            values = headers.get(name, ())
            if values and ("," not in values[0] or name != "to"):
                return addresses_in(map(decoded_words, values[:1]))
    return []


def is_hotmails_complaint(parts: Sequence[Part]) -> bool:
    """Whether the message is returned as Hotmail returns those that its users call spam.

    Its reports had no feedback part; the header with the recipient is in nothing else.
    """
    return any(part.returned and _HOTMAILS_RECIPIENT in part.headers for part in parts)


def _returned_headers(parts: Sequence[Part]) -> list[Headers]:
    found: list[Headers] = []
    for part in parts:
        if part.returned and part.headers:
            found.append(part.headers)
        elif part.kind in _RETURNED:
            found.append(fields(part.text.lstrip("\n").partition("\n\n")[0]))
    return found


def _headers_of_copy(copy: str) -> list[Headers]:
    """The first block of headers in a copy that stands in a text, quoted or not."""
    for paragraph in _BLANK.split(copy[:_LONGEST_COPY]):
        lines = paragraph.split("\n")
        plain = (line[1:].removeprefix(" ") if line[:1] == ">" else line for line in lines)
        headers = fields("\n".join(plain))
        if {"message-id", "subject", "received"} & headers.keys():
            return [headers]
    return []


def _first(values: Iterable[str]) -> tuple[str, ...]:
    stripped = (value.strip()[:500] for value in values)
    return tuple(dict.fromkeys(filter(None, stripped)))[:_MOST_REFERENCES]
