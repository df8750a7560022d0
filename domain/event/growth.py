"""When a queue grows: mail that is due waits too long, and more comes than leaves."""

from datetime import datetime, timedelta
from typing import Final

import attrs

from domain.event.event import QueueFacts

LOOKS: Final = 10  # in the time that mail may wait


@attrs.frozen
class Look:
    """So many emails waited at a time."""

    at: datetime
    waiting: int


@attrs.frozen(kw_only=True)
class Growth:
    """The last looks at the queue, oldest first, and whether it was told that it grows."""

    looks: tuple[Look, ...] = ()
    told: bool = False


@attrs.frozen(kw_only=True)
class GrowthPolicy:
    """It grows if the oldest due email has waited *longest*, and more emails wait than as long
    ago. It is over when the oldest has waited less than half of that.
    """

    longest: timedelta = timedelta(minutes=10)

    @property
    def every(self) -> timedelta:
        """How often to look."""
        return self.longest / LOOKS


def look(
    growth: Growth,
    *,
    waiting: int,
    oldest_due: datetime | None,
    now: datetime,
    policy: GrowthPolicy,
) -> tuple[Growth, QueueFacts | None]:
    """What is known after another look, and what is to be told: once, until it is over.

    *waiting* emails wait, and the oldest that is due has been since *oldest_due*. Nothing is told
    before there was somebody to look for as long as mail may wait.
    """
    oldest = max(now - oldest_due, timedelta(0)) if oldest_due is not None else timedelta(0)
    known = [one for one in growth.looks if now - 2 * policy.longest <= one.at <= now]
    told = growth.told and oldest >= policy.longest / 2
    then = next((one for one in reversed(known) if one.at <= now - policy.longest), None)
    facts = None
    if not told and then is not None and oldest >= policy.longest and waiting > then.waiting:
        facts = QueueFacts(waiting=waiting, before=then.waiting, since=then.at, oldest=oldest)
    if not known or now - known[-1].at >= policy.every:
        known.append(Look(now, waiting))
    return Growth(looks=tuple(known), told=told or facts is not None), facts
