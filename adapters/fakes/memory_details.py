"""The details of emails, in memory."""

from collections.abc import Mapping

from adapters.fakes.memory_tables import Journal, Tables
from domain.email.detail import NOTHING, Detail


class MemoryDetails:
    """The DetailRepository port on a dictionary."""

    def __init__(self, tables: Tables, journal: Journal) -> None:
        self._tables = tables
        self._journal = journal

    def add_all(self, details: Mapping[int, Detail]) -> None:
        """Put in those that say something."""
        for email_id, detail in details.items():
            if email_id not in self._tables.emails or email_id in self._tables.details:
                raise KeyError(f"email {email_id} is not there, or has its detail")
            if detail:
                self._journal.put(self._tables.details, email_id, detail)

    def of(self, email_id: int) -> Detail:
        """What was put in, or nothing."""
        return self._tables.details.get(email_id, NOTHING)
