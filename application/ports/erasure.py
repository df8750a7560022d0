"""The repository of erasures: what is known of them, and the rows that they change."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from domain.erasure import Erasure, Person, Step


class ErasureRepository(Protocol):
    """The erasures, and how one person is removed from all rows, a slice at a time.

    What concerns emails is noted first: which of them name the person. They are redacted when they
    have ended. Everything may be done twice.
    """

    def add(self, erasure: Erasure) -> Erasure:
        """Store it; returned with its id (from 1, rising)."""
        ...

    def get(self, erasure_id: int) -> Erasure:
        """NotFound if there is none."""
        ...

    def unfinished(self) -> Sequence[Erasure]:
        """Those that are not done, by id."""
        ...

    def save(self, erasure: Erasure) -> None:
        """Write what may change."""
        ...

    def last_email(self) -> int:
        """The highest id that an email was given, one that is not committed yet included."""
        ...

    def emails_to(self, person: Person, *, after: int, until: int, limit: int) -> Sequence[int]:
        """Up to *limit* ids of emails to the address, above *after* and up to *until*, rising."""
        ...

    def emails_naming(self, person: Person, *, after: int, until: int) -> Collection[int]:
        """Which emails of this span name the address in a text beside the message: subject, labels,
        details, replies.
        """
        ...

    def messages(self, *, after: int, until: int, limit: int) -> Mapping[int, bytes]:
        """Up to *limit* messages of emails in this span, the first ones, by the emails' ids."""
        ...

    def note(self, erasure_id: int, email_ids: Collection[int]) -> None:
        """Remember that these emails name the person; no error for one that is noted already."""
        ...

    def noted(self, erasure_id: int, *, after: int, limit: int) -> Sequence[int]:
        """Up to *limit* of the noted ids above *after*, rising."""
        ...

    def waiting(self, erasure_id: int) -> int:
        """How many emails are noted."""
        ...

    def redact(self, erasure: Erasure, email_ids: Sequence[int], *, now: datetime) -> int:
        """Redact those of these noted emails that have ended, or are gone, and forget the notes;
        how many had ended.

        They keep their ids, times, statuses and codes, and the addresses of others. Their message,
        labels and details are removed, subject and replies replaced. The digests of their files are
        noted.
        """
        ...

    def files(self, erasure_id: int, *, limit: int) -> Sequence[bytes]:
        """Up to *limit* digests of noted files that nobody else sends; the notes of others are
        forgotten, and of files that are gone.
        """
        ...

    def rename_suppressions(self, person: Person) -> int:
        """Put the pseudonym in the place of the address, on the suppression list; how many
        entries it had. Of two with the same scope and reason the one stays that holds longer. What
        was counted of a full mailbox is removed.
        """
        ...

    def redact_texts(self, step: Step, person: Person, *, after: int, limit: int) -> int | None:
        """Redact the first *limit* rows above *after* of the table of this *step*: EVENTS, AUDIT,
        ACCOUNTS or IDEMPOTENCY. Where to go on; None if there are no more.

        ACCOUNTS are their health and the last errors of their inboxes and tokens. Of IDEMPOTENCY
        the rows are removed whose key has the address, as a part of a longer one too.
        """
        ...
