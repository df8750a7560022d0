"""Connections that stay open for the next request to the same server."""

import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable
from typing import Final

import attrs

from adapters.web_client.connection import WebConnection

MOST_EACH: Final = 4  # to one address under one name
MOST_ADDRESSES: Final = 64
REST_S: Final = (
    30.0  # many servers close after 60 s or more; whoever waits longer meets a closed one
)


@attrs.frozen
class _Resting:
    line: WebConnection
    until: float


class KeptLines:
    """Idle connections by what they are good for. Safe from many threads."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._lines: OrderedDict[Hashable, deque[_Resting]] = OrderedDict()
        self._closed = False

    def take(self, key: Hashable) -> WebConnection | None:
        """One that is still open, the one used last; None if there is none."""
        while (resting := self._pop(key)) is not None:
            if self._monotonic() < resting.until and resting.line.idle:
                return resting.line
            resting.line.hang_up()
        return None

    def put(self, key: Hashable, line: WebConnection) -> None:
        """Keep *line*, or hang up where enough are kept."""
        resting = _Resting(line, self._monotonic() + REST_S)
        for other in self._added(key, resting):
            other.line.hang_up()

    def close(self) -> None:
        """Hang up all of them, and those that come later."""
        with self._lock:
            self._closed = True
            resting = [one for lines in self._lines.values() for one in lines]
            self._lines.clear()
        for one in resting:
            one.line.hang_up()

    def _pop(self, key: Hashable) -> _Resting | None:
        with self._lock:
            lines = self._lines.get(key)
            return lines.pop() if lines else None

    def _added(self, key: Hashable, resting: _Resting) -> list[_Resting]:
        """Those that have to go for it: the oldest, and what has rested too long."""
        now = self._monotonic()
        with self._lock:
            if self._closed:
                return [resting]
            lines = self._lines.setdefault(key, deque())
            lines.append(resting)
            self._lines.move_to_end(key)
            gone = [lines.popleft()] if len(lines) > MOST_EACH else []
            if len(self._lines) > MOST_ADDRESSES:
                gone += self._lines.popitem(last=False)[1]
            for others in self._lines.values():
                while others and others[0].until <= now:
                    gone.append(others.popleft())
            for empty in [name for name, others in self._lines.items() if not others]:
                del self._lines[empty]
            return gone
