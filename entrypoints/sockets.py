"""The sockets of the HTTP server, asked what they wait for only when something happened to them.

waitress's own loop asks every connection in every turn, so that each answer costs more the more
clients there are. Here a socket is asked when it comes, after an event of its own, and when a
thread says that it has left something to the loop. From time to time all are asked: what nobody
told is late then, and not lost.
"""

import math
import select
from collections import deque
from typing import Any, Final

from waitress import wasyncore

_READING: Final = getattr(select, "POLLIN", 1) | getattr(select, "POLLPRI", 2)
_WRITING: Final = getattr(select, "POLLOUT", 4)


class Sockets(dict[int, Any]):
    """waitress's map of sockets by their number, and its loop. Used by the loop's thread alone, but
    for `tell`.
    """

    def __init__(self) -> None:
        super().__init__()
        self._poll = select.poll() if hasattr(select, "poll") else _Select()
        self._waited_for: dict[int, int] = {}  # as poll knows it
        self._told: deque[int] = deque()

    def __setitem__(self, number: int, one: Any) -> None:
        super().__setitem__(number, one)
        self._told.append(number)

    def __delitem__(self, number: int) -> None:
        super().__delitem__(number)
        self._wait_for(number, 0)  # at once: the next socket may get the number

    def tell(self, number: int) -> None:
        """Something has happened to this one: it is asked in the next turn. From any thread."""
        self._told.append(number)

    def tell_all(self) -> None:
        """All are asked in the next turn."""
        self._told.extend(self)

    def turn(self, timeout_s: float) -> None:
        """Wait until something happens, and let those deal with it that it happened to."""
        while self._told:
            self._ask(self._told.popleft())
        for number, events in self._poll.poll(math.ceil(timeout_s * 1000)):
            one = self.get(number)
            if one is not None:  # it may be gone by what happened to another one
                _readwrite(one, events)
                self._told.append(number)

    def _ask(self, number: int) -> None:
        one = self.get(number)
        if one is None:
            return
        events = _READING if one.readable() else 0
        if one.writable() and not one.accepting:
            events |= _WRITING
        self._wait_for(number, events)

    def _wait_for(self, number: int, events: int) -> None:
        if events == self._waited_for.get(number, 0):
            return
        if events:
            self._poll.register(number, events)
            self._waited_for[number] = events
        else:
            self._poll.unregister(number)
            del self._waited_for[number]


def _readwrite(one: Any, events: int) -> None:
    if hasattr(select, "poll"):
        wasyncore.readwrite(one, events)
        return
    if events & _READING:
        wasyncore.read(one)
    if events & _WRITING:
        wasyncore.write(one)


class _Select:
    """select(2) with the face of poll: Windows has no poll."""

    def __init__(self) -> None:
        self._waited_for: dict[int, int] = {}

    def register(self, number: int, events: int) -> None:
        self._waited_for[number] = events

    def unregister(self, number: int) -> None:
        del self._waited_for[number]

    def poll(self, timeout_ms: float) -> list[tuple[int, int]]:
        reading = [number for number, events in self._waited_for.items() if events & _READING]
        writing = [number for number, events in self._waited_for.items() if events & _WRITING]
        found = select.select(reading, writing, [], timeout_ms / 1000)
        ready = dict.fromkeys(found[0], _READING)
        for number in found[1]:
            ready[number] = ready.get(number, 0) | _WRITING
        return list(ready.items())
