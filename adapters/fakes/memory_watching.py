"""What watching the service remembers, in memory."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from adapters.fakes.memory_tables import Journal, Tables
from domain.event.alert import AlertRecord
from domain.event.event import Position
from domain.event.growth import Growth
from domain.suppression import FULL_TIMES


class MemoryWatch:
    """The WatchRepository port on dictionaries: works run one after the other."""

    def __init__(self, tables: Tables, journal: Journal) -> None:
        self._tables = tables
        self._journal = journal

    def lock(self) -> None:
        """Works run one after the other: nothing is locked."""

    def position(self) -> Position | None:
        """A note."""
        found: Position | None = self._tables.watch_notes.get("position")
        return found

    def move(self, position: Position) -> None:
        """A note."""
        self._note("position", position)

    def growth(self) -> Growth:
        """A note."""
        found: Growth = self._tables.watch_notes.get("growth", Growth())
        return found

    def save_growth(self, growth: Growth) -> None:
        """A note."""
        self._note("growth", growth)

    def last_alert(self, account_id: int | None, reason: str) -> AlertRecord | None:
        """By account and reason."""
        return self._tables.alerts.get((account_id, reason))

    def put_alert(self, record: AlertRecord) -> None:
        """By account and reason."""
        self._journal.put(self._tables.alerts, (record.account_id, record.reason), record)

    def alerts(self, *, limit: int) -> Sequence[AlertRecord]:
        """All are looked at."""
        found = self._tables.alerts.values()
        return sorted(found, key=lambda one: (one.at, one.event_id), reverse=True)[:limit]

    def prune_alerts(self, *, before: datetime, limit: int) -> int:
        """All are looked at."""
        old = [key for key, one in self._tables.alerts.items() if one.at < before][:limit]
        for key in old:
            self._journal.remove(self._tables.alerts, key)
        return len(old)

    def _note(self, name: str, value: Any) -> None:
        self._journal.put(self._tables.watch_notes, name, value)


class MemoryFullMailboxes:
    """The FullMailboxes port on a dictionary."""

    def __init__(self, tables: Tables, journal: Journal) -> None:
        self._tables = tables
        self._journal = journal

    def add(self, address: str, *, email_id: int, at: datetime) -> None:
        """By address and email."""
        if (address, email_id) not in self._tables.full_mailboxes:
            self._journal.put(self._tables.full_mailboxes, (address, email_id), at)

    def count(self, address: str, *, since: datetime) -> int:
        """All are looked at."""
        found = [at for (of, _), at in self._tables.full_mailboxes.items() if of == address]
        return min(FULL_TIMES, sum(at >= since for at in found))

    def forget(self, address: str) -> None:
        """All are looked at."""
        for key in [key for key in self._tables.full_mailboxes if key[0] == address]:
            self._journal.remove(self._tables.full_mailboxes, key)

    def prune(self, *, before: datetime, limit: int) -> int:
        """All are looked at."""
        old = [key for key, at in self._tables.full_mailboxes.items() if at < before][:limit]
        for key in old:
            self._journal.remove(self._tables.full_mailboxes, key)
        return len(old)
