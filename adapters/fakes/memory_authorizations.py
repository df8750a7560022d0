"""Authorizations that were begun, in memory."""

from collections.abc import Sequence
from datetime import datetime

from adapters.fakes.memory_tables import Journal, Tables
from domain.account.authorization import Authorization
from domain.errors import Conflict


class MemoryAuthorizations:
    """The AuthorizationRepository port on a dictionary."""

    def __init__(self, tables: Tables, journal: Journal) -> None:
        self._rows = tables.authorizations
        self._journal = journal

    def add(self, authorization: Authorization) -> None:
        """Put it in."""
        if authorization.digest in self._rows:
            raise Conflict("the state is in use")
        self._journal.put(self._rows, authorization.digest, authorization)

    def find(self, digest: str) -> Authorization | None:
        """By its digest."""
        return self._rows.get(digest)

    def take(self, digest: str) -> Authorization | None:
        """Out of the dictionary."""
        found = self.find(digest)
        if found is not None:
            self._journal.remove(self._rows, digest)
        return found

    def devices(self) -> Sequence[str]:
        """The one that ends first comes first."""
        rows = sorted(self._rows.values(), key=lambda row: (row.expires_at, row.digest))
        return [row.digest for row in rows if row.device]

    def remove_of(self, account_id: int) -> None:
        """All of one account."""
        self._remove([row for row in self._rows.values() if row.account_id == account_id])

    def prune(self, now: datetime, *, limit: int) -> int:
        """Some that are over."""
        return self._remove([row for row in self._rows.values() if row.expires_at <= now][:limit])

    def _remove(self, rows: Sequence[Authorization]) -> int:
        for row in rows:
            self._journal.remove(self._rows, row.digest)
        return len(rows)
