"""Which of the due emails one claim takes: the order, the room that the limits leave, fairness.

A store finds the candidates; what is taken of them, and in which order, is decided here. The rows
are plain tuples, for a claim of fifty looks at hundreds of them.
"""

from collections.abc import Callable, Iterable
from typing import Any, Final, TypeAlias

from domain.account.account import Account
from domain.account.limits import UNLIMITED, URGENT, LimitUnit
from domain.email.lifecycle import Email
from domain.errors import Conflict

PRIORITIES: Final = range(1, 6)
ANY_ACCOUNT: Final = 0
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
        """At most *limit* emails of *urgent_units*, those of priorities 3 to 5 of *units*; at most
        *shared* of those that any account may take.
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
        room = self._limits.room({}, urgent=priority <= URGENT)
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
            self._choose((candidate,))  # one that does not fit keeps no other one from the place

    @property
    def full(self) -> bool:
        """Whether all places are taken."""
        return len(self.chosen) >= self._limit

    def _has_room(self, priority: int) -> bool:
        """Whether the smallest email of *priority* would still fit."""
        least = 0 if self._by_recipients else 1
        if self.full or self._urgent_units < least:
            return False
        return priority <= URGENT or self._units >= least

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
            if priority > URGENT:
                self._units -= size
            self._urgent_units -= size
            chosen[email_id] = None
        return True
