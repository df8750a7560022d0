"""Which of the due emails one claim takes: the order, the room that the limits leave, fairness.

A store finds the candidates; what is taken of them, and in which order, is decided here. The rows
are plain tuples, because a claim of fifty looks at hundreds of them.

An email in whose dialogue processes have died may be what kills them: a *suspect*. It is claimed
alone, so that no other email is lost with it, and one that has met several crashes only while no
other such email is under way in the process. An email that brought trouble to one account is not
carried to the next one before that account has proved to be well.
"""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, TypeAlias

from domain.account.account import Account
from domain.account.limits import PRIORITIES, UNLIMITED, URGENT, LimitUnit, is_urgent
from domain.email.lifecycle import Email
from domain.errors import Conflict

ANY_ACCOUNT: Final = 0
# An email that so many crashes have met in its dialogue is handed off with no other such beside it.
SUSPECT_CRASHES: Final = 2
NO_SUSPECTS: Final = -1
# eligible_at, id, how many recipients are open, queue (ANY_ACCOUNT or the account's id), priority
Due: TypeAlias = tuple[Any, int, int, int, int]


def refuse_unclaimable(email: Email) -> None:
    """Conflict for an email that no claim would ever take."""
    if email.priority not in PRIORITIES:
        raise Conflict(f"priority {email.priority} is not one of 1 to 5")
    if email.pinned and email.account_id is None:
        raise Conflict("an email can be pinned only to an SMTP configuration")


class ClaimPolicy:
    """What one claim has chosen, as far as the limits leave room."""

    def __init__(
        self,
        account: Account,
        *,
        limit: int,
        units: int,
        urgent_units: int,
        shared: int | None = None,
    ) -> None:
        """At most *limit* emails of *urgent_units*; those of priorities 3 to 5 only while all that
        was chosen has no more than *units*; at most *shared* of those that any account may take.
        """
        self._shared = UNLIMITED if shared is None else shared
        self.chosen: dict[int, None] = {}  # ids, in the order of the claim
        self.account_id = account.id
        self._limits = account.limits
        self._by_recipients = account.limits.unit is LimitUnit.RECIPIENTS
        self._limit = limit
        self._units = units
        self._urgent_units = urgent_units

    def largest(self, priority: int) -> int:
        """The most open recipients that an email may have to fit when nothing else was sent.

        Larger ones are no candidates: they are passed over.
        """
        room = self._limits.room({}, urgent=is_urgent(priority))
        if self._by_recipients:
            return room
        return UNLIMITED if room >= 1 else -1

    def choose_most_urgent(self, due: Callable[[int], Iterable[Due]]) -> None:
        """Choose of the candidates that are *due* in each priority, each in the order of the claim,
        until the first that does not fit.
        """
        for priority in PRIORITIES:
            if not self._has_room(priority) or not self._choose(due(priority)):
                return

    def choose_longest_due(self, due: Iterable[Due], *, more: int) -> None:
        """Choose up to so many *more* of the candidates, whatever their priority."""
        self._limit += more
        for candidate in sorted(due):  # ids differ: no later column is compared
            if self.full:
                return
            self._choose((candidate,))  # if one does not fit, the next one may

    @property
    def full(self) -> bool:
        """Whether all places are taken."""
        return len(self.chosen) >= self._limit

    def _has_room(self, priority: int) -> bool:
        """Whether the smallest email of *priority* would still fit."""
        least = 0 if self._by_recipients else 1
        if self.full or self._urgent_units < least:
            return False
        return is_urgent(priority) or self._units >= least

    def _choose(self, due: Iterable[Due]) -> bool:
        """Choose these until one does not fit; whether all did. One that was chosen before is in
        already.
        """
        chosen = self.chosen
        for _, email_id, count, queue, priority in due:
            if email_id in chosen:
                continue
            size = count if self._by_recipients else 1
            if len(chosen) >= self._limit or size > self._urgent_units:
                return False
            if priority > URGENT and size > self._units:
                return False
            if queue == ANY_ACCOUNT:
                if self._shared <= 0:
                    return False
                self._shared -= 1
            self._units -= size  # by urgent mail too: a window counts it against other mail
            self._urgent_units -= size
            chosen[email_id] = None
        return True


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

    Where fewer emails were due than there were places, none was favoured: the longest due of
    them get those places then.
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
