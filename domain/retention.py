"""How long what has ended is kept."""

from datetime import datetime, timedelta
from typing import Final

import attrs

from domain.email.status import Status

DAY: Final = timedelta(days=1)


@attrs.frozen(kw_only=True)
class RetentionPolicy:
    """How long after its end an email keeps its message, by its status, and its rows; None is for
    ever.

    What waits keeps both. An email with an unknown outcome keeps its message as long as its rows: a
    person may send it again.
    """

    sent: timedelta | None = 7 * DAY
    cancelled: timedelta | None = DAY
    failed: timedelta | None = 30 * DAY
    rows: timedelta | None = 400 * DAY

    def content(self, status: Status) -> timedelta | None:
        """How long an email that ended with *status* keeps its message."""
        ages = {
            Status.SENT: self.sent,
            Status.CANCELLED: self.cancelled,
            Status.FAILED: self.failed,
        }
        return ages[status]


def ended_before(
    age: timedelta | None, *, now: datetime, counts_from: datetime | None
) -> datetime | None:
    """What ended before then is older than *age*; None if nothing is.

    No age is counted from before *counts_from*: when the database learned to remove anything.
    """
    if age is None or (counts_from is not None and now - age < counts_from):
        return None
    return now - age
