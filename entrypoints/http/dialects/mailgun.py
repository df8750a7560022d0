"""Mailgun's API: /v3/{domain}/messages, with fields of a form, messages.mime, and events.

The domain in the path chooses nothing: the address in From chooses the SMTP configuration.
"""

import json
import re
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Any, Final

import attrs

from domain.access import Scope
from domain.errors import InvalidInput
from domain.intake import MOST_EMAILS
from entrypoints.http.dialects.dialect import (
    Asking,
    Dialect,
    Order,
    Receipt,
    Reply,
    Sending,
    Wanted,
    told,
)
from entrypoints.http.dialects.forms import URLENCODED, Form, read_form
from entrypoints.http.dialects.mailgun_lookup import QUERY, events
from entrypoints.http.dialects.reading import Room, address, split, with_headers
from entrypoints.http.failure import Failure
from entrypoints.http.fields import RequestError, pointer
from entrypoints.http.json_reader import JsonObject, parse_object
from entrypoints.http.keys import basic_password
from entrypoints.http.multipart import FORM
from entrypoints.http.paging import decimal
from entrypoints.http.times import rfc3339

_TEXTS: Final = {"subject": "subject", "html": "html_content", "text": "text_content"}
_LISTS: Final = ("to", "cc", "bcc")
_FIELDS: Final = frozenset(
    {"from", *_LISTS, *_TEXTS, "template", "t:version", "t:text", "t:variables", "o:tag"}
    | {"o:deliverytime", "o:testmode", "o:require-tls", "recipient-variables"}
)
_FIELDS_OF_MIME: Final = frozenset({"to", "o:tag", "o:deliverytime", "o:testmode", "o:require-tls"})
_IGNORED: Final = re.compile(
    r"o:(?:tracking[a-z-]*|(?:secondary-)?dkim[a-z-]*|sending-ip[a-z-]*|skip-verification"
    r"|suppress-headers)|t:text"
)
_NOT_SUPPORTED: Final = "is not supported here, and would change what is sent"
_YES: Final = frozenset({"yes", "true", "1", "True"})
_VARIABLES: Final = "x-mailgun-variables"
_RECIPIENT: Final = re.compile(r"%recipient(?:\.(?P<name>[^%\s]+)|_(?P<part>email|name|fname))?%")
# Beside a link of the client's own in List-Unsubscribe: where Mailgun itself takes the wish.
_MAILGUNS_OWN: Final = re.compile(r", ?<%(?:tag_|mailing_list_)?unsubscribe_(?:email|url)%>")
_THEIRS: Final = {
    "recipients": "to",
    "html_content": "html",
    "text_content": "text",
    "tags": "o:tag",
    "metadata": "v:",
    "headers": "h:",
    "reply_to": "h:Reply-To",
    "send_at": "o:deliverytime",
    "variables": "t:variables",
    "attachments": "attachment",
    "raw": "message",
}


@attrs.frozen(kw_only=True)
class _Custom:
    """What stands behind h: and v: in the names of fields."""

    headers: JsonObject
    values: JsonObject


# -- reading --------------------------------------------------------------------------------------


def _read(*, domain: str) -> Order:
    form = read_form(files=("attachment", "inline"))
    ignored = _checked(form, _FIELDS)
    custom = _custom(form)
    email = _email(form, custom, ignored)
    files = tuple(form.attachments(email.get("html_content")))
    personal = form.one("recipient-variables")
    if personal is None:
        emails = [email | {"recipients": _addresses(form, "to")}]
    else:
        emails = _personal(email, form, _object(personal, "recipient-variables"))
    return Order(
        wanted=[Wanted(fields=one, files=files) for one in emails],
        compared=form.compared,
        dry_run=form.one("o:testmode") in _YES,
        ignored=ignored,
        context=domain,
    )


