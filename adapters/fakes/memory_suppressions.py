"""The suppression list and the topics of emails, in memory."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

import attrs

from adapters.fakes.memory_tables import Journal, Tables
from domain.email.status import TERMINAL
from domain.suppression import Additions, Subscription, Suppression, SuppressionReason


class MemorySuppressions:
    """The SuppressionRepository port on a dictionary: works run one after the other."""

    def __init__(self, tables: Tables, journal: Journal) -> None:
        self._tables = tables
        self._journal = journal

    def put(self, suppression: Suppression, *, wait: bool = True) -> bool:
        """By address, scope and reason."""
        known = self._tables.suppressions.get(_key(suppression))
        if known is not None and not suppression.outlasts(known):
            return False
        self.replace(suppression)
        return True

    def lock(self, addresses: Collection[str]) -> None:
        """Works run one after the other: nothing is locked."""

    def replace(self, suppression: Suppression) -> Suppression:
        """By address, scope and reason."""
        key = _key(suppression)
        known = self._tables.suppressions.get(key)
        number = known.id if known else self._journal.next_id(self._tables, "suppression")
        stored = attrs.evolve(suppression, id=number)
        self._journal.put(self._tables.suppressions, key, stored)
        until = self._tables.last_ids.get("email", 0)
        self._journal.put(self._tables.emails_before, number, until)
        return stored

    def remove(self, suppressions: Collection[Suppression]) -> None:
        """By their ids."""
        ids = {one.id for one in suppressions}
        for key, known in list(self._tables.suppressions.items()):
            if known.id in ids:
                self._journal.remove(self._tables.suppressions, key)
                self._journal.remove(self._tables.emails_before, known.id)

    def of(self, addresses: Collection[str], *, wait: bool = True) -> Sequence[Suppression]:
        """In the order of their keys."""
        found = sorted(self._tables.suppressions.items(), key=lambda item: item[0])
        return [suppression for key, suppression in found if key[0] in addresses]

    def additions(self, scope: str) -> Additions:
        """All are looked at."""
        return Additions(
            max(self._tables.emails_before.values(), default=0),
            any(known.scope == scope for known in self._tables.suppressions.values()),
        )

    def page(
        self,
        *,
        scopes: Collection[str] | None = None,
        reason: SuppressionReason | None = None,
        after: int = 0,
        limit: int,
    ) -> Sequence[Suppression]:
        """All are looked at."""
        found = [
            known
            for known in self._tables.suppressions.values()
            if known.id > after
            and (scopes is None or known.scope in scopes)
            and reason in (None, known.reason)
        ]
        return sorted(found, key=lambda known: known.id)[:limit]

    def prune(self, *, now: datetime, limit: int) -> int:
        """All are looked at."""
        over = [known for known in self._tables.suppressions.values() if not known.holds(now=now)]
        self.remove(over[:limit])
        return len(over[:limit])


def _key(suppression: Suppression) -> tuple[str, str, str]:
    return (suppression.address, suppression.scope, suppression.reason.value)


class MemoryTopics:
    """The TopicRepository port on a dictionary."""

    def __init__(self, tables: Tables, journal: Journal) -> None:
        self._tables = tables
        self._journal = journal

    def add_all(self, subscriptions: Mapping[int, Subscription]) -> None:
        """One row each."""
        for email_id, subscription in subscriptions.items():
            if email_id not in self._tables.emails or email_id in self._tables.topics:
                raise KeyError(f"email {email_id} is not there, or has its topic")
            self._journal.put(self._tables.topics, email_id, subscription)

    def of(self, email_id: int) -> Subscription | None:
        """By its id."""
        return self._tables.topics.get(email_id)

    def lock_open(self, subscription: Subscription) -> Sequence[int]:
        """Works run one after the other: nothing is locked."""
        return sorted(
            email_id
            for email_id, topic in self._tables.topics.items()
            if topic == subscription and self._tables.emails[email_id].status not in TERMINAL
        )
