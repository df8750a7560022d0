"""Emails that were claimed together, and what one connection still has to hand off of them."""

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from datetime import datetime
from typing import Final

import attrs

from domain.account.account import Account
from domain.email.lifecycle import Email

LOWEST_PRIORITY: Final = 5
# After so long on one connection the rest of a batch is dealt out to those that stand free.
DEAL_OUT_SECONDS: Final = 1.0


@attrs.frozen(kw_only=True)
class Batch:
    """Emails of one account claimed together, for one connection, most urgent first.

    Without emails it is a probe: one login, to see whether the server is back.
    """

    account: Account
    owner: int
    emails: tuple[Email, ...]

    @property
    def priority(self) -> int:
        """That of the most urgent; a probe comes last."""
        return min((email.priority for email in self.emails), default=LOWEST_PRIORITY)

    @property
    def suspect(self) -> bool:
        """Whether it is one email that a process died with."""
        return len(self.emails) == 1 and self.emails[0].suspect


@attrs.define
class Turn:
    """What one connection still has to hand off; ``asked`` is a claim of more, under way."""

    batch: Batch
    until: float
    should_yield: Callable[[], bool]
    since: float  # when the emails that are left were claimed
    checked_until: datetime  # a lifetime that ends later is not over before they are handed off
    emails: deque[Email] = attrs.field(init=False)
    asked: "Future[Sequence[Email]] | None" = None
    _opened: Email | None = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.emails = deque(self.batch.emails)
        self._opened = self.emails[0]  # with the claim

    def is_open(self, email: Email) -> bool:
        """Whether the attempt of this email is a row, or about to be one."""
        return email is self._opened

    def may_be_announced(self, email: Email) -> bool:
        """Whether the server may have been told of this email with the one before."""
        return self.batch.account.announce_next and email is not self.batch.emails[0]

    def not_open(self) -> None:
        """What was to be written down with a result was not."""
        self._opened = None

    def open_next(self) -> Email | None:
        """The next email, whose attempt is to be a row now; None if none is known yet."""
        self._opened = self.emails[0] if self.emails else None
        return self._opened

    def is_slow(self, now: float) -> bool:
        """Whether the server has become so slow that the rest of the batch is to be dealt out."""
        return len(self.emails) > 1 and now - self.since > DEAL_OUT_SECONDS

    def is_over(self, now: float) -> bool:
        """Whether somebody else is to have the thread."""
        return now >= self.until and self.should_yield()

    def all_but_one(self) -> Sequence[Email]:
        """What comes after the next one, which alone is kept."""
        first = self.emails.popleft()
        rest = tuple(self.emails)
        self.emails = deque([first])
        return rest

    def gather(self) -> Sequence[Email]:
        """What is left, with what was claimed meanwhile: it is waited for."""
        asked, self.asked = self.asked, None
        if asked is not None:
            self.emails.extend(asked.result())
        return self.emails
