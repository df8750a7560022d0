"""How many emails stand in each status of each queue, without counting them. Hot.

SQL text: it is written with every commit, on PostgreSQL from arrays, for which Peewee has no words.

A POST asks how many emails wait; counting a million of them took 160 ms. Every change of a status
is noted here and added to the table right before the commit, once for all works of a group.

Where many processes write at once each has rows of its own, its slot, and what is read is their
sum: they would all wait for each other's commits on the same few rows.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from adapters.peewee_store.rows import IS_WAITING
from adapters.peewee_store.session import Session
from adapters.peewee_store.transaction_cache import TransactionCache
from adapters.peewee_store.write_buffer import array
from domain.email.status import Status

_STATUS: Final = {status.value: status for status in Status}
_ALL: Final = "SELECT status, SUM(n) FROM tally GROUP BY status"
_OF_QUEUE: Final = "SELECT status, SUM(n) FROM tally WHERE queue = ? GROUP BY status"
_DEPTHS: Final = f"SELECT queue, SUM(n) FROM tally WHERE {IS_WAITING} GROUP BY queue"  # noqa: S608 - constants
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


class StatusCounts:
    """The counts as this transaction sees them."""

    def __init__(self, session: Session, cache: TransactionCache) -> None:
        self._session = session
        self._moved: dict[tuple[int, str], int] = cache.notes()
        self._read: dict[int | None, dict[Status, int]] = cache.reads()  # None: of all queues

    def move(self, queue: int, status: str, number: int) -> None:
        """*number* more emails stand there; fewer if it is negative."""
        moved = self._moved
        moved[queue, status] = moved.get((queue, status), 0) + number
        for known in (None, queue):
            if known in self._read:
                self._read[known][_STATUS[status]] += number

    def counts(self) -> Mapping[Status, int]:
        """In each status. Read once for all works of a group: each of them that accepts asks."""
        if None not in self._read:
            self._read[None] = self._from_table(_ALL, ())
        return dict(self._read[None])

    def of(self, queue: int) -> Mapping[Status, int]:
        """In each status of one queue, read once for all works of a group too."""
        if queue not in self._read:
            self._read[queue] = self._from_table(_OF_QUEUE, (queue,))
        return dict(self._read[queue])

    def depths(self) -> Mapping[int, int]:
        """How many wait in each queue."""
        self.write()
        return {queue: int(n) for queue, n in self._session.execute(_DEPTHS, ()).fetchall()}

    def write(self) -> None:
        """Write the changes since the last call: before a commit or a read."""
        changes = [(queue, status, n) for (queue, status), n in sorted(self._moved.items()) if n]
        slot = self._session.slot
        if changes and slot is None:
            self._session.execute_many(_ADD, changes)
        elif changes:
            self._session.execute(_ADD_TO_SLOT, (slot, *map(array, zip(*changes, strict=True))))
        self._moved.clear()

    def _from_table(self, sql: str, parameters: Sequence[int]) -> dict[Status, int]:
        self.write()
        found = self._session.execute(sql, parameters).fetchall()
        return dict.fromkeys(Status, 0) | {Status(name): int(n) for name, n in found}
