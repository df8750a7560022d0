"""The repository of what passes through the service."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from domain.email.attempt import Attempt
from domain.email.lifecycle import Email
from domain.throughput import Hour, Totals, Via


class ThroughputRepository(Protocol):
    """Counts in the work that makes it true: both are written, or neither is.

    Safe from any number of processes, none of which waits for another. Nothing that is removed or
    folded lowers a total.
    """

    def accept(self, email: Email, *, via: Via) -> None:
        """Count an email that was stored, in the hour of its created_at."""
        ...

    def attempt(self, attempt: Attempt) -> None:
        """Count an attempt that ends, in the hour of its ended_at; once for each."""
        ...

    def end(self, email: Email) -> None:
        """Count an email that has ended, under its status, in the hour of its updated_at."""
        ...

    def keep(self, account_id: int) -> None:
        """The account is being removed: `totals` names it for ever, be it without an attempt."""
        ...

    def totals(self) -> Totals:
        """Everything that was counted, this work's share included."""
        ...

    def hours(self, *, since: datetime) -> Sequence[Hour]:
        """The hours that begin at or after *since*, oldest first; those without anything may be
        left out.
        """
        ...

    def fold(self, *, now: datetime, limit: int) -> int:
        """Add up to *limit* rows of other hours than that of *now* to the totals and to one row for
        each hour; how many there were. Nothing that `totals` or `hours` say changes.
        """
        ...

    def prune(self, *, before: datetime) -> None:
        """Forget the hours, not what was counted, that begin before this time and are folded."""
        ...
