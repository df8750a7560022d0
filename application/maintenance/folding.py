"""The hours that are over: what was counted and charged in them is added up."""

from typing import Final

from application.cluster.membership import Membership
from application.maintenance.slices import Slices
from application.ports.store import Store, Transaction
from application.ports.system import Clock
from domain.account.limits import WindowLengths
from domain.throughput import KEPT

EVERY_S: Final = 60.0
BUDGET_S: Final = 0.25  # of one run


class Folding:
    """Keeps what is counted small, in one process, a little at a time. Used by one thread."""

    def __init__(
        self, *, store: Store, clock: Clock, membership: Membership, windows: WindowLengths
    ) -> None:
        self._store = store
        self._clock = clock
        self._membership = membership
        self._windows = windows
        self._slices = Slices(store=store, clock=clock)
        self._next = 0.0

    def run(self) -> None:
        """Fold what may be folded in a short time, if it is time and this process's part."""
        if self._clock.monotonic() < self._next or not self._membership.is_first():
            return
        self._next = self._clock.monotonic() + EVERY_S
        deadline = self._slices.spent + BUDGET_S
        for work in (self._fold_counts, self._fold_sums):
            while self._slices.spent < deadline and self._slices.write(work):
                pass
        # by the steady clock: a wall that jumps forward must not remove anything
        self._store.write(lambda tx: tx.throughput.prune(before=self._clock.steady() - KEPT))

    def _fold_counts(self, tx: Transaction) -> int:
        return tx.throughput.fold(now=self._clock.now(), limit=self._slices.size)

    def _fold_sums(self, tx: Transaction) -> int:
        return tx.ledger.fold(self._windows, limit=self._slices.size)
