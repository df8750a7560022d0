"""What accounts log in by OAuth with, in memory."""

from collections.abc import Sequence

from adapters.fakes.memory_tables import Journal, Tables
from domain.account.oauth_credentials import Credentials


class MemoryCredentials:
    """The CredentialsRepository port on a dictionary."""

    def __init__(self, tables: Tables, journal: Journal) -> None:
        self._tables = tables
        self._journal = journal

    def find(self, account_id: int) -> Credentials | None:
        """By its account."""
        return self._tables.credentials.get(account_id)

    def all(self) -> Sequence[Credentials]:
        """By account."""
        return [found for _, found in sorted(self._tables.credentials.items())]

    def save(self, credentials: Credentials) -> None:
        """All of it."""
        self._journal.put(self._tables.credentials, credentials.account_id, credentials)

    def remove(self, account_id: int) -> None:
        """If there is any."""
        if account_id in self._tables.credentials:
            self._journal.remove(self._tables.credentials, account_id)
