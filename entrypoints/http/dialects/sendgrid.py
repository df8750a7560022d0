"""SendGrid's API, version 3: /v3/mail/send, and what became of an email."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from domain.access import Scope
from domain.errors import InvalidInput
from entrypoints.http.dialects.dialect import (
    Asking,
    Dialect,
    Fault,
    Order,
    Receipt,
    Reply,
    Sending,
    Wanted,
    faults,
)
from entrypoints.http.dialects.reading import (
    Room,
    base64_text,
    checked,
    copied,
    required,
    shown_only,
    with_headers,
)
from entrypoints.http.dialects.sendgrid_lookup import show
from entrypoints.http.failure import Failure
from entrypoints.http.fields import RequestError
from entrypoints.http.json_reader import BATCH, JsonObject, read_object
from entrypoints.http.keys import bearer
from entrypoints.http.times import rfc3339

_PERSONAL: Final = frozenset(
    {"to", "cc", "bcc", "from", "subject", "headers", "custom_args", "send_at"}
    | {"dynamic_template_data", "substitutions"}
)
_FIELDS: Final = frozenset(
    {"personalizations", "from", "reply_to", "reply_to_list", "subject", "content", "attachments"}
    | {"template_id", "sections", "headers", "categories", "custom_args", "send_at"}
    | {"mail_settings", "asm"}
)
_IGNORED: Final = frozenset({"tracking_settings", "ip_pool_name", "batch_id"})
# they change the text, or who gets it: nothing here does the same
_REFUSED: Final = ("substitutions", "sections", "asm")
_CONTENT: Final = {"text/plain": "text_content", "text/html": "html_content"}
_CALENDAR: Final = "text/calendar"
_METHOD: Final = re.compile(r"^METHOD:([A-Z]+)\r?$", re.MULTILINE)
_FILE: Final = {"filename": "filename", "type": "content_type", "content_id": "content_id"}
_OF_ONE: Final = frozenset({"to", "cc", "bcc"})
_THEIRS: Final = {
    "recipients": "to",
    "html_content": "content",
    "text_content": "content",
    "calendar": "content",
    "tags": "categories",
    "metadata": "custom_args",
    "template": "template_id",
    "variables": "dynamic_template_data",
}
_ADDRESS: Final = re.compile(r"\.address\Z")
_NOT_SUPPORTED: Final = "is not supported here, and would change what is sent"


def _read() -> Order:
    body = read_object(times=BATCH)
    taken, ignored = checked(body, known=_FIELDS, ignored=_IGNORED)
    personalizations = taken.get("personalizations")
    if not isinstance(personalizations, list) or not personalizations:
        raise InvalidInput(RequestError("/personalizations", "must have at least one item"))
    _refuse_present(taken)
    dry_run = _is_dry_run(taken.get("mail_settings", {}), ignored)
    common, room = _common(taken, ignored), Room()
    return Order(
        wanted=[_wanted(one, taken, common, ignored, room) for one in personalizations],
        compared=body,
        dry_run=dry_run,
        ignored=list(dict.fromkeys(ignored)),
    )


def _refuse_present(fields: JsonObject) -> None:
    errors = [RequestError(f"/{name}", _NOT_SUPPORTED) for name in _REFUSED if fields.get(name)]
    if errors:
        raise InvalidInput(*errors, code="unknown_field")


def _is_dry_run(settings: object, ignored: list[str]) -> bool:
    """Whether it is only validated. A setting that is switched on and is not known is refused."""
    if not isinstance(settings, dict):
        raise InvalidInput(RequestError("/mail_settings", "must be an object"))
    switched_on = [
        name for name, one in settings.items() if isinstance(one, dict) and one.get("enable")
    ]
    others = [name for name in switched_on if name not in ("sandbox_mode", "spam_check")]
    if others:
        errors = [RequestError(f"/mail_settings/{name}", _NOT_SUPPORTED) for name in others]
        raise InvalidInput(*errors, code="unknown_field")
    if "spam_check" in switched_on:
        ignored.append("mail_settings.spam_check")
    return "sandbox_mode" in switched_on


def _common(fields: JsonObject, ignored: list[str]) -> JsonObject:
    """What all emails of the call have."""
    email = _content(fields.get("content", []))
    if "template_id" in fields:
        email["template"] = {"name": fields["template_id"]}
    if "reply_to" in fields:
        email["reply_to"] = [_mailbox(fields["reply_to"])]
    if "reply_to_list" in fields:
        email["reply_to"] = _mailboxes(fields["reply_to_list"])
    if "categories" in fields:
        tags = fields["categories"]
        email["tags"] = [tags] if isinstance(tags, str) else tags
    if "attachments" in fields:
        files = fields["attachments"]
        email["attachments"] = [_file(one) for one in files] if isinstance(files, list) else files
    return email


def _content(parts: object) -> JsonObject:
    if not isinstance(parts, list):
        raise InvalidInput(RequestError("/content", "must be a list"))
    email: JsonObject = {}
    for part in parts:
        taken, _ = checked(part, known=("type", "value"))
        kind = str(taken.get("type", "")).partition(";")[0].strip().lower()
        value = taken.get("value")
        if kind == _CALENDAR:
            method = _METHOD.search(value) if isinstance(value, str) else None
            email["calendar"] = {"content": value, "method": method[1] if method else "REQUEST"}
        elif kind in _CONTENT and _CONTENT[kind] not in email:
            email[_CONTENT[kind]] = value
        else:
            raise InvalidInput(
                RequestError("/content", "takes text/plain, text/html and text/calendar, each once")
            )
    return email


def _file(file: object) -> JsonObject:
    taken, _ = checked(file, known=(*_FILE, "content", "disposition", "name"))
    found = copied(taken, _FILE) | {"content": base64_text(taken.get("content"))}
    if taken.get("disposition", "inline") != "inline":
        found.pop("content_id", None)
    return found


def _wanted(
    personalization: object,
    fields: JsonObject,
    common: JsonObject,
    ignored: list[str],
    room: Room,
) -> Wanted:
    """The email of one personalization."""
    own, _ = checked(personalization, known=_PERSONAL)
    _refuse_present(own)
    required(own, "to")
    merged = {**copied(fields, {name: name for name in ("from", "subject", "send_at")}), **own}
    required(merged, "from")
    email = {**common, "from": _mailbox(merged["from"]), "recipients": _mailboxes(own["to"])}
    for name in ("cc", "bcc"):
        if name in own:
            email[name] = _mailboxes(own[name])
    if "template" in common:
        email |= copied(own, {"dynamic_template_data": "variables"})
        if "subject" in merged:
            ignored.append("subject")  # the template has it
    else:
        email |= copied(merged, {"subject": "subject", "dynamic_template_data": "variables"})
    if "send_at" in merged:
        email["send_at"] = _time(merged["send_at"])
    metadata = _both(fields, own, "custom_args", room)
    if metadata:
        email["metadata"] = metadata
    headers = _both(fields, own, "headers", room)
    if headers:
        email = with_headers(email, headers, ignored)
    return Wanted(fields=shown_only(email))


def _both(fields: JsonObject, own: JsonObject, name: str, room: Room) -> JsonObject:
    """What stands under *name* for all emails, with what one of them adds or has otherwise."""
    common, added = fields.get(name, {}), own.get(name, {})
    if not isinstance(common, dict) or not isinstance(added, dict):
        raise InvalidInput(RequestError(f"/{name}", "must be an object"))
    room.take(sum(map(len, common)))
    return {**common, **added}


def _mailboxes(value: object) -> object:
    return [_mailbox(one) for one in value] if isinstance(value, list) else value


def _mailbox(value: object) -> object:
    taken, _ = checked(value, known=("email", "name"))
    return copied(taken, {"email": "address", "name": "name"})


def _time(value: object) -> str:
    """A time in seconds since 1970, as RFC 3339."""
    try:
        if isinstance(value, int) and not isinstance(value, bool):
            return rfc3339(datetime.fromtimestamp(value, UTC))
    except (OverflowError, OSError, ValueError):
        pass
    raise InvalidInput(RequestError("/send_at", "must be a time in seconds since 1970"))


def _answer(order: Order, receipt: Receipt) -> Reply:
    if order.dry_run:
        return Reply(status=200)
    return Reply(status=202, headers={"X-Message-Id": str(receipt.ids[0])})


# -- errors ---------------------------------------------------------------------------------------

_STATUS: Final[Mapping[str, int]] = {"from_not_allowed": 403}


def _error(failure: Failure) -> Reply:
    found = faults(failure, _THEIRS)
    errors: list[dict[str, Any]] = [
        {"message": one.message, "field": _place(one), "help": None} for one in found
    ]
    return Reply(
        status=_STATUS.get(failure.code, failure.status),
        body={"errors": errors or [{"message": failure.detail, "field": None, "help": None}]},
    )


def _place(fault: Fault) -> str | None:
    """Where it stands in the body, with dots between the steps."""
    field = _ADDRESS.sub(".email", fault.field)
    if field.partition(".")[0] in _OF_ONE:
        return f"personalizations.{fault.index or 0}.{field}"
    return field or None


SENDGRID: Final = Dialect(
    name="sendgrid",
    # what has a dot is the domain of a call of Mailgun's
    paths=re.compile(r"/v3/[^/.]*(?:/|\Z)"),
    key=bearer,
    key_hint="as a bearer token",
    calls=(
        Sending(path="/v3/mail/send", read=_read, answer=_answer),
        Asking(method="GET", path="/v3/messages/<id:email_id>", scope=Scope.READ, answer=show),
    ),
    error=_error,
)
