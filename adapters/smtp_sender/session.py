"""The dialogue with one mail server, stage by stage, on one connection.

Commands wait in a queue and are written in groups: one command a group, or many if the server
offers PIPELINING (RFC 2920). Replies are read in the order of the commands, so what they mean does
not depend on how they were grouped. Before a group is written the server must be silent: a reply
that nobody asked for would be taken for the answer to the next command.

The one moment that matters is the final dot. Until its last byte is handed to the kernel nothing
can have been accepted; from then on only a clear reply tells (RFC 1047).
"""

import base64
import hmac
import ssl
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError
from contextlib import suppress
from typing import Final, NoReturn

import attrs

from adapters.smtp_sender.addresses import KnownAddresses, race
from adapters.smtp_sender.replies import ServerReply
from adapters.smtp_sender.resolve import Endpoint, Resolver, Unresolved
from adapters.smtp_sender.wire import CancelToken, ConnectionFailed, Deadline, Wire, connect
from application.ports.system import Vault
from domain.account.account import Account, AuthMechanism, Security
from domain.account.verification import Step
from domain.address import Address, address_literal
from domain.errors import SecretUnreadable
from domain.outcome.handoff import Handoff, Parcel, Problem, RecipientReply, Reply, Stage
from domain.outcome.secret_forms import SecretForms
from domain.outcome.session import ENVELOPE

GROUP: Final = 100  # commands in one write; their replies fit into any socket's buffer
DOT: Final = b".\r\n"


@attrs.frozen(kw_only=True)
class Timeouts:
    """Seconds for each stage as a whole (RFC 5321 section 4.5.3.2), never for a single read.

    ``rcpt`` is for each recipient, ``pending`` comes on top of a stage. After ``silence`` without a
    greeting another address is tried, and, if ``banner`` leaves room, whether TLS is expected.
    """

    resolve: float = 30.0
    connect: float = 30.0
    silence: float = 5.0
    banner: float = 300.0
    ehlo: float = 60.0
    starttls: float = 30.0
    auth: float = 60.0
    mail: float = 300.0
    rcpt: float = 300.0
    data: float = 120.0
    body: float = 180.0  # the least; more at `body_rate` bytes a second
    body_rate: float = 500.0
    pending: float = 5.0  # the rest of a reply that came unasked
    dot: float = 600.0
    rset: float = 5.0
    quit: float = 5.0

    def at_most(self, seconds: float) -> "Timeouts":
        """The same for somebody who waits: no stage takes longer than *seconds*."""
        stages = ("resolve", "connect", "banner", "ehlo", "starttls", "auth", "mail", "rcpt")
        return attrs.evolve(self, **{stage: min(getattr(self, stage), seconds) for stage in stages})

    def for_body(self, size: int) -> float:
        """What a body of *size* bytes is given."""
        return max(self.body, size / self.body_rate)


@attrs.frozen(kw_only=True)
class Terms:
    """What every session of one sender has in common.

    ``ehlo_hostname`` None names this client by the address of the connection's own end.
    """

    vault: Vault
    monotonic: Callable[[], float]
    ehlo_hostname: str | None
    timeouts: Timeouts
    ssl_context: Callable[[], ssl.SSLContext]
    resolver: Resolver
    addresses: KnownAddresses


class ExchangeEnded(Exception):
    """The dialogue ended at the session's stage, with a reply or with a problem."""

    def __init__(
        self, *, reply: Reply | None = None, problem: Problem | None = None, detail: str = ""
    ) -> None:
        super().__init__(detail)
        self.reply = reply
        self.problem = problem
        self.detail = detail


