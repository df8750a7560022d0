"""The call that submits a message that the client made itself."""

from hashlib import sha256
from typing import Final

import attrs

from application.intake.draft import Draft
from domain.email.labels import NO_LABELS, labels
from domain.errors import InvalidInput
from domain.message.raw import read_raw
from entrypoints.http.emails.intake import Headers, mailbox_of
from entrypoints.http.emails.schemas import RawEmailRequest
from entrypoints.http.json_reader import JsonObject

_RAW: Final = "raw"


def compared(body: JsonObject) -> JsonObject:
    """What makes two calls the same: the fields, and the digest of the message."""
    raw = body.get(_RAW)
    if not isinstance(raw, str):
        return body
    return {**body, _RAW: sha256(raw.encode()).hexdigest()}


def raw_draft(wanted: RawEmailRequest, headers: Headers) -> Draft:
    """The message as the application takes it. InvalidInput if it cannot be sent as it is."""
    raw = read_raw(wanted.raw)
    recipients = tuple(map(mailbox_of, wanted.recipients))
    return Draft(
        subject=raw.subject,
        raw=raw,
        to=tuple([one.address for one in recipients]),
        names={one.address: one.name for one in recipients if one.name},
        sender=raw.sender,
        headers=headers,
        priority=wanted.priority,
        account_id=wanted.smtp_config_id,
        send_at=wanted.send_at,
        expires_at=wanted.expires_at,
        at_most_once=wanted.at_most_once,
        labels=labels(wanted.tags, wanted.metadata or {})
        if wanted.tags or wanted.metadata
        else NO_LABELS,
    )


def about_the_message(error: InvalidInput) -> InvalidInput:
    """*error* of the draft at the fields of this call: its From stands in the message."""
    errors = [
        attrs.evolve(one, index=None, field=_RAW if one.field == "sender" else one.field)
        for one in error.errors
    ]
    return type(error)(*errors, code=error.code)
