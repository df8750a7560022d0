"""What a forecast is made of, read from the store: counts, the ledger's sums, recent attempts.

Nothing here looks at each email that waits: of each line MOST_COUNTED emails are counted along an
index, and the counts of the queues tell how many more there are.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Final

import attrs

from application.ports.store import Transaction
from domain.access import LOCAL, Caller
from domain.account.account import Account
from domain.account.limits import Window, WindowLengths
from domain.email.backlog import WaitingGroup, queue_of
from domain.email.claim_policy import ANY_ACCOUNT
from domain.email.forecast import (
    Expected,
    Forecast,
    Situation,
    accounts_for,
    of_batch,
    of_email,
    of_queues,
)
from domain.email.lane import Outlook
from domain.email.lifecycle import Email

MOST_COUNTED: Final = 2000


@attrs.frozen(kw_only=True)
class ForecastPolicy:
    """What the claims go by, as far as a forecast needs it."""

    windows: WindowLengths
    fairness_every: int


@attrs.frozen(kw_only=True)
class WindowUse:
    """What counts in one window now. ``kept``: for priorities 1 and 2. ``frees_at``: when there is
    room for other mail, None while only a result can tell.
    """

    window: Window
    limit: int
    used: int
    kept: int
    frees_at: datetime | None


class Forecasting:
    """Forecasts as of one transaction."""

    def __init__(
        self, tx: Transaction, policy: ForecastPolicy, *, now: datetime, caller: Caller = LOCAL
    ) -> None:
        """Of the accounts that are not *caller*'s nothing is told: it is as if there were none."""
        self._tx = tx
        self._windows = policy.windows
        self._fairness_every = policy.fairness_every
        self._now = now
        self._caller = caller

    def of_batch(self, emails: Sequence[Email]) -> Forecast:
        """Of emails that are about to be stored."""
        queues = {queue_of(email) for email in emails}
        return of_batch(emails, self._situation(queues))

    def of_email(self, email: Email) -> Expected:
        """Of one that waits."""
        situation = self._situation({queue_of(email)})
        lines = {g.queue for g in situation.groups if g.priority == email.priority}
        places = {queue: self._tx.backlog.place(email, queue, most=MOST_COUNTED) for queue in lines}
        return of_email(email, places, situation)

    def of_account(self, account: Account) -> Expected:
        """Of all that waits and this account may send, as far as the caller may know of it."""
        queues = {account.id}
        if account.active and self._caller.accounts is None and self._tx.emails.depth(None):
            queues.add(ANY_ACCOUNT)
        return of_queues(queues, self._situation(queues))

    def of_each(self, queues: Collection[int], *, until: datetime) -> Mapping[int, Expected]:
        """Of all that waits in each of these queues (0: the one of mail for any account), with how
        many of it go by *until*.
        """
        situation = self._situation(queues)
        return {queue: of_queues({queue}, situation, until=until) for queue in queues}

    def windows_of(self, account: Account) -> Sequence[WindowUse]:
        """Of each window that has a limit what is used, and when other mail has room again."""
        limits = account.limits_at(self._now)
        used = self._tx.ledger.used(account.id, self._windows) if limits.finite() else {}
        found = []
        for window, limit in limits.finite().items():
            share = limits.share(window, urgent=False)
            over = used[window] - share + 1
            found.append(
                WindowUse(
                    window=window,
                    limit=limit,
                    used=used[window],
                    kept=limit - share,
                    frees_at=self._now if over <= 0 else self._returns(account, window, over),
                )
            )
        return found

    def _returns(self, account: Account, window: Window, units: int) -> datetime | None:
        ledger = self._tx.ledger
        return ledger.room_returns_at(account.id, window, self._windows, units=units)

    def _situation(self, queues: Collection[int]) -> Situation:
        """The accounts for these queues, and all that waits for those accounts."""
        known = [a for a in self._tx.accounts.all() if self._caller.may_use(a.id)]
        accounts = accounts_for(queues, known)
        shared = self._tx.emails.depth(None) > 0
        if shared and ANY_ACCOUNT not in queues and any(account.active for account in accounts):
            accounts = accounts_for({*queues, ANY_ACCOUNT}, known)
        return Situation(
            outlooks=[self._outlook(account) for account in accounts],
            groups=self._groups(accounts),
            windows=self._windows,
            fairness_every=self._fairness_every,
            now=self._now,
        )

    def _groups(self, accounts: Sequence[Account]) -> Sequence[WaitingGroup]:
        queues = [account.id for account in accounts]
        if any(account.active for account in accounts) or not accounts:
            queues.append(ANY_ACCOUNT)
        return self._tx.backlog.groups(queues, now=self._now, most=MOST_COUNTED)

    def _outlook(self, account: Account) -> Outlook:
        finite = account.limits.finite() or account.health.pace or account.health.learned
        return Outlook(
            account=account,
            used=self._tx.ledger.used(account.id, self._windows) if finite else {},
            charged=self._tx.backlog.charged(account.id, self._windows) if finite else {},
            seconds_each=self._tx.backlog.seconds_each(account.id),
        )
