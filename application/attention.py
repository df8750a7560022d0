"""What needs a person, asked of the store: looks along indexes, however much there is."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from application.cluster.silence import Silence
from application.delivery.due import room_at
from application.ports.store import StoreReader, Transaction
from application.ports.system import Clock
from domain.access import LOCAL, Caller, Scope
from domain.account.account import Account, AccountState
from domain.account.limits import WindowLengths
from domain.attention import (
    RECENT,
    Need,
    in_order,
    of_account,
    of_alert,
    of_failed,
    of_inbox,
    of_queue,
    of_webhook,
)

MOST_FAILED: Final = 1000  # that are looked at
MOST_ALERTS: Final = 20


class Attention:
    """The use case of whoever runs the service. Safe from many threads."""

    def __init__(
        self, *, store: StoreReader, clock: Clock, windows: WindowLengths, lease: timedelta
    ) -> None:
        self._store = store
        self._clock = clock
        self._windows = windows
        self._silence = Silence(clock=clock, lease=lease)

    def needs(self, *, caller: Caller = LOCAL) -> Sequence[Need]:
        """What needs somebody, the most urgent first. Forbidden.

        A caller who is limited to some accounts is told of these, their email and own webhooks.
        """
        caller.require(Scope.ADMIN)
        now = self._clock.now()
        return self._store.read_latest(lambda tx: in_order(self._look(tx, caller, now=now)))

    def _look(self, tx: Transaction, caller: Caller, *, now: datetime) -> Iterator[Need]:
        every = tx.accounts.all()
        accounts = {one.id: one for one in every if caller.may_use(one.id)}
        for account in accounts.values():
            closed = account.state(now) is not AccountState.OPEN
            waiting = tx.emails.depth(account.id) if closed else 0
            yield from of_account(account, waiting=waiting, now=now)
        for inbox in tx.inboxes.all():
            if inbox.account_id in accounts:
                yield from of_inbox(inbox, accounts[inbox.account_id])
        failed = tx.emails.failed(since=now - RECENT, limit=MOST_FAILED)
        yield from of_failed(email for email in failed if caller.may_use(email.account_id))
        for webhook in tx.webhooks.all():
            if webhook.may_be_seen(caller.accounts):
                yield from of_webhook(webhook)
        if caller.accounts is None:
            yield from self._of_all(tx, accounts, now=now)

    def _of_all(
        self, tx: Transaction, accounts: Mapping[int, Account], *, now: datetime
    ) -> Iterator[Need]:
        """What does not belong to one account."""
        delivering = self._silence.broken(tx.instances.beats())
        yield from of_queue(
            waiting=tx.emails.waiting().waiting,
            oldest_due=timedelta(0) if delivering else self._overdue(tx, accounts, now=now),
            growing=tx.watch.growth().told,
            active=any(account.active for account in accounts.values()),
            delivering=delivering,
        )
        for alert in tx.watch.alerts(limit=MOST_ALERTS):
            yield from of_alert(alert, accounts.get(alert.account_id or 0), now=now)

    def _overdue(
        self, tx: Transaction, accounts: Mapping[int, Account], *, now: datetime
    ) -> timedelta:
        """For how long the oldest email has been due that an account might hand off now.

        A process that finds nothing of the kind may have left: under Celery it rests.
        """
        able = [
            account.id
            for account in accounts.values()
            if account.state(now) is AccountState.OPEN
            and room_at(tx.ledger, account, self._windows, urgent=False, now=now) == now
        ]
        due = tx.emails.next_due(able)
        return timedelta(0) if due is None else max(now - due, timedelta(0))
