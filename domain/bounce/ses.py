"""What Amazon SES says about an email in JSON: bare, or in an envelope of SNS or EventBridge."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from domain.bounce.report import BounceKind, References, Told

# what no recipient has complained of
_NO_COMPLAINT: Final = frozenset({"not-spam", "virus", "fraud-not-spam", "auth-failure"})
_DELAYS: Final = {
    "MailboxFull": "4.2.2",
    "RecipientServerError": "4.3.0",
    "IPFailure": "4.4.0",
    "TransientCommunicationFailure": "4.4.2",
    "SpamDetected": "4.7.0",
}
_SOFT: Final = {
    "MailboxFull": "5.2.2",
    "MessageTooLarge": "5.3.4",
    "CustomTimeoutExceeded": "4.4.7",
    "ContentRejected": "5.6.0",
    "AttachmentRejected": "5.6.1",
    "UnsubscribedRecipient": "5.7.1",  # the address is not dead: it wants no such mail
}
_DEEPEST: Final = 4


class SesTold:
    """One recipient as SES has it: what a report says, and what SES makes of it (or None)."""

    def __init__(self, told: Told, kind: BounceKind | None) -> None:
        self.told = told
        self.kind = kind


def notification(text: str) -> Mapping[str, Any] | None:
    """SES' notification in *text*; None if it is another text."""
    try:
        document = _read(text)
    except (ValueError, RecursionError):
        return None
    for _ in range(_DEEPEST):
        if not isinstance(document, dict):
            return None
        if _type(document) and isinstance(document.get("mail"), dict):
            return document
        inner = document.get("Message", document.get("detail"))
        if isinstance(inner, str):
            try:
                inner = _read(inner)
            except (ValueError, RecursionError):
                return None
        document = inner
    return None


def _read(text: str) -> object:
    """JSON; line breaks in strings are let through, since mail servers fold long lines."""
    return json.loads(text, strict=False)


def told_by_ses(document: Mapping[str, Any]) -> list[SesTold]:
    """What it says about each recipient."""
    kind = _type(document)
    if kind == "bounce":
        return list(_bounced(_object(document, "bounce")))
    if kind == "complaint":
        return list(_complained(_object(document, "complaint")))
    if kind == "deliverydelay":
        return list(_delayed(_object(document, "deliveryDelay")))
    return []


def references(document: Mapping[str, Any]) -> References:
    """By what it names the email."""
    mail = _object(document, "mail")
    headers = [one for one in _list(mail, "headers") if isinstance(one, dict)]

    def of(name: str) -> tuple[str, ...]:
        return tuple(
            _text(one, "value").strip() for one in headers if _text(one, "name").lower() == name
        )

    common = _text(_object(mail, "commonHeaders"), "messageId")
    provider = _text(mail, "messageId")
    return References(
        refs=of("x-email-ref"),
        message_ids=of("message-id") or ((common,) if common else ()),
        provider_ids=(provider,) if provider else (),
    )


def _bounced(bounce: Mapping[str, Any]) -> Iterator[SesTold]:
    permanent = _text(bounce, "bounceType").lower()
    sub_type = _text(bounce, "bounceSubType")
    for one in _recipients(bounce, "bouncedRecipients"):
        diagnostic = _text(one, "diagnosticCode")
        kind = None
        if sub_type in _SOFT or permanent == "transient":
            kind = BounceKind.SOFT
        elif permanent == "permanent" and (
            sub_type in ("NoEmail", "Suppressed", "OnAccountSuppressionList")
            or not (diagnostic or _text(one, "status"))
        ):
            kind = BounceKind.HARD
        status = _text(one, "status") or _SOFT.get(sub_type, "")
        if not status and not diagnostic:
            status = (
                "5.1.1"
                if sub_type == "NoEmail"
                else "5.0.0"
                if kind is BounceKind.HARD
                else "4.0.0"
            )
        yield SesTold(
            Told(
                recipient=_text(one, "emailAddress"),
                action=_text(one, "action").lower() or "failed",
                status=status,
                diagnostic=diagnostic,
            ),
            kind,
        )


def _delayed(delay: Mapping[str, Any]) -> Iterator[SesTold]:
    usual = _DELAYS.get(_text(delay, "delayType"), "4.0.0")
    for one in _recipients(delay, "delayedRecipients"):
        status = _text(one, "status") or usual
        diagnostic = _text(one, "diagnosticCode")
        told = Told(
            recipient=_text(one, "emailAddress"),
            action="delayed",
            status=status,
            diagnostic=diagnostic,
        )
        yield SesTold(told, BounceKind.DELAYED)


def _complained(complaint: Mapping[str, Any]) -> Iterator[SesTold]:
    if _text(complaint, "complaintFeedbackType") in _NO_COMPLAINT:
        return
    for one in _recipients(complaint, "complainedRecipients"):
        told = Told(recipient=_text(one, "emailAddress"))
        yield SesTold(told, BounceKind.COMPLAINT)


def _type(document: Mapping[str, Any]) -> str:
    kind = document.get("notificationType") or document.get("eventType")
    return kind.replace(" ", "").lower() if isinstance(kind, str) else ""


def _recipients(document: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    return [one for one in _list(document, name) if isinstance(one, dict)]


def _object(document: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = document.get(name)
    return value if isinstance(value, dict) else {}


def _list(document: Mapping[str, Any], name: str) -> Sequence[Any]:
    value = document.get(name)
    return value if isinstance(value, list) else []


def _text(document: Mapping[str, Any], name: str) -> str:
    value = document.get(name)
    return value if isinstance(value, str) else ""
