"""How many recipients an API key may name in a rolling day, counted where the email is stored."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from application.ports import Transaction
from domain.access import DAY, HOUR, Caller, hour_of
from domain.errors import TooMany


def use_quota(tx: Transaction, caller: Caller, recipients: int, *, now: datetime) -> None:
    """Count *recipients* more for this caller. TooMany if that were over its day's number.

    The day is made of hours, and one that has begun to leave counts in full: never too many.
    """
    if caller.key_id is None or caller.daily_recipients is None:
        return
    hours = tx.key_usage.hours(caller.key_id, since=hour_of(now - DAY))
    over = sum(count for _, count in hours) + recipients - caller.daily_recipients
    if over > 0:
        raise TooMany(
            f"this API key may name {caller.daily_recipients} recipients a day",
            retry_after=_until_gone(hours, over, now=now),
        )
    tx.key_usage.add(caller.key_id, hour=hour_of(now), recipients=recipients)


def _until_gone(hours: Sequence[tuple[datetime, int]], over: int, *, now: datetime) -> timedelta:
    """Until so many have left the day; a whole day if even all of them are not enough."""
    gone = 0
    for hour, count in hours:
        gone += count
        if gone >= over:
            return hour + HOUR + DAY - now
    return DAY
