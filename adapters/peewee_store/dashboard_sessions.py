"""The repository of the dashboard's logins."""

from datetime import datetime
from typing import Final

from adapters.peewee_store.queries import Prepared, all_given, fields, given
from adapters.peewee_store.rows import micros, moment
from adapters.peewee_store.session import Session
from adapters.peewee_store.tables import DashboardSessionRow as Row
from domain.dashboard_session import DashboardSession
from domain.errors import Conflict

_COLUMNS: Final = ("digest", "key_prefix", "created_at", "expires_at")
_THIS: Final = Row.digest == given("digest")
_FIND: Final = Prepared(Row.select(*fields(Row, _COLUMNS)).where(_THIS))
_ADD: Final = Prepared(Row.insert(all_given(Row, _COLUMNS)).on_conflict_ignore())
_REMOVE: Final = Prepared(Row.delete().where(_THIS))
_ENDED: Final = (
    Row.select(Row.digest)
    .where(Row.expires_at <= given("now"))
    .order_by(Row.expires_at)
    .limit(given("limit"))
)
_PRUNE: Final = Prepared(Row.delete().where(Row.digest.in_(_ENDED)))


class SqlDashboardSessions:
    """The DashboardSessionRepository port."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, session: DashboardSession) -> None:
        """Insert it if its digest is free."""
        added = _ADD(
            self._session.execute,
            digest=session.digest,
            key_prefix=session.key_prefix,
            created_at=micros(session.created_at),
            expires_at=micros(session.expires_at),
        )
        if added.rowcount != 1:
            raise Conflict("the login is there already")

    def find(self, digest: bytes) -> DashboardSession | None:
        """By its primary key."""
        row = _FIND(self._session.execute, digest=digest).fetchone()
        if row is None:
            return None
        return DashboardSession(
            digest=bytes(row[0]),
            key_prefix=row[1],
            created_at=moment(row[2]),
            expires_at=moment(row[3]),
        )

    def remove(self, digest: bytes) -> None:
        """By its primary key."""
        _REMOVE(self._session.execute, digest=digest)

    def prune(self, *, now: datetime, limit: int) -> int:
        """By an index; the first that ended."""
        return _PRUNE(self._session.execute, now=micros(now), limit=limit).rowcount
