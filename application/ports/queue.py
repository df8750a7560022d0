"""The repositories of emails, which are the queue, of their details and their attempts."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from domain.account.account import Account
from domain.email.attempt import Attempt
from domain.email.detail import Detail
from domain.email.lifecycle import Email
from domain.email.listing import ANYTHING, FailedEmail, Page, Search, Waiting
from domain.email.settlement import POISON_CRASHES
from domain.email.status import Status


class EmailRepository(Protocol):
    """The emails, which are also the queue."""

    def add(self, email: Email, octets: bytes) -> Email:
        """Store it, its recipients and its message; returned with its id (from 1, rising)."""
        ...

    def add_all(self, emails: Sequence[tuple[Email, bytes]]) -> Sequence[Email]:
        """Store several as `add` does, in their order; each comes back with a higher id."""
        ...

    def get(self, email_id: int) -> Email:
        """NotFound if there is none."""
        ...

    def octets(self, email_id: int) -> bytes:
        """The message as it was composed at acceptance. NotFound if there is none (any more)."""
        ...

    def messages(self, email_ids: Sequence[int]) -> Mapping[int, bytes]:
        """Several messages by id. NotFound if one of them is not there."""
        ...

    def page(
        self,
        search: Search = ANYTHING,
        *,
        status: Status | None = None,
        account_id: int | None = None,
        key_id: int | None = None,
        among: Collection[int] | None = None,
        before: int | None = None,
        limit: int,
    ) -> Page:
        """Newest first (id falling), ids below *before*, at most *limit*.

        With *key_id* only what that API key submitted, with *among* only emails of these accounts.
        With a *search* the page may end before *limit* emails are found, even without any, so that
        its cost has a bound: *next_before* says whether to go on.
        """
        ...

    def claim(
        self,
        account: Account,
        *,
        limit: int,
        units: int,
        urgent_units: int,
        now: datetime,
        instance: int,
        fair: int = 0,
        shared: int | None = None,
        last: Collection[int] = (),
        crashes: int = POISON_CRASHES,
    ) -> Sequence[Email]:
        """Take up to *limit* due emails for this account: they are `sending`, phase `claimed`.

        Due: waiting, eligible_at <= now, pinned to this account or to none. Ordered by priority,
        eligible_at, id. If there are so many, up to *fair* more come after them: of the others
        that fit, whatever their priority, those that are due the longest.
        Their units (one each, or one per open recipient) add up to at most *urgent_units*; one of
        priorities 3 to 5 fits only while all that were taken, urgent ones too, have at most
        *units* with it. Taking stops at the first that does not fit, but an email that could never
        fit the account's limits is passed over.
        Of those pinned to no account at most *shared* are taken, and taking stops there. Those with
        an id in *last* are taken only if nothing else can be. What `passed_over` of
        `domain.email.claim_policy` names is left (*crashes* is for it), and a suspect is taken
        alone. attempt_no has risen by one and instance is set. Safe from any number of processes:
        no        email is given out twice.
        """
        ...

    def mark_committing(
        self, claims: Iterable[tuple[int, int]], *, instance: int
    ) -> Collection[tuple[int, int]]:
        """The last permission before the final dots of *claims*, each an email's id and the number
        of its attempt: those that are still current, and so marked.
        """
        ...

    def save(self, email: Email, *, was: Email) -> None:
        """Write what a transition changed, recipients too, if it still stands as *was*.

        The guard is one statement on id, status and attempt_no; StaleAttempt if it finds no row.
        Conflict if it would wait again while an instance lacks a capability that it needs, or after
        its message was removed.
        """
        ...

    def held_by(self, instance: int, *, limit: int) -> Sequence[Email]:
        """Up to *limit* emails that are `sending` for *instance*."""
        ...

    def expired(self, *, now: datetime, limit: int) -> Sequence[Email]:
        """Up to *limit* waiting emails whose lifetime has ended."""
        ...

    def from_the_future(
        self, *, now: datetime, after: tuple[datetime, int] | None, limit: int
    ) -> Sequence[Email]:
        """Up to *limit* waiting emails that are not scheduled and whose last change is later
        than *now*, by (expires_at, id) and beyond *after*.
        """
        ...

    def next_due(self, account_ids: Sequence[int], *, urgent_only: bool = False) -> datetime | None:
        """The earliest eligible_at that one of these accounts may claim, or None.

        *urgent_only*: of the emails that may use an account's reserve.
        """
        ...

    def depth(self, account_id: int | None) -> int:
        """How many emails wait for this account by name; with None, for any account."""
        ...

    def waiting(self, account_id: int | None = None) -> Waiting:
        """How many emails wait (for this account by name, or in all) and how many are sending."""
        ...

    def failed(self, *, since: datetime, limit: int) -> Sequence[FailedEmail]:
        """Up to *limit* emails that failed then or later and have their message, the last first."""
        ...

    def counts(self) -> Mapping[Status, int]:
        """How many emails stand in each status."""
        ...


class DetailRepository(Protocol):
    """What emails were submitted with, beyond what their delivery needs."""

    def add_all(self, details: Mapping[int, Detail]) -> None:
        """Store what there is to say of emails that were just added, by their id; once each."""
        ...

    def of(self, email_id: int) -> Detail:
        """Of one email; `NOTHING` if there is nothing to say, or no such email."""
        ...


class AttemptRepository(Protocol):
    """One row for every attempt from the moment it begins; of a new connection's first one the row
    is durable before the socket is opened.
    """

    def open(self, attempts: Iterable[Attempt]) -> None:
        """Store attempts that begin."""
        ...

    def close(self, attempt: Attempt) -> None:
        """Write how it ended, by email_id and attempt_no."""
        ...

    def withdraw(self, email_id: int, attempt_no: int) -> None:
        """Remove an attempt that was not made. No error if there is none, or if it has ended."""
        ...

    def of(self, email_id: int) -> Sequence[Attempt]:
        """The attempts of one email, oldest first."""
        ...

    def of_all(self, email_ids: Sequence[int]) -> Mapping[int, Sequence[Attempt]]:
        """The attempts of several emails, oldest first; of those that have some."""
        ...
