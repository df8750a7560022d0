"""The repository of answers that are remembered by their Idempotency-Key."""

from datetime import datetime
from typing import Final

import peewee

from adapters.peewee_store import records
from adapters.peewee_store.queries import Prepared, all_given, fields, given
from adapters.peewee_store.rows import micros
from adapters.peewee_store.session import Session
from adapters.peewee_store.tables import IdempotencyRow
from domain.access import IdempotencyRecord
from domain.errors import Conflict

_KEY: Final = peewee.Tuple(IdempotencyRow.scope, IdempotencyRow.key)
_FIND: Final = Prepared(
    IdempotencyRow.select(*fields(IdempotencyRow, records.RECORD_COLUMNS)).where(
        IdempotencyRow.scope == given("scope"), IdempotencyRow.key == given("key")
    )
)
_ADD: Final = Prepared(
    IdempotencyRow.insert(all_given(IdempotencyRow, records.RECORD_COLUMNS)).on_conflict_ignore()
)
_OLD: Final = (
    IdempotencyRow.select(IdempotencyRow.scope, IdempotencyRow.key)
    .where(IdempotencyRow.created_at < given("before"))
    .order_by(IdempotencyRow.created_at, IdempotencyRow.scope, IdempotencyRow.key)
    .limit(given("limit"))
)
_PRUNE: Final = Prepared(IdempotencyRow.delete().where(_KEY.in_(_OLD)))


class SqlIdempotency:
    """The IdempotencyRepository port."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def find(self, key: str, *, scope: str) -> IdempotencyRecord | None:
        """By its key."""
        row = _FIND(self._session.execute, scope=scope, key=key).fetchone()
        return None if row is None else records.record_of(row)

    def add(self, record: IdempotencyRecord) -> None:
        """Insert it if its key is free."""
        values = dict(zip(records.RECORD_COLUMNS, records.new_record(record), strict=True))
        self._session.change(
            _ADD.sql,
            _ADD.parameters(**values),
            1,
            lambda _: Conflict(f"the Idempotency-Key {record.key!r} is taken"),
        )

    def prune(self, *, before: datetime, limit: int) -> int:
        """The oldest first."""
        return _PRUNE(self._session.execute, before=micros(before), limit=limit).rowcount
