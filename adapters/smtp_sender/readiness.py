"""What a socket is ready for, by poll(2), or by select(2) where there is no poll (Windows)."""

import select
import socket
from typing import Final, Protocol

READ: Final = getattr(select, "POLLIN", 1)
WRITE: Final = getattr(select, "POLLOUT", 4)


class Readiness(Protocol):
    """One socket and the events that are waited for."""

    def poll(self, timeout_ms: float | None, /) -> list[tuple[int, int]]:
        """The socket's number and its events, or nothing if there were none in time."""
        ...


def watch(watched: socket.socket, events: int) -> Readiness:
    """Wait for these events of this socket."""
    if not hasattr(select, "poll"):
        return BySelect(watched, events)
    poll = select.poll()
    poll.register(watched, events)
    return poll


class BySelect:
    """The same by select, which is asked for one socket at a time here: its bound of 512 sockets
    (on Windows) is none.
    """

    def __init__(self, watched: socket.socket, events: int) -> None:
        self._socket = watched
        self._reading = [watched] if events & READ else []
        self._writing = [watched] if events & WRITE else []

    def poll(self, timeout_ms: float | None, /) -> list[tuple[int, int]]:
        """As poll answers. A fault of the socket counts as something to read: reading tells it."""
        timeout_s = None if timeout_ms is None else timeout_ms / 1000
        readable, writable, faulty = select.select(
            self._reading, self._writing, [self._socket], timeout_s
        )
        events = (READ if readable or faulty else 0) | (WRITE if writable else 0)
        return [(self._socket.fileno(), events)] if events else []
