"""Which account gets the next free connection, and how much is claimed for it.

Memory here only shapes the order and the size of claims: what may be sent is decided by rows.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from itertools import count
from threading import Lock

import attrs

from application.delivery.batch_size import BatchSizes
from application.delivery.connections import Connections
from application.delivery.rows import QueueRows
from application.delivery.shared_mail import SharedMail
from application.ports.accounts import Ledger
from domain.account.account import Account
from domain.account.limits import WindowLengths
from domain.email import claim_policy as claiming
from domain.email.claim_policy import SUSPECT_CRASHES
from domain.email.lifecycle import Email


@attrs.frozen(kw_only=True)
class Plan:
    """How much one connection of one account may claim now; of mail for any account, *shared*."""

    limit: int
    units: int
    urgent_units: int
    fair: int
    shared: int | None = None


class Scheduler:
    """Spreads a process's workers over accounts. Safe from many threads."""

    def __init__(self, *, windows: WindowLengths, fairness_every: int) -> None:
        self.connections = Connections()
        self.sizes = BatchSizes()
        self._shared = SharedMail()
        self._windows = windows
        self._fairness_every = fairness_every
        self._lock = Lock()
        self._claimed: dict[int, int] = defaultdict(int)
        self._looks = count(1)
        self._looked_at: dict[int, int] = defaultdict(int)
        self._suspects = 0

    def order(
        self,
        tx: QueueRows,
        *,
        instance: int,
        members: Sequence[int],
        now: datetime,
        round_robin: bool = False,
    ) -> Sequence[tuple[Account, int]]:
        """The accounts that may take mail, the freest first, with the connections of each that
        this process may still open; with *round_robin* the one first whose turn is the longest
        ago. Those whose server has failed come last.
        """
        free = [
            (account, left)
            for account in tx.accounts.all()
            if _is_open(account, now)
            and (left := self.connections.free(account, instance=instance, members=members)) > 0
        ]
        headroom = {account.id: self._headroom(tx.ledger, account, now=now) for account, _ in free}
        rivals = {a.id: headroom[a.id] for a, _ in free if not a.health.breaker.failures}
        if self._shared.compete(rivals) > 1:
            self._shared.expect(tx.emails.depth(None))

        def key(pair: tuple[Account, int]) -> tuple[int, ...]:
            account = pair[0]
            fails = int(account.health.breaker.failures > 0)
            busy, room = self.connections.busy(account.id), -headroom[account.id]
            if round_robin:
                return (busy, self._looked_at[account.id], fails, room, account.id)
            return (fails, busy, room, account.id)

        return sorted(free, key=key)

    def looked_at(self, account_id: int) -> None:
        """This account has had its turn, whether there was anything to claim or not."""
        with self._lock:
            self._looked_at[account_id] = next(self._looks)

    def plan(self, ledger: Ledger, account: Account, *, now: datetime) -> Plan | None:
        """What one more connection of this account may claim, or None if it may not."""
        if not _is_open(account, now):
            return None
        limits = account.limits_at(now)
        used = ledger.used(account.id, self._windows) if limits.finite() else {}
        urgent = limits.room(used)
        if urgent <= 0:
            return None
        limit = 1 if account.health.breaker.failures else self._batch_size(account.id)
        limit = min(limit, urgent)
        return Plan(
            limit=limit,
            units=limits.room(used, urgent=False),
            urgent_units=urgent,
            fair=self._fair_places(account.id, limit),
            shared=self._shared.places(account.id),
        )

    def may_take_suspects(self) -> bool:
        """Whether no email is under way that several crashes have met."""
        return not self._suspects

    def arranged(
        self, account_id: int, strict: Sequence[Email], favoured: Sequence[Email]
    ) -> Sequence[Email]:
        """One batch in the order of its hand-off."""
        return claiming.arranged(
            strict,
            favoured,
            before=self._claimed[account_id],
            every=self._fairness_every,
        )

    def extend(self, account_id: int, emails: Sequence[Email], *, back: bool = False) -> None:
        """A connection that was in use already goes on with these, or does not (*back*)."""
        with self._lock:
            self._count(account_id, emails, -1 if back else 1)

    def acquire(self, account_id: int, emails: Sequence[Email]) -> None:
        """A connection of this account is in use, for these emails."""
        with self._lock:
            self.connections.count(account_id, 1)
            self._count(account_id, emails, 1)
            self._suspects += _grave(emails)

    def roll_back(self, account_id: int, emails: Sequence[Email]) -> None:
        """It is not: the work that took it did not commit, or is run again."""
        with self._lock:
            self.connections.count(account_id, -1)
            self._count(account_id, emails, -1)
            self._suspects -= _grave(emails)

    def release(self, account_id: int, emails: Sequence[Email]) -> None:
        """A connection of this account is free again; these were taken for it at first."""
        with self._lock:
            self.connections.count(account_id, -1)
            self._suspects -= _grave(emails)

    def _count(self, account_id: int, emails: Sequence[Email], sign: int) -> None:
        self._claimed[account_id] += sign * len(emails)
        self._shared.count(account_id, emails, sign)

    def _batch_size(self, account_id: int) -> int:
        connections = self.connections
        return self.sizes.of(
            account_id,
            busy=connections.busy(account_id),
            allowed=connections.allowed(account_id),
        )

    def _fair_places(self, account_id: int, limit: int) -> int:
        return claiming.fair_places(
            limit, before=self._claimed[account_id], every=self._fairness_every
        )

    def _headroom(self, ledger: Ledger, account: Account, *, now: datetime) -> int:
        """What its limits leave; of those without, the one comes first that was given the least."""
        limits = account.limits_at(now)
        if not limits.finite():
            return limits.room({}) - self._shared.given(account.id)
        return limits.room(ledger.used(account.id, self._windows))


def _grave(emails: Sequence[Email]) -> int:
    """How many of these have met several crashes."""
    return sum(email.claim_count >= SUSPECT_CRASHES for email in emails)


def _is_open(account: Account, now: datetime) -> bool:
    opens = account.opens_at(now)
    return opens is not None and opens <= now
