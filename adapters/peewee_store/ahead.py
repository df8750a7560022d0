"""What a claim looks at, read with one statement where each costs a round trip to a server.

The lines before an account are its own queue and the shared one, each with five priorities. They
are looked along in the order of the claim, and no further than the claim could take: the rows that
were read are locked, and other processes pass over them.
"""

# ruff: noqa: S608 - the texts are made of constants; every value is a parameter
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from adapters.peewee_store import rows
from adapters.peewee_store.basket import Basket
from adapters.peewee_store.session import Session

_ANY_ACCOUNT: Final = 0
_KEYS: Final = ("eligible_at", "id", "open_count", "priority")


class Ahead:
    """The rows that one claim may take, locked."""

    def __init__(self, session: Session, basket: Basket, due_at: int) -> None:
        self._session = session
        self._basket = basket
        self._due_at = due_at
        self._found: dict[int, list[rows.Row]] = {}
        self.rows: dict[int, rows.Row] = {}

    def look(self, priorities: Sequence[int], *, in_each: int, in_all: int) -> None:
        """Read *in_each* rows of each line, until they are *in_all*.

        Two for each place are enough: those before a line that is cut off fill all places, or leave
        fewer than half of the rows to its priority, and so enough of both of its queues.
        """
        lines: list[int] = []
        for priority in priorities:
            largest = self._basket.largest(priority)
            for queue in (_ANY_ACCOUNT, self._basket.account_id):
                lines += (queue, priority, largest)
        parameters = (*lines, self._due_at, in_each, in_all)
        self._found = {priority: [] for priority in priorities}
        found = self._session.execute_apart(
            _lines(2 * len(priorities)), parameters, tables=("email",)
        )
        for row in found.fetchall():
            keys, email = row[: len(_KEYS)], row[len(_KEYS) :]
            self._found[keys[-1]].append(keys)
            self.rows[email[0]] = email

    def of(self, priority: int, limit: int) -> list[rows.Row]:
        """(eligible_at, id, open_count, priority) in the order of the claim."""
        return sorted(self._found[priority])[:limit]


@lru_cache(maxsize=16)
def _lines(number: int) -> str:
    values = ", ".join(["(?::bigint, ?::integer, ?::bigint)"] * number)
    columns = ", ".join(f"email.{name}" for name in (*_KEYS, *rows.EMAIL_COLUMNS))
    return (
        f"SELECT due.* FROM (VALUES {values}) AS line (queue, priority, largest)"
        f" CROSS JOIN LATERAL (SELECT {columns} FROM email"
        " WHERE email.queue = line.queue AND email.priority = line.priority"
        " AND status IN ('queued', 'scheduled', 'retry') AND eligible_at <= ?"
        " AND open_count <= line.largest ORDER BY eligible_at, id LIMIT ?"
        " FOR UPDATE SKIP LOCKED) AS due LIMIT ?"
    )
