"""What lists and counts show of emails, and what a list is searched for."""

from datetime import datetime
from string import ascii_lowercase, ascii_uppercase
from typing import Final

import attrs

from domain.address import Address
from domain.email.backlog import queue_of
from domain.email.labels import Labels
from domain.email.lifecycle import Email
from domain.email.status import WAITING, Status

_LOWER_ASCII: Final = str.maketrans(ascii_uppercase, ascii_lowercase)


@attrs.frozen(kw_only=True)
class EmailSummary:
    """One row of a list; *recipients* are those of the To line.

    *recipient_count* and *not_reached* tell of all recipients of one that was sent: they are 0 of
    others. *open_count* recipients are not decided yet.
    """

    id: int
    subject: str
    status: Status
    priority: int
    retry_count: int
    account_id: int | None
    created_at: datetime
    reason_code: str | None
    eligible_at: datetime
    attempt_no: int
    pinned: bool
    open_count: int
    recipients: tuple[Address, ...]
    tags: tuple[str, ...] = ()
    recipient_count: int = 0
    not_reached: int = 0

    @property
    def partial(self) -> bool:
        """Sent, but not to all recipients."""
        return self.not_reached > 0


@attrs.frozen(kw_only=True)
class FailedEmail:
    """An email that has failed: why, when, and through which account it was tried last."""

    id: int
    account_id: int | None
    reason: str | None
    at: datetime


@attrs.frozen
class Page:
    """One page of a list; *next_before* is the cursor of the next one, or None at the end."""

    emails: tuple[EmailSummary, ...]
    next_before: int | None = None


@attrs.frozen(kw_only=True)
class Search:
    """What emails have in common; None and () stand for anything.

    *recipient* is any of to, cc and bcc, *subject* the beginning of a subject; of both the case of
    ASCII letters does not matter. *metadata* are pairs of a key and a value, all of which an email
    must have. An email is found if it was created at *since* or later, and before *until*.
    *queue*: those that wait in it, an account's id or 0 for the queue of mail for any account.
    """

    recipient: Address | None = None
    tag: str | None = None
    metadata: tuple[tuple[str, str], ...] = ()
    subject: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    queue: int | None = None

    def __bool__(self) -> bool:
        """Whether anything is searched for."""
        return self != ANYTHING

    def finds(self, email: Email, labels: Labels) -> bool:
        """Whether *email* with these *labels* is one of them."""
        return (
            (self.recipient is None or self._is_to(email))
            and (self.tag is None or self.tag in labels.tags)
            and all(pair in labels.metadata for pair in self.metadata)
            and (
                self.subject is None
                or lower_ascii(email.subject).startswith(lower_ascii(self.subject))
            )
            and (self.since is None or email.created_at >= self.since)
            and (self.until is None or email.created_at < self.until)
            and (self.queue is None or self._waits(email))
        )

    def _waits(self, email: Email) -> bool:
        return email.status in WAITING and queue_of(email) == self.queue

    def _is_to(self, email: Email) -> bool:
        wanted = lower_ascii(str(self.recipient))
        return any(lower_ascii(str(each.address)) == wanted for each in email.recipients)


ANYTHING: Final = Search()


def lower_ascii(text: str) -> str:
    """*text* with its ASCII letters in lower case: that is how texts are compared in a search.

    Other letters stay as they are: what their lower case is depends on the language, and no two
    databases agree on it.
    """
    return text.translate(_LOWER_ASCII)


@attrs.frozen(kw_only=True)
class Waiting:
    """How many emails wait, and how many are being sent."""

    waiting: int
    sending: int
