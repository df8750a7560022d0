"""Which of the due emails a claim leaves to others, and which are claimed alone.

An email in whose dialogue processes have died may be what kills them: a *suspect*. It is claimed
alone, so that it takes nobody with it, and one that has met several crashes only while no other
such email is under way in the process. An email that brought trouble to one account is not carried
to the next one before that has proved to be well.
"""

from collections import deque
from collections.abc import Sequence

from domain.account.account import Account
from domain.email.lifecycle import NO_SUSPECTS, Email


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


def fair_places(limit: int, *, before: int, every: int) -> int:
    """How many of the next *limit* places go to the longest due, whatever their priority.

    One place of *every* does, counted on from those claimed *before*; none with 0.
    """
    return (before % every + limit) // every if every else 0


def arranged(
    strict: Sequence[Email], favoured: Sequence[Email], *, before: int, every: int
) -> Sequence[Email]:
    """One batch in the order of its hand-off: one place of *every* is a favoured one's.

    Where fewer were due than the places there were, nobody was favoured: the longest due of
    them come into those places then.
    """
    number = len(strict) + len(favoured)
    missing = fair_places(number, before=before, every=every) - len(favoured)
    waited = sorted(strict, key=lambda email: (email.eligible_at, email.id))
    ahead = deque([*favoured, *waited[:missing]] if missing > 0 else favoured)
    chosen = {email.id for email in ahead}
    others = deque(email for email in strict if email.id not in chosen)
    first = before + 1
    return [
        (ahead if not others or (ahead and not (first + n) % every) else others).popleft()
        for n in range(number)
    ]
