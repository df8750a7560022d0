"""Postmark's API: /email, batches of it, templates, and what became of an email."""

import re
from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

import attrs

from domain.access import Scope
from domain.email.lifecycle import Email
from domain.email.recipient import SUPPRESSED, RecipientStatus
from domain.errors import InvalidInput
from domain.intake import MOST_EMAILS
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
    told,
)
from entrypoints.http.dialects.ids import uuid_of
from entrypoints.http.dialects.postmark_lookup import show
from entrypoints.http.dialects.reading import (
    address,
    addresses,
    base64_text,
    caught,
    checked,
    copied,
    required,
    shown_only,
    with_headers,
)
from entrypoints.http.failure import Failure, failure_of
from entrypoints.http.fields import RequestError
from entrypoints.http.json_reader import BATCH, JsonObject, read_array, read_object
from entrypoints.http.times import rfc3339

_NAMES: Final = {  # ours by Postmark's
    "Subject": "subject",
    "HtmlBody": "html_content",
    "TextBody": "text_content",
    "Metadata": "metadata",
}
_FIELDS: Final = frozenset(
    {*_NAMES, "From", "To", "Cc", "Bcc", "ReplyTo", "Headers", "Attachments", "Tag"}
)
_OF_TEMPLATE: Final = frozenset({"TemplateId", "TemplateAlias", "TemplateModel"})
_IGNORED: Final = frozenset({"TrackOpens", "TrackLinks", "MessageStream", "InlineCss"})
_LISTS: Final = {"To": "recipients", "Cc": "cc", "Bcc": "bcc", "ReplyTo": "reply_to"}
_FILE: Final = {"Name": "filename", "ContentType": "content_type"}
_THEIRS: Final = {ours: name for name, ours in (_NAMES | _LISTS).items()} | {
    "from": "From",
    "headers": "Headers",
    "attachments": "Attachments",
    "tags": "Tag",
    "template": "TemplateAlias",
    "variables": "TemplateModel",
}
_TEST_TOKEN: Final = "POSTMARK_API_TEST"  # noqa: S105 - everybody knows it
_NO_ID: Final = str(UUID(int=0))


def _key(environ: Mapping[str, Any]) -> str | None:
    found: str | None = environ.get("HTTP_X_POSTMARK_SERVER_TOKEN")
    return found


# -- reading --------------------------------------------------------------------------------------


def _read_one() -> Order:
    return _order(read_object(), _FIELDS)


def _read_one_of_template() -> Order:
    return _order(read_object(), _FIELDS | _OF_TEMPLATE)


def _order(body: JsonObject, known: frozenset[str]) -> Order:
    ignored: list[str] = []
    wanted = _wanted(body, known, ignored)
    return Order(wanted=[wanted], compared=body, ignored=ignored, context=[body])


def _read_many() -> Order:
    return _orders(read_array(), _FIELDS)


def _read_many_of_template() -> Order:
    taken, _ = checked(read_object(times=BATCH), known=("Messages",))
    messages = taken.get("Messages")
    if not isinstance(messages, list):
        raise InvalidInput(RequestError("/Messages", "must be a list"))
    return _orders(messages, _FIELDS | _OF_TEMPLATE)


def _orders(emails: list[Any], known: frozenset[str]) -> Order:
    if not emails:
        raise InvalidInput(RequestError("", "there must be at least one message"))
    if len(emails) > MOST_EMAILS:
        told = f"there may be at most {MOST_EMAILS} messages"
        raise InvalidInput(RequestError("", told), code="too_many_messages")
    ignored: list[str] = []
    return Order(
        wanted=[caught(_wanted, one, known, ignored) for one in emails],
        compared=emails,
        each=True,
        ignored=list(dict.fromkeys(ignored)),
        context=emails,
    )


def _wanted(fields: object, known: frozenset[str], ignored: list[str]) -> Wanted:
    if isinstance(fields, dict):  # here an empty text is no text
        fields = {name: value for name, value in fields.items() if value != ""}
    taken, left = checked(fields, known=known, ignored=_IGNORED)
    ignored += left
    required(taken, "From")
    email = copied(taken, _NAMES) | {"from": address(taken["From"]), "recipients": []}
    for name, ours in _LISTS.items():
        if name in taken:
            email[ours] = addresses(taken[name])
    if not any(email.get(name) for name in ("recipients", "cc", "bcc")):
        raise InvalidInput(RequestError("/To", "is required"))
    if "Tag" in taken:
        email["tags"] = [taken["Tag"]]
    if known >= _OF_TEMPLATE:
        email |= _template(taken)
    if taken.get("Headers"):
        email = with_headers(email, _headers(taken["Headers"]), ignored)
    if "Attachments" in taken:
        email["attachments"] = _files(taken["Attachments"])
    return Wanted(fields=shown_only(email))


def _template(fields: JsonObject) -> JsonObject:
    name = fields.get("TemplateAlias", fields.get("TemplateId"))
    if name is None:
        raise InvalidInput(RequestError("/TemplateAlias", "is required"))
    number = isinstance(name, int) and not isinstance(name, bool)
    template = {"name": str(name) if number else name}
    return {"template": template, "variables": fields.get("TemplateModel", {})}


