"""The sweep: regular work on the queue, done by the processes that deliver."""

from collections.abc import Collection
from datetime import timedelta
from typing import Final

from application.cluster.membership import Membership
from application.delivery import Delivery
from application.maintenance.clock_repair import ClockRepair
from application.maintenance.expiry import Expiry
from application.maintenance.leftovers import Leftovers
from application.maintenance.probe import PausedAccounts
from application.ports.sender import Sender
from application.ports.store import Store
from application.ports.system import Clock, Observe
from domain.access import DAY
from domain.account.congestion import CongestionPolicy
from domain.account.limits import WindowLengths
from domain.events import Event

SLICE: Final = 200
IDEMPOTENCY_AGE: Final = timedelta(hours=24)


class Maintenance:
    """Takes emails from dead processes, expires old ones, removes rows that no window needs."""

    def __init__(
        self,
        *,
        store: Store,
        sender: Sender,
        clock: Clock,
        delivery: Delivery,
        membership: Membership,
        windows: WindowLengths,
        congestion: CongestionPolicy,
        cured_by_login: Collection[str],
        observe: Observe,
    ) -> None:
        self._store = store
        self._clock = clock
        self._delivery = delivery
        self._membership = membership
        self._windows = windows
        self._observe = observe
        self._sender = sender
        self._clock_repair = ClockRepair(store=store, clock=clock, observe=observe)
        self._expiry = Expiry(store=store, clock=clock, observe=observe)
        self._leftovers = Leftovers(store=store, clock=clock, observe=observe)
        self._paused_accounts = PausedAccounts(
            store=store,
            sender=sender,
            clock=clock,
            policy=congestion,
            cured_by_login=cured_by_login,
            observe=observe,
        )

    def recover(self) -> int:
        """Take every email of a dead process; how many there were."""
        taken = 0
        for owner in self._membership.dead():
            while count := self._delivery.recover(owner, limit=SLICE):
                taken += count
            self._membership.remove_dead(owner)
            self._observe(Event(name="instance_removed", fields={"instance": owner}))
        return taken

    def sweep(self) -> None:
        """Do all of it once."""
        self.recover()
        self._clock_repair.run()
        while self._expiry.run(limit=SLICE) == SLICE:
            pass
        self._prune()
        self._leftovers.run()
        self._sender.tend()
        self._paused_accounts.probe()

    def _prune(self) -> None:
        oldest = self._clock.steady() - self._windows.day - 2 * self._windows.margin
        while self._store.write(lambda tx: tx.ledger.prune(before=oldest, limit=SLICE)) == SLICE:
            pass
        old = self._clock.now() - IDEMPOTENCY_AGE
        while self._store.write(lambda tx: tx.idempotency.prune(before=old, limit=SLICE)) == SLICE:
            pass
        gone = self._clock.now() - 2 * DAY
        while self._store.write(lambda tx: tx.key_usage.prune(before=gone, limit=SLICE)) == SLICE:
            pass
