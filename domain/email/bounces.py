"""What an attempt tells of addresses to which no mail should go any more, or for a while."""

from collections.abc import Iterator
from datetime import datetime

from domain.email.lifecycle import Email
from domain.email.recipient import RecipientStatus
from domain.outcome.verdict import Subject, Verdict
from domain.suppression import FULL, Suppression, address_key, bounced


def bounces(
    email: Email, settled: Email, verdict: Verdict, *, now: datetime
) -> Iterator[Suppression]:
    """A suppression for each recipient whom a server has rejected for good by a rule that says so.

    *email* is as it was attempted, *settled* as the *verdict* has left it. Who is tried again is
    not suppressed, whatever the rule says.
    """
    judged = iter(verdict.recipients)
    for before, after in zip(email.recipients, settled.recipients, strict=True):
        if before.status is not RecipientStatus.OPEN:
            continue
        of_this = next(judged, None)
        if of_this is not None and of_this.suppress and after.status is RecipientStatus.REJECTED:
            yield bounced(before.address, email_id=email.id, now=now)


def full_mailboxes(email: Email, verdict: Verdict) -> Iterator[str]:
    """The address, as in the list, of each recipient whose own mailbox a server calls full.

    *email* is as it was attempted.
    """
    tried = [one for one in email.recipients if one.status is RecipientStatus.OPEN]
    for recipient, judged in zip(tried, verdict.recipients, strict=False):
        reply = judged.reply
        about_it = judged.subject is Subject.RECIPIENT
        if about_it and reply is not None and reply.enhanced == FULL:
            yield address_key(recipient.address)
