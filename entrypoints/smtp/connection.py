"""One connection of the SMTP listener: drives a session, and asks others in its place."""

import asyncio
import logging
import ssl
from collections.abc import Callable
from typing import Final, TypeVar

import attrs

from entrypoints.runtime.budget import Budget
from entrypoints.runtime.connections import Connections
from entrypoints.runtime.workers import Workers
from entrypoints.smtp import reply
from entrypoints.smtp.conversation import SessionPolicy
from entrypoints.smtp.groups import Answer, MessageGroups
from entrypoints.smtp.intake import Came, Login, SmtpIntake
from entrypoints.smtp.limits import Limits, SessionsOfKeys
from entrypoints.smtp.reply import Reply
from entrypoints.smtp.session import LoginAsked, MessageCame, Question, Session, State

log = logging.getLogger("email_service.smtp")

T = TypeVar("T")
_AHEAD: Final = 64 * 1024  # octets of pipelined commands that are read before their turn


@attrs.frozen(kw_only=True)
class Shared:
    """What all connections of a listener share. *tls* gives the context of a new TLS session."""

    intake: SmtpIntake
    policy: SessionPolicy
    limits: Limits
    workers: Workers[Answer]
    groups: MessageGroups
    connections: Connections
    open: "set[SmtpConnection]"
    keys: SessionsOfKeys
    memory: Budget
    tls: Callable[[], ssl.SSLContext] | None
    draining: Callable[[], bool]


