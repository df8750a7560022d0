"""Which refused logins the audit records: few enough that nobody can fill it. This memory is one
process's.
"""

from collections import deque
from threading import Lock
from typing import Final

from application.ports.system import Clock
from domain.address import client_group

HOUR_S: Final = 3600.0
MOST_AN_HOUR: Final = 20  # of all addresses; the log has every one that was not slowed down


class RefusedLogins:
    """One entry for each address and hour, and no more than `MOST_AN_HOUR` in all."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = Lock()
        self._recorded: deque[tuple[float, str]] = deque()  # when, and the address

    def wanted(self, address: str) -> bool:
        """Whether a refused login from this *address* is to be recorded; it counts as recorded."""
        now, group = self._clock.monotonic(), client_group(address)
        with self._lock:
            while self._recorded and now - self._recorded[0][0] >= HOUR_S:
                self._recorded.popleft()
            if len(self._recorded) >= MOST_AN_HOUR or any(
                group == known for _, known in self._recorded
            ):
                return False
            self._recorded.append((now, group))
        return True
