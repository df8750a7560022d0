"""Benchmarks of submission by SMTP: messages of 10 KB over 8 connections, delivery paused."""

import selectors
import socket
import time
from base64 import b64encode
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from tests.benchmarks.figures import Benchmark, Figure, Reached, Scene, percentile
from tests.benchmarks.serving import processor_s, service
from tests.running import Running, free_port

CONNECTIONS: Final = 8
OCTETS: Final = 10 * 1024
_HEAD: Final = b"From: me@example.com\r\nTo: ada@example.org\r\nSubject: Hi\r\n\r\n"
_LINE: Final = b"x" * 70 + b"\r\n"
MESSAGE: Final = _HEAD + _LINE * (OCTETS // len(_LINE))
ENVELOPE: Final = b"MAIL FROM:<me@example.com>\r\nRCPT TO:<ada@example.org>\r\nDATA\r\n"
EXPECTED: Final = (b"250", b"250", b"354", b"250")


class Connection:
    """One client that sends a message after the other, its commands in one packet.

    It logs in with *key*, if there is one.
    """

    def __init__(self, port: int, key: str | None = None) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._rest = b""
        self._heard = 0
        self._begun = 0.0
        self._greet(key)

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

    def _greet(self, key: str | None) -> None:
        with self.socket.makefile("rb") as replies:
            greeting = replies.readline()
            if not greeting.startswith(b"220"):
                raise ConnectionError(f"no greeting: {greeting!r}")
            self.socket.sendall(b"EHLO me\r\n")
            _read_until(b"250 ", replies)
            if key is not None:
                login = b64encode(b"\0anybody\0" + key.encode())
                self.socket.sendall(b"AUTH PLAIN " + login + b"\r\n")
                _read_until(b"235 ", replies)


def _read_until(begins: bytes, replies: Iterable[bytes]) -> None:
    for line in replies:
        if line.startswith(begins):
            return
        assert line.startswith(begins[:3]), line
    raise ConnectionError("the connection was closed")


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


IDLE_CONNECTIONS: Final = 200  # an address may have 256
_MEMORY: Final = "memory of an idle listener"
_MEMORY_EACH: Final = "memory of an idle session, in clear"
_THREADS: Final = "threads of an idle listener with 200 sessions"
_PROCESSOR: Final = "processor time of an idle listener with 200 sessions"


def idle_listener(scene: Scene) -> Reached:
    """What it costs beside a service without one, and what sessions cost that say nothing."""
    settings: dict[str, object] = {"DISPATCHER": "none"}
    with service(scene, **settings) as running:
        memory, threads = _resident_kib(running), _threads(running)
    settings |= {"INTAKE_PORT": (port := free_port()), "INTAKE_CONNECTIONS": IDLE_CONNECTIONS}
    with service(scene, **settings) as running:
        key = running.with_key("send").key
        listening = _resident_kib(running)
        connections = [Connection(port, key) for _ in range(IDLE_CONNECTIONS)]
        with_sessions, all_threads = _resident_kib(running), _threads(running)
        seconds = scene.size(10, 1)
        before = processor_s(running)
        time.sleep(seconds)
        cost = (processor_s(running) - before) / seconds
        for connection in connections:
            connection.socket.close()
    return {
        _MEMORY: (listening - memory) / 1024,
        _MEMORY_EACH: (with_sessions - listening) / IDLE_CONNECTIONS,
        _THREADS: all_threads - threads,
        _PROCESSOR: cost * 1000,
    }


def _resident_kib(running: Running) -> int:
    """The memory of the process that it shares with no file."""
    return _of_status(running, "RssAnon:")


def _threads(running: Running) -> int:
    return _of_status(running, "Threads:")


def _of_status(running: Running, name: str) -> int:
    assert running.process is not None
    status = Path(f"/proc/{running.process.pid}/status").read_text("ascii")
    [line] = [line for line in status.splitlines() if line.startswith(name)]
    return int(line.split()[1])


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
    Benchmark(
        name="idle-listener",
        about="a service with the SMTP listener beside one without, and 200 sessions at rest",
        figures=(
            Figure(name=_MEMORY, unit="MB", most=5),
            Figure(name=_MEMORY_EACH, unit="KB"),
            Figure(name=_THREADS, unit=""),
            Figure(name=_PROCESSOR, unit="ms/s"),
        ),
        run=idle_listener,
    ),
)