class Session:
    """One connection for one account. Used by one thread at a time.

    After `open` and each `hand_off`, ``usable`` tells whether it may be used again.
    """

    def __init__(self, account: Account, *, terms: Terms) -> None:
        self.account_id = account.id
        self.version = account.version
        self.opened_at = terms.monotonic()
        self.messages = 0
        self._seen_silent = False  # just now, so that nobody needs to look again
        self.usable = False
        self._account = account
        self._terms = terms
        self._timeouts = terms.timeouts
        self._stage = Stage.RESOLVE
        self._wire: Wire | None = None
        self._live: Wire  # the same, once there is one
        self._extensions: dict[str, str] = {}
        self._pipelining = False
        self._max_octets = 0  # 0 where the server names none
        self._queue: list[bytes] = []
        self._owed = 0
        self._dirty = False
        self._in_step = True
        self._answered: list[RecipientReply] = []
        self.announced: Parcel | None = None  # its envelope went out with the last dot
        self._secret: SecretForms | None = None  # from the first login on
        self._logging_in = False
        self._listening = False
        self._heard: list[Step] = []

    # --- from nothing to a session that takes mail

    def open(self, cancel_token: CancelToken) -> Handoff:
        """Connect, TLS, EHLO, AUTH. Stage MAIL without reply or problem if all went well."""
        try:
            self._expect_password()
            endpoint = self._reach(cancel_token)
            self._greet(cancel_token)
            if self._account.authenticates:
                self._authenticate(encrypted_or_local=self._encrypted or endpoint.loopback)
        except (ConnectionFailed, ExchangeEnded) as end:
            return self._ended(end, cancel_token)
        self._stage = Stage.MAIL
        self.usable = True
        return Handoff(stage=Stage.MAIL, usable=True)

    def _expect_password(self) -> None:
        """A server is not troubled for an account that cannot log in."""
        if self._account.authenticates and self._account.sealed_password is None:
            self._stage = Stage.AUTH
            raise ExchangeEnded(problem=Problem.NO_PASSWORD, detail="no password is stored")

    @property
    def _encrypted(self) -> bool:
        return self._account.security is not Security.PLAIN

    @property
    def heard(self) -> tuple[Step, ...]:
        """What each stage before the first message came to."""
        return tuple(self._heard)

    def _reach(self, cancel_token: CancelToken) -> Endpoint:
        """A connection whose server has greeted, to one address after the other (RFC 5321 5.1).

        If there is none the failure of the one that got furthest is told.
        """
        addresses = self._terms.addresses
        left = addresses.ordered(self._resolve(cancel_token))
        failures: list[tuple[Stage, ConnectionFailed | ExchangeEnded]] = []

        def refused(endpoint: Endpoint) -> None:
            addresses.failed(endpoint)
            left.remove(endpoint)

        while left and not (failures and cancel_token.stopped):
            self._stage = Stage.CONNECT
            endpoint: Endpoint | None = None
            try:
                wire, endpoint = race(
                    tuple(left),
                    timeout_s=self._timeouts.connect,
                    cancel_token=cancel_token,
                    monotonic=self._terms.monotonic,
                    failed=refused,
                )
                self._wire = self._live = wire
                self._hear_greeting(endpoint, cancel_token, is_last=len(left) == 1)
            except (ConnectionFailed, ExchangeEnded) as failure:
                failures.append((self._stage, failure))
                if endpoint is None or not _another_may_do(failure):
                    break
                refused(endpoint)
                if left:
                    self.abandon()
                continue
            addresses.worked(endpoint)
            return endpoint
        self._stage, furthest = max(failures, key=lambda failure: _ORDER.index(failure[0]))
        raise furthest

    def _resolve(self, cancel_token: CancelToken) -> list[Endpoint]:
        self._stage = Stage.RESOLVE
        resolver = self._terms.resolver
        lookup = resolver.start(self._account.host, self._account.port)
        cancel_token.watch(lookup.cancel)
        try:
            return resolver.checked(lookup.result(self._timeouts.resolve))
        except Unresolved as unresolved:
            raise ExchangeEnded(problem=unresolved.problem, detail=unresolved.detail) from None
        except TimeoutError:
            lookup.cancel()
            raise ExchangeEnded(problem=Problem.TIMEOUT, detail="no answer in time") from None
        except CancelledError:
            raise ExchangeEnded(problem=Problem.STOPPED) from None

    def _hear_greeting(
        self, endpoint: Endpoint, cancel_token: CancelToken, *, is_last: bool
    ) -> None:
        self._heard = []  # of the address before this one
        self._note(Stage.CONNECT, detail=f"connected to {endpoint.ip}")
        if self._account.security is Security.TLS:
            self._stage = Stage.TLS
            self._encrypt(cancel_token, self._within(self._timeouts.starttls))
        self._stage = Stage.BANNER
        greeting = self._read_greeting(endpoint, cancel_token, is_last=is_last)
        self._note(Stage.BANNER, greeting)
        self._expect_positive(greeting)

    def _read_greeting(
        self, endpoint: Endpoint, cancel_token: CancelToken, *, is_last: bool
    ) -> ServerReply:
        """The greeting. A server that says nothing may wait for TLS: that is tried once, if there
        is time for it.
        """
        patience = self._timeouts.silence
        deadline = self._within(self._timeouts.banner)
        try:
            return self._live.read(min(patience, self._timeouts.banner))
        except ConnectionFailed as silence:
            if silence.problem is not Problem.TIMEOUT:
                raise
            may_try = not self._encrypted_from_start and deadline.left_s >= patience
            if may_try and self._expects_tls(endpoint, cancel_token):
                detail = "this port expects TLS from the first byte: use_ssl"
                raise ExchangeEnded(problem=Problem.TLS_MODE, detail=detail) from None
            if not is_last or not deadline.left_s:
                raise
            return self._live.read(deadline.left_s)

    @property
    def _encrypted_from_start(self) -> bool:
        return self._account.security is Security.TLS

    def _expects_tls(self, endpoint: Endpoint, cancel_token: CancelToken) -> bool:
        """Whether a second connection gets an answer to TLS. Nothing is sent over it."""
        if self._terms.addresses.is_no_tls(endpoint):
            return False
        deadline, spoken = self._within(self._timeouts.silence), False
        second: Wire | None = None
        try:
            second = connect(
                endpoint,
                timeout_s=deadline.left_s,
                cancel_token=cancel_token,
                monotonic=self._terms.monotonic,
            )
            host = self._account.host
            second.encrypt(
                _any_tls(), hostname=host, timeout_s=deadline.left_s, cancel_token=cancel_token
            )
            spoken = True
        except ConnectionFailed as broken:
            spoken = broken.problem is Problem.HANDSHAKE  # its alert is TLS too
        finally:
            if second is not None:
                second.close()
            cancel_token.watch(self._live.interrupt)
        if not spoken:
            self._terms.addresses.no_tls(endpoint)
        return spoken

    def _greet(self, cancel_token: CancelToken) -> None:
        """From the greeting to the capabilities that count."""
        self._say_hello()
        if self._account.security is Security.STARTTLS:
            self._start_tls(cancel_token)
            self._say_hello()

    def _say_hello(self) -> None:
        own_name = self._terms.ehlo_hostname
        name = (own_name or address_literal(self._live.own_address)).encode()
        deadline = self._within(self._timeouts.ehlo)
        reply = self._ask(Stage.EHLO, b"EHLO " + name, deadline)
        plain = not self._encrypted and not self._account.authenticates
        if reply.code in (500, 502) and plain:
            reply = self._ask(Stage.EHLO, b"HELO " + name, deadline)
            self._note(Stage.EHLO, reply)
            self._expect_positive(reply)
            self._use({})
            return
        self._note(Stage.EHLO, reply)
        self._expect_positive(reply)
        self._use(_extensions(reply))

    def _use(self, extensions: dict[str, str]) -> None:
        self._extensions = extensions
        self._pipelining = "PIPELINING" in extensions
        self._max_octets = _number(extensions.get("SIZE", ""))

    def _start_tls(self, cancel_token: CancelToken) -> None:
        self._stage = Stage.STARTTLS
        if "STARTTLS" not in self._extensions:
            raise ExchangeEnded(problem=Problem.NOT_OFFERED, detail="STARTTLS is not offered")
        deadline = self._within(self._timeouts.starttls)
        reply = self._ask(Stage.STARTTLS, b"STARTTLS", deadline)
        self._note(Stage.STARTTLS, reply)
        self._expect_positive(reply)
        if not self._live.silent:
            self._refuse_injection()
        self._encrypt(cancel_token, deadline)

    def _refuse_injection(self) -> NoReturn:
        """What came before the handshake would be read as if TLS had protected it."""
        try:
            self._live.read(self._timeouts.pending)
        except ConnectionFailed as broken:
            if broken.problem is Problem.CLOSED:
                raise
        raise ExchangeEnded(problem=Problem.NOT_OFFERED, detail="bytes came before TLS")

    def _encrypt(self, cancel_token: CancelToken, deadline: Deadline) -> None:
        try:
            self._live.encrypt(
                self._terms.ssl_context(),
                hostname=self._account.host,
                timeout_s=deadline.left_s,
                cancel_token=cancel_token,
            )
        except ConnectionFailed as broken:
            if broken.problem is not Problem.TLS_MODE:
                raise
            if self._stage is not Stage.TLS:
                raise ConnectionFailed(Problem.HANDSHAKE, broken.detail) from None
            detail = "this port does not speak TLS from the first byte: use_tls (STARTTLS)"
            raise ConnectionFailed(Problem.TLS_MODE, detail) from None
        self._note(Stage.TLS, detail="TLS stands and its certificate is good")

    def _authenticate(self, *, encrypted_or_local: bool) -> None:
        """One mechanism, once: three tries with a wrong password lock many an account.

        Only where PLAIN itself is refused (502, 504) LOGIN follows: no password was judged.
        """
        self._stage = Stage.AUTH
        if not encrypted_or_local:
            raise ExchangeEnded(
                problem=Problem.BLOCKED, detail="a password is not sent without TLS"
            )
        mechanism = self._mechanism()
        username, secret = self._account.username, self._password()
        user, password = username.encode(), secret.encode()
        self._secret = SecretForms(username=username, password=secret)
        self._logging_in = True
        deadline = self._within(self._timeouts.auth)
        if mechanism is AuthMechanism.PLAIN:
            initial = _b64(b"\0" + user + b"\0" + password)
            reply = self._ask(Stage.AUTH, b"AUTH PLAIN " + initial, deadline)
            if reply.code in (502, 504) and self._may_log_in_after(mechanism):
                reply = self._log_in(user, password, deadline)
        elif mechanism is AuthMechanism.LOGIN:
            reply = self._log_in(user, password, deadline)
        else:
            reply = self._ask(Stage.AUTH, b"AUTH CRAM-MD5", deadline)
            if reply.intermediate:
                digest = _cram_md5(password, challenge=reply.lines[-1])
                response = _b64(user + b" " + digest.encode())
                said = (digest, response.decode())
                self._secret = SecretForms(username=username, password=secret, said=said)
                reply = self._ask(Stage.AUTH, response, deadline)
        self._note(Stage.AUTH, reply)
        self._expect_positive(reply)
        self._logging_in = False

    def _log_in(self, user: bytes, password: bytes, deadline: Deadline) -> ServerReply:
        reply = self._ask(Stage.AUTH, b"AUTH LOGIN", deadline)
        for answer in (_b64(user), _b64(password)):
            reply = self._ask(Stage.AUTH, answer, deadline) if reply.intermediate else reply
        return reply

    def _may_log_in_after(self, mechanism: AuthMechanism) -> bool:
        return self._account.auth_mechanism is None and AuthMechanism.LOGIN in self._offered

    def _mechanism(self) -> AuthMechanism:
        offered, chosen = self._offered, self._account.auth_mechanism
        for mechanism in AuthMechanism if chosen is None else (chosen,):
            if mechanism in offered:
                return mechanism
        if "STARTTLS" in self._extensions and not self._encrypted:
            detail = "AUTH is offered only after STARTTLS: use_tls"
            raise ExchangeEnded(problem=Problem.TLS_MODE, detail=detail)
        asked = "no AUTH mechanism in common" if chosen is None else f"no AUTH {chosen.upper()}"
        there = " ".join(offered).upper() or "none"
        raise ExchangeEnded(
            problem=Problem.NO_MECHANISM, detail=f"{asked}: the server offers {there}"
        )

    @property
    def _offered(self) -> Sequence[str]:
        return self._extensions.get("AUTH", "").lower().split()

    def _password(self) -> str:
        assert self._account.sealed_password is not None
        context = f"account:{self._account.id}"
        try:
            return self._terms.vault.open(self._account.sealed_password, context=context)
        except SecretUnreadable:
            raise ExchangeEnded(
                problem=Problem.SECRET, detail="the password cannot be opened"
            ) from None

    def verify(self, recipient: Address) -> None:
        """MAIL from the account and RCPT, each told in `heard`; then RSET. After `open`."""
        try:
            for stage, line in (
                (Stage.MAIL, f"MAIL FROM:<{self._account.address}>"),
                (Stage.RCPT, f"RCPT TO:<{recipient}>"),
            ):
                reply = self._ask(stage, line.encode(), self._within(self._timeouts.mail))
                self._note(stage, reply)
                if not reply.positive:
                    break
            self.usable = self._reset(self._within(self._timeouts.rset))
        except ExchangeEnded as ended:
            self._heard.append(Step(stage=self._stage, reply=ended.reply))
            self.usable = False
        except ConnectionFailed as broken:
            self.usable = False
            step = Step(stage=self._stage, problem=broken.problem, detail=broken.detail)
            self._heard.append(step)

    # --- one message

    @property
    def idle(self) -> bool:
        """Whether anybody may have it: it is usable, and nothing has been announced."""
        return self.usable and self.announced is None

    def hand_off(
        self,
        parcel: Parcel,
        *,
        before_dot: Callable[[], bool],
        cancel_token: CancelToken,
        still: Callable[[], bool] = lambda: True,
        then: Callable[[], Parcel | None] | None = None,
    ) -> Handoff:
        """One transaction, as `Conversation.send` describes it; without *then* none follows."""
        self.usable = self._listening = False
        self._answered = []
        try:
            self._open_transaction(parcel)
            deadline = self._terms.monotonic() + self._timeouts.for_body(len(parcel.octets))
            self._write_body(parcel.octets, deadline)
            # before the permission: between that and the dot nothing may be waited for
            announcement = b"" if then is None else self._announcement(then)
            if not before_dot():
                raise ExchangeEnded(problem=Problem.STOPPED, detail="stopped before the final dot")
            reply = self._write_dot(cancel_token, announcement, still, deadline)
        except (ConnectionFailed, ExchangeEnded) as end:
            return self._ended(end, cancel_token)
        taken = reply.positive
        self._dirty = not taken
        # after a refusal what was announced may be out of step: the next connection is in step
        self.usable = reply.code != 421 and self._in_step and (taken or self.announced is None)
        handoff = self._handoff(reply=reply, usable=self.usable)
        self.messages += 1
        return handoff

    def _open_transaction(self, parcel: Parcel) -> None:
        """MAIL, RCPT, DATA: from here on the server waits for the body, or ExchangeEnded."""
        self._stage = Stage.MAIL
        if self.announced is None:
            self._queue.extend(self._commands(parcel))
        self.announced = None

        mail = self._hear(Stage.MAIL, self._timeouts.mail)
        if not mail.positive:
            self._refused(mail)
        rcpt, accepted = mail, 0
        for address in parcel.envelope.recipients:
            rcpt = self._hear(Stage.RCPT, self._timeouts.rcpt, address=address)
            accepted += rcpt.positive
        if not accepted:
            self._refused(rcpt)
        data = self._hear(Stage.DATA, self._timeouts.data)
        if data.code != 354:
            self._refused(data)

    def _commands(self, parcel: Parcel) -> list[bytes]:
        """The envelope as it is said. ExchangeEnded if the server lacks what it needs."""
        envelope = parcel.envelope
        rcpts = [f"RCPT TO:<{address}>\r\n".encode() for address in envelope.recipients]
        ascii_only = envelope.sender.local.isascii() and b"".join(rcpts).isascii()
        utf8 = envelope.smtputf8 or not ascii_only
        return [self._mail(envelope.sender, parcel.octets, utf8=utf8), *rcpts, b"DATA\r\n"]

    def _announcement(self, then: Callable[[], Parcel | None]) -> bytes:
        """What of the next envelope goes out with the dot (RFC 2920 section 3.1); b"" for nothing.

        A group of commands may begin with the end of a message, and DATA ends it: so all of it is
        said, or nothing. It is taken back by leaving: without its own dot nothing is accepted.
        """
        if not self._pipelining:
            return b""
        parcel = then()
        if parcel is None or len(parcel.envelope.recipients) + 2 > GROUP:
            return b""
        try:
            commands = self._commands(parcel)
        except ExchangeEnded:  # it is told when its turn comes
            self.usable = False
            return b""
        self.announced, self._owed = parcel, len(commands)
        return b"".join(commands)

    def _mail(self, sender: Address, octets: bytes, *, utf8: bool) -> bytes:
        """The MAIL command with the parameters the server offers. ExchangeEnded if one is
        missing."""
        parameters = ""
        if "SIZE" in self._extensions:
            if 0 < self._max_octets < len(octets):
                self._keep()
                detail = f"{len(octets)} bytes; the server takes {self._max_octets}"
                raise ExchangeEnded(problem=Problem.TOO_BIG, detail=detail)
            parameters = f" SIZE={len(octets)}"
        if utf8 and "SMTPUTF8" not in self._extensions:
            self._keep()
            raise ExchangeEnded(problem=Problem.SMTPUTF8, detail="SMTPUTF8 is not offered")
        if "8BITMIME" in self._extensions and not octets.isascii():
            parameters += " BODY=8BITMIME"
        if utf8:
            parameters += " SMTPUTF8"
        return f"MAIL FROM:<{sender}>{parameters}\r\n".encode()

    def _keep(self) -> None:
        """Nothing was said: the session is as good as before."""
        self.usable = True

    def _hear(
        self, stage: Stage, timeout_s: float, *, address: Address | None = None
    ) -> ServerReply:
        """The reply to the next command of the queue, which is written first if it was not yet."""
        self._stage = stage
        if not self._owed:
            deadline = self._terms.monotonic() + timeout_s
            self._write_group(timeout_s)
            timeout_s = deadline - self._terms.monotonic()
        reply = self._live.read(timeout_s)
        self._owed -= 1
        code = reply.code
        expected = code == 354 if stage is Stage.DATA else code < 300
        if not expected and code < 400:
            raise ConnectionFailed(Problem.PROTOCOL, f"an unexpected {code}")
        if address is not None:
            self._answered.append(RecipientReply(address, self._clean(reply)))
        if code == 421:
            raise ExchangeEnded(reply=self._clean(reply))
        return reply

    def _write_group(self, timeout_s: float) -> None:
        if not self._seen_silent:
            self._expect_silence()
        self._seen_silent = False
        queue = self._queue
        self._owed = min(GROUP if self._pipelining else 1, len(queue))
        group = b"".join(queue[: self._owed])
        del queue[: self._owed]
        self._live.write(group, timeout_s)

    def _refused(self, reply: ServerReply) -> NoReturn:
        """The transaction ends with *reply*; the session goes on if the server keeps in step.

        ConnectionFailed if the server sent more replies than it was given commands: then this reply
        may belong to another command, and so may all before it.
        """
        self._dirty = True
        deadline = self._within(self._timeouts.rset)
        self.usable = self._back_in_step(deadline) and self._reset(deadline)
        raise ExchangeEnded(reply=self._clean(reply))

    def _back_in_step(self, deadline: Deadline) -> bool:
        """Read what is still owed for commands that went ahead of a refusal: more refusals.

        Only DATA may be taken although nobody will get it (RFC 2920 section 3.1); it is ended
        empty. If anything else was taken, somebody would get that: the session is left instead.
        Where a message went before, the refusal may have been a second reply to its dot.
        """
        self._queue.clear()
        try:
            while self._owed:
                self._owed -= 1
                reply = self._live.read(deadline.left_s)
                if reply.code == 354 and not self._owed:
                    self._live.write(DOT, deadline.left_s)
                    reply = self._live.read(deadline.left_s)
                if reply.code == 421:
                    return False
                if reply.code < 400:
                    if self.messages:
                        raise ConnectionFailed(Problem.PROTOCOL, "more replies than commands")
                    return False
        except ConnectionFailed as broken:
            if broken.problem is Problem.PROTOCOL:
                raise
            return False
        return True

    def _write_body(self, octets: bytes, deadline: float) -> None:
        self._stage = Stage.BODY
        try:
            whole = self._live.pour(dot_stuffed(octets), deadline)
        except ConnectionFailed as broken:
            self._spoke_early(broken)
        if not whole:
            self._spoke_early(ConnectionFailed(Problem.CLOSED, "the server closed the connection"))

    def _write_dot(
        self,
        cancel_token: CancelToken,
        announcement: bytes,
        still: Callable[[], bool],
        deadline: float,
    ) -> Reply:
        """The reply to the final dot. While the stage is BODY, the dot was surely not sent."""
        wire = self._live
        if not wire.silent:
            self._spoke_early(ConnectionFailed(Problem.CLOSED, "the server closed the connection"))
        if not cancel_token.release() or not still():
            raise ExchangeEnded(problem=Problem.STOPPED, detail="stopped before the final dot")
        try:
            wire.write(DOT, deadline - self._terms.monotonic(), then=announcement)
        except ConnectionFailed as broken:
            self._spoke_early(broken)
        self._stage = Stage.DOT
        reply = wire.read(self._timeouts.dot)
        if reply.intermediate:
            raise ConnectionFailed(Problem.PROTOCOL, f"an unexpected {reply.code}")
        if wire.has_more and not announcement:
            self._refuse_contradiction(reply)
        return self._clean(reply)

    def _refuse_contradiction(self, first: ServerReply) -> None:
        """One dot has one reply. Of two that differ nobody can tell which one counts."""
        second = self._live.read(self._timeouts.pending)
        self._in_step = False
        if second.code != 421 and second.positive is not first.positive:
            raise ConnectionFailed(Problem.PROTOCOL, f"both {first.code} and {second.code}")

    def _spoke_early(self, broken: ConnectionFailed) -> NoReturn:
        """The body was cut short: say why, if the server did."""
        if broken.problem is Problem.TIMEOUT:
            raise broken
        reply = self._live.read(self._timeouts.pending)
        if reply.code < 400:
            raise ConnectionFailed(Problem.PROTOCOL, f"an unexpected {reply.code}")
        raise ExchangeEnded(reply=self._clean(reply))

    # --- between messages

    def interrupt(self) -> None:
        """End what waits for the server. From any thread."""
        self._live.interrupt()

    def renew(self, parcel: Parcel) -> bool:
        """Whether it is fit for this message: the server is silent and, if need be, reset.

        Or this message was announced; if another one was, nobody can use the session any more.
        """
        if self.announced is not None:
            self.usable = self.announced is parcel
            return self.usable
        self.usable = self._live.silent
        if self.usable and self._dirty:
            # a second answer to RSET would be taken for the answer to MAIL
            try:
                deadline = self._within(self._timeouts.rset)
                self.usable = self._reset(deadline) and self._live.silent
            except ConnectionFailed:
                self.usable = False
        self._seen_silent = self.usable
        return self.usable

    def _reset(self, deadline: Deadline) -> bool:
        """Whether RSET was answered as it must be. ConnectionFailed if an earlier reply came in its
        place.

        The last command before it was DATA or one that was refused: had the server sent a reply
        too many, the answer to that would come now, and then the one to RSET itself.
        """
        self._dirty = False
        try:
            self._expect_silence()
        except ExchangeEnded:
            return False
        except ConnectionFailed as broken:
            if broken.problem is Problem.PROTOCOL:
                raise
            return False
        try:
            self._live.write(b"RSET\r\n", deadline.left_s)
            reply = self._live.read(deadline.left_s)
        except ConnectionFailed:
            return False
        if reply.intermediate or (reply.code not in (250, 421) and self._another_follows()):
            raise ConnectionFailed(Problem.PROTOCOL, "more replies than commands")
        return reply.code == 250

    def _another_follows(self) -> bool:
        """Whether the server still owes a reply. It is asked to leave, so that nobody has to wait
        for a reply that never comes: if none is owed, QUIT's is the next and the last.
        """
        deadline = self._within(min(self._timeouts.pending, 1.0))
        with suppress(ConnectionFailed):
            self._live.write(b"QUIT\r\n", deadline.left_s)
            if self._live.read(deadline.left_s).code != 221:
                self._live.read(deadline.left_s)
                return True
        return False

    def quit(self) -> None:
        """Say QUIT, wait for the answer, whatever it is, and close."""
        try:
            if self.usable:
                self._ask(self._stage, b"QUIT", self._within(self._timeouts.quit))
        except (ConnectionFailed, ExchangeEnded):
            pass
        finally:
            self.abandon()

    def close(self) -> None:
        """Close, with a QUIT that waits for no answer if the server listens."""
        # where an envelope was announced a QUIT could be taken for the body
        polite = (self.usable or self._listening) and self.announced is None
        if self._wire is not None:
            self._wire.close(farewell=b"QUIT\r\n" if polite else b"")

    def abandon(self) -> None:
        """Close without a word."""
        if self._wire is not None:
            self._wire.close()

    # --- the words

    def _within(self, timeout_s: float) -> Deadline:
        """For a stage that begins now."""
        return Deadline(timeout_s, monotonic=self._terms.monotonic)

    def _ask(self, stage: Stage, line: bytes, deadline: Deadline) -> ServerReply:
        """The reply to one command. ExchangeEnded if it is a 421: the server is about to close."""
        self._stage = stage
        self._expect_silence()
        self._live.write(line + b"\r\n", deadline.left_s)
        reply = self._live.read(deadline.left_s)
        if reply.code == 421:
            raise ExchangeEnded(reply=self._clean(reply))
        return reply

    def _expect_silence(self) -> None:
        """A 421 may come at any time (RFC 5321 section 3.8), everything else is out of step."""
        if self._live.silent:
            return
        reply = self._live.read(self._timeouts.pending)
        if reply.code == 421:
            raise ExchangeEnded(reply=self._clean(reply))
        raise ConnectionFailed(Problem.PROTOCOL, "a reply that nobody asked for")

    def _expect_positive(self, reply: ServerReply) -> None:
        if reply.intermediate:
            raise ConnectionFailed(Problem.PROTOCOL, f"an unexpected {reply.code}")
        if not reply.positive:
            raise ExchangeEnded(reply=self._clean(reply))

    def _clean(self, reply: ServerReply) -> Reply:
        """The reply without our credentials: some servers repeat what they were sent."""
        if self._secret is None:
            return reply.as_reply()
        if self._logging_in:  # here a server has most to repeat
            return self._secret.kept_at_login(reply.code, reply.lines)
        lines = self._secret.masked(reply.lines)
        if lines is reply.lines:
            return reply.as_reply()
        return ServerReply(reply.code, tuple(lines)).as_reply()

    def _note(self, stage: Stage, reply: ServerReply | None = None, *, detail: str = "") -> None:
        """Write down what a stage before the first message came to, for `heard`."""
        self._heard.append(
            Step(stage=stage, reply=self._clean(reply) if reply else None, detail=detail)
        )

    def _ended(self, end: ConnectionFailed | ExchangeEnded, cancel_token: CancelToken) -> Handoff:
        reply = end.reply if isinstance(end, ExchangeEnded) else None
        # between two commands it can be told goodbye; in the middle of a body it cannot
        self._listening = self._stage is not Stage.BODY and (reply is not None or self.usable)
        problem, detail = end.problem, end.detail
        if cancel_token.stopped and reply is None:
            problem, detail = Problem.STOPPED, "stopped"
        if problem is None:
            return self._handoff(reply=reply, usable=self.usable)
        if problem is Problem.PROTOCOL and self._stage in ENVELOPE:
            self._answered = []  # each may belong to another command
        at = "to" if self._stage is Stage.CONNECT else "at"
        where = f"{self._stage} {at} {self._account.host}:{self._account.port}"
        return self._handoff(
            problem=problem, detail=f"{where}: {detail or problem}", usable=self.usable
        )

    def _handoff(
        self,
        *,
        reply: Reply | None = None,
        problem: Problem | None = None,
        detail: str = "",
        usable: bool,
    ) -> Handoff:
        return Handoff(
            stage=self._stage,
            reply=reply,
            problem=problem,
            recipients=tuple(self._answered),
            detail=detail,
            delivered=self.messages,
            usable=usable,
        )


