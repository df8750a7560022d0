"""What the dialects have in common in reading a request: from a vendor's fields to ours."""

from base64 import b64encode
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final, ParamSpec

from domain.errors import InvalidInput
from domain.message.attachment import MAX_ATTACHMENTS
from domain.message.encoded_text import decoded
from entrypoints.http.dialects.dialect import Wanted
from entrypoints.http.fields import RequestError, pointer
from entrypoints.http.json_reader import JsonObject
from entrypoints.http.requests import the_request

P = ParamSpec("P")

_UNKNOWN: Final = "is not supported here, and would change what is sent"
_ENCODED: Final = "=?"


def checked(
    fields: object, *, known: Collection[str], ignored: Collection[str] = ()
) -> tuple[JsonObject, list[str]]:
    """The *known* fields that are there, and the names of the *ignored* ones.

    A field that is null is not there. InvalidInput for any other field: it may change what is sent.
    """
    if not isinstance(fields, dict):
        raise InvalidInput(RequestError("", "must be an object"))
    there = {name: value for name, value in fields.items() if value is not None}
    unknown = [name for name in there if name not in known and name not in ignored]
    if unknown:
        errors = [RequestError(pointer((name,)), _UNKNOWN) for name in unknown]
        raise InvalidInput(*errors, code="unknown_field")
    taken = {name: value for name, value in there.items() if name in known}
    return taken, [name for name in there if name in ignored]


def caught(
    read: Callable[P, Wanted], /, *args: P.args, **kwargs: P.kwargs
) -> Wanted | InvalidInput:
    """What *read* gives, or why this one email cannot be read: others of its call may be right."""
    try:
        return read(*args, **kwargs)
    except InvalidInput as error:
        return error


class Room:
    """Characters that may come of one call: as many as a body may have. What its emails share in
    the body is made for each of them.
    """

    def __init__(self) -> None:
        self._most = the_request().max_content_length or 0
        self._left = self._most

    def take(self, number: int) -> None:
        """InvalidInput if so many are too many."""
        self._left -= number
        if self._left < 0:
            told = f"more than {self._most} characters come of one call: send fewer emails at once"
            raise InvalidInput(RequestError("", told))


def required(fields: Mapping[str, object], *names: str) -> None:
    """InvalidInput for what is missing."""
    missing = [
        RequestError(pointer((name,)), "is required") for name in names if not fields.get(name)
    ]
    if missing:
        raise InvalidInput(*missing)


def copied(fields: Mapping[str, Any], names: Mapping[str, str]) -> JsonObject:
    """The *fields* that are there under our names of them: *names* has ours by the vendor's."""
    return {ours: fields[name] for name, ours in names.items() if name in fields}


def addresses(value: object) -> object:
    """A list of addresses: of a list as it is, of a text the parts between its commas."""
    if isinstance(value, str):
        return [address(one) for one in split(value)]
    return [address(one) for one in value] if isinstance(value, list) else value


def address(value: object) -> object:
    """An address with or without a name, as our API takes it.

    Clients write a name that is not ASCII as encoded words (RFC 2047), where our API takes text.
    """
    if not isinstance(value, str):
        return value
    text = value.strip()
    if text.startswith("<") and text.endswith(">"):
        return text[1:-1]
    name, bracket, rest = text.rpartition("<")
    if _ENCODED not in name or not bracket:
        return text
    return {"address": rest.removesuffix(">"), "name": decoded(name.strip().strip('"'))}


def split(text: str) -> list[str]:
    """The parts of *text* between the commas that stand outside of quotes and angle brackets."""
    parts, begun, quoted, depth, escaped = [], 0, False, 0, False
    for place, sign in enumerate(text):
        if escaped:
            escaped = False
        elif sign == "\\" and quoted:
            escaped = True
        elif sign == '"':
            quoted = not quoted
        elif quoted:
            continue
        elif sign in "<>":
            depth += 1 if sign == "<" else -1
        elif sign == "," and depth <= 0:
            parts.append(text[begun:place])
            begun = place + 1
    return [part.strip() for part in (*parts, text[begun:]) if part.strip()]


def with_headers(email: JsonObject, headers: object, ignored: list[str]) -> JsonObject:
    """*email* with the *headers* of a client, of which some are fields of ours."""
    if not isinstance(headers, dict):
        return {**email, "headers": headers}
    kept: JsonObject = {}
    for name, value in headers.items():
        match name.lower():
            case "reply-to":
                email = {"reply_to": addresses(value), **email}
            case "in-reply-to":
                email = {**email, "in_reply_to": value}
            case "references":
                ignored.append("References")  # follows from In-Reply-To
            case "sender" if address(value) == email.get("from"):
                ignored.append(name)  # says nothing that From does not (RFC 5322, 3.6.2)
            case _:
                kept[name] = value
    return {**email, "headers": kept} if kept else email


def base64_text(value: object) -> object:
    """Base64 without the line breaks that some clients put in."""
    if isinstance(value, str) and ("\n" in value or "\r" in value):
        return "".join(value.split())
    return value


def octets_text(value: object) -> object:
    """The base64 of a list of octets."""
    if not isinstance(value, list):
        return base64_text(value)
    try:
        return b64encode(bytes(value)).decode("ascii")
    except (TypeError, ValueError):
        raise InvalidInput(
            RequestError("/attachments", "content must be base64, or a list of octets")
        ) from None


def shown_only(email: JsonObject) -> JsonObject:
    """*email*, with the Content-ID of each file that its HTML does not show taken away: it is a
    file like any other, as with the vendors.
    """
    files, html = email.get("attachments"), email.get("html_content")
    if not isinstance(files, list) or "template" in email or len(files) > MAX_ATTACHMENTS:
        return email  # too many are refused: the HTML is not searched for each of them
    shown = html if isinstance(html, str) else ""
    return {**email, "attachments": [_shown(file, shown) for file in files]}


def _shown(file: JsonObject, html: str) -> JsonObject:
    content_id = file.get("content_id")
    if not isinstance(content_id, str) or f"cid:{content_id}" in html:
        return file
    return {name: value for name, value in file.items() if name != "content_id"}
