"""The labels of emails, in memory."""

from collections.abc import Collection, Mapping, Sequence

from adapters.fakes.memory_tables import Journal, Tables
from domain.email.labels import NO_LABELS, Labels
from domain.errors import Conflict


class MemoryLabels:
    """The LabelRepository port on a dictionary."""

    def __init__(self, tables: Tables, journal: Journal) -> None:
        self._tables = tables
        self._journal = journal

    def add_all(self, labels: Mapping[int, Labels]) -> None:
        """Put them in, if their emails are there."""
        for email_id, each in labels.items():
            if email_id not in self._tables.emails or email_id in self._tables.labels:
                raise Conflict(f"email {email_id} is not there, or has labels")
            self._journal.put(self._tables.labels, email_id, each)

    def of(self, email_id: int) -> Labels:
        """What was put in, or none."""
        return self._tables.labels.get(email_id, NO_LABELS)

    def of_all(self, email_ids: Collection[int]) -> Mapping[int, Labels]:
        """Those that have some."""
        return {email_id: some for email_id in email_ids if (some := self.of(email_id))}

    def tags_of(self, email_ids: Collection[int]) -> Mapping[int, Sequence[str]]:
        """Those that have some."""
        tags = {email_id: self.of(email_id).tags for email_id in email_ids}
        return {email_id: list(some) for email_id, some in tags.items() if some}
