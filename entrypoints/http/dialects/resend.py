"""Resend's API: /emails, and the calls behind it."""

import re
from collections.abc import Mapping
from typing import Final

from application import Application
from application.queries import EmailView
from domain.access import Scope
from domain.bounce.bounce import BounceType
from domain.email.recipient import SUPPRESSED, RecipientField
from domain.email.status import Status
from domain.errors import InvalidInput
from entrypoints.http.access import the_caller
from entrypoints.http.dialects.dialect import (
    Asking,
    Dialect,
    Order,
    Receipt,
    Reply,
    Sending,
    Wanted,
    faults,
    told,
)
from entrypoints.http.dialects.history import of_field, sender_of
from entrypoints.http.dialects.ids import id_of, uuid_of
from entrypoints.http.dialects.reading import (
    address,
    addresses,
    caught,
    checked,
    copied,
    octets_text,
    required,
    shown_only,
    with_headers,
)
from entrypoints.http.emails.schemas import RescheduleRequest
from entrypoints.http.failure import Failure, failure_of
from entrypoints.http.fields import RequestError
from entrypoints.http.json_reader import BATCH, JsonObject, read_array, read_object
from entrypoints.http.keys import bearer
from entrypoints.http.requests import the_request
from entrypoints.http.times import rfc3339, rfc3339_if_any
from entrypoints.http.validation import parse

_NAMES: Final = {  # ours by Resend's
    "subject": "subject",
    "html": "html_content",
    "text": "text_content",
    "scheduled_at": "send_at",
    "topic_id": "topic",
}
_FIELDS: Final = frozenset(
    {*_NAMES, "from", "to", "cc", "bcc", "reply_to", "headers", "attachments", "tags", "template"}
)
_THEIRS: Final = {ours: name for name, ours in _NAMES.items()} | {
    "recipients": "to",
    "metadata": "tags",
    "variables": "template",
}
_FILE: Final = {
    "filename": "filename",
    "content_type": "content_type",
    "contentType": "content_type",
    "content_id": "content_id",
    "contentId": "content_id",
    "inline_content_id": "content_id",
}
_VALIDATION: Final = "X-Batch-Validation"


# -- sending --------------------------------------------------------------------------------------


def _read_one() -> Order:
    # a list of octets has as many values as the file has octets
    body = read_object(times=BATCH)
    ignored: list[str] = []
    return Order(wanted=[_wanted(body, ignored)], compared=body, ignored=ignored)


def _read_many() -> Order:
    emails = read_array()
    if not emails:
        raise InvalidInput(RequestError("", "the body must have at least one email"))
    mode = the_request().headers.get(_VALIDATION, "strict")
    if mode not in ("strict", "permissive"):
        raise InvalidInput(RequestError("", f"{_VALIDATION} must be strict or permissive"))
    ignored: list[str] = []
    return Order(
        wanted=[caught(_wanted, one, ignored) for one in emails],
        compared=emails,
        each=mode == "permissive",
        ignored=list(dict.fromkeys(ignored)),
    )


def _wanted(fields: object, ignored: list[str]) -> Wanted:
    taken, _ = checked(fields, known=_FIELDS)
    required(taken, "from", "to")
    email = copied(taken, _NAMES)
    email["from"] = address(taken["from"])
    email["recipients"] = addresses(taken["to"])
    for name in ("cc", "bcc", "reply_to"):
        if name in taken:
            email[name] = addresses(taken[name])
    if "template" in taken:
        email |= _template(taken["template"])
    if "tags" in taken:
        email["metadata"] = _metadata(taken["tags"])
    if "headers" in taken:
        email = with_headers(email, taken["headers"], ignored)
    if "attachments" in taken:
        email["attachments"] = _files(taken["attachments"])
    return Wanted(fields=shown_only(email))


def _template(template: object) -> JsonObject:
    taken, _ = checked(template, known=("id", "variables"))
    email: JsonObject = {"template": {"name": taken.get("id")}}
    return email | copied(taken, {"variables": "variables"})


def _metadata(tags: object) -> object:
    """Pairs of a name and a value are what our API calls metadata."""
    if not isinstance(tags, list):
        raise InvalidInput(RequestError("/tags", "must be a list"))
    pairs = [checked(tag, known=("name", "value"))[0] for tag in tags]
    return {str(pair.get("name", "")): pair.get("value", "") for pair in pairs}


def _files(files: object) -> object:
    return [_file(one) for one in files] if isinstance(files, list) else files


def _file(file: object) -> JsonObject:
    if isinstance(file, dict) and file.get("path") is not None:
        raise InvalidInput(
            RequestError("/attachments", "path is not fetched here: send the file as content")
        )
    taken, _ = checked(file, known=(*_FILE, "content"))
    content = taken.get("content")
    if isinstance(content, dict) and content.get("type") == "Buffer":
        content = content.get("data")  # what JSON.stringify makes of Node's Buffer
    return copied(taken, _FILE) | {"content": octets_text(content)}


