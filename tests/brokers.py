"""The real brokers that tests talk to, found by URL: TEST_RABBITMQ_URL and TEST_REDIS_URL.

One that is not there is told in a line; in CI it is an error.
"""

import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from threading import Event, Thread
from typing import Final
from urllib.parse import urlsplit
from uuid import uuid4

import redis
from celery import Celery

from tests.missing import missing

RABBITMQ: Final = "TEST_RABBITMQ_URL"
REDIS: Final = "TEST_REDIS_URL"
URLS: Final = {
    RABBITMQ: "amqp://guest:guest@127.0.0.1:5672//",
    REDIS: "redis://127.0.0.1:6379/9",
}


def found(variable: str, environ: Mapping[str, str] = os.environ) -> str:
    """The URL of a broker that answers."""
    url = environ.get(variable) or URLS[variable]
    parts = urlsplit(url)
    assert parts.hostname is not None
    try:
        socket.create_connection((parts.hostname, parts.port or 0), timeout=5).close()
    except OSError as error:
        missing(f"no broker at {parts.hostname}:{parts.port} ({error}): set {variable}", environ)
    return url


@contextmanager
def a_queue(url: str) -> Iterator[str]:
    """The name of a queue of our own, removed in the end."""
    name = f"email-service-test-{uuid4().hex}"
    try:
        yield name
    finally:
        throw_away(url, name)


def throw_away(url: str, queue: str) -> None:
    """Remove a queue and what is in it."""
    if url.startswith("redis"):
        with redis.Redis.from_url(url) as client:
            bindings = (f"_kombu.binding{kind}.{queue}" for kind in ("", "_permanent"))
            client.delete(queue, *bindings)
        return
    app = Celery("cleaner", broker=url, set_as_current=False)
    with app.connection_for_write() as connection:
        connection.default_channel.queue_delete(queue)


class Gate:
    """A way to a broker that can be shut: what was connected hangs from then on, and so does
    whoever comes. Shut from the beginning it is a broker that accepts and says nothing."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._behind = (parts.hostname or "", parts.port or 0)
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port: int = self._listener.getsockname()[1]
        self.url = url.replace(f"{parts.hostname}:{parts.port}", f"127.0.0.1:{self.port}")
        self._open = Event()
        self._sockets: list[socket.socket] = []
        self._cut: list[socket.socket] = []
        self._threads = [Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def __enter__(self) -> "Gate":
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._threads[0].join()
        self._listener.close()
        self._open.set()
        self.cut()
        for thread in self._threads[1:]:
            thread.join()
        for each in self._cut:
            each.close()

    def open(self) -> "Gate":
        """Let everything through."""
        self._open.set()
        return self

    def shut(self) -> None:
        """Let nothing through."""
        self._open.clear()

    def cut(self) -> None:
        """Drop every connection, as a restart of the broker does."""
        sockets, self._sockets = self._sockets, []
        for each in sockets:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        self._cut += sockets

    def _accept(self) -> None:
        while True:
            try:
                before = self._listener.accept()[0]
            except OSError:
                return
            behind = socket.create_connection(self._behind)
            self._sockets += (before, behind)
            for ends in ((before, behind), (behind, before)):
                thread = Thread(target=self._pass, args=ends, daemon=True)
                self._threads.append(thread)
                thread.start()

    def _pass(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while octets := source.recv(65536):
                self._open.wait()
                target.sendall(octets)
            target.shutdown(socket.SHUT_WR)
