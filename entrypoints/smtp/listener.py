"""The SMTP listener: sockets, an event loop in a thread of its own, and worker threads.

The loop reads, parses and writes; whatever waits for the store waits in a worker, so that messages
of many connections are stored in one commit.
"""

import asyncio
import logging
import socket
import ssl
import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

import attrs

from application import Application
from entrypoints.runtime.budget import Budget
from entrypoints.runtime.connections import Connections
from entrypoints.runtime.sockets import listen
from entrypoints.runtime.workers import Workers
from entrypoints.smtp import reply
from entrypoints.smtp.connection import Shared, SmtpConnection
from entrypoints.smtp.conversation import SessionPolicy
from entrypoints.smtp.groups import Answer, MessageGroups
from entrypoints.smtp.intake import SmtpIntake
from entrypoints.smtp.limits import Limits, SessionsOfKeys

log = logging.getLogger("email_service.smtp")

THREADS: Final = 16
BACKLOG: Final = 1024
_LOOK_S: Final = 0.02


@attrs.frozen
class Place:
    """An address to listen on; *secure*: TLS from the first octet."""

    host: str
    port: int
    secure: bool = False


class SmtpListener:
    """Listens from its construction on, and answers once it is started. OSError if it cannot.

    *name* is how the server calls itself; *tls* gives the context of a new TLS session, None if
    there is no certificate; *login_in_clear*: keys are taken without TLS.
    """

    def __init__(
        self,
        application: Application,
        places: Sequence[Place],
        *,
        name: str,
        limits: Limits,
        tls: Callable[[], ssl.SSLContext] | None = None,
        login_in_clear: bool = False,
        begin_worker: Callable[[], object] = lambda: None,
    ) -> None:
        self._limits = limits
        self._tls = tls
        self._policy = SessionPolicy(
            name=name,
            most_octets=limits.message_bytes,
            most_recipients=limits.recipients,
            tls=tls is not None,
            login_in_clear=login_in_clear,
        )
        self._intake = SmtpIntake(application)
        self._workers: Workers[Answer] = Workers(
            THREADS, name="smtp", failed=lambda: reply.FAILED, begin=begin_worker
        )
        self._open: set[SmtpConnection] = set()
        self._draining = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop = asyncio.Event()
        self._ready = threading.Event()
        self._sockets = _all_listening(places)
        self.ports = tuple(dict.fromkeys(one.getsockname()[1] for one, _ in self._sockets))
        self._thread = threading.Thread(target=self._run, name="smtp-listener", daemon=True)

    def start(self) -> None:
        """Start answering."""
        self._thread.start()
        self._ready.wait()

    def drain(self) -> None:
        """Take no more messages: sessions end with a 421 where no message is being stored."""
        self._draining.set()
        self._call(self._drain_all)

    def close(self) -> None:
        """Give the answers that are owed, then close everything."""
        self.drain()
        self._call(self._stop.set)
        if self._thread.ident is not None:
            self._thread.join(self._limits.last_replies_s + 2)
        self._workers.stop()
        for listening, _ in self._sockets:
            listening.close()

    def _call(self, what: Callable[[], object]) -> None:
        if self._loop is not None:
            try:
                self._loop.call_soon_threadsafe(what)
            except RuntimeError:  # it has ended
                return

    def _drain_all(self) -> None:
        for connection in list(self._open):
            connection.drain()

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException:
            log.exception("the SMTP listener has ended")
        finally:
            self._ready.set()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._workers.start()
        shared = self._share()
        servers = [
            await self._loop.create_server(
                partial(SmtpConnection, shared, secure=secure), sock=listening, backlog=BACKLOG
            )
            for listening, secure in self._sockets
        ]
        self._ready.set()
        await self._stop.wait()
        for server in servers:
            server.close()
        deadline = self._loop.time() + self._limits.last_replies_s
        while any(one.waits for one in self._open) and self._loop.time() < deadline:
            await asyncio.sleep(_LOOK_S)
        for connection in list(self._open):
            connection.end()
        await asyncio.sleep(0)  # lets the transports close

    def _share(self) -> Shared:
        limits = self._limits
        return Shared(
            intake=self._intake,
            policy=self._policy,
            limits=limits,
            workers=self._workers,
            groups=MessageGroups(self._intake, self._workers),
            connections=Connections(
                most=limits.connections, most_of_address=limits.most_of_address
            ),
            open=self._open,
            keys=SessionsOfKeys(limits.sessions_of_key),
            memory=Budget(limits.messages_bytes),
            tls=self._tls,
            draining=self._draining.is_set,
        )


def _all_listening(places: Sequence[Place]) -> Sequence[tuple[socket.socket, bool]]:
    """A socket for each address of each place, and whether it is TLS from the first octet."""
    made: list[tuple[socket.socket, bool]] = []
    try:
        for place in places:
            for listening in listen(place.host, place.port, backlog=BACKLOG):
                # what is accepted inherits it; asyncio sets it for sockets that it makes itself
                listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                made.append((listening, place.secure))
    except OSError:
        for listening, _ in made:
            listening.close()
        raise
    return made
