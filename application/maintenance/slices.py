"""Works in slices, each so small that nobody waits long for its commit."""

from collections.abc import Callable
from typing import Final

from application.ports.store import Store, Transaction
from application.ports.system import Clock

FIRST: Final = 50
LEAST: Final = 25
MOST: Final = 500
# A slice that takes longer than SLOW makes the next one smaller, one below QUICK makes it larger:
# so the commits stay well below the 50 ms that others may wait.
QUICK_S: Final = 0.008
SLOW_S: Final = 0.016


class Slices:
    """Runs works and measures them: the next slice has the size that fits. Used by one thread.

    ``spent`` is for how long it has worked and ``longest`` how long one slice took, in seconds,
    the commit and the wait for it included.
    """

    def __init__(self, *, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self.size = FIRST
        self.spent = 0.0
        self.longest = 0.0

    def write(self, work: Callable[[Transaction], int]) -> int:
        """Run *work* on a slice of ``size``; its answer."""
        begun = self._clock.monotonic()
        done = self._store.write(work)
        seconds = self._clock.monotonic() - begun
        self.spent += seconds
        self.longest = max(self.longest, seconds)
        if seconds > SLOW_S:
            self.size = max(LEAST, int(self.size * max(0.5, SLOW_S / 2 / seconds)))
        elif seconds < QUICK_S:
            self.size = min(MOST, self.size + self.size // 4 + 1)
        return done
