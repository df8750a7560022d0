"""The repository of the processes that deliver."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

import peewee

from adapters.peewee_store.queries import Prepared, all_given, given, literal
from adapters.peewee_store.rows import micros
from adapters.peewee_store.session import Session
from adapters.peewee_store.tables import EmailRow, InstanceRow
from adapters.peewee_store.transaction_cache import TransactionCache
from domain.capability import ALL, Capability

_JOIN: Final = Prepared(
    InstanceRow.insert(
        all_given(InstanceRow, ("host", "pid", "joined_at", "beats", "capabilities"))
    ).returning(InstanceRow.id)
)
_LACKING: Final = Prepared(
    InstanceRow.select(InstanceRow.id)
    .where(InstanceRow.capabilities.bin_and(given("capability")) != given("capability"))
    .limit(1)
)
# Where works run at once, one that needs a capability and a process without it that joins run one
# after the other: the trigger of the migration 0020 takes this lock for itself alone.
_LOCK_SHARED: Final = f"SELECT pg_advisory_xact_lock_shared({0x696E7374}, 0)"
_BEAT: Final = Prepared(
    InstanceRow.update({InstanceRow.beats: InstanceRow.beats + 1}).where(
        InstanceRow.id == given("id")
    )
)
_BEATS: Final = Prepared(
    InstanceRow.select(InstanceRow.id, InstanceRow.beats).order_by(InstanceRow.id)
)
_LEAVE: Final = Prepared(InstanceRow.delete().where(InstanceRow.id == given("id")))
_ORPHANED: Final = Prepared(
    EmailRow.select(EmailRow.instance)
    .distinct()
    .where(
        EmailRow.status == literal("sending"),
        EmailRow.instance.is_null(False),
        ~peewee.fn.EXISTS(
            InstanceRow.select(peewee.SQL("1")).where(InstanceRow.id == EmailRow.instance)
        ),
    )
    .order_by(EmailRow.instance)
)


class SqlInstances:
    """The InstanceRepository port. The members are read once for all works of a transaction."""

    def __init__(self, session: Session, cache: TransactionCache) -> None:
        self._session = session
        self._known: dict[str, Mapping[int, int]] = cache.reads()

    def join(self, *, host: str, pid: int, now: datetime, capabilities: Capability = ALL) -> int:
        """Insert it; a trigger looks for mail that it does not know."""
        self._known.clear()
        joined = _JOIN(
            self._session.execute,
            host=host,
            pid=pid,
            joined_at=micros(now),
            beats=0,
            capabilities=int(capabilities),
        )
        return int(joined.fetchone()[0])

    def lacks(self, capability: Capability) -> bool:
        """One query: there are few."""
        if self._session.shared:
            self._session.execute(_LOCK_SHARED)
        return _LACKING(self._session.execute, capability=int(capability)).fetchone() is not None

    def beat(self, instance: int) -> bool:
        """One update."""
        self._known.clear()
        return _BEAT(self._session.execute, id=instance).rowcount == 1

    def beats(self) -> Mapping[int, int]:
        """By id."""
        if "beats" not in self._known:
            self._known["beats"] = dict(self._session.execute_unflushed(_BEATS.sql).fetchall())
        return self._known["beats"]

    def leave(self, instance: int) -> None:
        """Delete it."""
        self._known.clear()
        _LEAVE(self._session.execute, id=instance)

    def orphaned(self) -> Sequence[int]:
        """By the partial index on what is sending."""
        return [instance for (instance,) in _ORPHANED(self._session.execute).fetchall()]
