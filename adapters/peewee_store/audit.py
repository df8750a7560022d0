"""The audit trail: rows that are appended and read, never changed."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from adapters.peewee_store.queries import Prepared, all_given, fields, given
from adapters.peewee_store.rows import micros, moment
from adapters.peewee_store.session import Session
from adapters.peewee_store.tables import AuditRow
from domain.access import AuditEntry

_COLUMNS: Final = ("at", "actor", "action", "subject", "detail")
_ADD: Final = Prepared(AuditRow.insert(all_given(AuditRow, _COLUMNS)))
_NO_ID: Final = 2**63 - 1
_LATEST: Final = Prepared(
    AuditRow.select(*fields(AuditRow, ("id", *_COLUMNS)))
    .where(AuditRow.id < given("before"))
    .order_by(AuditRow.id.desc())
    .limit(given("limit"))
)

_FIRST: Final = AuditRow.select(AuditRow.id).order_by(AuditRow.id).limit(given("limit"))
_PRUNE: Final = Prepared(
    AuditRow.delete().where(AuditRow.id.in_(_FIRST), AuditRow.at < given("before"))
)


class SqlAudit:
    """The AuditTrail port."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, entry: AuditEntry) -> None:
        """One row."""
        _ADD(
            self._session.execute,
            at=micros(entry.at),
            actor=entry.actor,
            action=entry.action,
            subject=entry.subject,
            detail=json.dumps(dict(entry.detail)),
        )

    def prune(self, *, before: datetime, limit: int) -> int:
        """From the beginning of the table."""
        return _PRUNE(self._session.execute, limit=limit, before=micros(before)).rowcount

    def latest(self, *, before: int | None = None, limit: int) -> Sequence[AuditEntry]:
        """From the end of the table, or from a place in it."""
        return [
            AuditEntry(
                id=row[0],
                at=moment(row[1]),
                actor=row[2],
                action=row[3],
                subject=row[4],
                detail=json.loads(row[5]),
            )
            for row in _LATEST(
                self._session.execute, before=_NO_ID if before is None else before, limit=limit
            )
        ]
