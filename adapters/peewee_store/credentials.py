"""The repository of what accounts log in by OAuth with."""

from collections.abc import Sequence
from typing import Any, Final

from adapters.peewee_store.queries import Prepared, all_given, fields, given
from adapters.peewee_store.rows import Row, micros_or_none, moment_or_none
from adapters.peewee_store.session import Session
from adapters.peewee_store.tables import CredentialsRow
from domain.account.oauth_credentials import Credentials

_SEALED: Final = ("sealed_secret", "sealed_key", "sealed_refresh", "sealed_access")
_TIMES: Final = ("expires_at", "obtained_at", "refreshed_at", "retry_at")
_PLAIN: Final = ("account_id", "generation", "held_by", "failures", "last_error")
_COLUMNS: Final = (*_SEALED, *_TIMES, *_PLAIN)
_ROWS: Final = CredentialsRow.select(*fields(CredentialsRow, _COLUMNS))
_ALL: Final = Prepared(_ROWS.order_by(CredentialsRow.account_id))
_FIND: Final = Prepared(_ROWS.where(CredentialsRow.account_id == given("account_id")))
_ADD: Final = Prepared(CredentialsRow.insert(all_given(CredentialsRow, _COLUMNS)))
_REMOVE: Final = Prepared(
    CredentialsRow.delete().where(CredentialsRow.account_id == given("account_id"))
)


class SqlCredentials:
    """The CredentialsRepository port."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def find(self, account_id: int) -> Credentials | None:
        """One row."""
        row = _FIND(self._session.execute, account_id=account_id).fetchone()
        return None if row is None else _credentials(row)

    def all(self) -> Sequence[Credentials]:
        """A row for each account that logs in by OAuth."""
        return list(map(_credentials, _ALL(self._session.execute).fetchall()))

    def save(self, credentials: Credentials) -> None:
        """The old row goes and the new one comes, in the same work."""
        self.remove(credentials.account_id)
        values: dict[str, Any] = {
            **{name: getattr(credentials, name) for name in (*_SEALED, *_PLAIN)},
            **{name: micros_or_none(getattr(credentials, name)) for name in _TIMES},
        }
        _ADD(self._session.execute, **values)

    def remove(self, account_id: int) -> None:
        """The row, if there is one."""
        _REMOVE(self._session.execute, account_id=account_id)


def _credentials(row: Row) -> Credentials:
    values = dict(zip(_COLUMNS, row, strict=True))
    for name in _SEALED:
        values[name] = None if values[name] is None else bytes(values[name])
    for name in _TIMES:
        values[name] = moment_or_none(values[name])
    return Credentials(**values)
