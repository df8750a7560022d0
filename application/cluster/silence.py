"""Whether any process delivers, as far as one that only looks can tell."""

from collections.abc import Mapping
from datetime import timedelta

from application.cluster.membership import Sighting
from application.ports.system import Clock


class Silence:
    """Remembers how long each counter of a process has stood still, as `Membership` does.

    Safe from many threads: the worst is that a silence is noticed a moment later.
    """

    def __init__(self, *, clock: Clock, lease: timedelta) -> None:
        self._clock = clock
        self._lease_s = lease.total_seconds()
        self._seen: Mapping[int, Sighting] = {}

    def broken(self, beats: Mapping[int, int]) -> bool:
        """Whether one of these counters may be that of a living process.

        One that is seen for the first time counts as living: it is known after a lease.
        """
        now, seen = self._clock.monotonic(), self._seen
        self._seen = {
            instance: seen[instance]
            if instance in seen and seen[instance].beat == beat
            else Sighting(beat, now)
            for instance, beat in beats.items()
        }
        return any(now - sighting.since < self._lease_s for sighting in self._seen.values())