def _headers(headers: object) -> JsonObject:
    if not isinstance(headers, list):
        raise InvalidInput(RequestError("/Headers", "must be a list"))
    pairs = [checked(one, known=("Name", "Value"))[0] for one in headers]
    return {str(pair.get("Name", "")): pair.get("Value", "") for pair in pairs}


def _files(files: object) -> object:
    return [_file(one) for one in files] if isinstance(files, list) else files


def _file(file: object) -> JsonObject:
    taken, _ = checked(file, known=(*_FILE, "Content", "ContentID", "ContentLength"))
    found = copied(taken, _FILE) | {"content": base64_text(taken.get("Content"))}
    content_id = taken.get("ContentID")
    if content_id:
        found["content_id"] = str(content_id).removeprefix("cid:")
    return found


# -- answers --------------------------------------------------------------------------------------


def _answer_one(order: Order, receipt: Receipt) -> Reply:
    answer = _answers(order, receipt)[0]
    return Reply(status=422 if answer["ErrorCode"] else 200, body=answer)


def _answer_many(order: Order, receipt: Receipt) -> Reply:
    return Reply(body=_answers(order, receipt))


def _answers(order: Order, receipt: Receipt) -> list[JsonObject]:
    given: Any = order.context
    at = rfc3339(receipt.at)
    return [
        _accepted(one, fields, receipt, at=at) if isinstance(one, int) else _body(failure_of(one))
        for one, fields in zip(receipt.outcomes, given, strict=True)
    ]


def _accepted(email_id: int, fields: JsonObject, receipt: Receipt, *, at: str) -> JsonObject:
    message, code = "OK" if email_id else "Test job accepted", 0
    email = receipt.emails.get(email_id)
    inactive = [] if email is None else _suppressed(email)
    if email is not None and inactive:
        told, code = _INACTIVE[email.reason_code == SUPPRESSED]
        message = told.format(names=", ".join(inactive))
    if code:
        return {"ErrorCode": code, "Message": message}
    return {
        "To": fields.get("To") or "",  # as it came: clients find their recipients by it
        "SubmittedAt": at,
        "MessageID": uuid_of(email_id) if email_id else _NO_ID,
        "ErrorCode": code,
        "Message": message,
    }


def _suppressed(email: Email) -> list[str]:
    """The recipients that get nothing."""
    status = RecipientStatus.SUPPRESSED
    return [str(one.address) for one in email.recipients if one.status is status]


_WHY: Final = (
    "Inactive recipients are ones that have generated a hard bounce, a spam complaint, or a manual"
    " suppression."
)
# clients parse these; whether nobody gets the email -> what is told, and Postmark's code
_INACTIVE: Final = {
    False: (f"Message OK, but will not deliver to these inactive addresses: {{names}}. {_WHY}", 0),
    True: (
        "You tried to send to recipient(s) that have been marked as inactive. Found inactive"
        f" addresses: {{names}}. {_WHY}",
        406,
    ),
}


# -- errors ---------------------------------------------------------------------------------------

# our code, or else our status -> Postmark's code
_BY_CODE: Final = {
    "from_not_allowed": 400,
    "invalid_json": 402,
    "too_many_messages": 410,
    "template_not_found": 1101,
}
_BY_STATUS: Final = {400: 300, 401: 10, 403: 10, 503: 100}
_STATUS: Final = {400: 422}


def _error(failure: Failure) -> Reply:
    return Reply(status=_STATUS.get(failure.status, failure.status), body=_body(failure))


def _body(failure: Failure) -> JsonObject:
    code = _BY_CODE.get(failure.code) or _BY_STATUS.get(failure.status, failure.status)
    found = faults(failure, _THEIRS)
    invalid = next((one for one in found if one.given is not None), None)
    message = told(failure, _THEIRS) if invalid is None else _invalid(invalid)
    return {"ErrorCode": code, "Message": message}


def _invalid(fault: Fault) -> str:
    """What clients parse to learn which address is wrong."""
    field = fault.field.partition(".")[0]
    return f"Invalid '{field}' address: '{fault.given}'. It {fault.message}."


def _sending(path: str, *, many: bool, template: bool = False) -> Sending:
    read = {
        (False, False): _read_one,
        (False, True): _read_one_of_template,
        (True, False): _read_many,
        (True, True): _read_many_of_template,
    }[many, template]
    return Sending(path=path, read=read, answer=_answer_many if many else _answer_one)


_WITH_TEMPLATE: Final = _sending("/email/withTemplate", many=False, template=True)
_MANY_WITH_TEMPLATES: Final = _sending("/email/batchWithTemplates", many=True, template=True)

POSTMARK: Final = Dialect(
    name="postmark",
    paths=re.compile(r"/(?:email|messages)(?:/|\Z)"),
    key=_key,
    key_hint="as X-Postmark-Server-Token",
    calls=(
        _sending("/email", many=False),
        _sending("/email/batch", many=True),
        _WITH_TEMPLATE,
        attrs.evolve(_WITH_TEMPLATE, path="/email/withTemplate/"),
        _MANY_WITH_TEMPLATES,
        attrs.evolve(_MANY_WITH_TEMPLATES, path="/email/batchWithTemplates/"),
        Asking(
            method="GET",
            path="/messages/outbound/<message_id>/details",
            scope=Scope.READ,
            answer=show,
        ),
    ),
    error=_error,
    challenge='Postmark realm="email-service"',
    test_key=_TEST_TOKEN,
)
