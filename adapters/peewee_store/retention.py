"""The repository by which what is old is removed.

SQL text, for it goes by a partial index that is made for it: of the emails that have ended and have
their message, by status and time.
"""

# ruff: noqa: S608 - the texts are made of constants; every value is a parameter
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from adapters.peewee_store.rows import micros, moment, moment_or_none
from adapters.peewee_store.session import Session
from adapters.peewee_store.status_counts import StatusCounts
from application.ports.retention import EndedEmail
from domain.email.recipient import RecipientStatus
from domain.email.status import Status

_COUNTS_FROM: Final = "SELECT counts_from FROM retention"
_TELL: Final = "UPDATE retention SET told = 1 WHERE told = 0"
WITH_CONTENT: Final = (
    "SELECT id, size FROM email WHERE live = 0 AND content_purged_at IS NULL AND status = ?"
    " AND updated_at < ?"
)
_KNOWN: Final = (
    " AND NOT EXISTS (SELECT 1 FROM recipient r WHERE r.email_id = email.id"
    f" AND r.fate = '{RecipientStatus.UNKNOWN}')"
)
OLDEST: Final = " ORDER BY updated_at, id LIMIT ?"
_ENDED: Final = (
    "SELECT id, created_at, updated_at FROM email WHERE status = ? AND id > ? ORDER BY id LIMIT ?"
)
_OLD: Final = "SELECT id, queue, status FROM email WHERE live = 0 AND updated_at < ? AND id "
_PURGED_AT: Final = "SELECT content_purged_at FROM email WHERE id = ?"


class SqlRetention:
    """The RetentionRepository port."""

    def __init__(self, session: Session, status_counts: StatusCounts) -> None:
        self._session = session
        self._status_counts = status_counts

    def counts_from(self) -> datetime | None:
        """The one row, if there is one."""
        row = self._session.execute(_COUNTS_FROM).fetchone()
        return None if row is None else moment(row[0])

    def tell(self) -> bool:
        """One update."""
        return self._session.execute(_TELL).rowcount == 1

    def purge_content(
        self, status: Status, *, ended_before: datetime, limit: int, octets: int, now: datetime
    ) -> int:
        """What another process is changing is passed over: an email that is tried again."""
        known = _KNOWN if status is Status.FAILED else ""
        query = WITH_CONTENT + known + OLDEST + self._session.skip_locked
        found = self._session.execute(query, (status.value, micros(ended_before), limit)).fetchall()
        ids: list[int] = []
        for email_id, size in found:
            octets -= size
            if ids and octets < 0:
                break
            ids.append(email_id)
        if ids:
            among, listed = self._session.among(ids)
            execute = self._session.execute
            execute(f"DELETE FROM email_body WHERE email_id {among}", listed)
            execute(f"DELETE FROM email_blob WHERE email_id {among}", listed)
            purged = f"UPDATE email SET content_purged_at = ? WHERE id {among}"
            execute(purged, (micros(now), *listed))
        return len(ids)

    def content_purged_at(self, email_id: int) -> datetime | None:
        """By its id."""
        row = self._session.execute(_PURGED_AT, (email_id,)).fetchone()
        return None if row is None else moment_or_none(row[0])

    def ended(self, status: Status, *, after: int, limit: int) -> Sequence[EndedEmail]:
        """Along the index on the status."""
        found = self._session.execute(_ENDED, (status.value, after, limit)).fetchall()
        return [EndedEmail(row[0], moment(row[1]), moment(row[2])) for row in found]

    def remove(self, email_ids: Sequence[int], *, ended_before: datetime) -> int:
        """What refers to an email falls with it (ON DELETE CASCADE)."""
        among, listed = self._session.among(email_ids)
        query = f"{_OLD}{among}{self._session.skip_locked}"
        old = self._session.execute(query, (micros(ended_before), *listed)).fetchall()
        if old:
            among, listed = self._session.among([row[0] for row in old])
            self._session.execute(f"DELETE FROM email WHERE id {among}", listed)
        for _, queue, status in old:
            self._status_counts.move(queue, status, -1)
        return len(old)
