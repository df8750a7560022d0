"""Telling one webhook of one event: what its answers mean, and when it is tried again."""

import re
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final

import attrs

from domain.webhook.webhook import FAILING_AT_MOST, DisabledReason, Webhook

# The time before each attempt: the first is made at once.
DELAYS: Final = (
    timedelta(0),
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    *(timedelta(hours=hours) for hours in (2, 5, 10, 14, 20, 24)),
)
JITTER: Final = 0.1
LONGEST_WISH: Final = timedelta(hours=24)  # of a Retry-After
# A webhook that fails for so long was out of service; then all that waits for it is tried at once.
OUTAGE: Final = timedelta(minutes=5)
LARGEST_EVENT: Final = 2**63 - 1  # what a database can hold
_EVENT_ID: Final = re.compile(r"evt_([1-9][0-9]{0,18})")
_GONE: Final = 410
_LONGEST_NUMBER: Final = 10  # digits of a Retry-After
TEST_TYPE: Final = "webhook.test"


@attrs.frozen(kw_only=True)
class Delivery:
    """An event that waits to be told to a webhook, after so many *tries*.

    *event_id* of a test is negative: there is no such event.
    """

    webhook_id: int
    event_id: int
    tries: int = 0
    next_at: datetime

    @property
    def is_test(self) -> bool:
        """Whether somebody asked for this call to see whether it arrives."""
        return self.event_id < 0


@attrs.frozen(kw_only=True)
class Outcome:
    """What a call came to: the *status* of an answer, or the *problem* why there was none."""

    status: int | None = None
    problem: str | None = None
    retry_after: timedelta | None = None

    @property
    def succeeded(self) -> bool:
        """Only an answer of 2xx says that the event was received."""
        return self.status is not None and 200 <= self.status < 300

    @property
    def gone(self) -> bool:
        """Whether the receiver wants no more calls."""
        return self.status == _GONE


@attrs.frozen(kw_only=True)
class WebhookAttempt:
    """A call that was made, the *number*th for this event (from 1)."""

    id: int = 0
    webhook_id: int
    event_id: int
    number: int
    at: datetime
    duration: timedelta
    outcome: Outcome

    @property
    def ended_at(self) -> datetime:
        """When it had come to this."""
        return self.at + self.duration


def message_id(event_id: int) -> str:
    """What the feed calls the event, and a call its message: without a dot."""
    return f"evt_{event_id}" if event_id > 0 else f"evt_test_{-event_id}"


def event_number(text: str) -> int:
    """The number in an event's id. ValueError."""
    found = _EVENT_ID.fullmatch(text)
    if found is None or int(found[1]) > LARGEST_EVENT:
        raise ValueError("must be the id of an event, such as evt_12")
    return int(found[1])


def next_delivery(attempt: WebhookAttempt, *, jitter: float) -> Delivery | None:
    """The delivery that waits after a failed *attempt*; None after the last.

    *jitter* is in [-1, 1]. A test is not repeated.
    """
    if attempt.event_id < 0 or attempt.number >= len(DELAYS):
        return None
    delay = DELAYS[attempt.number] * (1 + JITTER * jitter)
    wished = min(attempt.outcome.retry_after or timedelta(0), LONGEST_WISH)
    return Delivery(
        webhook_id=attempt.webhook_id,
        event_id=attempt.event_id,
        tries=attempt.number,
        next_at=attempt.ended_at + max(delay, wished),
    )


def retry_after(text: str | None, *, now: datetime) -> timedelta | None:
    """The time that a Retry-After header asks for (RFC 9110, 10.2.3); None if it asks nothing."""
    if text is None:
        return None
    if text.isascii() and text.isdecimal() and len(text) <= _LONGEST_NUMBER:
        return min(timedelta(seconds=int(text)), LONGEST_WISH)
    try:
        until = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    until = until.replace(tzinfo=UTC) if until.tzinfo is None else until
    return min(max(until - now, timedelta(0)), LONGEST_WISH)


def after_attempt(webhook: Webhook, attempt: WebhookAttempt) -> Webhook:
    """The webhook after one call; disabled if it is gone or has failed for too long."""
    if attempt.event_id < 0:
        return webhook
    if attempt.outcome.succeeded:
        return attrs.evolve(webhook, failing_since=None)
    now = attempt.ended_at
    since = webhook.failing_since or now
    failing = attrs.evolve(webhook, failing_since=since)
    if attempt.outcome.gone:
        return failing.disable(DisabledReason.GONE, at=now)
    if now - since >= FAILING_AT_MOST:
        return failing.disable(DisabledReason.FAILING, at=now)
    return failing


def ends_outage(webhook: Webhook, attempt: WebhookAttempt) -> bool:
    """Whether this success ends an outage: then what waits is to be tried now."""
    since = webhook.failing_since
    return attempt.outcome.succeeded and since is not None and attempt.ended_at - since >= OUTAGE
