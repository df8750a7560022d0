"""What became of an email, as Postmark's /messages/outbound/{id}/details shows it."""

from collections.abc import Mapping
from typing import Final

from application import Application
from domain.email.recipient import RecipientField
from domain.email.status import Status
from entrypoints.http.access import the_caller
from entrypoints.http.dialects.dialect import Reply
from entrypoints.http.dialects.history import Happened, Step, history, of_field, sender_of
from entrypoints.http.dialects.ids import id_of, uuid_of
from entrypoints.http.json_reader import JsonObject
from entrypoints.http.times import rfc3339

_STATUSES: Final[Mapping[Status, str]] = {
    Status.SENT: "Sent",
    Status.FAILED: "Processed",
    Status.CANCELLED: "Processed",
}
_EVENTS: Final[Mapping[Step, str]] = {
    Step.DELIVERED: "Delivered",
    Step.DELAYED: "Transient",
    Step.FAILED: "Bounced",
    Step.BOUNCED: "Bounced",
    Step.COMPLAINED: "Bounced",
}


def show(application: Application, *, message_id: str) -> Reply:
    """One email. NotFound."""
    view = application.queries.email(id_of(message_id), caller=the_caller())
    email, tags = view.email, view.labels.tags
    shown = {name: of_field(view, field) for name, field in _RECIPIENTS.items()}
    return Reply(
        body={
            "MessageID": uuid_of(email.id),
            "MessageStream": "outbound",
            **{name: [{"Email": one, "Name": None} for one in shown[name]] for name in shown},
            "Recipients": [one for name in shown for one in shown[name]],
            "From": sender_of(view),
            "Subject": email.subject,
            "Tag": tags[0] if tags else "",
            "Metadata": dict(view.labels.metadata),
            "Attachments": [file.filename for file in view.detail.attachments],
            "ReceivedAt": rfc3339(email.created_at),
            "Status": _STATUSES.get(email.status, "Queued"),
            "Sandboxed": False,
            "TrackOpens": False,
            "TrackLinks": "None",
            # GET /api/emails/{id}/raw has the message
            "TextBody": "",
            "HtmlBody": "",
            "Body": "",
            "MessageEvents": [
                _event(one) for one in history(view) if one.kind is not Step.ACCEPTED
            ],
        }
    )


_RECIPIENTS: Final = {"To": RecipientField.TO, "Cc": RecipientField.CC, "Bcc": RecipientField.BCC}


def _event(one: Happened) -> JsonObject:
    kind = _EVENTS[one.kind]
    told = {"Summary": one.text, "BounceID": ""}
    if kind != "Bounced":
        told = {"DeliveryMessage": one.text, "DestinationServer": "", "DestinationIP": ""}
    return {
        "Recipient": str(one.recipient.address),
        "Type": kind,
        "ReceivedAt": rfc3339(one.at),
        "Details": told,
    }
