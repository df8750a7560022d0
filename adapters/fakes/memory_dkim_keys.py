"""The keys that accounts sign with, in memory."""

from collections.abc import Sequence

import attrs

from adapters.fakes.memory_tables import Journal, Tables
from domain.account.dkim_key import DkimKey, in_order, no_dkim_keys
from domain.errors import Conflict


class MemoryDkimKeys:
    """The DkimKeyRepository port on a dictionary."""

    def __init__(self, tables: Tables, journal: Journal) -> None:
        self._tables = tables
        self._journal = journal

    def add_all(self, keys: Sequence[DkimKey]) -> None:
        """Put them in."""
        for key in keys:
            if _place(key) in self._tables.dkim_keys:
                raise Conflict(f"the selector {key.selector} is taken")
            self._journal.put(self._tables.dkim_keys, _place(key), key)

    def of(self, account_id: int) -> Sequence[DkimKey]:
        """By age."""
        return [key for key in self.all() if key.account_id == account_id]

    def all(self) -> Sequence[DkimKey]:
        """By account and age."""
        return in_order(self._tables.dkim_keys.values())

    def save(self, key: DkimKey) -> None:
        """Two fields."""
        stored = self._tables.dkim_keys.get(_place(key))
        if stored is None:
            raise no_dkim_keys(key.selector)
        changed = attrs.evolve(stored, active=key.active, sealed_key=key.sealed_key)
        self._journal.put(self._tables.dkim_keys, _place(key), changed)

    def remove(self, account_id: int, selector: str | None = None) -> int:
        """Of one selector or of all."""
        gone = [key for key in self.of(account_id) if selector in (None, key.selector)]
        for key in gone:
            self._journal.remove(self._tables.dkim_keys, _place(key))
        return len(gone)


def _place(key: DkimKey) -> tuple[int, str, str]:
    return (key.account_id, key.selector, key.algorithm)
