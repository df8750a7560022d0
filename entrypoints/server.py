"""The embedded HTTP server (waitress), and how a process of this service ends.

The first SIGTERM or SIGINT starts the drain: nothing more is accepted or claimed, what is under way
may end, replies say ``Connection: close``, and health checks are answered until the end. The second
one ends the process at once: the queue is on the disk, nothing is lost by it.
"""

import json
import logging
import os
import signal
import time
from collections.abc import Callable
from threading import Thread
from types import FrameType
from typing import TYPE_CHECKING, Any, Final, Protocol
from uuid import uuid4

from waitress import create_server, wasyncore
from waitress.channel import HTTPChannel
from waitress.server import BaseWSGIServer
from waitress.task import ErrorTask, WSGITask
from waitress.utilities import Error

from adapters.one_processor import give_way
from entrypoints.settings import Settings
from entrypoints.sockets import Sockets
from entrypoints.tasks import PATIENCE_S, Tasks

if TYPE_CHECKING:
    from flask import Flask

log = logging.getLogger("email_service.server")

THREADS: Final = 16
READS: Final = 2  # at a time, from a file: while one waits for the disk the other one works
IDLE_S: Final = 60  # a connection on which nothing happens is closed
REQUEST_S: Final = 30.0  # from its first byte to its last: who drips does not keep a place
LATE_LOOK_S: Final = 0.25
MAX_CONNECTIONS: Final = 1000
MAX_HEADER_BYTES: Final = 64 * 1024
RECEIVE_BYTES: Final = 64 * 1024  # at once: most requests in one turn of the loop
BODY_SLACK: Final = 64 * 1024  # so that the application itself refuses what is a little too large
LOOK_S: Final = 0.1  # how soon a signal is noticed
LAST_REPLIES_S: Final = 5.0

# What waitress refuses by itself, before the application sees it: status -> (code, detail)
_REFUSED: Final = {
    400: ("bad_request", "the request cannot be understood"),
    408: ("request_timeout", "the request took too long"),
    413: ("too_large", "the body is larger than this service takes"),
    431: ("headers_too_large", "the request's headers are larger than this service takes"),
    501: ("not_implemented", "the request is transferred in a way this service does not know"),
}
_INTERNAL: Final = ("internal_error", "something went wrong here: the log has it")


class Draining(Protocol):
    """What a process does when it is asked to stop."""

    def drain(self) -> bool:
        """Let what is under way end; True if an unknown outcome or an unwritten result is left."""
        ...


