"""Which processes deliver, and which of them are dead.

A lease is no time of day. Each process raises a counter; another one takes its emails only after
it has seen that counter stand still for the whole lease on its own monotonic clock, so that a
stepped wall clock expires nothing. Where the operating system can tell sooner (a lock that died
with its process), recovery is immediate.
"""

from datetime import timedelta
from math import inf
from typing import Final

import attrs

from application.ports.cluster import Locks
from application.ports.store import Store, Transaction
from application.ports.system import Clock

LONGEST_MARGIN: Final = timedelta(seconds=10)


@attrs.frozen(kw_only=True)
class LeasePolicy:
    """How often a process shows that it lives, and how long its silence is tolerated."""

    heartbeat: timedelta = timedelta(seconds=15)
    lease: timedelta = timedelta(seconds=60)

    @property
    def own(self) -> timedelta:
        """How long after its last beat a process may still send: the lease less a margin."""
        return self.lease - min(self.lease / 5, LONGEST_MARGIN)


@attrs.frozen
class Sighting:
    """The counter of another process and since when it stands there, by our monotonic clock."""

    beat: int
    since: float


class Membership:
    """This process's place among those that deliver. Used by one thread, but for `lease_ends`."""

    def __init__(
        self, *, store: Store, clock: Clock, locks: Locks, rules: LeasePolicy, host: str, pid: int
    ) -> None:
        self._store = store
        self._clock = clock
        self._locks = locks
        self._rules = rules
        self._own_s = rules.own.total_seconds()
        self._host = host
        self._pid = pid
        self._seen: dict[int, Sighting] = {}
        self._shown_at = 0.0  # when the last beat was begun, suspensions counted
        self.instance: int | None = None

    def join(self) -> int:
        """A new instance id for this process.

        The lock comes before the row: of one that dies between the two nothing is seen. The other
        way round it would hold its share of every account's connections for a whole lease.
        """
        now, shown_at = self._clock.now(), self._clock.boottime()
        locked: set[str] = set()

        def work(tx: Transaction) -> int:
            instance = tx.instances.join(host=self._host, pid=self._pid, now=now)
            locked.add(_lock_name(instance))
            self._locks.acquire(_lock_name(instance))
            return instance

        try:
            instance = self._store.write(work)
        except BaseException:
            for name in locked:
                self._locks.release(name)
            raise
        self._shown_at = shown_at
        self.instance = instance
        return instance

    def beat(self) -> int:
        """Show that this process lives, if it is time; its instance id, new if it was given up."""
        if self.instance is None:
            return self.join()
        instance = self.instance
        shown_at = self._clock.boottime()
        if shown_at - self._shown_at < self._rules.heartbeat.total_seconds():
            return instance
        if not self._store.write(lambda tx: tx.instances.beat(instance)):
            return self.join()
        self._shown_at = shown_at
        return instance

    def lease_ends(self, instance: int) -> float:
        """Until when *instance*, if it is this process, may send what it holds, by the clock that
        counts suspension.

        Others wait for a whole lease after they saw its last beat; they may be quicker by the
        margin.
        """
        if instance != self.instance:
            return -inf
        return self._shown_at + self._own_s

    def is_first(self) -> bool:
        """Whether this process does what one of those that deliver has to do.

        One that does not deliver does it: somebody has asked it to.
        """
        instance = self.instance
        if instance is None:
            return True
        beats = self._store.read_latest(lambda tx: tx.instances.beats())
        return instance == min(beats, default=instance)

    def dead(self) -> list[int]:
        """The owners whose emails may be taken: surely dead, silent for a lease, or unknown."""
        beats, orphans = self._store.read(
            lambda tx: (dict(tx.instances.beats()), tuple(tx.instances.orphaned()))
        )
        now = self._clock.monotonic()
        seen = self._seen
        self._seen = {
            instance: seen[instance]
            if instance in seen and seen[instance].beat == beat
            else Sighting(beat, now)
            for instance, beat in beats.items()
            if instance != self.instance
        }
        lease = self._rules.lease.total_seconds()
        return [*orphans] + [
            instance
            for instance, sighting in self._seen.items()
            if now - sighting.since >= lease or self._locks.abandoned(_lock_name(instance))
        ]

    def remove_dead(self, instance: int) -> None:
        """Forget a dead process, after its emails were taken.

        Its lock goes last: a process that dies here leaves it as it was, for the next one to find.
        """
        self._store.write(lambda tx: tx.instances.leave(instance))
        self._locks.acquire(_lock_name(instance))  # not of one that is only silent: it has it still
        self._locks.release(_lock_name(instance))

    def leave(self) -> None:
        """This process delivers no more."""
        if self.instance is not None:
            self.remove_dead(self.instance)
            self.instance = None


def _lock_name(instance: int) -> str:
    return f"instance-{instance}"
