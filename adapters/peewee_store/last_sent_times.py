"""When each account has last sent: noted for every result, written once before the commit. Hot.

SQL text: it is written with every commit, on PostgreSQL from arrays, for which Peewee has no words.

Where many processes write at once a row that another one has locked is passed over and written with
a later commit. To wait for it, holding the rows of other accounts, could be a deadlock, and claims
on an account would wait for the results of every process.
"""

from typing import Final

from adapters.peewee_store.session import Cursor, Session
from adapters.peewee_store.transaction_cache import TransactionCache
from adapters.peewee_store.write_buffer import array

_WRITE: Final = "UPDATE account SET last_sent_at = ? WHERE id = ?"
_WRITE_WHAT_IS_FREE: Final = (
    "UPDATE account SET last_sent_at = {at} FROM ("
    "SELECT account.id, new.at FROM UNNEST(?::bigint[], ?::bigint[]) AS new (id, at)"
    " JOIN account ON account.id = new.id ORDER BY account.id"
    " FOR NO KEY UPDATE OF account SKIP LOCKED) AS free"
    " WHERE account.id = free.id RETURNING account.id"
)
_NEW: Final = _WRITE_WHAT_IS_FREE.format(at="free.at")
_LATE: Final = _WRITE_WHAT_IS_FREE.format(at="GREATEST(account.last_sent_at, free.at)")
_THERE: Final = "SELECT id FROM account WHERE id = ANY(?::bigint[])"


class LastSentTimes:
    """The times of this transaction, and those that earlier ones could not write."""

    def __init__(self, session: Session, cache: TransactionCache) -> None:
        self._session = session
        self._noted: dict[int, int] = cache.notes()
        self._late: dict[int, int] = {}
        self._asked: list[tuple[dict[int, int], Cursor]] = []

    def note(self, account_id: int, sent_at: int) -> None:
        """Note that the account has sent at this time, in microseconds."""
        self._noted[account_id] = sent_at

    def of(self, account_id: int) -> int | None:
        """The time that is noted and not yet written."""
        return self._noted.get(account_id)

    def drop(self, account_id: int) -> None:
        """Forget a time, because the row was written with its own."""
        self._noted.pop(account_id, None)

    def write(self) -> None:
        """Write the times: before the commit, after all other results."""
        self._asked.clear()  # of a transaction that was rolled back before its answers came
        if self._noted and not self._session.shared:
            self._session.execute_many(_WRITE, [(at, n) for n, at in sorted(self._noted.items())])
        elif self._noted or self._late:
            self._write_what_is_free()
        self._noted.clear()

    def find_late(self) -> None:
        """Remember those whose row was not free, when answers have come."""
        asked, self._asked = self._asked, []
        for times, cursor in asked:
            written = {account_id for (account_id,) in cursor.fetchall()}
            locked: set[int] = set()
            if len(written) < len(times):
                there = self._session.execute(_THERE, (array(times),)).fetchall()
                locked = {account_id for (account_id,) in there} - written
            for account_id, at in times.items():
                if account_id in locked:
                    self._late[account_id] = at
                else:
                    self._late.pop(account_id, None)

    def _write_what_is_free(self) -> None:
        late = {n: at for n, at in self._late.items() if n not in self._noted}
        for sql, times in ((_NEW, self._noted), (_LATE, late)):
            if times:
                cursor = self._session.execute(sql, (array(times), array(times.values())))
                self._asked.append((dict(times), cursor))
