"""The repositories of API keys: the keys themselves, and what they have used."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import attrs
import peewee

from adapters.peewee_store.queries import Prepared, all_given, fields, given
from adapters.peewee_store.rows import Row, micros, micros_or_none, moment, moment_or_none
from adapters.peewee_store.session import Session
from adapters.peewee_store.tables import KeyRow, KeyUsageRow
from domain.access import ApiKey, Scope
from domain.errors import Conflict, NotFound

KEY_COLUMNS: Final = (
    "name",
    "prefix",
    "digest",
    "scopes",
    "accounts",
    "daily_recipients",
    "created_at",
    "expires_at",
    "revoked_at",
    "rewrites_from",
)
_ROWS: Final = KeyRow.select(*fields(KeyRow, ("id", *KEY_COLUMNS)))
_FIND: Final = Prepared(_ROWS.where(KeyRow.prefix == given("prefix")))
_ALL: Final = Prepared(_ROWS.order_by(KeyRow.id))
_ADD: Final = Prepared(
    KeyRow.insert(all_given(KeyRow, KEY_COLUMNS)).on_conflict_ignore().returning(KeyRow.id)
)
_SAVE: Final = Prepared(
    KeyRow.update(all_given(KeyRow, ("digest", "revoked_at"))).where(KeyRow.id == given("id"))
)
_ROW: Final = Prepared(KeyRow.select(KeyRow.id).where(KeyRow.id == given("id")))
_FIRST: Final = Prepared(KeyRow.select(KeyRow.id).order_by(KeyRow.id).limit(1))
_COUNT: Final = Prepared(
    KeyUsageRow.insert(all_given(KeyUsageRow, ("key_id", "hour", "recipients"))).on_conflict(
        conflict_target=[KeyUsageRow.key_id, KeyUsageRow.hour],
        update={KeyUsageRow.recipients: KeyUsageRow.recipients + peewee.EXCLUDED.recipients},
    )
)
_HOURS: Final = Prepared(
    KeyUsageRow.select(KeyUsageRow.hour, KeyUsageRow.recipients)
    .where(KeyUsageRow.key_id == given("key_id"), KeyUsageRow.hour >= given("since"))
    .order_by(KeyUsageRow.hour)
)
_OLD: Final = (
    KeyUsageRow.select(KeyUsageRow.key_id, KeyUsageRow.hour)
    .where(KeyUsageRow.hour < given("before"))
    .order_by(KeyUsageRow.hour, KeyUsageRow.key_id)
    .limit(given("limit"))
)
_PRUNE: Final = Prepared(
    KeyUsageRow.delete().where(peewee.Tuple(KeyUsageRow.key_id, KeyUsageRow.hour).in_(_OLD))
)


class SqlKeys:
    """The KeyRepository port."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, key: ApiKey) -> ApiKey:
        """Insert it if its prefix is free."""
        found = _ADD(self._session.execute, **_row(key)).fetchone()
        if found is None:
            raise Conflict(f"another API key has the prefix {key.prefix}")
        return attrs.evolve(key, id=found[0])

    def find(self, prefix: str) -> ApiKey | None:
        """By the unique prefix."""
        row = _FIND(self._session.execute, prefix=prefix).fetchone()
        return None if row is None else _key_of(row)

    def all(self) -> Sequence[ApiKey]:
        """By id."""
        return [_key_of(row) for row in _ALL(self._session.execute)]

    def lock(self) -> Sequence[ApiKey]:
        """The row of the first key stands for all: none is ever deleted."""
        first = _FIRST(self._session.execute).fetchone()
        if first is not None:
            self._session.lock(_ROW.sql, "api_key", first[0])
        return self.all()

    def save(self, key: ApiKey) -> None:
        """Two columns."""
        revoked_at = micros_or_none(key.revoked_at)
        saved = _SAVE(self._session.execute, id=key.id, digest=key.digest, revoked_at=revoked_at)
        if saved.rowcount != 1:
            raise NotFound(f"there is no API key {key.prefix}")


class SqlKeyUsage:
    """The KeyUsage port."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, key_id: int, *, hour: datetime, recipients: int) -> None:
        """One row for each hour."""
        _COUNT(self._session.execute, key_id=key_id, hour=micros(hour), recipients=recipients)

    def hours(self, key_id: int, *, since: datetime) -> Sequence[tuple[datetime, int]]:
        """By the primary key. In a write no other connection counts for it until the commit."""
        self._session.lock(_ROW.sql, "api_key", key_id)
        found = _HOURS(self._session.execute, key_id=key_id, since=micros(since))
        return [(moment(hour), recipients) for hour, recipients in found]

    def prune(self, *, before: datetime, limit: int) -> int:
        """The oldest first."""
        return _PRUNE(self._session.execute, before=micros(before), limit=limit).rowcount


def _row(key: ApiKey) -> dict[str, Any]:
    return {
        "name": key.name,
        "prefix": key.prefix,
        "digest": key.digest,
        "scopes": json.dumps(sorted(key.scopes)),
        "accounts": None if key.accounts is None else json.dumps(sorted(key.accounts)),
        "daily_recipients": key.daily_recipients,
        "created_at": micros(key.created_at),
        "expires_at": micros_or_none(key.expires_at),
        "revoked_at": micros_or_none(key.revoked_at),
        "rewrites_from": int(key.rewrites_from),
    }


def _key_of(row: Row) -> ApiKey:
    return ApiKey(
        id=row[0],
        name=row[1],
        prefix=row[2],
        digest=bytes(row[3]),
        scopes=frozenset(map(Scope, json.loads(row[4]))),
        accounts=None if row[5] is None else frozenset(json.loads(row[5])),
        daily_recipients=row[6],
        created_at=moment(row[7]),
        expires_at=moment_or_none(row[8]),
        revoked_at=moment_or_none(row[9]),
        rewrites_from=bool(row[10]),
    )