def _answer_one(_: Order, receipt: Receipt) -> Reply:
    return Reply(body={"id": uuid_of(receipt.ids[0])})


def _answer_many(order: Order, receipt: Receipt) -> Reply:
    body: JsonObject = {"data": [{"id": uuid_of(one)} for one in receipt.ids]}
    if order.each:
        body["errors"] = [
            {"index": place, "message": told(failure_of(one), _THEIRS)}
            for place, one in enumerate(receipt.outcomes)
            if not isinstance(one, int)
        ]
    return Reply(body=body)


# -- looking and changing -------------------------------------------------------------------------

_EVENTS: Final[Mapping[Status, str]] = {
    Status.QUEUED: "queued",
    Status.SCHEDULED: "scheduled",
    Status.SENDING: "queued",
    Status.SENT: "sent",
    Status.RETRY: "delivery_delayed",
    Status.FAILED: "failed",
    Status.CANCELLED: "canceled",
}


def _show(application: Application, *, email_id: str) -> Reply:
    view = application.queries.email(id_of(email_id), caller=the_caller())
    email = view.email
    scheduled = email.status is Status.SCHEDULED
    return Reply(
        body={
            "object": "email",
            "id": uuid_of(email.id),
            "message_id": email.message_id,
            "from": sender_of(view),
            "to": of_field(view, RecipientField.TO),
            "cc": of_field(view, RecipientField.CC),
            "bcc": of_field(view, RecipientField.BCC),
            "reply_to": [str(one.address) for one in view.detail.reply_to],
            "subject": email.subject,
            "html": None,  # GET /api/emails/{id}/raw has the message
            "text": None,
            "created_at": rfc3339(email.created_at),
            "scheduled_at": rfc3339_if_any(email.eligible_at if scheduled else None),
            "last_event": _last_event(view),
            "tags": [{"name": name, "value": value} for name, value in view.labels.metadata],
        }
    )


def _last_event(view: EmailView) -> str:
    told_of = {one.type for one in view.bounces}
    if BounceType.COMPLAINED in told_of:
        return "complained"
    if BounceType.BOUNCED in told_of:
        return "bounced"
    if view.email.reason_code == SUPPRESSED:
        return "suppressed"
    return _EVENTS[view.email.status]


def _reschedule(application: Application, *, email_id: str) -> Reply:
    taken, _ = checked(read_object(), known=("scheduled_at", "id"))
    wanted = parse(RescheduleRequest, copied(taken, {"scheduled_at": "send_at"}))
    email = application.email_changes.reschedule(
        id_of(email_id), wanted.send_at, caller=the_caller()
    )
    return Reply(body={"object": "email", "id": uuid_of(email.id)})


def _cancel(application: Application, *, email_id: str) -> Reply:
    email = application.email_changes.cancel(id_of(email_id), caller=the_caller())
    return Reply(body={"object": "email", "id": uuid_of(email.id)})


# -- errors ---------------------------------------------------------------------------------------

# our code, or else our status -> Resend's status and name
_BY_CODE: Final = {
    "missing_api_key": (401, "missing_api_key"),
    "unauthorized": (403, "invalid_api_key"),
    "from_not_allowed": (403, "validation_error"),
    "idempotency_mismatch": (409, "invalid_idempotent_request"),
    "invalid_idempotency_key": (400, "invalid_idempotency_key"),
}
_BY_STATUS: Final = {
    400: (422, "validation_error"),
    403: (403, "restricted_api_key"),
    404: (404, "not_found"),
    405: (405, "method_not_allowed"),
    409: (422, "validation_error"),
    429: (429, "rate_limit_exceeded"),
    500: (500, "application_error"),
    503: (503, "service_unavailable"),
}


def _error(failure: Failure) -> Reply:
    status, name = _BY_CODE.get(failure.code) or _BY_STATUS.get(
        failure.status, (failure.status, failure.code)
    )
    return Reply(
        status=status,
        body={"statusCode": status, "name": name, "message": _message(failure)},
    )


def _message(failure: Failure) -> str:
    """All that is wrong, each with its email if there are several."""
    found = faults(failure, _THEIRS)
    parts = [str(one) if one.index is None else f"emails[{one.index}].{one}" for one in found]
    return "; ".join(parts) or failure.detail


RESEND: Final = Dialect(
    name="resend",
    paths=re.compile(r"/emails(?:/|\Z)"),
    key=bearer,
    key_hint="as a bearer token",
    calls=(
        Sending(path="/emails", read=_read_one, answer=_answer_one),
        Sending(path="/emails/batch", read=_read_many, answer=_answer_many),
        Asking(method="GET", path="/emails/<email_id>", scope=Scope.READ, answer=_show),
        Asking(method="PATCH", path="/emails/<email_id>", scope=Scope.SEND, answer=_reschedule),
        Asking(method="POST", path="/emails/<email_id>/cancel", scope=Scope.SEND, answer=_cancel),
    ),
    error=_error,
)
