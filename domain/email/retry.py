"""When a deferred email is tried again."""

from datetime import datetime, timedelta
from typing import Final

import attrs

DEFAULT_DELAYS: Final = tuple(
    timedelta(seconds=seconds) for seconds in (60, 300, 1800, 7200, 14400)
)


@attrs.frozen(kw_only=True)
class RetryPolicy:
    """How often and when a deferred email is tried again, and how long it may wait in all."""

    max_retries: int = 3
    delays: tuple[timedelta, ...] = DEFAULT_DELAYS
    jitter: float = 0.2
    max_age: timedelta = timedelta(hours=72)

    def expires_at(self, due: datetime, asked: datetime | None) -> datetime:
        """When an email that is *due* then is given up: at the latest when its client *asked*."""
        latest = due + self.max_age
        return latest if asked is None else min(asked, latest)

    def delay(self, retry: int, *, jitter: float) -> timedelta:
        """The wait before retry number *retry* (from 1); *jitter* in [-1, 1] spreads it by ±20 %.

        After the last step of the schedule its length is kept.
        """
        step = self.delays[min(retry, len(self.delays)) - 1]
        return step * (1 + self.jitter * jitter)
