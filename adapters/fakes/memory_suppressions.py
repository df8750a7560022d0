"""The suppression list and the topics of emails, in memory."""

from collections.abc import Collection, Mapping, Sequence

from adapters.fakes.memory_tables import Journal, Tables
from domain.email.status import TERMINAL
from domain.suppression import Subscription, Suppression


class MemorySuppressions:
    """The SuppressionRepository port on a dictionary: works run one after the other."""

    def __init__(self, tables: Tables, journal: Journal) -> None:
        self._tables = tables
        self._journal = journal

    def put(self, suppression: Suppression) -> bool:
        """By address, scope and reason."""
        key = (suppression.address, suppression.scope, suppression.reason.value)
        known = self._tables.suppressions.get(key)
        if known is not None and not suppression.outlasts(known):
            return False
        self._journal.put(self._tables.suppressions, key, suppression)
        return True

    def of(self, addresses: Collection[str]) -> Sequence[Suppression]:
        """In the order of their keys."""
        found = sorted(self._tables.suppressions.items(), key=lambda item: item[0])
        return [suppression for key, suppression in found if key[0] in addresses]


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
