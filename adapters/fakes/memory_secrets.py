"""The service's own secrets, in memory."""

from collections.abc import Sequence

from adapters.fakes.memory_tables import Journal, Tables
from domain.errors import NotFound


class MemorySecrets:
    """The SecretRepository port on a dictionary."""

    def __init__(self, tables: Tables, journal: Journal) -> None:
        self._tables = tables
        self._journal = journal

    def find(self, name: str) -> bytes | None:
        """By its name."""
        return self._tables.secrets.get(name)

    def add(self, name: str, sealed: bytes) -> bytes:
        """Keep the first."""
        if name not in self._tables.secrets:
            self._journal.put(self._tables.secrets, name, bytes(sealed))
        return self._tables.secrets[name]

    def replace(self, name: str, sealed: bytes) -> None:
        """Of one that is there."""
        if name not in self._tables.secrets:
            raise NotFound(f"there is no secret {name}")
        self._journal.put(self._tables.secrets, name, bytes(sealed))

    def all(self) -> Sequence[tuple[str, bytes]]:
        """By name."""
        return sorted(self._tables.secrets.items())