def _read_mime(*, domain: str) -> Order:
    form = read_form(files=("message",))
    ignored = _checked(form, _FIELDS_OF_MIME)
    octets = form.file("message")
    email = _options(form, _custom(form)) | {
        "recipients": _addresses(form, "to"),
        "raw": b64encode(octets).decode("ascii"),
    }
    return Order(
        wanted=[Wanted(fields=email)],
        compared=form.compared,
        dry_run=form.one("o:testmode") in _YES,
        ignored=ignored,
        context=domain,
    )


def _checked(form: Form, known: frozenset[str]) -> list[str]:
    """The names of fields that are ignored. InvalidInput for others that are not known."""
    ignored, unknown = [], []
    for name in form.fields:
        if _IGNORED.fullmatch(name):
            ignored.append(name)
        elif name not in known and not name.startswith(("h:", "v:")):
            unknown.append(name)
    if form.one("o:require-tls") in _YES:
        unknown.append("o:require-tls")  # it is the SMTP configuration that says so
    if unknown:
        errors = [RequestError(pointer((name,)), _NOT_SUPPORTED) for name in unknown]
        raise InvalidInput(*errors, code="unknown_field")
    return ignored


def _custom(form: Form) -> _Custom:
    headers: JsonObject = {}
    values: JsonObject = {}
    for name in form.fields:
        kind, _, rest = name.partition(":")
        if kind == "v":
            values[rest] = form.one(name)
        elif kind == "h" and rest.lower() == _VARIABLES:
            values |= _object(form.one(name) or "", name)
        elif kind == "h" and rest.lower() == "list-unsubscribe":
            headers[rest] = _MAILGUNS_OWN.sub("", form.one(name) or "")
        elif kind == "h":
            headers[rest] = form.one(name)
    return _Custom(headers=headers, values=values)


def _email(form: Form, custom: _Custom, ignored: list[str]) -> JsonObject:
    """What all emails of the call have."""
    sender = form.one("from")
    if not sender:
        raise InvalidInput(RequestError("/from", "is required"))
    email = _options(form, custom) | {"from": address(sender)}
    for name, ours in _TEXTS.items():
        text = form.one(name)
        if text:
            email[ours] = text
    for name in ("cc", "bcc"):
        email[name] = _addresses(form, name)
    template = form.one("template")
    if template:
        email |= _template(form, template, custom)
        if email.pop("subject", None) is not None:
            ignored.append("subject")  # the template has it
    return with_headers(email, custom.headers, ignored)


def _options(form: Form, custom: _Custom) -> JsonObject:
    email: JsonObject = {}
    if form.all("o:tag"):
        email["tags"] = list(form.all("o:tag"))
    if custom.values:
        email["metadata"] = {
            name: value if isinstance(value, str) else json.dumps(value)
            for name, value in custom.values.items()
        }
    at = form.one("o:deliverytime")
    if at:
        email["send_at"] = _time(at)
    return email


def _template(form: Form, name: str, custom: _Custom) -> JsonObject:
    template: JsonObject = {"name": name}
    version = form.one("t:version")
    if version:
        template["version"] = decimal(version)
    given = form.one("t:variables")
    variables = {**custom.values, **(_object(given, "t:variables") if given else {})}
    return {"template": template, "variables": variables}


def _object(text: str, field: str) -> JsonObject:
    try:
        return parse_object(text.encode())
    except InvalidInput as error:
        told_of = [RequestError(pointer((field,)), one.message) for one in error.errors]
        raise InvalidInput(*told_of) from None


def _addresses(form: Form, name: str) -> list[object]:
    return [address(one) for text in form.all(name) for one in split(text)]


def _time(text: str) -> str:
    """A time as in RFC 2822, or in seconds since 1970, as RFC 3339."""
    try:
        if text.isdecimal():
            return rfc3339(datetime.fromtimestamp(int(text), UTC))
        at = parsedate_to_datetime(text)
        return rfc3339(at if at.tzinfo else at.replace(tzinfo=UTC))
    except (OverflowError, OSError, ValueError):
        raise InvalidInput(
            RequestError(
                "/o:deliverytime", "must be a time such as Fri, 14 Oct 2026 23:10:10 +0000"
            )
        ) from None