class Stop:
    """Whether the process was asked to stop. The second time it ends at once."""

    def __init__(self) -> None:
        self.asked = False

    def install(self) -> None:
        """Listen to SIGTERM and SIGINT. In the main thread only."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._hear)

    def wait(self) -> None:
        """Until asked."""
        while not self.asked:
            time.sleep(LOOK_S)

    def ask(self) -> None:
        """From within, and from any thread; asking again changes nothing."""
        self.asked = True

    def _hear(self, number: int, _: FrameType | None) -> None:
        # no lock, no log: this runs between any two instructions of the main thread
        if self.asked:
            os._exit(128 + number)
        self.asked = True


class HttpServer:
    """Serves *app* from the main thread. OSError if the address cannot be listened on."""

    def __init__(
        self,
        app: "Flask",
        settings: Settings,
        *,
        draining: Callable[[], bool],
        request_s: float = REQUEST_S,
    ) -> None:
        self._sockets = Sockets()
        self._tasks = Tasks(reads=READS if settings.database_path else None, begin=give_way)
        self._tasks.set_thread_count(THREADS)
        create_server(
            app,
            map=self._sockets,
            _dispatcher=self._tasks,
            host=settings.host,
            port=settings.port,
            recv_bytes=RECEIVE_BYTES,
            channel_timeout=IDLE_S,
            channel_request_lookahead=1,  # so that the loop listens on while a request is answered
            connection_limit=MAX_CONNECTIONS,
            max_request_header_size=MAX_HEADER_BYTES,
            max_request_body_size=settings.max_body_bytes + BODY_SLACK,
            ident=None,
            clear_untrusted_proxy_headers=False,  # entrypoints/http/proxies.py judges them
        )
        self._servers = [s for s in self._sockets.values() if isinstance(s, BaseWSGIServer)]
        for listening in self._servers:
            listening.channel_class = _channel_class(draining, self._sockets)
        self._request_s = request_s
        self._next_look = 0.0
        self.host = settings.host
        self.port = int(self._servers[0].effective_port)

    @property
    def url(self) -> str:
        """Where a browser on this machine finds it."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)  # noqa: S104
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"

    def serve(self, until: Callable[[], bool]) -> None:
        """Answer requests until told otherwise."""
        while not until():
            self._turn(LOOK_S)

    def close(self) -> None:
        """Accept no connection more, let the requests under way end, and close them all."""
        for listening in self._servers:
            listening.accepting = False
        deadline = time.monotonic() + LAST_REPLIES_S
        while self._busy() and time.monotonic() < deadline:
            self._turn(0.02)
        self._tasks.shutdown(timeout=1)
        wasyncore.close_all(self._sockets, ignore_all=True)

    def _turn(self, timeout: float) -> None:
        if self._tasks.waiting:
            timeout = min(timeout, PATIENCE_S)
        # whether it is full, and whom it closes, a listening socket finds when it is asked
        for listening in self._servers:
            self._sockets.tell(listening.socket.fileno())
        self._sockets.turn(timeout)
        self._tasks.look()
        now = time.monotonic()
        if now >= self._next_look:
            self._next_look = now + LATE_LOOK_S
            for channel in self._channels():
                channel.refuse_if_began_before(now - self._request_s)
            self._sockets.tell_all()

    def _channels(self) -> list[Any]:
        return [c for listening in self._servers for c in list(listening.active_channels.values())]

    def _busy(self) -> bool:
        return any(channel.requests or channel.total_outbufs_len for channel in self._channels())


def run_http(server: HttpServer, service: Draining, stop: Stop) -> int:
    """Serve until asked to stop, then drain; the exit code."""
    server.serve(until=lambda: stop.asked)
    log.info("stopping")
    drain = _Drain(service)
    drain.start()
    server.serve(until=lambda: not drain.is_alive())
    server.close()
    return drain.exit_code


def run_worker(service: Draining, stop: Stop) -> int:
    """Wait until asked to stop, then drain; the exit code."""
    stop.wait()
    log.info("stopping")
    drain = _Drain(service)
    drain.run()
    return drain.exit_code


class _Drain(Thread):
    """The drain, beside the server, which still answers that it is under way."""

    def __init__(self, service: Draining) -> None:
        super().__init__(name="drain", daemon=True)
        self._service = service
        self.exit_code = 1

    def run(self) -> None:
        try:
            self.exit_code = int(self._service.drain())
        except Exception:  # whatever it was, the process ends, and says that it was not clean
            log.exception("the drain failed")


def _channel_class(draining: Callable[[], bool], sockets: Sockets) -> type[HTTPChannel]:
    # waitress has no types, so mypy cannot see these classes
    class Task(WSGITask):  # type: ignore[misc]
        wrote_header: bool

        def build_response_header(self) -> Any:
            # a WSGI application may not say it itself: the header is between two hops
            if draining():
                self.set_close_on_finish()
            return super().build_response_header()

        def write(self, data: bytes) -> None:
            """Header and body together, where the body is known as a whole."""
            if self.wrote_header or self.content_length != len(data) or not self.has_body:
                super().write(data)
                return
            self.channel.write_soon(self.build_response_header() + data)
            self.wrote_header = True
            self.content_bytes_written = len(data)

    class Channel(_TimedChannel):
        task_class = Task
        all_sockets = sockets

    return Channel


