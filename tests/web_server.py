"""A web server of the tests' own on loopback: it does to each connection what it is told."""

import socket
import ssl
import struct
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from types import TracebackType

import attrs

from application.ports.web import WebAnswer


@attrs.frozen(kw_only=True)
class Arrived:
    """A request as it came; header names are in small letters."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes


class Connection:
    """One connection of a client, plain or under TLS."""

    def __init__(self, connected: socket.socket, server: "WebServer") -> None:
        self.socket = connected
        self._server = server
        self._unread = b""

    def request(self) -> Arrived | None:
        """The next whole request; None if the client has closed."""
        head = self._until(b"\r\n\r\n")
        if head is None:
            return None
        first, *rest = head.decode("latin-1").split("\r\n")[:-2]
        method, target, _ = first.split(" ")
        headers = {
            name.lower(): value.strip() for name, _, value in (row.partition(":") for row in rest)
        }
        count = int(headers.get("content-length", "0"))
        while len(self._unread) < count:
            self._unread += self._receive()
        body, self._unread = self._unread[:count], self._unread[count:]
        arrived = Arrived(method=method, target=target, headers=headers, body=body)
        self._server.arrived.append(arrived)
        return arrived

    def send(self, octets: bytes) -> None:
        """Send all of *octets*."""
        self.socket.sendall(octets)

    def finish(self) -> None:
        """Tell the client that nothing more comes; under TLS, that nothing was cut off."""
        if isinstance(self.socket, ssl.SSLSocket):
            self.socket.settimeout(0)  # the client's own notice is not waited for
            with suppress(OSError):
                self.socket.unwrap()
        else:
            self.socket.shutdown(socket.SHUT_WR)

    def wait(self, seconds: float) -> bool:
        """Wait so long; False at once when the test is over."""
        return not self._server.over.wait(seconds)

    def reset(self) -> None:
        """Close so that the client is told at once (RST)."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def _until(self, end: bytes) -> bytes | None:
        while end not in self._unread:
            octets = self._receive()
            if not octets:
                return None
            self._unread += octets
        head, _, self._unread = self._unread.partition(end)
        return head + end

    def _receive(self) -> bytes:
        return self.socket.recv(65_536)


Play = Callable[[Connection], None]


class WebServer:
    """Plays *play* to every connection, in a thread of its own. Use it in a ``with``."""

    def __init__(
        self, play: Play, *, tls: ssl.SSLContext | None = None, receive_buffer: int | None = None
    ) -> None:
        self._play = play
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0))
        if receive_buffer is not None:
            self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self._threads: list[threading.Thread] = []
        self._open: list[socket.socket] = []
        self.port: int = self._listener.getsockname()[1]
        self.over = threading.Event()
        self.connections = 0
        self.ended = 0
        self.arrived: list[Arrived] = []

    def __enter__(self) -> "WebServer":
        self._start(self._accept)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.over.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self.hang_up()
        for thread in list(self._threads):
            thread.join(10)
        self._listener.close()

    def hang_up(self) -> None:
        """Close every connection."""
        for connected in list(self._open):
            with suppress(OSError):
                connected.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while not self.over.is_set():
            try:
                connected, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._open.append(connected)
            self._start(self._serve, connected)

    def _serve(self, connected: socket.socket) -> None:
        self._play_to(connected)
        self.ended += 1

    def _play_to(self, connected: socket.socket) -> None:
        with connected, suppress(OSError):
            if self._tls is None:
                self._play(Connection(connected, self))
                return
            with self._tls.wrap_socket(connected, server_side=True) as secure:
                self._open.append(secure)
                self._play(Connection(secure, self))

    def _start(self, target: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()


def answering(handler: Callable[[Arrived], WebAnswer | None]) -> Play:
    """Answer request after request; None closes the connection."""

    def play(connection: Connection) -> None:
        while (arrived := connection.request()) is not None:
            answer = handler(arrived)
            if answer is None:
                return
            connection.send(on_the_wire(answer))

    return play


def once(octets: bytes) -> Play:
    """Read one request, answer it with *octets*, and close."""

    def play(connection: Connection) -> None:
        connection.request()
        connection.send(octets)
        connection.finish()

    return play


def on_the_wire(answer: WebAnswer) -> bytes:
    """The answer in HTTP/1.1, framed by its length."""
    headers = {"Content-Length": str(len(answer.body)), **answer.headers}
    rows = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {answer.status} Fine\r\n{rows}\r\n".encode("latin-1") + answer.body
