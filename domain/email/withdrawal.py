"""The end of email that its recipient does not want any more."""

from collections.abc import Collection
from datetime import UTC, datetime
from typing import Final

from domain.address import Address
from domain.email.lifecycle import Email
from domain.email.recipient import SUPPRESSED, any_accepted, suppressed
from domain.email.status import Status, Transition

# No clock is ever set so that a lifetime ends then: one that was set back by days ends lifetimes
# before the times that it said when their emails were accepted.
_WITHDRAWN: Final = datetime(1970, 1, 1, tzinfo=UTC)
_TEXT: Final = "the recipient has unsubscribed, or the address is suppressed for another reason"


def suppress(email: Email, *, now: datetime) -> Email:
    """Ended because none of those that are still open wants it. IllegalTransition if it has ended.

    One that is `sending` must be so by the work that asks, before its attempt has begun.
    """
    recipients = suppressed(email.recipients)
    sent = any_accepted(recipients)
    return email.moved(
        Status.SENT if sent else Status.FAILED,
        Transition.SUPPRESSED,
        now=now,
        recipients=recipients,
        claim_count=0,
        sent_at=now if sent else None,
        reason_code=SUPPRESSED,
        error_message=_TEXT,
    )


def without(email: Email, unwanted: Collection[Address], *, now: datetime) -> Email:
    """The email to the others: of those that are still open, these get none of it.

    If nobody is left, it has ended as in `suppress`.
    """
    recipients = suppressed(email.recipients, among=unwanted)
    changed = email.changed(recipients=recipients)
    return changed if changed.open_recipients else suppress(email, now=now)


def withdraw(email: Email) -> Email:
    """Not tried any more after the attempt that is under way: its lifetime is over.

    The instance of the attempt writes down what came of it and never its lifetime, so it need not
    know. Whoever finds the email waiting after that must `suppress` it.
    """
    return email.changed(expires_at=_WITHDRAWN)


def is_withdrawn(email: Email) -> bool:
    """Whether it must not be tried any more: see `withdraw`."""
    return email.expires_at == _WITHDRAWN
