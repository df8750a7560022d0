"""The system's clocks: the one place that reads the wall clock."""

import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Final

# Linux has a clock that counts suspension; elsewhere the monotonic one is the best there is.
_BOOTTIME: Final = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class SystemClock:
    """The time of this machine. Safe from many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._steady = self.now()
        self._read_at = self.monotonic()

    def now(self) -> datetime:
        """The wall clock, aware, UTC. It may step."""
        return datetime.now(UTC)

    def steady(self) -> datetime:
        """Never ahead of the wall, and never jumps forward with it.

        A wall that steps forward leaves it behind for the rest of this process: the ledger's
        windows get stricter by the step, never wider.
        """
        with self._lock:
            read_at = self.monotonic()
            passed = timedelta(0, read_at - self._read_at)
            self._steady, self._read_at = min(self.now(), self._steady + passed), read_at
            return self._steady

    @staticmethod
    def boottime() -> float:
        """Seconds that only rise, those in which the machine was suspended counted."""
        return time.clock_gettime(_BOOTTIME)

    # Seconds that only rise. The system's own function: it is asked a dozen times for each email.
    monotonic = staticmethod(time.monotonic)
