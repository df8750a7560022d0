"""Stopping an attempt from another thread: what every sender's `abort` uses."""

import threading
from collections.abc import Callable


class CancelToken:
    """Lets another thread stop an attempt at any moment before the final dot, and none after.

    It serves one attempt after the other.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._interrupt: Callable[[], object] | None = None
        self._released = False
        self.stopped = False

    def renew(self) -> None:
        """The next attempt begins: what stopped the one before does not stop it."""
        with self._lock:
            self._released = self.stopped = False

    def watch(self, interrupt: Callable[[], object] | None) -> None:
        """From now on *interrupt* wakes the thread that makes the attempt."""
        with self._lock:
            self._interrupt = interrupt
            if self.stopped and interrupt is not None:
                interrupt()

    def stop(self) -> None:
        """Stop the attempt, unless it has passed the dot."""
        with self._lock:
            if self._released or self.stopped:
                return
            self.stopped = True
            if self._interrupt is not None:
                self._interrupt()

    def release(self) -> bool:
        """The dot may be sent and nothing can stop it; False if it was stopped before."""
        with self._lock:
            self._released = not self.stopped
            return self._released
