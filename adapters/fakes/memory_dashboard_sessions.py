"""The dashboard's logins, in memory."""

from datetime import datetime

from adapters.fakes.memory_tables import Journal, Tables
from domain.dashboard_session import DashboardSession
from domain.errors import Conflict


class MemoryDashboardSessions:
    """The DashboardSessionRepository port on a dictionary."""

    def __init__(self, tables: Tables, journal: Journal) -> None:
        self._rows = tables.dashboard_sessions
        self._journal = journal

    def add(self, session: DashboardSession) -> None:
        """Put it in."""
        if session.digest in self._rows:
            raise Conflict("the login is there already")
        self._journal.put(self._rows, session.digest, session)

    def find(self, digest: bytes) -> DashboardSession | None:
        """By its digest."""
        return self._rows.get(digest)

    def remove(self, digest: bytes) -> None:
        """Out of the dictionary."""
        if digest in self._rows:
            self._journal.remove(self._rows, digest)

    def prune(self, *, now: datetime, limit: int) -> int:
        """The first that ended."""
        ended = [row for row in self._rows.values() if not row.usable(now)]
        ended.sort(key=lambda row: row.expires_at)
        for row in ended[:limit]:
            self._journal.remove(self._rows, row.digest)
        return len(ended[:limit])
