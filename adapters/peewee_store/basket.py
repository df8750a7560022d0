"""What one claim may take: the limits as they bear on the queue."""

from collections.abc import Iterable

from adapters.peewee_store.rows import Row
from domain.account import Account
from domain.limits import UNLIMITED, URGENT, LimitUnit


class Basket:
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
        self._shared = UNLIMITED if shared is None else shared
        self.chosen: dict[int, None] = {}  # ids, in the order of the claim
        self.account_id = account.id
        self._limits = account.limits
        self._by_recipients = account.limits.unit is LimitUnit.RECIPIENTS
        self._limit = limit
        self._units = units
        self._urgent_units = urgent_units

    def largest(self, priority: int) -> int:
        """The most open recipients that an email may have to fit when nothing else was sent."""
        room = self._limits.room({}, urgent=priority <= URGENT)
        if self._by_recipients:
            return room
        return UNLIMITED if room >= 1 else -1

    def has_room(self, priority: int) -> bool:
        """Whether the smallest email of *priority* would still fit."""
        least = 0 if self._by_recipients else 1
        if self.full or self._urgent_units < least:
            return False
        return priority <= URGENT or self._units >= least

    @property
    def full(self) -> bool:
        """Whether all places are taken."""
        return len(self.chosen) >= self._limit

    def widen(self, places: int) -> None:
        """So many places more."""
        self._limit += places

    def put(self, due: Iterable[Row]) -> bool:
        """Choose these (eligible_at, id, open_count, queue, priority) until one does not fit;
        whether all did. One that was chosen before is in already.
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
            if not queue:
                if self._shared <= 0:
                    return False
                self._shared -= 1
            if priority > URGENT:
                self._units -= size
            self._urgent_units -= size
            chosen[email_id] = None
        return True
