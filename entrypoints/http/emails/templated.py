"""The batch of one template for many recipients: from its fields to drafts, and its errors back."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import attrs

from application.intake.draft import Draft
from domain.email.labels import Labels, labels
from domain.errors import FieldError, InvalidInput
from domain.mailbox import NO_NAMES, Mailbox
from domain.message.template import Value
from entrypoints.http.emails.intake import Headers, draft_of, mailbox_of
from entrypoints.http.emails.schemas import EmailRequest, TemplatedBatch
from entrypoints.http.fields import RequestError, pointer, pointer_of
from entrypoints.http.json_reader import JsonObject
from entrypoints.http.validation import MOST_ERRORS

_VARIABLES: Final = "variables"


def is_templated(body: JsonObject) -> bool:
    """Whether it is one of these, and no list of emails."""
    return "emails" not in body and ("to" in body or "template" in body)


def emails_asked_for(body: JsonObject) -> list[object]:
    """An object with the recipients and the account of each email, as far as that can be told."""
    to, common = body.get("to"), body.get("common")
    account_id = common.get("smtp_config_id") if isinstance(common, dict) else None
    return [
        {"recipients": [one.get("recipient")], "smtp_config_id": account_id}
        for one in (to if isinstance(to, list) else [])
        if isinstance(one, dict)
    ]


def templated_drafts(wanted: TemplatedBatch, headers: Headers) -> Sequence[Draft]:
    """One draft for each recipient, in their order."""
    shared: Mapping[str, Value] = wanted.common.variables or {}
    common = EmailRequest.model_construct(
        **{**wanted.common.given(), "recipients": [], _VARIABLES: {}},
        subject="",
        html_content=None,
        template=wanted.template,
    )
    draft = draft_of(common, headers)
    return [
        attrs.evolve(
            draft,
            **_to(mailbox_of(one.recipient)),
            variables={**shared, **(one.variables or {})},
            labels=_labels(draft.labels, one.metadata),
        )
        for one in wanted.to
    ]


def _to(recipient: Mailbox) -> dict[str, Any]:
    address, name = recipient.address, recipient.name
    return {"to": (address,), "names": {address: name} if name else NO_NAMES}


def _labels(common: Labels, metadata: Mapping[str, str] | None) -> Labels:
    """Those of all emails, with what one recipient adds or has otherwise."""
    if not metadata:
        return common
    return labels(common.tags, {**dict(common.metadata), **metadata})


def about_the_template(error: InvalidInput) -> InvalidInput:
    """*error* of the drafts, at the fields of this batch; what all have in common is told once."""
    told = dict.fromkeys(_field_of(one) for one in error.errors)
    return InvalidInput(*list(told)[:MOST_ERRORS], code=error.code)


def _field_of(error: FieldError) -> FieldError:
    name, _, part = error.field.partition("/")
    if error.index is None:
        return RequestError(pointer(("to",)), error.message)
    if name == "to":
        return RequestError(pointer(("to", error.index, "recipient")), error.message)
    if name == _VARIABLES:
        return RequestError(pointer(("to", error.index, _VARIABLES, part)), error.message)
    if name == "template" and not part:
        return RequestError(pointer(("to", error.index, _VARIABLES)), error.message)
    place = pointer_of(attrs.evolve(error, index=None))
    return RequestError(place if name == "template" else f"/common{place}", error.message)
