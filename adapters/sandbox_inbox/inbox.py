"""A mail server to try things out with: it keeps what it is given in memory and sends nothing on.

Anybody may log in with any password. Recipients play outcomes, by the part before the @:

* ``reply-451``       is answered 451 at RCPT, and so with every other code from 400 to 599;
  421 also closes the connection
* ``reply-451-once``  is answered 451 at its first RCPT and accepted at the next (greylisting)
* ``reply-554-dot``   is accepted at RCPT; the message is answered 554 after the final dot
* ``slow``            makes the answer to the final dot take three seconds
"""

import asyncio
import logging
import re
import socket
from threading import Event, Thread
from typing import Any, Final, NamedTuple
from weakref import WeakSet

from aiosmtpd.smtp import SMTP, AuthResult

from adapters.sandbox_inbox.mailbox import Mailbox
from application.ports.message import MessageReader
from application.ports.system import Clock

HOST: Final = "127.0.0.1"
MESSAGE_BYTES: Final = 48 * 1024**2
SLOW_S: Final = 3.0
TEXTS: Final = {
    421: "4.3.2 The sandbox closes the connection",
    450: "4.2.1 The mailbox is busy",
    451: "4.2.0 Try again later",
    452: "4.2.2 The mailbox is full",
    550: "5.1.1 There is no such user here",
    552: "5.2.2 The mailbox is full",
    553: "5.1.3 The mailbox name is not allowed",
    554: "5.7.1 The message was refused",
}
_OUTCOME = re.compile(r"reply-([45][0-9]{2})(?:-(once|dot))?", re.IGNORECASE)


class Outcome(NamedTuple):
    """What a recipient asks the sandbox to answer, and when: at RCPT, once, or at the final dot."""

    code: int
    when: str

    @property
    def reply(self) -> str:
        """The whole line."""
        text = TEXTS.get(self.code, f"{self.code // 100}.0.0 As the recipient asked for")
        return f"{self.code} {text}"


class SandboxInbox(Mailbox):
    """The sandbox's server and what it received. Start once, close once; safe from many threads.

    Port 0 takes one that is free.
    """

    def __init__(
        self, *, clock: Clock, reader: MessageReader, port: int = 2525, slow_s: float = SLOW_S
    ) -> None:
        super().__init__(clock=clock, reader=reader)
        self._slow_s = slow_s
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop = asyncio.Event()
        self._ready = Event()
        self._thread: Thread | None = None
        self.host = HOST
        self.port = port

    def start(self) -> None:
        """Listen. OSError if the port is taken."""
        listening = socket.create_server((self.host, self.port))
        # asyncio sets it for sockets that it makes itself; what is accepted here inherits it
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.port = listening.getsockname()[1]
        logging.getLogger("mail.log").addFilter(_not_its_own_deprecation)
        self._thread = Thread(target=self._run, args=(listening,), name="sandbox", daemon=True)
        self._thread.start()
        self._ready.wait()

    def close(self) -> None:
        """Stop listening and drop every connection; what was received can still be read."""
        if self._loop is not None and self._thread is not None:
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join()
            self._loop = None

    def _run(self, listening: socket.socket) -> None:
        try:
            asyncio.run(self._serve(listening))
        finally:
            self._ready.set()

    async def _serve(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        sessions: WeakSet[SMTP] = WeakSet()
        handler = _Handler(self, sessions, slow_s=self._slow_s)

        def session() -> SMTP:
            # a name of its own: the default would ask the resolver for one
            return SMTP(
                handler,
                hostname="sandbox.localhost",
                ident="Email Service sandbox",
                data_size_limit=MESSAGE_BYTES,
                enable_SMTPUTF8=True,
                auth_require_tls=False,
                authenticator=_anybody,
                loop=loop,
            )

        server = await loop.create_server(session, sock=listening)
        self._loop = loop
        self._ready.set()
        await self._stop.wait()
        server.close()
        for open_session in sessions:
            _drop(open_session)
        await asyncio.sleep(0)  # lets the transports close


class _Handler:
    """The hooks that aiosmtpd calls."""

    def __init__(self, inbox: SandboxInbox, sessions: WeakSet[SMTP], *, slow_s: float) -> None:
        self._inbox = inbox
        self._sessions = sessions
        self._slow_s = slow_s
        self._told_once: set[str] = set()

    async def handle_EHLO(  # noqa: N802 - the library's name
        self, server: SMTP, session: Any, envelope: Any, hostname: str, responses: list[str]
    ) -> list[str]:
        session.host_name = hostname
        self._sessions.add(server)
        return responses

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, session: Any, envelope: Any, address: str, options: list[str]
    ) -> str:
        outcome = _outcome(address)
        if outcome is None or outcome.when == "dot" or self._was_told(address, outcome):
            envelope.rcpt_tos.append(address)
            return "250 2.1.5 Ok"
        return self._told(server, outcome)

    async def handle_DATA(self, server: SMTP, session: Any, envelope: Any) -> str:  # noqa: N802
        if any(_local(address) == "slow" for address in envelope.rcpt_tos):
            await asyncio.sleep(self._slow_s)
        for address in envelope.rcpt_tos:
            outcome = _outcome(address)
            if outcome is not None and outcome.when == "dot":
                return self._told(server, outcome)
        # beside the loop: one that takes long to read must not hold the other connections up
        kept = await asyncio.to_thread(
            self._inbox.keep, envelope.mail_from, envelope.rcpt_tos, envelope.original_content
        )
        return f"250 2.0.0 Ok: kept in the sandbox as number {kept.number}"

    def _was_told(self, address: str, outcome: Outcome) -> bool:
        if outcome.when != "once":
            return False
        if address in self._told_once:
            self._told_once.remove(address)
            return True
        self._told_once.add(address)
        return False

    def _told(self, server: SMTP, outcome: Outcome) -> str:
        if outcome.code == 421:
            asyncio.get_running_loop().call_later(0.05, _drop, server)
        return outcome.reply


def _anybody(*_: object) -> AuthResult:
    return AuthResult(success=True)


def _local(address: str) -> str:
    return address.rpartition("@")[0].lower()


def _outcome(address: str) -> Outcome | None:
    match = _OUTCOME.fullmatch(_local(address))
    return Outcome(int(match[1]), (match[2] or "rcpt").lower()) if match else None


def _drop(session: SMTP) -> None:
    if session.transport is not None:
        session.transport.close()


def _not_its_own_deprecation(record: logging.LogRecord) -> bool:
    """aiosmtpd warns of its own ``login_data`` at every AUTH: nothing that we could change."""
    return not str(record.msg).startswith("Session.login_data is deprecated")
