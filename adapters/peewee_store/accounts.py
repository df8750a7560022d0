"""The repository of accounts."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import attrs
import peewee

from adapters.peewee_store import records
from adapters.peewee_store.last_sent_times import LastSentTimes
from adapters.peewee_store.queries import Prepared, all_given, fields, given
from adapters.peewee_store.rows import Row, micros, micros_or_none
from adapters.peewee_store.session import Cursor, Session
from adapters.peewee_store.tables import AccountRow, DkimKeyRow
from adapters.peewee_store.transaction_cache import TransactionCache
from domain.account.account import Account
from domain.account.health import Health
from domain.errors import NameTaken, no_smtp_configuration

# in the accounts' own statement: an account that does not sign costs no further one
_SIGNS: Final = peewee.fn.EXISTS(
    DkimKeyRow.select(peewee.SQL("1")).where(
        DkimKeyRow.account_id == AccountRow.id, DkimKeyRow.active == peewee.SQL("1")
    )
)
_ROWS: Final = AccountRow.select(
    *fields(AccountRow, records.ACCOUNT_COLUMNS[:-1]), _SIGNS, AccountRow.last_sent_at
)
_VALUES: Final = all_given(AccountRow, records.ACCOUNT_COLUMNS[1:])
_GET: Final = Prepared(_ROWS.where(AccountRow.id == given("id")))
_ALL: Final = Prepared(_ROWS.order_by(AccountRow.id))
_ADD: Final = Prepared(AccountRow.insert(_VALUES).returning(AccountRow.id))
_SAVE: Final = Prepared(AccountRow.update(_VALUES).where(AccountRow.id == given("id")))
_SAVE_HEALTH: Final = Prepared(
    AccountRow.update(all_given(AccountRow, ("health", "last_sent_at"))).where(
        AccountRow.id == given("id"), AccountRow.version == given("version")
    )
)
_DELETE: Final = Prepared(AccountRow.delete().where(AccountRow.id == given("id")))
_NAMED: Final = Prepared(
    AccountRow.select(peewee.SQL("1")).where(
        AccountRow.name == given("name"), AccountRow.id != given("id")
    )
)


class SqlAccounts:
    """The AccountRepository port.

    A row is read once for all works of a transaction: each claim of a group asks for the same ones,
    and on a server each question is a round trip. Locking a row reads it again.
    """

    def __init__(
        self, session: Session, cache: TransactionCache, last_sent_times: LastSentTimes
    ) -> None:
        self._session = session
        self._last_sent_times = last_sent_times
        self._rows: dict[int, Row] = cache.reads()
        self._listed: dict[str, Sequence[Row]] = cache.reads()

    def add(self, account: Account) -> Account:
        """Insert it."""
        self._refuse_taken_name(account)
        self.forget()
        added = _ADD(self._session.execute, **records.new_account(account))
        return attrs.evolve(account, id=added.fetchone()[0])

    def get(self, account_id: int) -> Account:
        """By id."""
        if account_id in self._rows:
            return self._account(self._rows[account_id])
        found = self._session.execute_unflushed(_GET.sql, (account_id,))
        return self._found(found, account_id)

    def all(self) -> Sequence[Account]:
        """By id."""
        if "all" not in self._listed:
            self._listed["all"] = self._session.execute_unflushed(_ALL.sql).fetchall()
            self._rows.update((row[0], row) for row in self._listed["all"])
        return [self._account(self._rows[row[0]]) for row in self._listed["all"]]

    def health(self, account_id: int) -> Health:
        """From the row alone: results are many, and each changes when the account last sent."""
        if account_id not in self._rows:
            row = self._session.execute_unflushed(_GET.sql, (account_id,)).fetchone()
            if row is None:
                return Health()
            self._rows[account_id] = row
        return records.health_of(self._rows[account_id])

    def save(self, account: Account) -> None:
        """All columns."""
        self.lock(account.id)
        self._refuse_taken_name(account)
        _SAVE(self._session.execute, id=account.id, **records.new_account(account))
        self._last_sent_times.drop(account.id)
        self.forget()

    def save_health(self, account: Account) -> None:
        """Fenced by the version; no error if it has changed or the account is gone."""
        saved = _SAVE_HEALTH(
            self._session.execute,
            id=account.id,
            version=account.version,
            health=records.health_text(account.health),
            last_sent_at=micros_or_none(account.last_sent_at),
        )
        if saved.rowcount == 1:
            self._last_sent_times.drop(account.id)
            self.forget()

    def lock(self, account_id: int) -> Account:
        """The account, and its row until the commit."""
        return self._found(self._session.lock(_GET.sql, "account", account_id), account_id)

    def touch(self, account_id: int, *, sent_at: datetime) -> None:
        """One column, once before the commit."""
        self._last_sent_times.note(account_id, micros(sent_at))

    def delete(self, account_id: int) -> None:
        """The row alone: emails, attempts and the ledger keep the number."""
        self.forget()
        if _DELETE(self._session.execute, id=account_id).rowcount != 1:
            raise no_smtp_configuration(account_id)

    def forget(self) -> None:
        """Read again what was read: something of an account has changed, or is about to."""
        self._rows.clear()
        self._listed.clear()

    def _found(self, cursor: Cursor, account_id: int) -> Account:
        row = cursor.fetchone()
        if row is None:
            raise no_smtp_configuration(account_id)
        self._rows[account_id] = row
        return self._account(row)

    def _account(self, row: Row) -> Account:
        sent_at = self._last_sent_times.of(row[0])
        return records.account_of(row if sent_at is None else (*row[:-1], sent_at))

    def _refuse_taken_name(self, account: Account) -> None:
        if _NAMED(self._session.execute, name=account.name, id=account.id).fetchone():
            raise NameTaken(f"another SMTP configuration is called {account.name!r}")