_ORDER: Final = tuple(Stage)


def _another_may_do(failure: ConnectionFailed | ExchangeEnded) -> bool:
    """Whether another address of the host may greet although this one did not."""
    if failure.problem in (Problem.CLOSED, Problem.TIMEOUT):
        return True
    return isinstance(failure, ExchangeEnded) and failure.reply is not None


def _any_tls() -> ssl.SSLContext:
    """For finding out whether TLS is spoken. Whatever answers is trusted with nothing."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def dot_stuffed(octets: bytes) -> bytes:
    """The body as it goes on the wire, up to the terminator (RFC 5321 section 4.5.2)."""
    stuffed = octets
    if octets.rfind(b"\r\n.") >= 0:  # hardly ever; found from the end in half of replace's time
        stuffed = octets.replace(b"\r\n.", b"\r\n..")
    if stuffed.startswith(b"."):
        stuffed = b"." + stuffed
    if stuffed and not stuffed.endswith(b"\r\n"):
        stuffed += b"\r\n"
    return stuffed


def _extensions(reply: ServerReply) -> dict[str, str]:
    """Keyword to parameters; the first line is the server's name."""
    offered: dict[str, str] = {}
    for line in reply.lines[1:]:
        keyword, _, parameters = line.replace("AUTH=", "AUTH ", 1).strip().partition(" ")
        known = offered.get(keyword.upper())
        offered[keyword.upper()] = f"{known} {parameters}" if known else parameters.strip()
    return offered


def _number(text: str) -> int:
    """Its value, 0 if it is none or larger than any message."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 20 else 0


def _b64(octets: bytes) -> bytes:
    return base64.b64encode(octets)


def _cram_md5(password: bytes, *, challenge: str) -> str:
    try:
        nonce = base64.b64decode(challenge, validate=True)
    except ValueError:
        raise ConnectionFailed(Problem.PROTOCOL, "a challenge that is not base64") from None
    return hmac.new(password, nonce, "md5").hexdigest()