class _Server:
    """A connection's server, whose loop is woken only for what is left to the loop.

    waitress wakes it after every answer, to hear the next request; it hears that anyway.
    """

    def __init__(self, server: BaseWSGIServer, channel: HTTPChannel) -> None:
        self._server = server
        self._channel = channel
        self._number: int = channel.socket.fileno()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._server, name)

    def pull_trigger(self) -> None:
        channel = self._channel
        if (
            channel.total_outbufs_len
            or channel.will_close
            or channel.close_when_flushed
            or channel.requests  # sent together: while they wait the loop does not listen
        ):
            channel.all_sockets.tell(self._number)
            self._server.pull_trigger()


class RequestTimeout(Error):  # type: ignore[misc]
    """What a client gets whose request does not come to its end."""

    code = 408
    reason = "Request Timeout"


class _TimedChannel(HTTPChannel):  # type: ignore[misc]
    """A connection that knows when the request began that is being received.

    waitress closes only connections that are silent: one octet now and then would keep a place for
    ever. The first request begins with the connection.
    """

    all_sockets: Sockets
    adj: Any
    server: Any
    requests: list[Any]
    total_outbufs_len: int
    will_close: bool
    close_when_flushed: bool
    request: Any = None  # waitress's: what has been received of a request, until it is whole

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self._began: float | None = time.monotonic()
        super().__init__(*arguments, **options)
        self.server = _Server(self.server, self)
        self.error_task_class = _Refusal

    def readable(self) -> bool:
        """Whether the loop is to hear more; also while an answer is being written."""
        if not self.requests:
            return bool(super().readable())
        return not (self._leaving or len(self.requests) > self.adj.channel_request_lookahead)

    def writable(self) -> bool:
        """Whether the loop is to write. Not what a task is just writing: the loop would look again
        and again, and the task would wait for the interpreter's lock meanwhile. It tells the loop
        of what it has left in the end.
        """
        with_a_task = self.requests and not self._leaving
        if with_a_task and self.total_outbufs_len <= self.adj.outbuf_high_watermark:
            return False
        return bool(super().writable())

    @property
    def _leaving(self) -> bool:
        return bool(self.will_close or self.close_when_flushed)

    def received(self, data: bytes) -> Any:
        """Take what has arrived; in the main thread, as all that is here."""
        before = self.request
        taken = super().received(data)
        if self.request is not before:
            self._began = None if self.request is None else time.monotonic()
        elif self.request is None:
            self._began = None  # it came whole
        return taken

    def refuse_if_began_before(self, moment: float) -> None:
        """Answer 408, or just close where nothing was asked, if the request began that early."""
        if self._began is None or self._began >= moment or self.requests:
            return
        self._began = None
        with self.requests_lock:
            late, self.request = self.request, None
            if late is None:
                self.will_close = True
                return
            late.error = RequestTimeout("")
            self.requests.append(late)
        self.server.add_task(self)


class _Refusal(ErrorTask):  # type: ignore[misc]
    """The reply to what waitress itself refuses, in the form of all our errors (RFC 9457)."""

    def execute(self) -> None:
        status = int(self.request.error.code)
        title = str(self.request.error.reason)
        code, detail = _REFUSED.get(status, _INTERNAL)
        body = {
            "type": "about:blank",
            "title": title,
            "status": status,
            "detail": detail,
            "code": code,
            "error": detail,
            "request_id": uuid4().hex,
        }
        octets = json.dumps(body).encode() + b"\n"
        self.status = f"{status} {title}"
        self.response_headers.extend(
            [
                ("Content-Type", "application/problem+json"),
                ("X-Content-Type-Options", "nosniff"),
                ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"),
                ("X-Request-Id", str(body["request_id"])),
            ]
        )
        self.set_close_on_finish()
        self.content_length = len(octets)
        self.write(octets)