# -- one email for each recipient -----------------------------------------------------------------


def _personal(email: JsonObject, form: Form, values: JsonObject) -> list[JsonObject]:
    """An email for each recipient in To, with what is said of them in its place."""
    by_address = {name.lower(): own for name, own in values.items()}
    emails = []
    room = Room()
    recipients = _addresses(form, "to")
    if len(recipients) > MOST_EMAILS:  # each is an email
        raise InvalidInput(RequestError("/to", f"must have at most {MOST_EMAILS} addresses"))
    for recipient in recipients:
        name, where = _name_and_address(recipient)
        own = by_address.get(where.lower(), {})
        if not isinstance(own, dict):
            raise InvalidInput(RequestError("/recipient-variables", "must have objects"))
        put_in = partial(_put_in, own=own, name=name, where=where, room=room)
        emails.append(_replaced(email, put_in) | {"recipients": [recipient]})
    return emails


def _name_and_address(recipient: object) -> tuple[str, str]:
    if isinstance(recipient, dict):
        return recipient["name"], recipient["address"]
    name, _, where = str(recipient).removesuffix(">").rpartition("<")
    return name.strip().strip('"'), where


def _replaced(value: Any, put_in: Callable[[str], str]) -> Any:
    """*value* with what *put_in* makes of each text in it."""
    if isinstance(value, str):
        return put_in(value)
    if isinstance(value, dict):
        return {name: _replaced(one, put_in) for name, one in value.items()}
    return [_replaced(one, put_in) for one in value] if isinstance(value, list) else value


def _put_in(text: str, *, own: Mapping[str, Any], name: str, where: str, room: Room) -> str:
    room.take(len(text))
    if "%recipient" not in text:
        return text
    parts = {None: where, "email": where, "name": name, "fname": name.partition(" ")[0]}

    def value(found: re.Match[str]) -> str:
        wanted = found["name"]
        if wanted is None:
            return parts[found["part"]]
        if wanted not in own:
            raise InvalidInput(
                RequestError("/recipient-variables", f"a recipient has no value for {wanted[:40]}")
            )
        put = str(own[wanted])
        room.take(len(put))
        return put

    return _RECIPIENT.sub(value, text)


# -- answers and errors ---------------------------------------------------------------------------


def _answer(order: Order, receipt: Receipt) -> Reply:
    first = receipt.ids[0]
    email = receipt.emails.get(first)
    message_id = f"<{first}@{order.context}>" if email is None else email.message_id
    return Reply(body={"id": message_id, "message": "Queued. Thank you."})


# what has no SMTP configuration here has no domain there
_STATUS: Final[Mapping[str, int]] = {"from_not_allowed": 404}


def _error(failure: Failure) -> Reply:
    message = told(failure, _THEIRS)
    if failure.code == "from_not_allowed":
        message = f"Domain not found: {message}"
    return Reply(
        status=_STATUS.get(failure.code, failure.status),
        body={"message": message},
    )


_FORMS: Final[Sequence[str]] = (FORM, URLENCODED)

MAILGUN: Final = Dialect(
    name="mailgun",
    paths=re.compile(r"/v3/[^/]*\.[^/]*(?:/|\Z)"),
    key=partial(basic_password, user="api"),
    key_hint="with Basic authentication, as the password of the user api",
    calls=(
        Sending(
            path="/v3/<domain>/messages", read=_read, answer=_answer, media_types=tuple(_FORMS)
        ),
        Sending(
            path="/v3/<domain>/messages.mime", read=_read_mime, answer=_answer, media_types=(FORM,)
        ),
        Asking(
            method="GET",
            path="/v3/<domain>/events",
            scope=Scope.READ,
            answer=events,
            query=(QUERY,),
        ),
    ),
    error=_error,
    challenge='Basic realm="email-service"',
)
