"""The words of the pages: what a status, a state, a time and a number are called for a person."""

from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from markupsafe import Markup

from domain.account.account import AccountState
from domain.email.status import Status


class Word(NamedTuple):
    """A word and how it looks: ``good``, ``busy``, ``wait``, ``bad`` or ``off``."""

    text: str
    look: str


STATUSES: Final = {
    Status.QUEUED: Word("waiting", "wait"),
    Status.SCHEDULED: Word("scheduled", "wait"),
    Status.SENDING: Word("sending", "busy"),
    Status.SENT: Word("sent", "good"),
    Status.RETRY: Word("will be retried", "wait"),
    Status.FAILED: Word("failed", "bad"),
    Status.CANCELLED: Word("cancelled", "off"),
}
STATES: Final = {state: Word(state.value.replace("_", " "), "bad") for state in AccountState} | {
    AccountState.OPEN: Word("open", "good"),
}
_UNITS: Final = (("d", 86400), ("h", 3600), ("min", 60))


def time(when: datetime | None) -> Markup:
    """The time as an element: UTC for who has no script, local time for who has one."""
    if when is None:
        return Markup("")
    utc = when.astimezone(UTC)
    return Markup('<time datetime="{}">{}</time>').format(
        utc.strftime("%Y-%m-%dT%H:%M:%SZ"), utc.strftime("%Y-%m-%d %H:%M:%S UTC")
    )


def number(value: int) -> str:
    """An integer with a thin space between thousands."""
    return f"{value:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def duration(span: timedelta) -> str:
    """A span in its two largest units: 2 d 4 h, 3 min; less than a minute in seconds."""
    seconds = max(0, int(span.total_seconds()))
    if seconds < 60:
        return f"{seconds} s"
    parts = []
    for unit, length in _UNITS:
        count, seconds = divmod(seconds, length)
        if count:
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2])


def status(value: Status) -> Word:
    """The word for the status of an email."""
    return STATUSES[value]


def state(value: AccountState) -> Word:
    """The word for the state of an SMTP configuration."""
    return STATES[value]
