"""Claimed mail that somebody unsubscribed from while its last attempt was under way."""

from collections.abc import Sequence
from datetime import datetime

from application.delivery.reporting import email_event
from application.ports.system import Observe
from application.telling import EmailChange, save_email
from domain.email.lifecycle import Email
from domain.email.withdrawal import is_withdrawn, suppress


def without_withdrawn(
    tx: EmailChange, claimed: Sequence[Email], ended: list[Email], *, now: datetime
) -> Sequence[Email]:
    """Those that may be sent. The others are ended in this work and added to *ended*.

    To be called before anything is reserved for them. It costs no query: such an email says so
    itself.
    """
    withdrawn = [email for email in claimed if is_withdrawn(email)]
    if not withdrawn:
        return claimed
    for email in withdrawn:
        suppressed = suppress(email, now=now)
        save_email(tx, suppressed, was=email)
        ended.append(suppressed)
    return [email for email in claimed if not is_withdrawn(email)]


def report_suppressed(observe: Observe, ended: Sequence[Email]) -> None:
    """Say it of each, after the commit."""
    for email in ended:
        observe(email_event("email_suppressed", email))
