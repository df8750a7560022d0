"""What passes through the service: emails accepted, attempts made, emails ended, by the hour.

The numbers only rise. They are counted in the work that makes them true, so they are neither lost
nor counted twice, whatever becomes of the process; what is removed later stays counted.
"""

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final

import attrs

from domain.email.status import Status
from domain.outcome.verdict import Result

HOUR: Final = timedelta(hours=1)
KEPT: Final = timedelta(days=8)  # a week, and whatever a clock is wrong by
# Upper bounds of the time that a hand-off takes. A server that answers does so in a second; behind
# a minute there are timeouts alone.
BOUNDS: Final = tuple(
    timedelta(seconds=seconds) for seconds in (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
)


class Via(StrEnum):
    """By which way an email came in."""

    API = "api"  # POST /api/emails and what else the service's own API has
    DIALECT = "dialect"  # a call of another vendor's API
    SMTP = "smtp"
    SERVICE = "service"  # written by the service itself: alerts


@attrs.frozen(kw_only=True)
class Hour:
    """What happened in the hour from *begins* on: *sent* and *failed* are emails, not attempts."""

    begins: datetime
    accepted: int = 0
    sent: int = 0
    failed: int = 0


@attrs.frozen(kw_only=True)
class Totals:
    """What has happened since the counting began.

    *attempts* are by account and result; an account that is gone stays. *durations* has a number
    for each of BOUNDS, of the hand-offs that took no longer than it and longer than the one before,
    and one for those that took longer than all; *handing_off* is how long they took together.
    """

    accepted: Mapping[Via, int]
    ended: Mapping[Status, int]
    attempts: Mapping[tuple[int, Result], int]
    durations: Sequence[int]
    handing_off: timedelta


def hour_of(moment: datetime) -> datetime:
    """When the hour begins in which *moment* is."""
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def place_of(duration: timedelta) -> int:
    """The place in `Totals.durations` of a hand-off that took so long."""
    return bisect_left(BOUNDS, duration)


def every_hour(known: Iterable[Hour], *, until: datetime, number: int) -> Sequence[Hour]:
    """The last *number* hours up to that of *until*, without a gap; those not *known* are empty."""
    by_time = {hour.begins: hour for hour in known}
    last = hour_of(until)
    times = (last - HOUR * ago for ago in reversed(range(number)))
    return [by_time.get(begins) or Hour(begins=begins) for begins in times]
