"""Which of the due emails a claim leaves to others, and which are claimed alone.

An email in whose dialogue processes have died may be what kills them: a *suspect*. It is claimed
alone, so that it takes nobody with it, and one that has met several crashes only while no other
such email is under way in the process. An email that brought trouble to one account is not carried
to the next one before that has proved to be well.
"""

from collections.abc import Sequence

from domain.account import Account
from domain.email import NO_SUSPECTS, Email


def has_history(*, reason_code: str | None, claim_count: int, asides: int) -> bool:
    """Whether `passed_over` or `alone` can say anything of such an email; most have none."""
    return reason_code is not None or claim_count > 0 or asides > 0


def passed_over(email: Email, account: Account, *, crashes: int) -> bool:
    """Whether this account leaves the email for now.

    One that more than so many *crashes* have met is left, with NO_SUSPECTS every suspect. One that
    is free to go through any account stays with the one it had trouble with for one more attempt,
    unless this account has sent other mail since.
    """
    if email.suspect and (crashes == NO_SUSPECTS or email.claim_count > crashes):
        return True
    if email.pinned or email.asides != 1 or email.account_id in (None, account.id):
        return False
    return account.last_sent_at is None or account.last_sent_at <= email.updated_at


def alone(emails: Sequence[Email], *, strict: int) -> Sequence[int]:
    """The places of those that are claimed together: a suspect alone, and no suspect with others.

    The first *strict* were chosen by their order, the rest because they waited for so long. A
    suspect is taken when its turn comes in either of the two.
    """
    for first in (0, strict):
        if first < len(emails) and emails[first].suspect:
            return (first,)
    return [place for place, email in enumerate(emails) if not email.suspect]
