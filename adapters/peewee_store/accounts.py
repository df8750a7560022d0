"""The repositories that are seldom used: accounts, instances, remembered answers."""

# ruff: noqa: S608 - the texts are made of constants; every value is a parameter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

import attrs

from adapters.peewee_store import records
from adapters.peewee_store.rows import Row, micros
from adapters.peewee_store.session import Cursor, Session
from adapters.peewee_store.tables import AccountRow, IdempotencyRow, InstanceRow
from adapters.peewee_store.touches import Touches
from domain.access import IdempotencyRecord
from domain.account import Account
from domain.errors import (
    Conflict,
    NameTaken,
    no_smtp_configuration,
)

_ACCOUNT: Final = f"SELECT {', '.join(records.ACCOUNT_COLUMNS)} FROM account"
_GET: Final = f"{_ACCOUNT} WHERE id = ?"
_ALL: Final = f"{_ACCOUNT} ORDER BY id"
_NAMED: Final = "SELECT 1 FROM account WHERE name = ? AND id <> ?"
_BEATS: Final = "SELECT id, beats FROM instance ORDER BY id"
_FIND: Final = (
    f"SELECT {', '.join(records.RECORD_COLUMNS)} FROM idempotency WHERE scope = ? AND key = ?"
)
_REMEMBER: Final = (
    f"INSERT INTO idempotency ({', '.join(records.RECORD_COLUMNS)}) VALUES (?, ?, ?, ?, ?)"
    " ON CONFLICT DO NOTHING"
)
_BEAT: Final = "UPDATE instance SET beats = beats + 1 WHERE id = ?"
_SAVE_HEALTH: Final = "UPDATE account SET health = ?, last_sent_at = ? WHERE id = ? AND version = ?"
_ORPHANED: Final = (
    "SELECT DISTINCT owner FROM email WHERE status = 'sending' AND owner IS NOT NULL"
    " AND NOT EXISTS (SELECT 1 FROM instance WHERE instance.id = email.owner) ORDER BY owner"
)


class SqlAccounts:
    """The AccountRepository port.

    A row is read once for all works of a transaction: each claim of a group asks for the same ones,
    and on a server each question is a round trip. To lock a row reads it anew.
    """

    def __init__(self, session: Session, touches: Touches) -> None:
        self._session = session
        self._touches = touches
        self._rows: dict[int, Row] = {}
        self._has_all = False

    def forget(self) -> None:
        """A transaction begins, or something of it is undone."""
        self._rows.clear()
        self._has_all = False

    def add(self, account: Account) -> Account:
        """Insert it."""
        self._refuse_taken_name(account)
        self.forget()
        query = AccountRow.insert(records.new_account(account)).returning(AccountRow.id)
        (account_id,) = self._session.query(query).fetchone()
        return attrs.evolve(account, id=account_id)

    def get(self, account_id: int) -> Account:
        """By id."""
        if account_id in self._rows:
            return self._account(self._rows[account_id])
        return self._found(self._session.execute_apart(_GET, (account_id,)), account_id)

    def all(self) -> Sequence[Account]:
        """By id."""
        if not self._has_all:
            self._rows = {row[0]: row for row in self._session.execute_apart(_ALL)}
            self._has_all = True
        return [self._account(row) for _, row in sorted(self._rows.items())]

    def save(self, account: Account) -> None:
        """All columns."""
        self.lock(account.id)
        self._refuse_taken_name(account)
        query = AccountRow.update(records.new_account(account)).where(AccountRow.id == account.id)
        self._session.query(query)
        self._touches.drop(account.id)
        self.forget()

    def save_health(self, account: Account) -> None:
        """Fenced by the version; no error if it has changed or the account is gone."""
        sent_at = account.last_sent_at
        health = records.health_text(account.health)
        values = (health, None if sent_at is None else micros(sent_at))
        place = (account.id, account.version)
        if self._session.execute(_SAVE_HEALTH, (*values, *place)).rowcount == 1:
            self._touches.drop(account.id)
            self.forget()

    def lock(self, account_id: int) -> Account:
        """The account, and its row until the commit."""
        return self._found(self._session.lock(_GET, "account", account_id), account_id)

    def touch(self, account_id: int, *, sent_at: datetime) -> None:
        """One column, once before the commit."""
        self._touches.note(account_id, micros(sent_at))

    def delete(self, account_id: int) -> None:
        """The row alone: emails, attempts and the ledger keep the number."""
        self.forget()
        query = AccountRow.delete().where(AccountRow.id == account_id)
        if self._session.query(query).rowcount != 1:
            raise no_smtp_configuration(account_id)

    def _found(self, cursor: Cursor, account_id: int) -> Account:
        row = cursor.fetchone()
        if row is None:
            raise no_smtp_configuration(account_id)
        self._rows[account_id] = row
        return self._account(row)

    def _account(self, row: Row) -> Account:
        sent_at = self._touches.of(row[0])
        return records.account_of(row if sent_at is None else (*row[:-1], sent_at))

    def _refuse_taken_name(self, account: Account) -> None:
        if self._session.execute(_NAMED, (account.name, account.id)).fetchone():
            raise NameTaken(f"another SMTP configuration is called {account.name!r}")


class SqlInstances:
    """The InstanceRepository port. The members are read once for all works of a transaction."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._beats: Mapping[int, int] | None = None

    def forget(self) -> None:
        """A transaction begins, or something of it is undone."""
        self._beats = None

    def join(self, *, host: str, pid: int, now: datetime) -> int:
        """Insert it."""
        self.forget()
        values = {"host": host, "pid": pid, "joined_at": micros(now), "beats": 0}
        query = InstanceRow.insert(values).returning(InstanceRow.id)
        (owner,) = self._session.query(query).fetchone()
        return int(owner)

    def beat(self, owner: int) -> bool:
        """One update."""
        self.forget()
        return self._session.execute(_BEAT, (owner,)).rowcount == 1

    def beats(self) -> Mapping[int, int]:
        """By id."""
        if self._beats is None:
            self._beats = dict(self._session.execute_apart(_BEATS).fetchall())
        return self._beats

    def leave(self, owner: int) -> None:
        """Delete it."""
        self.forget()
        self._session.query(InstanceRow.delete().where(InstanceRow.id == owner))

    def orphaned(self) -> Sequence[int]:
        """By the partial index on what is sending."""
        return [owner for (owner,) in self._session.execute(_ORPHANED).fetchall()]


class SqlIdempotency:
    """The IdempotencyRepository port."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def find(self, key: str, *, scope: str) -> IdempotencyRecord | None:
        """By its key."""
        row = self._session.execute(_FIND, (scope, key)).fetchone()
        return None if row is None else records.record_of(row)

    def add(self, record: IdempotencyRecord) -> None:
        """Insert it if its key is free."""
        self._session.change(
            _REMEMBER,
            records.new_record(record),
            1,
            lambda _: Conflict(f"the Idempotency-Key {record.key!r} is taken"),
        )

    def prune(self, *, before: datetime, limit: int) -> int:
        """The oldest first."""
        row = IdempotencyRow
        old = (
            row.select(row.scope, row.key)
            .where(row.created_at < micros(before))
            .order_by(row.created_at, row.scope, row.key)
            .limit(limit)
        )
        doomed = self._session.query(old).fetchall()
        for scope, key in doomed:
            self._session.query(row.delete().where(row.scope == scope, row.key == key))
        return len(doomed)
