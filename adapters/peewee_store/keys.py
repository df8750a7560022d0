"""The repositories of API keys: the keys themselves, and what they have used."""

# ruff: noqa: S608 - the texts are made of constants; every value is a parameter
import json
from collections.abc import Sequence
from datetime import datetime
from typing import Final

import attrs

from adapters.peewee_store.rows import Row, micros, micros_or_none, moment, moment_or_none
from adapters.peewee_store.session import Session, marks
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
)
_KEY: Final = f"SELECT id, {', '.join(KEY_COLUMNS)} FROM api_key"
_FIND: Final = f"{_KEY} WHERE prefix = ?"
_ALL: Final = f"{_KEY} ORDER BY id"
_ADD: Final = (
    f"INSERT INTO api_key ({', '.join(KEY_COLUMNS)}) VALUES ({marks(len(KEY_COLUMNS))})"
    " ON CONFLICT DO NOTHING RETURNING id"
)
_ROW: Final = "SELECT id FROM api_key WHERE id = ?"
_SAVE: Final = "UPDATE api_key SET digest = ?, revoked_at = ? WHERE id = ?"
_COUNT: Final = (
    "INSERT INTO key_usage (key_id, hour, recipients) VALUES (?, ?, ?)"
    " ON CONFLICT (key_id, hour) DO UPDATE"
    " SET recipients = key_usage.recipients + excluded.recipients"
)
_HOURS: Final = (
    "SELECT hour, recipients FROM key_usage WHERE key_id = ? AND hour >= ? ORDER BY hour"
)
_PRUNE: Final = (
    "DELETE FROM key_usage WHERE (key_id, hour) IN (SELECT key_id, hour FROM key_usage"
    " WHERE hour < ? ORDER BY hour, key_id LIMIT ?)"
)


class SqlKeys:
    """The KeyRepository port."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, key: ApiKey) -> ApiKey:
        """Insert it if its prefix is free."""
        found = self._session.execute(_ADD, _row(key)).fetchone()
        if found is None:
            raise Conflict(f"another API key has the prefix {key.prefix}")
        return attrs.evolve(key, id=found[0])

    def find(self, prefix: str) -> ApiKey | None:
        """By the unique prefix."""
        row = self._session.execute(_FIND, (prefix,)).fetchone()
        return None if row is None else _key_of(row)

    def all(self) -> Sequence[ApiKey]:
        """By id."""
        return [_key_of(row) for row in self._session.execute(_ALL)]

    def save(self, key: ApiKey) -> None:
        """Two columns."""
        values = (key.digest, micros_or_none(key.revoked_at), key.id)
        if self._session.execute(_SAVE, values).rowcount != 1:
            raise NotFound(f"there is no API key {key.prefix}")


class SqlKeyUsage:
    """The KeyUsage port."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, key_id: int, *, hour: datetime, recipients: int) -> None:
        """One row for each hour."""
        self._session.execute(_COUNT, (key_id, micros(hour), recipients))

    def hours(self, key_id: int, *, since: datetime) -> Sequence[tuple[datetime, int]]:
        """By the primary key. In a write nobody else counts for this key until the commit."""
        self._session.lock(_ROW, "api_key", key_id)
        found = self._session.execute(_HOURS, (key_id, micros(since)))
        return [(moment(hour), recipients) for hour, recipients in found]

    def prune(self, *, before: datetime, limit: int) -> int:
        """The oldest first."""
        return self._session.execute(_PRUNE, (micros(before), limit)).rowcount


def _row(key: ApiKey) -> Row:
    return (
        key.name,
        key.prefix,
        key.digest,
        json.dumps(sorted(key.scopes)),
        None if key.accounts is None else json.dumps(sorted(key.accounts)),
        key.daily_recipients,
        micros(key.created_at),
        micros_or_none(key.expires_at),
        micros_or_none(key.revoked_at),
    )


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
    )
