"""Emails that were claimed together, and what one connection still has to hand off of them."""

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from datetime import datetime
from threading import Lock
from typing import Final

import attrs

from domain.account.account import Account
from domain.email.lifecycle import Email

LOWEST_PRIORITY: Final = 5
# After so long on one connection the rest of a batch is dealt out to those that stand free.
DEAL_OUT_SECONDS: Final = 1.0
# After so long in one dialogue it is dealt out although none stands free: the server hangs.
HANG_SECONDS: Final = 10.0


@attrs.frozen(kw_only=True)
class Batch:
    """Emails of one account claimed together, for one connection, most urgent first.

    Without emails it is a probe: one login, to see whether the server is back.
    """

    account: Account
    instance: int
    emails: tuple[Email, ...]

    @property
    def priority(self) -> int:
        """That of the most urgent; a probe comes last."""
        return min((email.priority for email in self.emails), default=LOWEST_PRIORITY)

    @property
    def suspect(self) -> bool:
        """Whether it is one email that a process died with."""
        return len(self.emails) == 1 and self.emails[0].suspect


@attrs.define(eq=False)
class Turn:
    """What one connection still has to hand off; ``asked`` is a claim of more, under way.

    It belongs to the thread of the connection, but for `deal_out`: any thread may call that.
    """

    batch: Batch
    until: float
    should_yield: Callable[[], bool]
    since: float  # when the emails that are left were claimed
    checked_until: datetime  # a lifetime that ends later is not over before they are handed off
    emails: deque[Email] = attrs.field(init=False)
    asked: "Future[Sequence[Email]] | None" = None
    _opened: Email | None = attrs.field(init=False)
    _taken_at: float = attrs.field(init=False)
    _lock: Lock = attrs.field(factory=Lock, init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        self.emails = deque(self.batch.emails)
        self._opened = self.emails[0]  # with the claim
        self._taken_at = self.since

    def take(self, now: float) -> Email | None:
        """The next email, whose dialogue begins *now*; None if none is left."""
        with self._lock:
            self._taken_at = now
            return self.emails.popleft() if self.emails else None

    def take_all(self) -> Sequence[Email]:
        """All that is left."""
        with self._lock:
            taken = tuple(self.emails)
            self.emails.clear()
            return taken

    def deal_out(self, now: float, *, has_free: bool) -> Sequence[Email]:
        """Take what waits behind a dialogue that lasts too long, or nothing.

        *has_free* says whether another connection of the account could have it at once.
        """
        with self._lock:
            if now - self._taken_at <= (DEAL_OUT_SECONDS if has_free else HANG_SECONDS):
                return ()
            if self.asked is not None and self.asked.done():
                self.emails.extend(self.asked.result())
                self.asked = None
            waiting = tuple(email for email in self.emails if email is not self._opened)
            self.emails = deque(email for email in self.emails if email is self._opened)
            return waiting

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
        with self._lock:
            self._opened = self.emails[0] if self.emails else None
            return self._opened

    def is_slow(self, now: float) -> bool:
        """Whether the server has become so slow that the rest of the batch is to be dealt out."""
        return len(self.emails) > 1 and now - self.since > DEAL_OUT_SECONDS

    def is_over(self, now: float) -> bool:
        """Whether somebody else is to have the thread."""
        return now >= self.until and self.should_yield()

    def all_but_one(self) -> Sequence[Email]:
        """Take what comes after the next one, which alone is kept."""
        with self._lock:
            first, *rest = self.emails
            self.emails = deque([first])
            return rest

    def gather(self) -> Sequence[Email]:
        """What is left, with what was claimed meanwhile: it is waited for."""
        with self._lock:
            asked, self.asked = self.asked, None
        more = () if asked is None else asked.result()
        with self._lock:
            self.emails.extend(more)
            return tuple(self.emails)
