"""Claiming: emails, their attempts and their reservations in one commit."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from datetime import datetime
from math import inf
from typing import Final

import attrs

from application.delivery.accounts import lock_if_limited, units_of
from application.delivery.attempts import open_attempt
from application.delivery.batch import Batch, Turn
from application.delivery.due import next_due
from application.delivery.policy import DeliveryPolicy
from application.delivery.recovery import Recovery
from application.delivery.rows import ClaimRows, ListRows, QueueRows, ResultRows
from application.delivery.scheduler import Plan, Scheduler
from application.delivery.unwanted import without_unwanted
from application.delivery.withdrawn import report_suppressed, without_withdrawn
from application.ports.queue import EmailRepository
from application.ports.sender import Sender
from application.ports.store import Store
from application.ports.system import Clock, Headroom, Observe
from application.pseudonyms import Pseudonyms
from domain.account.account import Account
from domain.email.claim_policy import NO_SUSPECTS, SUSPECT_CRASHES
from domain.email.lifecycle import Email
from domain.email.settlement import POISON_CRASHES
from domain.errors import StoreUnavailable

# Nobody is to wait for the mail behind a batch that nobody wants any more; a commit has its bound.
_MOST_UNWANTED: Final = 20


class Claims:
    """Takes due emails for this process's connections. Safe from many threads."""

    def __init__(
        self,
        *,
        store: Store,
        sender: Sender,
        clock: Clock,
        headroom: Headroom,
        rules: DeliveryPolicy,
        scheduler: Scheduler,
        recovery: Recovery,
        pseudonyms: Pseudonyms,
        observe: Observe,
        lease_ends: Callable[[int], float] = lambda instance: inf,
    ) -> None:
        self._store = store
        self._sender = sender
        self._clock = clock
        self._headroom = headroom
        self._windows = rules.windows
        self._scheduler = scheduler
        self._recovery = recovery
        self._pseudonyms = pseudonyms
        self._observe = observe
        self._lease_ends = lease_ends
        self._members: frozenset[int] = frozenset()
        self._secret: bytes | None = None  # of those who were erased; it never changes

    def claim(self, instance: int, *, places: int, round_robin: bool = False) -> Sequence[Batch]:
        """Up to *places* batches, see `Delivery.claim`."""
        if not self._headroom() or self._clock.boottime() >= self._lease_ends(instance):
            return ()
        self._secret = self._pseudonyms.known()
        now = self._clock.now()
        batches: list[Batch] = []
        ended: list[Email] = []

        def work(tx: ClaimRows) -> tuple[Sequence[int], Sequence[Batch]]:
            # two workers may claim in one commit: each must see what the other has taken
            self._forget(batches)
            ended.clear()
            members = tuple(tx.instances.beats())
            free = self._scheduler.order(
                tx, instance=instance, members=members, now=now, round_robin=round_robin
            )
            while free and len(batches) < places:
                asked, free = free[: places - len(batches)], free[places - len(batches) :]
                more = self._claim_of(tx, asked, batches, ended, instance=instance, now=now)
                free = [*free, *more]
            return members, tuple(batches)

        try:
            members, claimed = self._store.write(work)
        except BaseException as error:
            if isinstance(error, StoreUnavailable):
                self._recovery.put_back_if_claimed(tuple(batches))
            self._forget(batches)
            raise
        self._scheduler.sizes.looked()
        report_suppressed(self._observe, ended)
        if self._joined(members):
            self._sender.drop_idle()  # idle connections may belong to another process now
        return claimed

    def claim_more(self, turn: Turn, last: Email, on_claimed: Callable[[Batch], None]) -> None:
        """Ask for what comes after *last*, unless others have waited long enough for a turn."""
        batch = turn.batch
        if turn.is_over(self._clock.monotonic()) or not self._headroom():
            return
        self._secret = self._pseudonyms.known()
        now = self._clock.now()
        claimed: list[Batch] = []
        ended: list[Email] = []
        told: Future[Sequence[Email]] = Future()

        def work(tx: ClaimRows) -> Sequence[Email]:
            self._forget_more(claimed)  # it may be run again
            ended.clear()
            members = tuple(tx.instances.beats())
            account = lock_if_limited(tx.accounts, tx.accounts.get(batch.account.id))
            if (
                account.version != batch.account.version
                or not self._scheduler.connections.may_go_on(
                    account, instance=batch.instance, members=members
                )
            ):
                return ()
            more = self._claim_batch(
                tx, account, ended, instance=batch.instance, now=now, going_on=True
            )
            self._scheduler.sizes.looked()
            if more is None or not more.emails:
                return ()
            self._scheduler.extend(account.id, more.emails)
            claimed.append(more)
            return more.emails

        def done(future: "Future[Sequence[Email]]") -> None:
            more: Sequence[Email] = ()
            try:
                error = future.exception()
                if isinstance(error, StoreUnavailable):
                    self._recovery.put_back_if_claimed(tuple(claimed))
                if error is not None:
                    self._forget_more(claimed)
                    return
                report_suppressed(self._observe, ended)
                if more := future.result():
                    on_claimed(attrs.evolve(batch, emails=(last, *more)))
            finally:
                told.set_result(more)

        with suppress(StoreUnavailable):
            self._store.post(work).add_done_callback(done)
            turn.asked = told

    def due(self, instance: int) -> datetime | None:
        """When there will be something to claim, as far as the rows can tell; None for nothing."""
        now = self._clock.now()
        return self._store.read(
            lambda tx: self._next_due(
                tx, instance=instance, members=tuple(tx.instances.beats()), now=now
            )
        )

    def anything_due(self) -> bool:
        """Whether an email could be claimed now by a process with all the connections."""
        return self._store.read(self._is_due)

    def anything_to_do(self) -> bool:
        """Whether an email is due for any process, or in the hands of one, which may be dead.

        What waits for its account or its time is no work yet.
        """
        return self._store.read(lambda tx: self._is_due(tx) or tx.emails.waiting().sending > 0)

    def _is_due(self, tx: QueueRows) -> bool:
        now = self._clock.now()
        due = self._next_due(tx, instance=0, members=(), now=now)
        return due is not None and due <= now

    def _next_due(
        self, tx: QueueRows, *, instance: int, members: Sequence[int], now: datetime
    ) -> datetime | None:
        return next_due(
            tx,
            self._scheduler.connections,
            self._windows,
            instance=instance,
            members=members,
            now=now,
        )

    def _claim_of(
        self,
        tx: ResultRows,
        asked: Sequence[tuple[Account, int]],
        batches: list[Batch],
        ended: list[Email],
        *,
        instance: int,
        now: datetime,
    ) -> Sequence[tuple[Account, int]]:
        """One batch of each account that has one; which of them have connections left then."""
        still_free = []
        for account, connections in asked:
            self._scheduler.looked_at(account.id)
            batch = self._claim_batch(
                tx, account, ended, instance=instance, now=now, going_on=False
            )
            if batch is None:
                continue
            # only the first one's dialogue begins now
            tx.attempts.open([open_attempt(email, account, now=now) for email in batch.emails[:1]])
            self._scheduler.acquire(account.id, batch.emails)
            batches.append(batch)
            if connections > 1:
                still_free.append((account, connections - 1))
        return still_free

    def _claim_batch(
        self,
        tx: ListRows,
        account: Account,
        ended: list[Email],
        *,
        instance: int,
        now: datetime,
        going_on: bool,
    ) -> Batch | None:
        account = lock_if_limited(tx.accounts, account)
        plan = self._scheduler.plan(tx.ledger, account, now=now)
        if plan is None:
            return None
        crashes = POISON_CRASHES if self._scheduler.may_take_suspects() else SUSPECT_CRASHES - 1
        if going_on:
            crashes = NO_SUSPECTS  # one is claimed alone
        elif plan.shared == 0:
            plan = attrs.evolve(plan, shared=1)  # it was asked in its turn
        if account.health.breaker.needs_login(now):
            due = tx.emails.next_due([account.id])
            probe = Batch(account=account, instance=instance, emails=())
            return probe if due is not None and due <= now else None
        for _ in range(_MOST_UNWANTED):
            claimed = self._claim_emails(
                tx.emails, account, plan, instance=instance, now=now, crashes=crashes
            )
            self._scheduler.sizes.found(account.id, len(claimed), asked=plan.limit)
            emails = without_withdrawn(tx, claimed, ended, now=now)
            emails = without_unwanted(tx, account, emails, ended, now=now, secret=self._secret)
            if emails or not claimed:
                break
        if not emails:
            return None
        tx.ledger.reserve(emails, units=lambda email: units_of(account, email))
        return Batch(account=account, instance=instance, emails=tuple(emails))

    def _claim_emails(
        self,
        emails: EmailRepository,
        account: Account,
        plan: Plan,
        *,
        instance: int,
        now: datetime,
        crashes: int,
    ) -> Sequence[Email]:
        """The most urgent, and in the fair places those that are due the longest."""
        strict = plan.limit - plan.fair
        taken = emails.claim(
            account,
            limit=strict,
            units=plan.units,
            urgent_units=plan.urgent_units,
            now=now,
            instance=instance,
            fair=plan.fair,
            shared=plan.shared,
            last=account.health.suspects,
            crashes=crashes,
        )
        return self._scheduler.arranged(account.id, taken[:strict], taken[strict:])

    def _forget(self, batches: list[Batch]) -> None:
        """Batches of a work that did not commit."""
        for batch in batches:
            self._scheduler.roll_back(batch.account.id, batch.emails)
        batches.clear()

    def _forget_more(self, batches: list[Batch]) -> None:
        """Like `_forget`, of what a connection in use would have gone on with."""
        for batch in batches:
            self._scheduler.extend(batch.account.id, batch.emails, back=True)
        batches.clear()

    def _joined(self, members: Sequence[int]) -> bool:
        """Whether a process has come since the last time."""
        before, self._members = self._members, frozenset(members)
        return bool(before) and not self._members <= before
