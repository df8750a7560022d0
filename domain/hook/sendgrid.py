"""SendGrid's Event Webhook: a JSON array of events, signed with ECDSA on P-256.

A bounce is judged by what the server said, as everywhere. SendGrid's word decides where nothing was
said, and that a server *blocked* the mail: then the address is not dead.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from domain.bounce.judge import Judge
from domain.bounce.judged import each_once, judged
from domain.bounce.report import BounceKind, References, Report, Told
from domain.hook.reading import (
    MOST_EVENTS,
    VendorReport,
    each_report,
    message_id,
    named,
    number,
    own_reference,
    read_json,
    refused,
    status_in,
    text,
)
from domain.outcome.rules_file import Rules

SIGNATURE: Final = "X-Twilio-Email-Event-Webhook-Signature"
TIMESTAMP: Final = "X-Twilio-Email-Event-Webhook-Timestamp"
# of a drop: SendGrid did not try, because the address is on its list of dead ones, or cannot be one
_DEAD: Final = {"bounced address": "5.1.1", "invalid": "5.1.3"}
_INVALID: Final = "invalid address"  # SendGrid's classification of a bounce


def signed_text(timestamp: str, octets: bytes) -> bytes:
    """What the signature is of."""
    return timestamp.encode("latin-1", "replace") + octets


def read_sendgrid(octets: bytes, *, rules: Rules) -> Sequence[VendorReport]:
    """What *octets*, the body of a call, report. InvalidInput."""
    document = read_json(octets)
    if not isinstance(document, list) or len(document) > MOST_EVENTS:
        raise refused(f"the call must be an array of at most {MOST_EVENTS} events")
    return each_report(_reports(document, rules))


def _reports(events: Sequence[Any], rules: Rules) -> Iterator[VendorReport]:
    judge, asked = Judge(rules), 0
    for event in events:
        if not isinstance(event, dict):
            continue
        told, kind = _told(event)
        if told is None:
            continue
        asked += 1
        if asked % 50 == 0:
            judge = Judge(rules)  # one judges a bounded number of texts
        recipients = each_once([judged(told, judge, kind=kind)])
        report = Report(recipients=recipients, references=_references(event))
        yield VendorReport(report_id=_report_id(event), report=report)


def _told(event: Mapping[str, Any]) -> tuple[Told | None, BounceKind | None]:
    """What is said, and the kind where that is SendGrid's to say; None for other events."""
    name = text(event, "event")
    recipient = text(event, "email")
    reason = text(event, "reason")
    if name == "spamreport":
        return Told(recipient=recipient), BounceKind.COMPLAINT
    if name == "deferred":
        told = Told(
            recipient=recipient,
            action="delayed",
            status=status_in(text(event, "status")),
            diagnostic=text(event, "response") or reason,
        )
        return told, BounceKind.DELAYED
    if name == "dropped":
        status = _DEAD.get(reason.strip().lower(), "")
        kind = BounceKind.HARD if status else BounceKind.SOFT
        told = Told(
            recipient=recipient,
            action="failed",
            status=status or status_in(text(event, "status")),
            diagnostic=f"SendGrid did not try: {reason}" if reason else "SendGrid did not try",
        )
        return told, kind
    if name != "bounce":
        return None, None
    status = status_in(text(event, "status"))
    told = Told(recipient=recipient, action="failed", status=status, diagnostic=reason)
    if text(event, "type") == "blocked":
        return told, BounceKind.SOFT
    invalid = text(event, "bounce_classification").lower() == _INVALID
    return told, BounceKind.HARD if invalid and not (status or reason) else None


def _references(event: Mapping[str, Any]) -> References:
    provider_id = text(event, "sg_message_id")
    return References(
        refs=named(own_reference(event)),
        message_ids=named(message_id(text(event, "smtp-id"))),
        # behind the first dot stands which of its servers has sent it
        provider_ids=named(provider_id, provider_id.partition(".")[0]),
    )


def _report_id(event: Mapping[str, Any]) -> str:
    """The event's own id; of very old events, which have none, what tells them apart."""
    return text(event, "sg_event_id") or "/".join(
        (
            *(text(event, "event"), text(event, "sg_message_id") or text(event, "smtp-id")),
            *(text(event, "email"), number(event, "timestamp")),
        )
    )
