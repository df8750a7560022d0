"""A way to a server that holds a connection up at a chosen point, until the server has died."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from enum import Enum, auto
from typing import Final

_CHUNK: Final = 65_536


class Cut(Enum):
    """Where a connection is held up: after so many octets of the client, or at the reply to them.

    What the client sends later is not forwarded with ``IN_THE_MIDDLE``, and no later reply with
    ``BEFORE_THE_REPLY``.
    """

    IN_THE_MIDDLE = auto()
    BEFORE_THE_REPLY = auto()


class CutConnection:
    """Listens on ``port`` for one server: its first connection of *octets* is cut, others pass.

    A connection ends when its server or its client has closed it.
    """

    def __init__(self, server_port: int, cut: Cut, *, octets: int) -> None:
        self._server_port = server_port
        self._cut = cut
        self._octets = octets
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._lock = threading.Lock()
        self._is_cut: socket.socket | None = None
        self.held = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Listen no more."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._carry, args=(client,), daemon=True).start()

    def _carry(self, client: socket.socket) -> None:
        there = ("127.0.0.1", self._server_port)
        with suppress(OSError), client, socket.create_connection(there) as server:
            threading.Thread(target=self._forth, args=(client, server), daemon=True).start()
            self._back(client, server)

    def _forth(self, client: socket.socket, server: socket.socket) -> None:
        """What the client sends, up to the cut."""
        sent = 0
        with suppress(OSError):
            while octets := client.recv(_CHUNK):
                sent += len(octets)
                cut = sent >= self._octets and self._cut_this(client)
                if cut and self._cut is Cut.IN_THE_MIDDLE:
                    self.held.set()
                    return
                server.sendall(octets)
            server.shutdown(socket.SHUT_WR)

    def _back(self, client: socket.socket, server: socket.socket) -> None:
        """What the server answers, up to the cut."""
        with suppress(OSError):
            while octets := server.recv(_CHUNK):
                if self._cut is Cut.BEFORE_THE_REPLY and self._is_cut is client:
                    self.held.set()
                else:
                    client.sendall(octets)
        with suppress(OSError):
            client.shutdown(socket.SHUT_RDWR)

    def _cut_this(self, client: socket.socket) -> bool:
        """Whether *client* is the one; the first that has sent so much is."""
        with self._lock:
            if self._is_cut is None:
                self._is_cut = client
            return self._is_cut is client


@contextmanager
def cut_connection(server_port: int, cut: Cut, *, octets: int) -> Iterator[CutConnection]:
    """A `CutConnection` that is closed in any case."""
    made = CutConnection(server_port, cut, octets=octets)
    try:
        yield made
    finally:
        made.close()
