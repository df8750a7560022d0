"""How many emails stand in each status of each queue, without counting them.

A POST asks how many emails wait; counting a million of them took 160 ms. Every change of a status
is noted here and added to the table right before the commit, once for all works of a group.

Where many processes write at once each has rows of its own, its slot, and what is read is their
sum: they would all wait for each other's commits on the same few rows.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

from adapters.peewee_store.changes import array
from adapters.peewee_store.session import Session
from domain.email import Status

_STATUS: Final = {status.value: status for status in Status}
_ALL: Final = "SELECT status, SUM(n) FROM tally GROUP BY status"
_OF_QUEUE: Final = "SELECT status, SUM(n) FROM tally WHERE queue = ? GROUP BY status"
_ADD: Final = (
    "INSERT INTO tally (queue, status, n) VALUES (?, ?, ?)"
    " ON CONFLICT (queue, status) DO UPDATE SET n = tally.n + excluded.n"
)
_ADD_TO_SLOT: Final = (
    "INSERT INTO tally (queue, status, n, slot)"
    " SELECT queue, status, n, ?::integer"
    " FROM UNNEST(?::bigint[], ?::text[], ?::bigint[]) AS moved (queue, status, n)"
    " ON CONFLICT (queue, status, slot) DO UPDATE SET n = tally.n + excluded.n"
)


class Tally:
    """The counts as this transaction sees them."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._moved: Counter[tuple[int, str]] = Counter()
        self._moved_before: Counter[tuple[int, str]] = Counter()
        self._counts: dict[Status, int] | None = None
        self._of: dict[int, dict[Status, int]] = {}

    def move(self, queue: int, status: str, number: int) -> None:
        """*number* more emails stand there; fewer if it is negative."""
        self._moved[queue, status] += number
        if self._counts is not None:
            self._counts[_STATUS[status]] += number
        if queue in self._of:
            self._of[queue][_STATUS[status]] += number

    def counts(self) -> Mapping[Status, int]:
        """In each status. Read once for all works of a group: each of them that accepts asks."""
        if self._counts is None:
            self._counts = self._read(_ALL, ())
        return dict(self._counts)

    def of(self, queue: int) -> Mapping[Status, int]:
        """In each status of one queue, read once for all works of a group too."""
        if queue not in self._of:
            self._of[queue] = self._read(_OF_QUEUE, (queue,))
        return dict(self._of[queue])

    def forget(self) -> None:
        """A transaction begins, or is rolled back."""
        self._moved.clear()
        self._counts = None
        self._of.clear()

    def remember(self) -> None:
        """A work begins that may be undone alone."""
        self._moved_before = self._moved.copy()

    def undo(self) -> None:
        """That work is undone, and so is what it had written down."""
        self._moved = self._moved_before
        self._counts = None
        self._of.clear()

    def write(self) -> None:
        """Write down what has moved since the last time: before the commit, or to be read."""
        changes = [(queue, status, n) for (queue, status), n in sorted(self._moved.items()) if n]
        slot = self._session.slot
        if changes and slot is None:
            self._session.execute_many(_ADD, changes)
        elif changes:
            self._session.execute(_ADD_TO_SLOT, (slot, *map(array, zip(*changes, strict=True))))
        self._moved.clear()

    def _read(self, sql: str, parameters: Sequence[int]) -> dict[Status, int]:
        self.write()
        found = self._session.execute(sql, parameters).fetchall()
        return dict.fromkeys(Status, 0) | {Status(name): int(n) for name, n in found}
