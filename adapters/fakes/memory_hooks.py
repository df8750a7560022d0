"""Event hooks in memory."""

from collections.abc import Sequence
from datetime import datetime

import attrs

from adapters.fakes.memory_tables import Journal, Tables
from domain.hook.hook import EventHook, no_hook


class MemoryHooks:
    """The HookRepository port on dictionaries."""

    def __init__(self, tables: Tables, journal: Journal) -> None:
        self._tables = tables
        self._journal = journal

    def add(self, hook: EventHook) -> EventHook:
        """Put it in."""
        assert self.find(hook.digest) is None
        hook = attrs.evolve(hook, id=self._journal.next_id(self._tables, "event_hook"))
        self._journal.put(self._tables.hooks, hook.id, hook)
        return hook

    def of(self, account_id: int) -> Sequence[EventHook]:
        """By id."""
        return [hook for hook in self.all() if hook.account_id == account_id]

    def all(self) -> Sequence[EventHook]:
        """By id."""
        return [hook for _, hook in sorted(self._tables.hooks.items())]

    def find(self, digest: str) -> EventHook | None:
        """By its digest."""
        return next((hook for hook in self.all() if hook.digest == digest), None)

    def save(self, hook: EventHook) -> None:
        """Two fields."""
        stored = self._tables.hooks.get(hook.id)
        if stored is None:
            raise no_hook(hook.id)
        changed = attrs.evolve(stored, topic=hook.topic, sealed_key=hook.sealed_key)
        self._journal.put(self._tables.hooks, hook.id, changed)

    def remove(self, account_id: int, hook_id: int | None = None) -> int:
        """With their tokens."""
        gone = [hook.id for hook in self.of(account_id) if hook_id in (None, hook.id)]
        for one in gone:
            self._journal.remove(self._tables.hooks, one)
        for key in [key for key in self._tables.hook_tokens if key[0] in gone]:
            self._journal.remove(self._tables.hook_tokens, key)
        return len(gone)

    def take_token(self, hook_id: int, token: str, *, call: str, at: datetime) -> str:
        """The first call keeps it."""
        known = self._tables.hook_tokens.get((hook_id, token))
        if known is not None:
            return known[0]
        self._journal.put(self._tables.hook_tokens, (hook_id, token), (call, at))
        return call

    def prune_tokens(self, before: datetime, *, limit: int) -> int:
        """The oldest first."""
        rows = sorted(self._tables.hook_tokens.items(), key=lambda row: row[1][1])
        old = [key for key, (_, at) in rows if at < before][:limit]
        for key in old:
            self._journal.remove(self._tables.hook_tokens, key)
        return len(old)
