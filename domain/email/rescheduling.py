"""An email that waits is given another time."""

from datetime import datetime

from domain.email.lifecycle import Email
from domain.email.status import Status, Transition, initial


def rescheduled(email: Email, due: datetime, *, now: datetime, expires_at: datetime) -> Email:
    """Due at another time, or now if that is over; given up at *expires_at*.

    What waits after an attempt is not tried sooner than it would have been. IllegalTransition
    unless it waits.
    """
    due = max(due, now)
    if email.attempt_no and email.status is not Status.SCHEDULED:
        due = max(due, email.eligible_at)
    retried = email.status is Status.RETRY
    return email.moved(
        Status.RETRY if retried else initial(due=due <= now),
        Transition.RESCHEDULED,
        now=now,
        eligible_at=due,
        expires_at=expires_at,
    )
