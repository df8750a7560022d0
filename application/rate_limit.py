"""How much at once: calls by API key, and refused keys by address. This memory is one process's.

What may never be exceeded (mail limits, recipients a day) is counted in the store instead.
"""

from collections import OrderedDict, deque
from datetime import timedelta
from threading import Lock
from typing import Final

import attrs

from application.ports.system import Clock
from domain.address import client_group

MINUTE_S: Final = 60.0
MOST_ADDRESSES: Final = 10_000


@attrs.frozen(kw_only=True)
class Allowance:
    """What a caller has left: *remaining* of *limit* calls; all of them again after *reset*.

    ``retry_after`` is None if the call is allowed.
    """

    limit: int
    remaining: int
    reset: timedelta
    retry_after: timedelta | None = None


class TokenBuckets:
    """One bucket for each API key: *burst* calls at once, *rate* more every second."""

    def __init__(self, *, rate: float, burst: int, clock: Clock) -> None:
        self._rate = rate
        self._burst = burst
        self._clock = clock
        self._lock = Lock()
        self._levels: dict[int, tuple[float, float]] = {}  # key id -> (tokens, when)

    def take(self, key_id: int) -> Allowance:
        """Take one token, if there is one."""
        now = self._clock.monotonic()
        with self._lock:
            level, since = self._levels.get(key_id, (float(self._burst), now))
            level = min(float(self._burst), level + (now - since) * self._rate)
            allowed = level >= 1
            level -= allowed
            self._levels[key_id] = (level, now)
        return Allowance(
            limit=self._burst,
            remaining=int(level),
            reset=timedelta(seconds=(self._burst - level) / self._rate),
            retry_after=None if allowed else timedelta(seconds=(1 - level) / self._rate),
        )


class VainWork:
    """Recipients that each API key named in calls that were refused after they were validated.

    So many are free, and more every second; a key that has used them waits until some are back.
    """

    def __init__(self, *, free: int, rate: float, clock: Clock) -> None:
        self._free = float(free)
        self._rate = rate
        self._clock = clock
        self._lock = Lock()
        self._used: dict[int, tuple[float, float]] = {}  # key id -> (recipients, when)

    def add(self, key_id: int, recipients: int) -> None:
        """Count *recipients* that were validated for nothing."""
        with self._lock:
            self._used[key_id] = (self._now(key_id) + recipients, self._clock.monotonic())

    def wait(self, key_id: int) -> timedelta | None:
        """How long the key has to wait; None if it need not."""
        with self._lock:
            over = self._now(key_id) - self._free
        return None if over < 0 else timedelta(seconds=(over + 1) / self._rate)

    def _now(self, key_id: int) -> float:
        used, since = self._used.get(key_id, (0.0, 0.0))
        return max(0.0, used - (self._clock.monotonic() - since) * self._rate)


class Strikes:
    """Refused keys by address, or by prefix: after *most* within a minute it has to wait.

    Bounded: of very many those seen longest ago are forgotten.
    """

    def __init__(self, *, most: int, clock: Clock) -> None:
        self._most = most
        self._clock = clock
        self._lock = Lock()
        self._times: OrderedDict[str, deque[float]] = OrderedDict()

    def add(self, address: str) -> timedelta | None:
        """Count one, unless the address has to wait: then for how long."""
        now = self._clock.monotonic()
        with self._lock:
            times = self._times.setdefault(client_group(address), deque(maxlen=self._most))
            if len(times) == self._most and now - times[0] < MINUTE_S:
                return timedelta(seconds=MINUTE_S - (now - times[0]))
            times.append(now)
            self._times.move_to_end(client_group(address))
            while len(self._times) > MOST_ADDRESSES:
                self._times.popitem(last=False)
        return None
