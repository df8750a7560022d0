"""Mailgun's webhooks: one event in JSON, and beside it a signature.

The signature is of a time and a random token alone, not of the event. So a token is taken once:
another event with the same token is not Mailgun's.
"""

import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

import attrs

from domain.bounce.judge import Judge
from domain.bounce.judged import each_once, judged
from domain.bounce.report import BounceKind, References, Report, Told
from domain.hook.reading import (
    VendorReport,
    each_report,
    message_id,
    named,
    number,
    own_reference,
    part,
    refused,
    status_in,
    text,
)
from domain.outcome.rules_file import Rules

# Mailgun did not try: the address is on one of its lists
_DEAD: Final = "suppress-bounce"
_ON_A_LIST: Final = frozenset({"suppress-complaint", "suppress-unsubscribe", "suppress-whitelist"})
# Mailgun's own words for what is not about the address
_NOT_THE_ADDRESS: Final = frozenset({"old", "espblock", "spam", "greylisted"})


@attrs.frozen(kw_only=True)
class MailgunSignature:
    """What stands beside the event."""

    timestamp: str
    token: str
    signature: str

    def is_of(self, signing_key: str) -> bool:
        """Whether the holder of *signing_key* has made it."""
        octets = f"{self.timestamp}{self.token}".encode("utf-8", "replace")
        made = hmac.new(signing_key.encode("utf-8"), octets, hashlib.sha256).hexdigest()
        return hmac.compare_digest(made.encode(), self.signature.encode("utf-8", "replace"))


def signature_of(call: Mapping[str, Any]) -> MailgunSignature:
    """What it is signed with; empty texts where it is not."""
    signature = part(call, "signature")
    return MailgunSignature(
        timestamp=number(signature, "timestamp"),
        token=text(signature, "token"),
        signature=text(signature, "signature"),
    )


def digest_of_event(call: Mapping[str, Any]) -> str:
    """The same for the same event, however it is written. InvalidInput for one that is too deep."""
    try:
        text_of_event = json.dumps(part(call, "event-data"), sort_keys=True)
    except RecursionError:
        raise refused("the event is nested too deep") from None
    return hashlib.sha256(text_of_event.encode("ascii")).hexdigest()


def read_mailgun(call: Mapping[str, Any], *, rules: Rules) -> Sequence[VendorReport]:
    """What *call* reports."""
    event = part(call, "event-data")
    told, kind = _told(event)
    if told is None:
        return []
    recipients = each_once([judged(told, Judge(rules), kind=kind)])
    report = Report(recipients=recipients, references=_references(event))
    report_id = text(event, "id") or signature_of(call).token
    return each_report([VendorReport(report_id=report_id, report=report)])


def _told(event: Mapping[str, Any]) -> tuple[Told | None, BounceKind | None]:
    name, recipient = text(event, "event"), text(event, "recipient")
    if name == "complained":
        return Told(recipient=recipient), BounceKind.COMPLAINT
    if name != "failed":
        return None, None
    reason = text(event, "reason")
    delivery = part(event, "delivery-status")
    said = _said(delivery)
    status = status_in(text(delivery, "enhanced-code"))
    if text(event, "severity") == "temporary":
        told = Told(recipient=recipient, action="delayed", status=status, diagnostic=said)
        return told, BounceKind.DELAYED
    told = Told(recipient=recipient, action="failed", status=status, diagnostic=said)
    if reason == _DEAD:
        dead = Told(recipient=recipient, action="failed", status=status or "5.1.1", diagnostic=said)
        return dead, BounceKind.HARD
    if reason in _ON_A_LIST or reason in _NOT_THE_ADDRESS:
        return told, BounceKind.SOFT
    return told, None


def _said(delivery: Mapping[str, Any]) -> str:
    """The reply of the server: its code and its text, in one of the two places that have it."""
    said = text(delivery, "message") or text(delivery, "description")
    code = number(delivery, "code")
    # Mailgun's own codes (605: on a list) are none of a server
    known = len(code) == 3 and code[0] in "245" and not said.startswith(code)
    return f"{code} {said}" if known and said else said


def _references(event: Mapping[str, Any]) -> References:
    headers = part(part(event, "message"), "headers")
    return References(
        refs=named(own_reference(part(event, "user-variables"))),
        message_ids=named(message_id(text(headers, "message-id"))),
    )
