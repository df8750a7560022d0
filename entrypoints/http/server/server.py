"""Runs uvicorn in a thread of its own, and stops it."""

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

import uvicorn

from domain.account.network import Network
from entrypoints.http.dialects.registry import NO_DIALECTS, Dialects
from entrypoints.http.server.front import Front
from entrypoints.http.server.guard import Guard
from entrypoints.http.server.limits import Limits
from entrypoints.runtime.connections import Connections
from entrypoints.runtime.sockets import listen
from entrypoints.runtime.stopping import LOOK_S, Drain, Draining, Stop

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

log = logging.getLogger("email_service.server")

THREADS: Final = 16
READS: Final = 2  # at a time, from a file: while one waits for the disk the other one works
LAST_REPLIES_S: Final = 5
BACKLOG: Final = 1024
START_S: Final = 30.0


class HttpServer:
    """Serves *app*, which is WSGI, on *host* and *port*. OSError if it cannot listen there.

    *reads* bounds how many GETs run at once; *draining* says whether replies are the last ones;
    *begin_worker* is called by each thread that answers; of *trusted* proxies any number of
    connections is taken; *dialects* are those that *app* speaks.
    """

    def __init__(
        self,
        app: "WSGIApplication",
        *,
        host: str,
        port: int,
        limits: Limits | None = None,
        draining: Callable[[], bool] = lambda: False,
        reads: int | None = READS,
        threads: int = THREADS,
        begin_worker: Callable[[], object] = lambda: None,
        trusted: Sequence[Network] = (),
        dialects: Dialects = NO_DIALECTS,
    ) -> None:
        limits = limits or Limits()
        self.host = host
        self._sockets = listen(host, port, backlog=BACKLOG)
        self.port = int(self._sockets[0].getsockname()[1])
        self._guard = Guard(
            app,
            limits,
            workers=threads,
            reads=reads,
            draining=draining,
            begin=begin_worker,
            dialects=dialects,
        )
        config = uvicorn.Config(
            self._guard,
            http=_front_class(limits, trusted, dialects),
            loop="asyncio",
            ws="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            log_level="error",
            access_log=False,
            proxy_headers=False,
            server_header=False,
            backlog=BACKLOG,
            timeout_keep_alive=limits.idle_s + 1,
            timeout_graceful_shutdown=LAST_REPLIES_S,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._run, name="http-server", daemon=True)

    @property
    def url(self) -> str:
        """The URL for a browser on this machine."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)  # noqa: S104
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"

    @property
    def body_bytes_left(self) -> int:
        """The octets left in the memory budget for bodies."""
        return self._guard.body_bytes_left

    @property
    def alive(self) -> bool:
        """Whether it is serving."""
        return self._thread.is_alive()

    def start(self) -> None:
        """Start serving."""
        self._thread.start()
        deadline = time.monotonic() + START_S
        while not self._server.started and self.alive and time.monotonic() < deadline:
            self._thread.join(0.005)

    def run(self, service: Draining, stop: Stop) -> int:
        """Serve until asked to stop, then drain while still serving; returns the exit code."""
        self.start()
        while not stop.asked and self.alive:
            self._thread.join(LOOK_S)  # not a sleep: that breaks where tests change the wall clock
        failed = not stop.asked
        log.info("stopping")
        drain = Drain(service)
        drain.start()
        while drain.is_alive():
            drain.join(LOOK_S)  # in steps, so that a second signal is noticed
        self.close()
        return 1 if failed else drain.exit_code

    def close(self) -> None:
        """Accept no more connections, finish the requests in progress, and close them."""
        self._server.should_exit = True
        if self._thread.ident is not None:
            self._thread.join(LAST_REPLIES_S + 2)
        for listening in self._sockets:
            listening.close()
        self._guard.stop()

    def _run(self) -> None:
        try:
            self._server.run(sockets=list(self._sockets))
        except BaseException:  # also SystemExit: the main thread notices that this one has ended
            log.exception("the HTTP server has ended")


def _front_class(
    limits: Limits, trusted: Sequence[Network], dialects: Dialects
) -> type[asyncio.Protocol]:
    """uvicorn makes one for each connection, with its own arguments."""

    class OurFront(Front):
        pass

    OurFront.limits = limits
    OurFront.dialects = dialects
    OurFront.connections = Connections(
        most=limits.connections, most_of_address=limits.most_of_address, trusted=trusted
    )
    return OurFront
