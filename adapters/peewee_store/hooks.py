"""The repository of event hooks."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import attrs

from adapters.peewee_store.queries import Prepared, all_given, fields, given
from adapters.peewee_store.rows import Row, micros, moment
from adapters.peewee_store.session import Session
from adapters.peewee_store.tables import HookRow, HookTokenRow
from domain.hook.hook import EventHook, HookKind, no_hook

_NEW: Final = ("account_id", "kind", "digest", "sealed_key", "topic", "created_at")
_ROWS: Final = HookRow.select(*fields(HookRow, ("id", *_NEW))).order_by(HookRow.id)
_ALL: Final = Prepared(_ROWS)
_OF: Final = Prepared(_ROWS.where(HookRow.account_id == given("account_id")))
_FIND: Final = Prepared(_ROWS.where(HookRow.digest == given("digest")))
_ADD: Final = Prepared(HookRow.insert(all_given(HookRow, _NEW)).returning(HookRow.id))
_SAVE: Final = Prepared(
    HookRow.update(all_given(HookRow, ("topic", "sealed_key"))).where(HookRow.id == given("id"))
)
_REMOVE: Final = Prepared(HookRow.delete().where(HookRow.id == given("id")))
_THIS_TOKEN: Final = (HookTokenRow.hook_id == given("hook_id")) & (
    HookTokenRow.token == given("token")
)
_TAKE: Final = Prepared(
    HookTokenRow.insert(
        all_given(HookTokenRow, ("hook_id", "token", "call", "at"))
    ).on_conflict_ignore()
)
_TAKEN: Final = Prepared(HookTokenRow.select(HookTokenRow.call).where(_THIS_TOKEN))
_FORGET: Final = Prepared(HookTokenRow.delete().where(HookTokenRow.hook_id == given("hook_id")))
_OLD: Final = Prepared(
    HookTokenRow.select(HookTokenRow.hook_id, HookTokenRow.token)
    .where(HookTokenRow.at < given("before"))
    .order_by(HookTokenRow.at)
    .limit(given("limit"))
)
_FORGET_ONE: Final = Prepared(HookTokenRow.delete().where(_THIS_TOKEN))


class SqlHooks:
    """The HookRepository port."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, hook: EventHook) -> EventHook:
        """One row."""
        values = {name: getattr(hook, name) for name in _NEW[:-1]} | {"kind": hook.kind.value}
        row = _ADD(self._session.execute, **values, created_at=micros(hook.created_at)).fetchone()
        return attrs.evolve(hook, id=row[0])

    def of(self, account_id: int) -> Sequence[EventHook]:
        """A handful."""
        return list(map(_hook, _OF(self._session.execute, account_id=account_id).fetchall()))

    def all(self) -> Sequence[EventHook]:
        """A handful for each account."""
        return list(map(_hook, _ALL(self._session.execute).fetchall()))

    def find(self, digest: str) -> EventHook | None:
        """By an index."""
        row = _FIND(self._session.execute, digest=digest).fetchone()
        return None if row is None else _hook(row)

    def save(self, hook: EventHook) -> None:
        """Two columns."""
        saved = _SAVE(
            self._session.execute, id=hook.id, topic=hook.topic, sealed_key=hook.sealed_key
        )
        if saved.rowcount != 1:
            raise no_hook(hook.id)

    def remove(self, account_id: int, hook_id: int | None = None) -> int:
        """A handful."""
        gone = [hook for hook in self.of(account_id) if hook_id in (None, hook.id)]
        for hook in gone:
            _FORGET(self._session.execute, hook_id=hook.id)
            _REMOVE(self._session.execute, id=hook.id)
        return len(gone)

    def take_token(self, hook_id: int, token: str, *, call: str, at: datetime) -> str:
        """Of two works the later one finds the row of the other."""
        values = {"hook_id": hook_id, "token": token}
        _TAKE(self._session.execute, **values, call=call, at=micros(at))
        (known,) = _TAKEN(self._session.execute, **values).fetchone()
        return str(known)

    def prune_tokens(self, before: datetime, *, limit: int) -> int:
        """By an index."""
        old = _OLD(self._session.execute, before=micros(before), limit=limit).fetchall()
        for hook_id, token in old:
            _FORGET_ONE(self._session.execute, hook_id=hook_id, token=token)
        return len(old)


def _hook(row: Row) -> EventHook:
    return EventHook(
        id=row[0],
        account_id=row[1],
        kind=HookKind(row[2]),
        digest=row[3],
        sealed_key=None if row[4] is None else bytes(row[4]),
        topic=row[5],
        created_at=moment(row[6]),
    )
