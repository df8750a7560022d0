"""The inboxes of accounts, in memory."""

from collections.abc import Sequence

import attrs

from adapters.fakes.memory_tables import Journal, Tables
from domain.account.inbox import Inbox


class MemoryInboxes:
    """The InboxRepository port on a dictionary."""

    def __init__(self, tables: Tables, journal: Journal) -> None:
        self._tables = tables
        self._journal = journal

    def find(self, account_id: int) -> Inbox | None:
        """By its account."""
        return self._tables.inboxes.get(account_id)

    def all(self) -> Sequence[Inbox]:
        """By account."""
        return [found for _, found in sorted(self._tables.inboxes.items())]

    def save(self, inbox: Inbox) -> None:
        """All of it."""
        self._journal.put(self._tables.inboxes, inbox.account_id, inbox)

    def save_progress(self, inbox: Inbox, *, was: Inbox) -> bool:
        """If its version and its place are those of *was*."""
        stored = self._tables.inboxes.get(was.account_id)
        if stored is None or (stored.version, stored.place) != (was.version, was.place):
            return False
        names = ("place", "tried_at", "read_at", "failures", "last_error")
        self.save(attrs.evolve(stored, **{name: getattr(inbox, name) for name in names}))
        return True

    def remove(self, account_id: int) -> None:
        """If there is one."""
        if account_id in self._tables.inboxes:
            self._journal.remove(self._tables.inboxes, account_id)
