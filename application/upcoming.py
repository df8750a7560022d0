"""What goes out in the next hours: what is due now, what is scheduled, and what holds it up."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

import attrs

from application.forecasting import Forecasting, ForecastPolicy
from application.ports.store import StoreReader, Transaction
from application.ports.system import Clock
from domain.access import LOCAL, Caller, Scope
from domain.account.account import Account
from domain.email.claim_policy import ANY_ACCOUNT
from domain.email.forecast import Expected

MOST_QUEUES: Final = 10  # that a forecast is made for
UPCOMING_COUNTED: Final = 2000


@attrs.frozen(kw_only=True)
class UpcomingQueue:
    """Emails of one account, or with *account* None of those that any account may send.

    *waiting* are all of them, *scheduled* those that become due within the hours asked for, counted
    up to `UPCOMING_COUNTED` of each priority. *expected* is when the last of all goes, with how
    many go within those hours.
    """

    account: Account | None
    waiting: int
    scheduled: int
    expected: Expected


@attrs.frozen(kw_only=True)
class UpcomingMail:
    """The largest queues first; *others* are queues with mail that are left out, with
    *others_waiting* emails.
    """

    until: datetime
    queues: Sequence[UpcomingQueue]
    others: int = 0
    others_waiting: int = 0


class Upcoming:
    """The use case of whoever runs the service."""

    def __init__(self, *, store: StoreReader, clock: Clock, forecasts: ForecastPolicy) -> None:
        self._store = store
        self._clock = clock
        self._forecasts = forecasts

    def within(self, span: timedelta, *, caller: Caller = LOCAL) -> UpcomingMail:
        """As far as it is known now; of this caller's accounts. Forbidden."""
        caller.require(Scope.READ)
        now = self._clock.now()
        return self._store.read(lambda tx: self._look(tx, now + span, caller, now=now))

    def of_accounts(
        self, account_ids: Collection[int], span: timedelta, *, caller: Caller = LOCAL
    ) -> Mapping[int, UpcomingQueue]:
        """The same of these accounts, as far as they are there and this caller's."""
        caller.require(Scope.READ)
        now = self._clock.now()

        def work(tx: Transaction) -> Mapping[int, UpcomingQueue]:
            known = {one.id: one for one in tx.accounts.all() if caller.may_use(one.id)}
            depths = {one: tx.emails.depth(one) for one in account_ids if one in known}
            queues = self._queues(tx, depths, known, now + span, caller, now=now)
            return dict(zip(depths, queues, strict=True))

        return self._store.read(work)

    def _look(
        self, tx: Transaction, until: datetime, caller: Caller, *, now: datetime
    ) -> UpcomingMail:
        accounts = {one.id: one for one in tx.accounts.all() if caller.may_use(one.id)}
        depths = {queue: depth for queue in accounts if (depth := tx.emails.depth(queue))}
        if caller.accounts is None and (shared := tx.emails.depth(None)):
            depths[ANY_ACCOUNT] = shared
        largest = sorted(depths, key=lambda queue: -depths[queue])
        told, left_out = largest[:MOST_QUEUES], largest[MOST_QUEUES:]
        wanted = {queue: depths[queue] for queue in told}
        return UpcomingMail(
            until=until,
            queues=self._queues(tx, wanted, accounts, until, caller, now=now),
            others=len(left_out),
            others_waiting=sum(depths[queue] for queue in left_out),
        )

    def _queues(
        self,
        tx: Transaction,
        depths: Mapping[int, int],
        accounts: Mapping[int, Account],
        until: datetime,
        caller: Caller,
        *,
        now: datetime,
    ) -> Sequence[UpcomingQueue]:
        """Of the queues of *depths*, in their order."""
        filled = [queue for queue, depth in depths.items() if depth]
        forecasting = Forecasting(tx, self._forecasts, now=now, caller=caller)
        expected = forecasting.of_each(filled, until=until)
        scheduled = tx.backlog.scheduled(filled, after=now, until=until, most=UPCOMING_COUNTED)
        return [
            UpcomingQueue(
                account=accounts.get(queue),
                waiting=depth,
                scheduled=scheduled.get(queue, 0),
                expected=expected.get(queue, Expected(at=now)),
            )
            for queue, depth in depths.items()
        ]
