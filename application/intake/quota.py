"""How many recipients an API key may name in a rolling day, counted where the email is stored."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import attrs

from application.ports.access import KeyUsage
from domain.access import DAY, HOUR, Caller, hour_of
from domain.errors import TooMany


@attrs.frozen(kw_only=True)
class Quota:
    """What a caller may name in a day; ``hours`` is what it has named, oldest first."""

    most: int
    hours: Sequence[tuple[datetime, int]]

    def check(self, recipients: int, *, now: datetime) -> None:
        """TooMany if *recipients* more were over the day's number."""
        over = sum(count for _, count in self.hours) + recipients - self.most
        if over > 0:
            raise TooMany(
                f"this API key may name {self.most} recipients a day",
                retry_after=_until_gone(self.hours, over, now=now),
            )


def quota_of(usage: KeyUsage, caller: Caller, *, now: datetime) -> Quota | None:
    """The caller's quota as it stands; None for one without."""
    if caller.key_id is None or caller.daily_recipients is None:
        return None
    hours = usage.hours(caller.key_id, since=hour_of(now - DAY))
    return Quota(most=caller.daily_recipients, hours=hours)


def use_quota(usage: KeyUsage, caller: Caller, recipients: int, *, now: datetime) -> None:
    """Count *recipients* more for this caller. TooMany if that were over its day's number.

    The day is made of hours, and one that has begun to leave counts in full: never too many.
    """
    quota = quota_of(usage, caller, now=now)
    if quota is None or caller.key_id is None:
        return
    quota.check(recipients, now=now)
    usage.add(caller.key_id, hour=hour_of(now), recipients=recipients)


def _until_gone(hours: Sequence[tuple[datetime, int]], over: int, *, now: datetime) -> timedelta:
    """Until so many have left the day; a whole day if even all of them are not enough."""
    gone = 0
    for hour, count in hours:
        gone += count
        if gone >= over:
            return hour + HOUR + DAY - now
    return DAY