class SmtpConnection(asyncio.Protocol):
    """The protocol of one connection; *secure* if it is TLS from its first octet."""

    def __init__(self, shared: Shared, *, secure: bool) -> None:
        self._shared = shared
        self._loop = asyncio.get_running_loop()
        self._session = Session(shared.policy, secure=secure)
        self._transport: asyncio.Transport | None = None
        self._remote = ""
        self._login: Login | None = None
        self._deadline: float | None = self._loop.time() + shared.limits.login_s
        self._reserved = 0
        self._full = False  # the client does not read its replies
        self._ahead = False  # it has sent more than is read before its turn
        self._has_turn = False  # its next turn comes by itself
        self._handshake: asyncio.Task[None] | None = None

    # -- asyncio.Protocol -----------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet the client, or turn it away."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        peer = transport.get_extra_info("peername")
        self._remote = str(peer[0]) if isinstance(peer, tuple) else ""
        if self._shared.draining():
            self._turn_away(reply.STOPPING)
        elif not self._shared.connections.admit(self, self._remote):
            self._turn_away(reply.TOO_MANY_SESSIONS)
        else:
            self._shared.open.add(self)
            self._begin()

    def data_received(self, data: bytes) -> None:
        """Feed the session."""
        self._session.receive(data)
        if self._session.state is not State.WAITING and not self._has_turn:
            self._go_on()
        waits = self._has_turn or self._session.state is State.WAITING
        if waits and self._session.held > _AHEAD and self._transport is not None:
            self._ahead = True
            self._transport.pause_reading()

    def pause_writing(self) -> None:
        """A client that does not read its replies is not read either."""
        self._full = True
        if self._transport is not None:
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        """It reads them."""
        self._full = False
        self._read_more()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it; a message that is being stored is stored."""
        self._shared.connections.leave(self, self._remote)
        self._shared.open.discard(self)
        if self._login is not None and self._login.key_id is not None:
            self._shared.keys.leave(self._login.key_id)
        self._login = self._transport = None
        self._shared.memory.give_back(self._reserved)
        self._reserved = 0

    # -- Connection, for Connections ------------------------------------------------------------

    @property
    def resting(self) -> bool:
        """Whether it is between messages."""
        return (
            self._session.state is State.COMMAND and not self._session.conversation.in_transaction
        )

    def look(self, now: float) -> None:
        """End it if it is past its deadline."""
        if self._deadline is not None and now > self._deadline:
            self._end(reply.TOO_SLOW)

    def drop(self) -> None:
        """Make room for another one."""
        self._end(reply.TOO_MANY_SESSIONS)

    def drain(self) -> None:
        """End it if it is between messages; else its next message is refused."""
        if self.resting:
            self._end(reply.STOPPING)

    @property
    def waits(self) -> bool:
        """Whether it owes an answer: to a login, or to a message."""
        return self._session.state is State.WAITING

    def end(self) -> None:
        """Close it, whatever it is doing."""
        self._end(reply.STOPPING)

    # -- the session's questions ----------------------------------------------------------------

    def _go_on(self) -> None:
        question = self._session.advance()
        self._reserve()
        self._write()
        now = self._loop.time()
        if question is not None:
            self._deadline = None
            self._ask(question)
        elif self._session.conversation.known:
            self._deadline = now + self._shared.limits.idle_s
        if self._session.more:  # others come first: one packet may have thousands of commands
            if not self._has_turn:
                self._has_turn = True
                self._loop.call_soon(self._take_turn)
        elif self._ahead and self._session.state is not State.WAITING:
            self._read_more()

    def _take_turn(self) -> None:
        self._has_turn = False
        if self._session.state is not State.WAITING:
            self._go_on()

    def _ask(self, question: Question) -> None:
        intake, remote, workers = self._shared.intake, self._remote, self._shared.workers
        if isinstance(question, LoginAsked):
            token = question.token
            answer = workers.do(lambda: intake.log_in(token, remote=remote))
            answer.add_done_callback(self._logged_in)
        elif isinstance(question, MessageCame):
            login = self._login
            assert login is not None
            self._shared.groups.take(Came(question, login, remote), self._answered)
        else:
            self._handshake = self._loop.create_task(self._start_tls())

    def _logged_in(self, answer: "asyncio.Future[Answer]") -> None:
        login = answer.result()
        if self._transport is None:
            return
        if not isinstance(login, Login):  # a bug ate it
            self._session.logged_in(reply.FAILED)
        elif login.key_id is None or self._shared.keys.enter(login.key_id):
            self._login = login
            self._session.logged_in(login.answer, refusal=login.refusal)
        else:
            self._session.logged_in(reply.TOO_MANY_SESSIONS)
        self._after_answer()

    def _answered(self, became: Reply) -> None:
        if self._transport is None:
            return
        self._session.answered(became)
        self._after_answer()

    def _after_answer(self) -> None:
        if self._shared.draining() and self.resting:
            self._session.end(reply.STOPPING)
        elif not self._session.conversation.known:
            self._deadline = self._loop.time() + self._shared.limits.login_s
        self._read_more()
        self._go_on()

    def _begin(self) -> None:
        if self._session.state is State.WAITING:  # for TLS, which comes before the greeting
            self._handshake = self._loop.create_task(self._start_tls())
        else:
            self._write()

    async def _start_tls(self) -> None:
        assert self._transport is not None
        assert self._shared.tls is not None
        self._session.begin_tls()  # nothing is read between this and the call
        try:
            secured = await self._loop.start_tls(
                self._transport,
                self,
                self._shared.tls(),
                server_side=True,
                ssl_handshake_timeout=self._shared.limits.handshake_s,
            )
        except OSError as error:  # the client has gone, or speaks no TLS that we do
            log.info("a TLS handshake failed: %s", error)
            if self._transport is not None:
                self._transport.abort()
            self.connection_lost(error)  # asyncio does not tell of the end of a handshake
            return
        if secured is None or self._transport is None:
            return
        self._transport = secured
        self._session.secured()
        self._deadline = self._loop.time() + self._shared.limits.login_s
        self._go_on()

    # -- reading and writing --------------------------------------------------------------------

    def _reserve(self) -> None:
        """Take memory for what the session holds, or let it forget its message."""
        held = self._session.held
        if held > self._reserved:
            if self._shared.memory.take(held - self._reserved):
                self._reserved = held
            else:
                self._session.forget_message()
                held = self._session.held
        if held < self._reserved and self._session.state is not State.WAITING:
            self._shared.memory.give_back(self._reserved - held)
            self._reserved = held

    def _read_more(self) -> None:
        if self._transport is not None and not self._full:
            self._ahead = False
            self._transport.resume_reading()

    def _write(self) -> None:
        if self._transport is None:
            return
        octets = self._session.take()
        if octets:
            self._transport.write(octets)
        if self._session.state is State.OVER:
            self._transport.close()

    def _end(self, last: Reply) -> None:
        self._session.end(last)
        self._write()

    def _turn_away(self, last: Reply) -> None:
        self._session.take()
        self._end(last)
