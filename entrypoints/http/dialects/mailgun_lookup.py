"""What became of an email, as Mailgun's /v3/{domain}/events shows it."""

import re
from collections.abc import Mapping, Sequence
from typing import Final

from application import Application
from application.queries import EmailView
from domain.email.recipient import RecipientField, RecipientStatus
from domain.errors import InvalidInput, NotFound
from entrypoints.http.access import the_caller
from entrypoints.http.dialects.dialect import Reply
from entrypoints.http.dialects.history import Happened, Step, history, of_field, sender_of
from entrypoints.http.fields import RequestError
from entrypoints.http.json_reader import JsonObject
from entrypoints.http.requests import the_request

_MESSAGE_ID: Final = re.compile(r"<?(?P<id>[^@<>\s]+@[^@<>\s]+?)>?")
QUERY: Final = "message-id"
_EVENTS: Final[Mapping[Step, JsonObject]] = {
    Step.ACCEPTED: {"event": "accepted", "log-level": "info"},
    Step.DELIVERED: {"event": "delivered", "log-level": "info"},
    Step.DELAYED: {"event": "failed", "severity": "temporary", "log-level": "warn"},
    Step.FAILED: {"event": "failed", "severity": "permanent", "log-level": "error"},
    Step.BOUNCED: {"event": "failed", "severity": "permanent", "log-level": "error"},
    Step.COMPLAINED: {"event": "complained", "log-level": "warn"},
}


def events(application: Application, *, domain: str) -> Reply:
    """The events of one email, on one page. An email that nobody knows has none."""
    found = _MESSAGE_ID.fullmatch(the_request().args.get(QUERY, ""))
    if found is None:
        raise InvalidInput(RequestError(f"/{QUERY}", "is required: that of one email"))
    try:
        view = application.queries.with_message_id(f"<{found['id']}>", caller=the_caller())
    except NotFound:
        return _page(domain, [])
    return _page(domain, [_event(view, one, place) for place, one in enumerate(history(view))])


def _page(domain: str, items: Sequence[JsonObject]) -> Reply:
    here = f"{the_request().host_url}v3/{domain}/events"
    return Reply(body={"items": items, "paging": dict.fromkeys(_PAGES, here)})


_PAGES: Final = ("first", "previous", "next", "last")


def _event(view: EmailView, one: Happened, place: int) -> JsonObject:
    email, recipient = view.email, str(one.recipient.address)
    return {
        **_EVENTS[one.kind],
        "id": f"{email.id}-{place}",
        "timestamp": one.at.timestamp(),
        "recipient": recipient,
        "recipient-domain": recipient.rpartition("@")[2],
        "message": {
            "headers": {
                "message-id": email.message_id.strip("<>"),
                "from": sender_of(view),
                "to": ", ".join(of_field(view, RecipientField.TO)),
                "subject": email.subject,
            },
            "attachments": [
                {"filename": file.filename, "content-type": file.content_type, "size": file.size}
                for file in view.detail.attachments
            ],
        },
        "delivery-status": {"code": one.code, "message": one.text, "description": ""},
        "reason": _reason(one),
        "tags": list(view.labels.tags),
        "user-variables": dict(view.labels.metadata),
    }


def _reason(one: Happened) -> str:
    """Mailgun's word for it; it has none for what went well."""
    if one.kind in (Step.FAILED, Step.BOUNCED):
        suppressed = one.recipient.status is RecipientStatus.SUPPRESSED
        return "suppress-bounce" if suppressed else "bounce"
    return "generic" if one.kind is Step.DELAYED else ""
