"""The audit trail: rows that are appended and read, never changed."""

import json
from collections.abc import Sequence
from typing import Final

from adapters.peewee_store.rows import micros, moment
from adapters.peewee_store.session import Session
from domain.access import AuditEntry

_ADD: Final = "INSERT INTO audit (at, actor, action, subject, detail) VALUES (?, ?, ?, ?, ?)"
_LATEST: Final = "SELECT id, at, actor, action, subject, detail FROM audit ORDER BY id DESC LIMIT ?"


class SqlAudit:
    """The AuditTrail port."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, entry: AuditEntry) -> None:
        """One row."""
        detail = json.dumps(dict(entry.detail))
        values = (micros(entry.at), entry.actor, entry.action, entry.subject, detail)
        self._session.execute(_ADD, values)

    def latest(self, *, limit: int) -> Sequence[AuditEntry]:
        """From the end of the table."""
        return [
            AuditEntry(
                id=row[0],
                at=moment(row[1]),
                actor=row[2],
                action=row[3],
                subject=row[4],
                detail=json.loads(row[5]),
            )
            for row in self._session.execute(_LATEST, (limit,))
        ]
