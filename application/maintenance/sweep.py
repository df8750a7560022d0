"""The sweep: regular work on the queue, done by the processes that deliver."""

from collections.abc import Collection
from datetime import timedelta
from typing import Final

from application.cluster.membership import Membership
from application.delivery import Delivery
from application.erasing import Erasing
from application.maintenance.alerts import Alerts
from application.maintenance.clock_repair import ClockRepair
from application.maintenance.expiry import Expiry
from application.maintenance.folding import Folding
from application.maintenance.growth import QueueGrowth
from application.maintenance.leftovers import Leftovers
from application.maintenance.probe import PausedAccounts
from application.maintenance.retention import Retention
from application.oauth.authorize import Authorizations
from application.oauth.renewals import Renewals
from application.ports.sender import Sender
from application.ports.store import Store
from application.ports.system import Clock, Observe
from domain.access import DAY
from domain.account.congestion import CongestionPolicy
from domain.account.limits import WindowLengths
from domain.event.alert import KEPT
from domain.event.growth import GrowthPolicy
from domain.events import Event
from domain.retention import RetentionPolicy
from domain.suppression import FULL_WITHIN

SLICE: Final = 200
IDEMPOTENCY_AGE: Final = timedelta(hours=24)


class Maintenance:
    """Takes emails from dead processes, expires old ones, removes what is old, adds up what was
    counted, renews tokens, looks at the queue, sends alerts.
    """

    def __init__(
        self,
        *,
        store: Store,
        sender: Sender,
        clock: Clock,
        delivery: Delivery,
        membership: Membership,
        renewals: Renewals,
        authorizations: Authorizations,
        windows: WindowLengths,
        congestion: CongestionPolicy,
        growth: GrowthPolicy,
        alerts: Alerts,
        retention: RetentionPolicy,
        cured_by_login: Collection[str],
        events_kept: timedelta,
        erasing: Erasing,
        observe: Observe,
    ) -> None:
        self._store = store
        self._clock = clock
        self._delivery = delivery
        self._membership = membership
        self._renewals = renewals
        self._authorizations = authorizations
        self._windows = windows
        self._events_kept = events_kept
        self._erasing = erasing
        self._observe = observe
        self._sender = sender
        self._clock_repair = ClockRepair(store=store, clock=clock, observe=observe)
        self._expiry = Expiry(store=store, clock=clock, observe=observe)
        self._leftovers = Leftovers(store=store, clock=clock, observe=observe)
        self._retention = Retention(
            store=store, clock=clock, membership=membership, policy=retention, observe=observe
        )
        self._folding = Folding(store=store, clock=clock, membership=membership, windows=windows)
        self._growth = QueueGrowth(store=store, clock=clock, membership=membership, policy=growth)
        self._alerts = alerts
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
        for instance in self._membership.dead():
            while count := self._delivery.recover(instance, limit=SLICE):
                taken += count
            self._membership.remove_dead(instance)
            self._observe(Event(name="instance_removed", fields={"instance": instance}))
        return taken

    def sweep(self) -> None:
        """Do all of it once."""
        self.recover()
        self._clock_repair.run()
        while self._expiry.run(limit=SLICE) == SLICE:
            pass
        self._prune()
        self._retention.run()
        self._erasing.run()
        self._leftovers.run()
        self._sender.tend()
        self._renewals.run()
        self._authorizations.tend()
        self._paused_accounts.probe()
        self._folding.run()
        self._growth.run()
        self._alerts.run()

    def _prune(self) -> None:
        oldest = self._clock.steady() - self._windows.day - 2 * self._windows.margin
        while self._store.write(lambda tx: tx.ledger.prune(before=oldest, limit=SLICE)) == SLICE:
            pass
        # by the steady clock: a wall that jumps forward must not make calls forgotten
        old = self._clock.steady() - IDEMPOTENCY_AGE
        while self._store.write(lambda tx: tx.idempotency.prune(before=old, limit=SLICE)) == SLICE:
            pass
        now = self._clock.now()
        while self._store.write(lambda tx: tx.suppressions.prune(now=now, limit=SLICE)) == SLICE:
            pass
        alerted = self._clock.steady() - KEPT
        while self._store.write(lambda tx: tx.watch.prune_alerts(before=alerted, limit=SLICE)):
            pass
        full = self._clock.steady() - FULL_WITHIN
        while self._store.write(lambda tx: tx.full_mailboxes.prune(before=full, limit=SLICE)):
            pass
        while self._store.write(lambda tx: tx.dashboard_sessions.prune(now=now, limit=SLICE)):
            pass
        gone = now - 2 * DAY
        while self._store.write(lambda tx: tx.key_usage.prune(before=gone, limit=SLICE)) == SLICE:
            pass
        told = self._clock.steady() - self._events_kept
        while self._store.write(lambda tx: tx.events.prune(before=told, limit=SLICE)) == SLICE:
            pass
