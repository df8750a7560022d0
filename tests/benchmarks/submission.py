"""Benchmarks of submission by SMTP: messages of 10 KB over 8 connections, delivery paused."""

import selectors
import socket
import time
from base64 import b64encode
from collections.abc import Sequence
from typing import Final

from tests.benchmarks.figures import Benchmark, Figure, Reached, Scene, percentile
from tests.benchmarks.serving import processor_s, service
from tests.running import free_port

CONNECTIONS: Final = 8
OCTETS: Final = 10 * 1024
_HEAD: Final = b"From: me@example.com\r\nTo: ada@example.org\r\nSubject: Hi\r\n\r\n"
_LINE: Final = b"x" * 70 + b"\r\n"
MESSAGE: Final = _HEAD + _LINE * (OCTETS // len(_LINE))
ENVELOPE: Final = b"MAIL FROM:<me@example.com>\r\nRCPT TO:<ada@example.org>\r\nDATA\r\n"
EXPECTED: Final = (b"250", b"250", b"354", b"250")


class Connection:
    """One client that sends a message after the other, its commands in one packet."""

    def __init__(self, port: int, key: str) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._rest = b""
        self._heard = 0
        self._begun = 0.0
        self._log_in(key)

    def begin(self) -> None:
        """Send the envelope of the next message."""
        self._heard, self._begun = 0, time.perf_counter()
        self.socket.sendall(ENVELOPE)

    def read(self) -> float | None:
        """How long a message took from MAIL to its 250, once that is there."""
        *lines, self._rest = (self._rest + self.socket.recv(65536)).split(b"\r\n")
        for line in lines:
            assert line.startswith(EXPECTED[self._heard]), line
            self._heard += 1
            if self._heard == len(EXPECTED) - 1:
                self.socket.sendall(MESSAGE + b".\r\n")
        return time.perf_counter() - self._begun if self._heard == len(EXPECTED) else None

    def _log_in(self, key: str) -> None:
        with self.socket.makefile("rb") as replies:
            replies.readline()
            login = b64encode(b"\0anybody\0" + key.encode())
            self.socket.sendall(b"EHLO me\r\nAUTH PLAIN " + login + b"\r\n")
            for line in replies:
                if line.startswith(b"235"):
                    return
        raise AssertionError("the key was refused")


def submitted(connections: Sequence[Connection], number: int) -> list[float]:
    """How long each of *number* messages took."""
    took: list[float] = []
    with selectors.DefaultSelector() as waiting:
        for connection in connections:
            waiting.register(connection.socket, selectors.EVENT_READ, connection)
            connection.begin()
        while len(took) < number:
            for ready, _ in waiting.select():
                duration = ready.data.read()
                if duration is not None:
                    took.append(duration)
                    ready.data.begin()
    return took


def intake(scene: Scene) -> Reached:
    """Each message is durable before its 250."""
    number, port = scene.size(6000, 60), free_port()
    settings = {"DISPATCHER": "none", "INTAKE_PORT": port, "KEY_DAILY_RECIPIENTS": 10**9}
    with service(scene, **settings) as running:
        running.account(2525)
        key = running.with_key("send").key
        assert key is not None
        connections = [Connection(port, key) for _ in range(CONNECTIONS)]
        submitted(connections, scene.size(300, 10))
        for connection in connections:
            connection.socket.close()
        connections = [Connection(port, key) for _ in range(CONNECTIONS)]
        before, begun = processor_s(running), time.perf_counter()
        took = submitted(connections, number)
        lasted = time.perf_counter() - begun
        cost = (processor_s(running) - before) / number
        for connection in connections:
            connection.socket.close()
    return {
        "submission by SMTP, 10 KB, 8 connections, delivery paused": number / lasted,
        "submission by SMTP, p99 of a message": percentile(took, 0.99) * 1000,
        "submission by SMTP, processor time a message": cost * 1e6,
    }


BENCHMARKS: Final = (
    Benchmark(
        name="intake",
        about="messages of 10 KB by SMTP over 8 connections that stay open, delivery paused",
        figures=(
            Figure(
                name="submission by SMTP, 10 KB, 8 connections, delivery paused",
                unit="/s",
                least=600,
            ),
            Figure(name="submission by SMTP, p99 of a message", unit="ms", most=50),
            Figure(name="submission by SMTP, processor time a message", unit="µs"),
        ),
        run=intake,
    ),
)
