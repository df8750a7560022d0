"""What the service has done in the last days, and what waits in it now."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final

import attrs

from application.ports.queue import EmailRepository
from application.ports.store import StoreReader, Transaction
from application.ports.system import Clock
from domain.access import LOCAL, Caller, Scope
from domain.account.account import Account, AccountState
from domain.errors import Forbidden
from domain.throughput import HOUR, Hour, every_hour, hour_of

HOURS: Final = 7 * 24


@attrs.frozen(kw_only=True)
class Activity:
    """*hours* are the last seven days, oldest first and without a gap; the last one is under way.

    *waiting* counts what is scheduled too. *oldest_due* is for how long the oldest email has been
    due that an open account may send: zero if none is.
    """

    hours: Sequence[Hour]
    waiting: int
    oldest_due: timedelta


class Activities:
    """Reads sums that the store keeps: it costs the same for any number of emails."""

    def __init__(self, *, store: StoreReader, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def activity(self, *, caller: Caller = LOCAL) -> Activity:
        """As of now. Forbidden without the scope `metrics`, or for some accounts only."""
        check_watcher(caller)
        now = self._clock.now()

        def look(tx: Transaction) -> Activity:
            since = hour_of(now) - HOUR * (HOURS - 1)
            return Activity(
                hours=every_hour(tx.throughput.hours(since=since), until=now, number=HOURS),
                waiting=tx.emails.waiting().waiting,
                oldest_due=oldest_due(tx.emails, tx.accounts.all(), now=now),
            )

        return self._store.read(look)


def check_watcher(caller: Caller) -> None:
    """Forbidden unless the caller may see the figures, which are of all accounts."""
    caller.require(Scope.METRICS)
    if caller.accounts is not None:
        raise Forbidden("this API key may see its own SMTP configurations only")


def oldest_due(emails: EmailRepository, accounts: Iterable[Account], *, now: datetime) -> timedelta:
    """For how long the oldest email has been due that an open account may send."""
    due = emails.next_due([one.id for one in accounts if one.state(now) is AccountState.OPEN])
    return timedelta(0) if due is None else max(now - due, timedelta(0))
