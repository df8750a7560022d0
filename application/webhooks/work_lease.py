"""Which process tells webhooks: the one that holds the lease."""

from datetime import timedelta
from typing import Final

from application.ports.store import Store
from application.ports.system import Clock, Entropy

LEASE: Final = timedelta(seconds=10)
RENEWED_AFTER_S: Final = 3.0
MARGIN_S: Final = 2.0  # between the end of a lease here and in the store
STANDBY_S: Final = 2.0


class WorkLease:
    """The lease of a work that one process does for all."""

    def __init__(self, name: str, *, store: Store, clock: Clock, entropy: Entropy) -> None:
        self._name = name
        self._entropy = entropy
        self._holder = ""
        self._store = store
        self._clock = clock
        # by the clock that counts suspension
        self._ends = self._ask_at = 0.0

    @property
    def holder(self) -> str:
        """In whose name it is held."""
        self._holder = self._holder or self._entropy.token()
        return self._holder

    def hold_as(self, holder: str) -> None:
        """Hold it in the name that another process took it in, which does so no more."""
        self._holder = holder

    @property
    def held(self) -> bool:
        """Whether this process holds it now. Safe from any thread."""
        return self._clock.boottime() < self._ends

    def ask(self) -> bool:
        """Take or renew it if it is time for that; whether it was taken or renewed by this call."""
        boottime = self._clock.boottime()
        if boottime < self._ask_at:
            return False
        now = self._clock.now()
        taken = self._store.write(
            lambda tx: tx.leases.take(self._name, self.holder, now=now, until=now + LEASE)
        )
        self._ends = boottime + LEASE.total_seconds() - MARGIN_S if taken else 0.0
        self._ask_at = boottime + (RENEWED_AFTER_S if taken else STANDBY_S)
        return taken

    def release(self) -> None:
        """Let another process take it at once."""
        if self._ends:
            self._ends = self._ask_at = 0.0
            self._store.write(lambda tx: tx.leases.release(self._name, self.holder))
