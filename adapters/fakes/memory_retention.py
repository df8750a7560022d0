"""What is old is removed, in memory."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from adapters.fakes.memory_tables import Journal, Tables
from application.ports.retention import EndedEmail
from domain.email.lifecycle import Email
from domain.email.recipient import RecipientStatus
from domain.email.status import TERMINAL, Status
from domain.errors import Conflict


class MemoryRetention:
    """The RetentionRepository port on dictionaries; it is never from before anything."""

    def __init__(self, tables: Tables, journal: Journal) -> None:
        self._tables = tables
        self._journal = journal

    def counts_from(self) -> datetime | None:
        """It begins empty."""
        return None

    def tell(self) -> bool:
        """There is nothing to tell."""
        return False

    def purge_content(
        self, status: Status, *, ended_before: datetime, limit: int, octets: int, now: datetime
    ) -> int:
        """One after the other."""
        old = sorted(
            (email.updated_at, email.id, email.size)
            for email in self._tables.emails.values()
            if email.status is status
            and email.status in TERMINAL
            and email.updated_at < ended_before
            and email.id not in self._tables.purged
            and not _is_unknown(email)
        )[:limit]
        purged = 0
        for _, email_id, size in old:
            octets -= size
            if purged and octets < 0:
                break
            self._journal.remove(self._tables.octets, email_id)
            if email_id in self._tables.placed:
                self._journal.remove(self._tables.placed, email_id)
            self._journal.put(self._tables.purged, email_id, now)
            purged += 1
        return purged

    def content_purged_at(self, email_id: int) -> datetime | None:
        """What was noted."""
        return self._tables.purged.get(email_id)

    def ended(self, status: Status, *, after: int, limit: int) -> Sequence[EndedEmail]:
        """By id."""
        found = (e for e in self._tables.emails.values() if e.status is status and e.id > after)
        return [
            EndedEmail(email.id, email.created_at, email.updated_at)
            for email in sorted(found, key=lambda email: email.id)[:limit]
        ]

    def remove(self, email_ids: Sequence[int], *, ended_before: datetime) -> int:
        """With the rows of every table that has an email's id for its key, or in it."""
        removed = 0
        for email_id in email_ids:
            email = self._tables.emails.get(email_id)
            if email is None or email.status not in TERMINAL or email.updated_at >= ended_before:
                continue
            self._remove(email_id)
            removed += 1
        return removed

    def _remove(self, email_id: int) -> None:
        tables = self._tables
        of_emails: Sequence[dict[int, Any]] = (
            tables.emails,
            tables.octets,
            tables.details,
            tables.topics,
            tables.labels,
            tables.placed,
            tables.purged,
        )
        for table in of_emails:
            if email_id in table:
                self._journal.remove(table, email_id)
        of_parts: Sequence[dict[Any, Any]] = (
            tables.attempts,
            tables.bounces,
            tables.provider_names,
        )
        for part in of_parts:
            for key in [key for key in part if key[0] == email_id]:
                self._journal.remove(part, key)


def refuse_purged(tables: Tables, email: Email, *, was: Email) -> None:
    """Conflict if an email whose message was removed would wait again."""
    if was.status in TERMINAL and email.status not in TERMINAL and email.id in tables.purged:
        raise Conflict("the message of this email was removed")


def _is_unknown(email: Email) -> bool:
    unknown = any(each.status is RecipientStatus.UNKNOWN for each in email.recipients)
    return email.status is Status.FAILED and unknown
