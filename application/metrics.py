"""The figures of the service as of one moment, for programs that watch it.

They come from the store alone: whichever process is asked, the answer is the same, and a process
that dies takes none of them along.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import attrs

from application.overview import check_watcher, oldest_due
from application.ports.store import StoreReader, Transaction
from application.ports.system import Clock
from domain.access import LOCAL, Caller
from domain.account.account import AccountState
from domain.account.limits import Window, WindowLengths
from domain.email.status import Status
from domain.throughput import Totals


@attrs.frozen(kw_only=True)
class AccountFigures:
    """An account; *used* counts what is under way too, *limits* has the windows with a limit."""

    id: int
    name: str
    state: AccountState
    used: Mapping[Window, int]
    limits: Mapping[Window, int]


@attrs.frozen(kw_only=True)
class Figures:
    """*emails* has every status, *totals* what has happened so far. *oldest_due* is for how
    long the oldest email has been due that an open account may send: zero if none is.
    """

    emails: Mapping[Status, int]
    totals: Totals
    oldest_due: timedelta
    accounts: Sequence[AccountFigures]


class Metrics:
    """Reads them with looks along indexes, and sums that the store keeps: no email is counted."""

    def __init__(self, *, store: StoreReader, clock: Clock, windows: WindowLengths) -> None:
        self._store = store
        self._clock = clock
        self._windows = windows

    def figures(self, *, caller: Caller = LOCAL) -> Figures:
        """As of now. Forbidden without the scope, or for some accounts only."""
        check_watcher(caller)
        now = self._clock.now()
        return self._store.read(lambda tx: self._figures(tx, now=now))

    def _figures(self, tx: Transaction, *, now: datetime) -> Figures:
        accounts = tx.accounts.all()
        totals = tx.ledger.totals_of([one.id for one in accounts], self._windows)
        return Figures(
            emails=tx.emails.counts(),
            totals=tx.throughput.totals(),
            oldest_due=oldest_due(tx.emails, accounts, now=now),
            accounts=[
                AccountFigures(
                    id=one.id,
                    name=one.name,
                    state=one.state(now),
                    used={window: units for window, (units, _) in totals[one.id].items()},
                    limits=one.limits_at(now).finite(),
                )
                for one in accounts
            ],
        )
