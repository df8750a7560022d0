"""The repository of authorizations that were begun."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from adapters.peewee_store.queries import Prepared, all_given, fields, given
from adapters.peewee_store.rows import Row, micros, moment
from adapters.peewee_store.session import Session
from adapters.peewee_store.tables import AuthorizationRow
from domain.account.authorization import Authorization
from domain.errors import Conflict

_COLUMNS: Final = (
    *("digest", "account_id", "version", "device", "sealed", "redirect_uri", "browser", "key"),
    "expires_at",
)
_THIS: Final = AuthorizationRow.digest == given("digest")
_FIND: Final = Prepared(AuthorizationRow.select(*fields(AuthorizationRow, _COLUMNS)).where(_THIS))
_ADD: Final = Prepared(
    AuthorizationRow.insert(all_given(AuthorizationRow, _COLUMNS)).on_conflict_ignore()
)
_REMOVE: Final = Prepared(AuthorizationRow.delete().where(_THIS))
_REMOVE_OF: Final = Prepared(
    AuthorizationRow.delete().where(AuthorizationRow.account_id == given("account_id"))
)
_DEVICES: Final = Prepared(
    AuthorizationRow.select(AuthorizationRow.digest)
    .where(AuthorizationRow.device == 1)
    .order_by(AuthorizationRow.expires_at, AuthorizationRow.digest)
)
_OLD: Final = (
    AuthorizationRow.select(AuthorizationRow.digest)
    .where(AuthorizationRow.expires_at <= given("now"))
    .limit(given("limit"))
)
_PRUNE: Final = Prepared(AuthorizationRow.delete().where(AuthorizationRow.digest.in_(_OLD)))


class SqlAuthorizations:
    """The AuthorizationRepository port."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, authorization: Authorization) -> None:
        """One row."""
        added = _ADD(
            self._session.execute,
            **{name: getattr(authorization, name) for name in _COLUMNS[:-1]}
            | {"device": int(authorization.device)},
            expires_at=micros(authorization.expires_at),
        )
        if added.rowcount != 1:
            raise Conflict("the state is in use")

    def find(self, digest: str) -> Authorization | None:
        """One row."""
        row = _FIND(self._session.execute, digest=digest).fetchone()
        return None if row is None else _authorization(row)

    def take(self, digest: str) -> Authorization | None:
        """Of two works that delete the row one finds that it has done so."""
        found = self.find(digest)
        if found is None or _REMOVE(self._session.execute, digest=digest).rowcount != 1:
            return None
        return found

    def devices(self) -> Sequence[str]:
        """A handful."""
        return [digest for (digest,) in _DEVICES(self._session.execute).fetchall()]

    def remove_of(self, account_id: int) -> None:
        """A handful."""
        _REMOVE_OF(self._session.execute, account_id=account_id)

    def prune(self, now: datetime, *, limit: int) -> int:
        """One statement."""
        return _PRUNE(self._session.execute, now=micros(now), limit=limit).rowcount


def _authorization(row: Row) -> Authorization:
    return Authorization(
        digest=row[0],
        account_id=row[1],
        version=row[2],
        device=bool(row[3]),
        sealed=bytes(row[4]),
        redirect_uri=row[5],
        browser=row[6],
        key=row[7],
        expires_at=moment(row[8]),
    )
