"""What became of an email, as SendGrid's /v3/messages/{id} shows it."""

import json
from collections.abc import Collection, Mapping
from typing import Final

from application import Application
from domain.email.recipient import RecipientStatus
from domain.email.status import Status
from entrypoints.http.access import the_caller
from entrypoints.http.dialects.dialect import Reply
from entrypoints.http.dialects.history import Happened, Step, history, sender_of
from entrypoints.http.json_reader import JsonObject
from entrypoints.http.times import rfc3339

_EVENTS: Final[Mapping[Step, str]] = {
    Step.ACCEPTED: "processed",
    Step.DELIVERED: "delivered",
    Step.DELAYED: "deferred",
    Step.FAILED: "bounce",
    Step.BOUNCED: "bounce",
    Step.COMPLAINED: "spam_report",
}
_NOT_DELIVERED: Final = frozenset({Step.FAILED, Step.BOUNCED})


def show(application: Application, *, email_id: int) -> Reply:
    """One email. NotFound."""
    view = application.queries.email(email_id, caller=the_caller())
    happened = history(view)
    return Reply(
        body={
            "msg_id": str(email_id),
            "from_email": sender_of(view),
            "to_email": str(view.email.recipients[0].address),
            "subject": view.email.subject,
            "status": _status(view.email.status, {one.kind for one in happened}),
            "events": [_event(one) for one in happened],
            "categories": list(view.labels.tags),
            "unique_args": json.dumps(dict(view.labels.metadata)),
            "template_id": view.detail.template.name if view.detail.template else "",
            "asm_group_id": 0,
            "teammate": "",
            "api_key_id": "",
            "originating_ip": "",
            "outbound_ip": "",
            "outbound_ip_type": "",
        }
    )


def _status(status: Status, kinds: Collection[Step]) -> str:
    if _NOT_DELIVERED.intersection(kinds) or status in (Status.FAILED, Status.CANCELLED):
        return "not_delivered"
    return "delivered" if status is Status.SENT else "processing"


def _event(one: Happened) -> JsonObject:
    dropped = one.recipient.status is RecipientStatus.SUPPRESSED and one.kind is Step.FAILED
    return {
        "event_name": "dropped" if dropped else _EVENTS[one.kind],
        "processed": rfc3339(one.at),
        "reason": one.text,
        "attempt_num": 0,
        "url": "",
        "http_user_agent": "",
        "mx_server": "",
    }
