"""The repository of the keys that accounts sign with."""

from collections.abc import Sequence
from typing import Final

import peewee

from adapters.peewee_store.accounts import SqlAccounts
from adapters.peewee_store.queries import Prepared, all_given, fields, given
from adapters.peewee_store.rows import Row, micros, moment
from adapters.peewee_store.session import Session
from adapters.peewee_store.tables import DkimKeyRow
from domain.account.dkim_key import DkimKey, in_order, no_dkim_keys
from domain.errors import Conflict
from domain.message.dkim import Algorithm

_COLUMNS: Final = (
    *("account_id", "selector", "algorithm", "domain", "record", "sealed_key", "active"),
    "created_at",
)
_ROWS: Final = DkimKeyRow.select(*fields(DkimKeyRow, _COLUMNS))
_ALL: Final = Prepared(_ROWS)
_OF: Final = Prepared(_ROWS.where(DkimKeyRow.account_id == given("account_id")))
_ADD: Final = Prepared(DkimKeyRow.insert(all_given(DkimKeyRow, _COLUMNS)))
_PLACE: Final = (
    (DkimKeyRow.account_id == given("account_id"))
    & (DkimKeyRow.selector == given("selector"))
    & (DkimKeyRow.algorithm == given("algorithm"))
)
_THERE: Final = Prepared(DkimKeyRow.select(peewee.SQL("1")).where(_PLACE))
_SAVE: Final = Prepared(
    DkimKeyRow.update(all_given(DkimKeyRow, ("active", "sealed_key"))).where(_PLACE)
)
_REMOVE: Final = Prepared(
    DkimKeyRow.delete().where(
        DkimKeyRow.account_id == given("account_id"), DkimKeyRow.selector == given("selector")
    )
)
_REMOVE_ALL: Final = Prepared(
    DkimKeyRow.delete().where(DkimKeyRow.account_id == given("account_id"))
)


class SqlDkimKeys:
    """The DkimKeyRepository port. Whoever writes here makes *accounts* read its rows again."""

    def __init__(self, session: Session, accounts: SqlAccounts) -> None:
        self._session = session
        self._accounts = accounts

    def add_all(self, keys: Sequence[DkimKey]) -> None:
        """One row each."""
        self._accounts.forget()
        for key in keys:
            if _THERE(self._session.execute, **_place(key)).fetchone():
                raise Conflict(f"the selector {key.selector} is taken")
            _ADD(
                self._session.execute,
                **_place(key),
                domain=key.domain,
                record=key.record,
                sealed_key=key.sealed_key,
                active=int(key.active),
                created_at=micros(key.created_at),
            )

    def of(self, account_id: int) -> Sequence[DkimKey]:
        """A handful."""
        return in_order(map(_key, _OF(self._session.execute, account_id=account_id)))

    def all(self) -> Sequence[DkimKey]:
        """A handful for each account that signs."""
        return in_order(map(_key, _ALL(self._session.execute)))

    def save(self, key: DkimKey) -> None:
        """Two columns."""
        self._accounts.forget()
        saved = _SAVE(
            self._session.execute,
            **_place(key),
            active=int(key.active),
            sealed_key=key.sealed_key,
        )
        if saved.rowcount != 1:
            raise no_dkim_keys(key.selector)

    def remove(self, account_id: int, selector: str | None = None) -> int:
        """Rows of one selector or of all."""
        self._accounts.forget()
        if selector is None:
            return _REMOVE_ALL(self._session.execute, account_id=account_id).rowcount
        return _REMOVE(self._session.execute, account_id=account_id, selector=selector).rowcount


def _place(key: DkimKey) -> dict[str, int | str]:
    return {
        "account_id": key.account_id,
        "selector": key.selector,
        "algorithm": key.algorithm.value,
    }


def _key(row: Row) -> DkimKey:
    return DkimKey(
        account_id=row[0],
        selector=row[1],
        algorithm=Algorithm(row[2]),
        domain=row[3],
        record=row[4],
        sealed_key=bytes(row[5]),
        active=bool(row[6]),
        created_at=moment(row[7]),
    )
