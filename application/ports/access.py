"""The repositories of API keys, logins, secrets, usage, the audit trail and remembered answers."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from domain.access import ApiKey, AuditEntry, IdempotencyRecord
from domain.dashboard_session import DashboardSession


class IdempotencyRepository(Protocol):
    """Answers remembered by idempotency key, for a day."""

    def find(self, key: str, *, scope: str) -> IdempotencyRecord | None:
        """What was stored under this key for this caller."""
        ...

    def add(self, record: IdempotencyRecord) -> None:
        """Remember it. Conflict if the key is taken."""
        ...

    def prune(self, *, before: datetime, limit: int) -> int:
        """Remove up to *limit* records created before; how many went."""
        ...


class KeyRepository(Protocol):
    """The API keys. They are never deleted: emails and the audit name them."""

    def add(self, key: ApiKey) -> ApiKey:
        """Store it and return it with its id (from 1, rising). Conflict if the prefix is in use."""
        ...

    def find(self, prefix: str) -> ApiKey | None:
        """The key with this prefix, whether it is usable or not."""
        ...

    def all(self) -> Sequence[ApiKey]:
        """All of them, by id."""
        ...

    def lock(self) -> Sequence[ApiKey]:
        """All of them, by id; another work that asks for it waits until this one is committed."""
        ...

    def save(self, key: ApiKey) -> None:
        """Write what may change of a key that exists: digest and revoked_at. NotFound."""
        ...


class DashboardSessionRepository(Protocol):
    """The browsers that are logged in to the dashboard."""

    def add(self, session: DashboardSession) -> None:
        """Store it. Conflict if its digest is there."""
        ...

    def find(self, digest: bytes) -> DashboardSession | None:
        """The session with this digest, whether it has ended by time or not."""
        ...

    def remove(self, digest: bytes) -> None:
        """Forget it, if it is there."""
        ...

    def prune(self, *, now: datetime, limit: int) -> int:
        """Forget up to *limit* that ended at *now* or earlier; how many."""
        ...


class SecretRepository(Protocol):
    """The service's own secrets, sealed. Each is made once and lives as long as the data."""

    def find(self, name: str) -> bytes | None:
        """The sealed secret of this name, or None if it was not made yet."""
        ...

    def add(self, name: str, sealed: bytes) -> bytes:
        """Store it if there is none of this name; the one that is stored then.

        Of two processes that make one at once both get the same.
        """
        ...

    def replace(self, name: str, sealed: bytes) -> None:
        """The same secret, sealed anew. NotFound."""
        ...

    def all(self) -> Sequence[tuple[str, bytes]]:
        """The name and the sealed secret of each, by name."""
        ...


class KeyUsage(Protocol):
    """How many recipients each API key has named, by the hour."""

    def add(self, key_id: int, *, hour: datetime, recipients: int) -> None:
        """Count *recipients* more in the hour that begins at *hour*."""
        ...

    def hours(self, key_id: int, *, since: datetime) -> Sequence[tuple[datetime, int]]:
        """The hours that begin at *since* or later with what was counted, oldest first."""
        ...

    def prune(self, *, before: datetime, limit: int) -> int:
        """Remove up to *limit* hours that began before; how many went."""
        ...


class AuditTrail(Protocol):
    """Who did what. Written in the same work as the change."""

    def add(self, entry: AuditEntry) -> None:
        """Append it."""
        ...

    def prune(self, *, before: datetime, limit: int) -> int:
        """Forget those of the first *limit* entries that are from before then; how many."""
        ...

    def latest(self, *, before: int | None = None, limit: int) -> Sequence[AuditEntry]:
        """Up to *limit* entries, newest first; with ids below *before* if that is given."""
        ...
