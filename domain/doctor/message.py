"""What a message that was sent tells of who signs it and where its bounces go."""

import re
from collections.abc import Sequence
from email import message_from_bytes, policy
from email.message import Message
from typing import Final

import attrs

from domain.doctor.questions import is_name
from domain.doctor.tags import tags_of
from domain.errors import FieldError, InvalidInput

MOST_OCTETS: Final = 262_144  # of its headers; the rest is not read
MOST_SIGNATURES: Final = 5
_LONGEST_END: Final = 1000
_DOMAIN_AT_END: Final = re.compile(r"@([A-Za-z0-9._-]+)>?\s*(?:\([^()]*\)\s*)?\Z")
_BLANKS: Final = re.compile(r"\s+")
_END_OF_HEADERS: Final = re.compile(rb"\r?\n\r?\n")


@attrs.frozen
class Signature:
    """Which key a DKIM-Signature header names."""

    selector: str
    domain: str


@attrs.frozen(kw_only=True)
class Evidence:
    """What its headers say; nothing of it is verified."""

    author: str
    return_path: str | None
    signatures: tuple[Signature, ...]
    one_click: bool


def read_message(octets: bytes) -> Evidence:
    """The evidence of a message as it was sent or received. InvalidInput if it has no From."""
    head = _END_OF_HEADERS.split(octets[:MOST_OCTETS], 1)[0]
    message = message_from_bytes(head, policy=policy.compat32)
    author = _domain(message, "From")
    if author is None:
        raise InvalidInput(FieldError("message", "must be a message with an address in From"))
    return Evidence(
        author=author,
        return_path=_domain(message, "Return-Path"),
        signatures=tuple(_signatures(message)),
        one_click="one-click" in str(message.get("List-Unsubscribe-Post", "")).lower(),
    )


def _domain(message: Message, name: str) -> str | None:
    """The domain of the address that ends the header; a comment may follow it.

    Not by the library's parser of addresses: it recurses as deep as a header wants.
    """
    found = _DOMAIN_AT_END.search(str(message.get(name, ""))[-_LONGEST_END:])
    domain = found[1].lower().rstrip(".") if found else ""
    return domain if domain and is_name(domain) else None


def _signatures(message: Message) -> Sequence[Signature]:
    found: dict[Signature, None] = {}
    for header in message.get_all("DKIM-Signature", ())[:MOST_SIGNATURES]:
        tags = tags_of(_BLANKS.sub("", str(header)))
        selector, domain = tags.get("s", "").lower(), tags.get("d", "").lower().rstrip(".")
        if is_name(f"{selector}._domainkey.{domain}"):
            found[Signature(selector, domain)] = None
    return list(found)
