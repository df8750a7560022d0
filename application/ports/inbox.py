"""The ports of inboxes: where they are kept, and what reads a mailbox."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from datetime import date
from typing import Protocol

import attrs

from domain.account.inbox import Inbox


class MailboxFailed(Exception):
    """The mailbox could not be read; the text says why, for a person, and holds no secret."""


@attrs.frozen
class Received:
    """A message of a mailbox: at most its first *limit* octets."""

    uid: int
    octets: bytes = attrs.field(repr=False)


@attrs.frozen(kw_only=True)
class MailboxLogin:
    """What it logs in with: a password, or an OAuth token."""

    secret: str = attrs.field(repr=False)
    is_token: bool = False


class Mailbox(Protocol):
    """An open folder. Every call may raise MailboxFailed, after which it is of no use."""

    @property
    def uidvalidity(self) -> int:
        """As long as it is the same, a UID names the same message."""
        ...

    @property
    def uidnext(self) -> int:
        """Higher than the UID of every message that was there when it was opened."""
        ...

    def first_since(self, day: date) -> int | None:
        """The lowest UID of the messages that came on *day* or later; None if there are none."""
        ...

    def uids(self, first: int, last: int) -> Sequence[int]:
        """The UIDs from *first* to *last* that there are, rising. At most 50,000 are asked for."""
        ...

    def messages(self, uids: Sequence[int], *, limit: int) -> Sequence[Received]:
        """The beginnings of these, rising; one that is gone by now is left out.

        None is marked as read. At most 20 are asked for.
        """
        ...


class MailboxReader(Protocol):
    """Opens mailboxes read-only. Safe from many threads."""

    def open(self, inbox: Inbox, login: MailboxLogin) -> AbstractContextManager[Mailbox]:
        """Its folder, until the block ends. MailboxFailed. No step takes longer than 30 s."""
        ...


class InboxRepository(Protocol):
    """The inboxes of accounts: one row each."""

    def find(self, account_id: int) -> Inbox | None:
        """That of one account."""
        ...

    def all(self) -> Sequence[Inbox]:
        """All of them, by account."""
        ...

    def save(self, inbox: Inbox) -> None:
        """Store all of it, in the place of what the account had."""
        ...

    def save_progress(self, inbox: Inbox, *, was: Inbox) -> bool:
        """Store how far it was read and how that went, if it still stands as *was*; whether it did.

        It does not if its owner has changed it, or another process has read on.
        """
        ...

    def remove(self, account_id: int) -> None:
        """Remove it. No error if there is none."""
        ...
