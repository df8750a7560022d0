"""The repository by which what is old is removed: messages of ended emails, and their rows."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

import attrs

from domain.email.status import Status


@attrs.frozen
class EndedEmail:
    """An email that has ended: its id, when it was created, and when it ended."""

    id: int
    created_at: datetime
    ended_at: datetime


class RetentionRepository(Protocol):
    """What is removed once it is old. It never touches an email that may still be sent."""

    def counts_from(self) -> datetime | None:
        """Before when nothing was removed from this database; None if it always was."""
        ...

    def tell(self) -> bool:
        """Whether there is a `counts_from` that nobody has told of; from now on somebody has."""
        ...

    def purge_content(
        self, status: Status, *, ended_before: datetime, limit: int, octets: int, now: datetime
    ) -> int:
        """Remove the messages of up to *limit* emails with this final *status*, the longest ended
        first; how many those were.

        As many as have together at most *octets* octets, but at least one if there is one. Their
        large parts are no longer referred to. An email with an unknown outcome keeps its message.
        """
        ...

    def content_purged_at(self, email_id: int) -> datetime | None:
        """When the message of this email was removed; None if it is there, or no such email."""
        ...

    def ended(self, status: Status, *, after: int, limit: int) -> Sequence[EndedEmail]:
        """Up to *limit* emails with this final *status* and ids above *after*, by id."""
        ...

    def remove(self, email_ids: Sequence[int], *, ended_before: datetime) -> int:
        """Remove those of these emails that ended before then, with all that belongs to them; how
        many those were.
        """
        ...
