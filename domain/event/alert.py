"""What is told by email to who runs the service: which events, in which words, and how often."""

from datetime import UTC, datetime, timedelta
from typing import Final

import attrs

from domain.account.health import BY_HAND
from domain.account.oauth import NEEDS_CONSENT
from domain.event.event import AccountFacts, QueueFacts, StoredEvent, WebhookFacts
from domain.event.types import EventType
from domain.webhook.webhook import DisabledReason

# The hour of `once per account, reason and hour` begins with the alert.
AGAIN_AFTER: Final = timedelta(hours=1)
KEPT: Final = timedelta(days=30)  # so long it can be read what was told
# What happened longer ago is not told by who begins to look at the events.
OLDEST_AT_FIRST: Final = timedelta(hours=1)
GOOD_FOR: Final = timedelta(days=1)  # an email that waits longer tells nothing new
ALERTED: Final = frozenset(
    {
        EventType.ACCOUNT_PAUSED,
        EventType.ACCOUNT_NEEDS_CONSENT,
        EventType.QUEUE_GROWING,
        EventType.WEBHOOK_DISABLED,
    }
)
# One that a person disabled is no news to them.
_WHY_DISABLED: Final = {
    DisabledReason.GONE.value: "it answered 410, which asks for no more calls",
    DisabledReason.FAILING.value: "no call has succeeded for five days",
}


@attrs.frozen(kw_only=True)
class Alert:
    """What is told of an event. *account_id* is the account in trouble, None if it is none."""

    account_id: int | None
    reason: str
    subject: str
    text: str


@attrs.frozen(kw_only=True)
class AlertRecord:
    """An alert that was made for an event: the email, or the *problem* that kept it from being
    sent.
    """

    account_id: int | None
    reason: str
    event_id: int
    at: datetime
    email_id: int | None = None
    problem: str | None = None


def alert_of(event: StoredEvent) -> Alert | None:
    """What to tell of *event*; None for what somebody has done, or another event tells."""
    if event.type not in ALERTED:
        return None
    facts = event.facts
    if isinstance(facts, AccountFacts):
        return _of_account(event, facts)
    if isinstance(facts, QueueFacts):
        return _of_queue(event, facts)
    return _of_webhook(event, facts) if isinstance(facts, WebhookFacts) else None


def is_due(last: AlertRecord | None, *, now: datetime) -> bool:
    """Whether there may be another email after the *last* alert of its account and reason."""
    if last is None or last.email_id is None:
        return True
    return not last.at <= now < last.at + AGAIN_AFTER


def _of_account(event: StoredEvent, facts: AccountFacts) -> Alert | None:
    consent = event.type is EventType.ACCOUNT_NEEDS_CONSENT
    if not consent and facts.reason in (BY_HAND, NEEDS_CONSENT):
        return None
    number = event.account_id
    reason = facts.reason or event.type.value
    name = f'"{_one_line(facts.name)}" (number {number})'
    lines = [
        f"The SMTP configuration {name} has sent nothing since {_time(event.at)}.",
        f"Reason: {reason.replace('_', ' ')}.",
    ]
    if facts.text:
        lines.append(f"The mail server said: {_one_line(facts.text)}")
    lines.append("")
    if consent:
        lines.append("A person must authorize it again:")
        lines.append(f"    email-service accounts authorize {number}")
    elif facts.until is not None:
        lines.append(f"It tries again by itself at {_time(facts.until)}. To look at it now:")
        lines.append(f"    email-service accounts verify {number}")
    else:
        lines.append("It does not send until this is mended. To see what is wrong:")
        lines.append(f"    email-service accounts verify {number}")
        lines.append("When it is mended:")
        lines.append(f"    email-service accounts resume {number}")
    lines.append("")
    lines.append("Its emails wait and lose no retry.")
    what = "must be authorized again" if consent else "is paused"
    return Alert(
        account_id=number,
        reason=reason,
        subject=f"Email Service: {_one_line(facts.name)} {what}",
        text="\n".join(lines),
    )


def _of_queue(event: StoredEvent, facts: QueueFacts) -> Alert:
    minutes = int(facts.oldest.total_seconds() // 60)
    text = (
        f"{facts.waiting:,} emails wait; at {_time(facts.since)} there were {facts.before:,}.\n"
        f"The oldest that is due has waited for {minutes} minutes.\n\n"
        "More is submitted than the SMTP configurations send. To see which of them has room, and\n"
        "what holds them up:\n"
        "    email-service accounts list\n"
        "To see why an email waits: GET /api/emails/ID/explain\n\n"
        "You get no other email about this until it is over."
    )
    return Alert(
        account_id=None,
        reason=event.type.value,
        subject=f"Email Service: {facts.waiting:,} emails wait, and the number grows",
        text=text,
    )


def _of_webhook(event: StoredEvent, facts: WebhookFacts) -> Alert | None:
    why = _WHY_DISABLED.get(facts.reason)
    if why is None:
        return None
    number = facts.webhook_id
    text = (
        f"The webhook {number} at {facts.host} gets no events since {_time(event.at)}: {why}.\n\n"
        "To see what it answered: "
        f"GET /api/webhooks/{number}/attempts\n"
        "When it is mended, enable it. It then gets the events that it missed:\n"
        f'    PUT /api/webhooks/{number} {{"active": true}}'
    )
    return Alert(
        account_id=None,
        # each webhook is told of, however many are disabled in an hour
        reason=f"{event.type.value} {number}",
        subject=f"Email Service: the webhook {number} at {facts.host} is disabled",
        text=text,
    )


def _time(when: datetime) -> str:
    return when.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")


def _one_line(text: str) -> str:
    """Without characters that no header may have."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:200]
