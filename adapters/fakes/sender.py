"""What a mail server will do, written down as a `Script`, and a sender that plays it in memory.

The same Script drives the loopback server of the tests; the contract suite holds the answers of
this sender and of the real one against each other. Nothing here waits: a server that hangs is a
timeout at once.
"""

import threading
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import Final, NoReturn

import attrs

from application.ports.system import Vault
from domain.account.account import Account, AuthMechanism, Security
from domain.account.verification import Step
from domain.address import Address
from domain.errors import SecretUnreadable
from domain.outcome.handoff import (
    Envelope,
    Handoff,
    Parcel,
    Problem,
    RecipientReply,
    Reply,
    Stage,
    joined,
)
from domain.outcome.session import ENVELOPE, ends_session, out_of_step

RSET: Final = "rset"
QUIT: Final = "quit"
UNASKED: Final = "250 2.0.0 nobody asked for this"


class Fault(StrEnum):
    """What a server may do instead of answering."""

    CLOSE = "close"
    RST = "rst"
    HANG = "hang"
    DRIP = "drip"  # a byte now and then, never a whole reply
    GARBAGE = "garbage"  # not SMTP
    MIXED = "mixed"  # 250- and then 550
    ENDLESS = "endless"  # lines without end
    HUGE = "huge"  # one line of 20 MB
    EXTRA = "extra"  # the right answer, and one more that nobody asked for
    ACCEPT_HANG = "accept_hang"  # at the dot: takes the message and never answers
    ACCEPT_CLOSE = "accept_close"  # at the dot: takes the message and drops the line


Answer = str | Fault | Problem


@attrs.frozen
class Rule:
    """At *stage* (or RSET, QUIT) the server answers this instead of the usual.

    *answer* is the text of a reply ("451 4.7.1 later"; lines are parted by a line feed), a fault,
    or, played by FakeSender only, a Problem. A rule with a *recipient* concerns that RCPT, or from
    DATA on the messages that name it; *message* is the n-th MAIL heard, from 1; *times* is how
    often the rule is played before it is spent. The first rule that fits is played.
    """

    stage: str
    answer: Answer = attrs.field()
    recipient: str | None = attrs.field(default=None, kw_only=True)
    message: int | None = attrs.field(default=None, kw_only=True)
    times: int | None = attrs.field(default=None, kw_only=True)

    @answer.validator
    def _playable(self, _: object, answer: Answer) -> None:
        if self.stage not in {*Stage, RSET, QUIT}:
            raise ValueError(f"there is no stage {self.stage!r}")
        if self.stage in (Stage.RESOLVE, Stage.CONNECT) and not isinstance(answer, Problem):
            raise ValueError("before the banner a server says nothing: the answer is a Problem")
        if answer in (Fault.ACCEPT_HANG, Fault.ACCEPT_CLOSE) and self.stage != Stage.DOT:
            raise ValueError(f"{answer} is something a server does at the dot")


def _rules(rules: Iterable[Rule]) -> tuple[Rule, ...]:
    return tuple(rules)


@attrs.frozen
class Script:
    """What a mail server offers, and the rules by which it departs from being a good one.

    ``password`` None takes any. ``starttls`` is offered if the one who plays can do TLS.
    """

    rules: tuple[Rule, ...] = attrs.field(default=(), converter=_rules)
    extensions: tuple[str, ...] = attrs.field(
        default=("PIPELINING", "SIZE 36700160", "8BITMIME", "SMTPUTF8"), kw_only=True
    )
    mechanisms: tuple[str, ...] = attrs.field(default=("PLAIN", "LOGIN"), kw_only=True)
    password: str | None = attrs.field(default=None, kw_only=True, repr=False)
    starttls: bool = attrs.field(default=True, kw_only=True)
    latency_s: float = attrs.field(default=0.0, kw_only=True)

    def offers(self, keyword: str) -> bool:
        """Whether the EHLO keyword is among the extensions."""
        return any(extension.split()[0] == keyword for extension in self.extensions)

    @property
    def size(self) -> int:
        """The announced SIZE, 0 if there is none."""
        for extension in self.extensions:
            keyword, _, parameter = extension.partition(" ")
            if keyword == "SIZE":
                return int(parameter or 0)
        return 0


class Playback:
    """A Script being played: knows which rules are spent. Safe from many threads."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self._lock = threading.Lock()
        self._played: dict[int, int] = {}

    def answer(
        self, stage: str, *, recipients: Collection[str] = (), message: int = 0
    ) -> Answer | None:
        """What the first fitting rule says, None for the usual answer."""
        for place, rule in enumerate(self.script.rules):
            if rule.stage != stage or rule.message not in (None, message):
                continue
            if rule.recipient is not None and rule.recipient not in recipients:
                continue
            if self._plays(place, rule):
                return rule.answer
        return None

    def _plays(self, place: int, rule: Rule) -> bool:
        if rule.times is None:
            return True
        with self._lock:
            played = self._played.get(place, 0)
            self._played[place] = played + 1
        return played < rule.times


@attrs.frozen(kw_only=True)
class Accepted:
    """One message the server took, with the recipients it took it for."""

    account_id: int
    envelope: Envelope
    octets: bytes = attrs.field(repr=False)


class FakeSender:
    """A `Sender` whose every mail server follows one Script, or one for each account.

    ``accepted`` holds what was taken, in order; ``attempts`` counts the sends. Give it a vault and
    passwords are opened and checked as a real server would.
    """

    def __init__(self, script: Script | None = None, *, vault: Vault | None = None) -> None:
        self.accepted: list[Accepted] = []
        self.attempts = 0
        self._vault = vault
        self._lock = threading.RLock()
        self._default = _Server(script or Script())
        self._servers: dict[int, _Server] = {}

    def play(self, script: Script, *, account_id: int | None = None) -> None:
        """From now on follow *script*, for one account or for all that have none of their own."""
        with self._lock:
            if account_id is None:
                self._default = _Server(script)
            else:
                self._servers[account_id] = _Server(script)

    @contextmanager
    def converse(self, account: Account) -> Iterator["_Conversation"]:
        """One attempt after the other; what goes out together makes no difference here."""
        yield _Conversation(self, account)

    def send(
        self,
        account: Account,
        envelope: Envelope,
        octets: bytes,
        *,
        before_dot: Callable[[], bool],
    ) -> Handoff:
        """One attempt."""
        with self._lock:
            self.attempts += 1
            server = self._server(account)
            key = (account.id, account.version)
            delivered = server.connected.get(key)
        reused = delivered is not None
        dialogue = _Dialogue(server, account, self._vault)
        handoff = dialogue.send(envelope, octets, before_dot, connected=reused)
        lost_while_idle = handoff.stage is Stage.MAIL and handoff.problem is Problem.CLOSED
        over = out_of_step(handoff) or ends_session(handoff, delivered=delivered or 0)
        if reused and (lost_while_idle or over):
            delivered = None
            dialogue = _Dialogue(server, account, self._vault)
            handoff = dialogue.send(envelope, octets, before_dot, connected=False)
        with self._lock:
            if handoff.usable:
                server.connected[key] = (delivered or 0) + (handoff.stage is Stage.DOT)
            else:
                server.connected.pop(key, None)
            if dialogue.taken:
                self.accepted.append(_accepted(account, envelope, octets, handoff))
        return handoff

    def probe(self, account: Account) -> Handoff:
        """Connect, TLS, AUTH, QUIT."""
        with self._lock:
            server = self._server(account)
        return _Dialogue(server, account, self._vault).probe()

    def verify(self, account: Account, *, recipient: Address) -> tuple[Step, ...]:
        """Connect, TLS, AUTH, MAIL, RCPT, RSET, QUIT."""
        with self._lock:
            server = self._server(account)
        return _Dialogue(server, account, self._vault).verify(recipient)

    def retire(self, account_id: int) -> None:
        """Close the account's idle connections."""
        with self._lock:
            server = self._servers.get(account_id, self._default)
            server.connected = {
                key: delivered
                for key, delivered in server.connected.items()
                if key[0] != account_id
            }

    def abort(self) -> None:
        """Nothing is ever under way here; idle connections are dropped."""
        self.close()

    def tend(self) -> None:
        """Connections here never grow old."""

    def drop_idle(self) -> None:
        """Close everything that is idle."""
        self.close()

    def close(self) -> None:
        """Close everything that is idle."""
        with self._lock:
            for server in (self._default, *self._servers.values()):
                server.connected = {}

    def _server(self, account: Account) -> "_Server":
        return self._servers.get(account.id, self._default)


@attrs.frozen
class _Conversation:
    _sender: FakeSender
    _account: Account

    def send(
        self,
        parcel: Parcel,
        *,
        before_dot: Callable[[], bool],
        still: Callable[[], bool] = lambda: True,
        then: Callable[[], Parcel | None] = lambda: None,
    ) -> Handoff:
        return self._sender.send(
            self._account,
            parcel.envelope,
            parcel.octets,
            before_dot=lambda: before_dot() and still(),
        )


class _Server:
    """One script being played, and who is connected."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.playback = Playback(script)
        self.connected: dict[tuple[int, int], int] = {}  # and what was delivered
        self._lock = threading.Lock()
        self._messages = 0

    def next_message(self) -> int:
        with self._lock:
            self._messages += 1
            return self._messages


class _End(Exception):
    def __init__(self, *, reply: Reply | None = None, problem: Problem | None = None) -> None:
        super().__init__()
        self.reply = reply
        self.problem = problem


class _Dialogue:
    """One attempt. Replies wait in line, so one that nobody asked for shifts those after it."""

    def __init__(self, server: _Server, account: Account, vault: Vault | None) -> None:
        self._script = server.script
        self._server = server
        self._account = account
        self._vault = vault
        self._stage = Stage.RESOLVE
        self._line: deque[str] = deque()
        self._answered: list[RecipientReply] = []
        self._message = 0
        self._heard: list[Step] = []
        self.taken = False

    def probe(self) -> Handoff:
        try:
            self._open()
        except _End as end:
            return self._handoff(end)
        return Handoff(stage=Stage.MAIL)

    def verify(self, recipient: Address) -> tuple[Step, ...]:
        try:
            self._open()
            self._expect(Stage.MAIL, "250 2.1.0 sender ok")
            names = (str(recipient),)
            self._demand(self._hear(Stage.RCPT, "250 2.1.5 ok", recipients=names))
        except _End as end:
            failed = Step.of(self._handoff(end))
            passed = [step for step in self._heard if step.ok]
            return (*passed, failed)
        return tuple(self._heard)

    def send(
        self,
        envelope: Envelope,
        octets: bytes,
        before_dot: Callable[[], bool],
        *,
        connected: bool,
    ) -> Handoff:
        try:
            if not connected:
                self._open()
            self._announce(envelope, octets)
            self._body(envelope)
            if not before_dot():
                raise _End(problem=Problem.STOPPED)
            self._dot(envelope)
        except _End as end:
            return self._handoff(end)
        raise AssertionError("a dialogue ends with the dot at the latest")

    def _open(self) -> None:
        if self._account.authenticates and self._account.sealed_password is None:
            self._stage = Stage.AUTH
            raise _End(problem=Problem.NO_PASSWORD)
        for stage in (Stage.RESOLVE, Stage.CONNECT):
            self._stage = stage
            self._raise_problem(self._server.playback.answer(stage))
        self._heard.append(Step(stage=Stage.CONNECT, detail="connected"))
        if self._account.security is Security.TLS:
            self._encrypt(Stage.TLS)
        self._expect(Stage.BANNER, "220 ready")
        self._hello()
        if self._account.security is Security.STARTTLS:
            self._start_tls()
            self._hello()
        if self._account.authenticates:
            self._authenticate()

    def _hello(self) -> None:
        reply = self._hear(Stage.EHLO, "250 hello")
        encrypted = self._account.security is not Security.PLAIN
        if reply.code in (500, 502) and not encrypted and not self._account.authenticates:
            return
        self._demand(reply)

    def _start_tls(self) -> None:
        self._stage = Stage.STARTTLS
        if not self._script.starttls:
            raise _End(problem=Problem.NOT_OFFERED)
        self._expect(Stage.STARTTLS, "220 go ahead")
        if self._line:
            raise _End(problem=Problem.NOT_OFFERED)
        self._encrypt(Stage.STARTTLS)

    def _encrypt(self, stage: Stage) -> None:
        self._stage = stage
        answer = self._server.playback.answer(Stage.TLS)
        self._raise_problem(answer)
        if answer is not None:
            # in plain text: from the first byte on it is no TLS at all
            other = Problem.TLS_MODE if stage is Stage.TLS else Problem.HANDSHAKE
            lost = _AT_HANDSHAKE.get(answer) if isinstance(answer, Fault) else None
            raise _End(problem=lost or other)
        self._heard.append(Step(stage=Stage.TLS, detail="TLS stands"))

    def _authenticate(self) -> None:
        self._stage = Stage.AUTH
        chosen = self._account.auth_mechanism
        known = set(AuthMechanism if chosen is None else (chosen,))
        if not known & set(map(str.lower, self._script.mechanisms)):
            raise _End(problem=Problem.NO_MECHANISM)
        good = "235 2.7.0 welcome"
        if self._vault is not None:
            password = self._password(self._vault)
            if self._script.password not in (None, password):
                good = "535 5.7.8 wrong user or password"
        self._expect(Stage.AUTH, good)

    def _password(self, vault: Vault) -> str:
        assert self._account.sealed_password is not None
        context = f"account:{self._account.id}"
        try:
            return vault.open(self._account.sealed_password, context=context)
        except SecretUnreadable:
            raise _End(problem=Problem.SECRET) from None

    def _announce(self, envelope: Envelope, octets: bytes) -> None:
        self._stage = Stage.MAIL
        addresses = (envelope.sender, *envelope.recipients)
        utf8 = envelope.smtputf8 or any(address.needs_smtputf8 for address in addresses)
        if 0 < self._script.size < len(octets):
            raise _End(problem=Problem.TOO_BIG)
        if utf8 and not self._script.offers("SMTPUTF8"):
            raise _End(problem=Problem.SMTPUTF8)
        self._message = self._server.next_message()
        ahead = self._script.offers("PIPELINING")
        self._demand(self._hear(Stage.MAIL, "250 2.1.0 sender ok"))
        accepted = 0
        for address in envelope.recipients:
            reply = self._hear(Stage.RCPT, "250 2.1.5 ok", ahead=ahead, recipients=(str(address),))
            self._answered.append(RecipientReply(address, reply))
            if reply.code == 421:
                raise _End(reply=reply)
            accepted += reply.positive
        if not accepted:
            raise _End(reply=reply)
        data = self._hear(Stage.DATA, "354 go ahead", ahead=ahead, recipients=_names(envelope))
        if data.code != 354:
            raise _End(reply=data)

    def _body(self, envelope: Envelope) -> None:
        self._stage = Stage.BODY
        answer = self._play(Stage.BODY, recipients=_names(envelope))
        if answer is not None:
            self._line.append(UNASKED if answer is Fault.EXTRA else answer)
        if self._line:
            reply = self._next()
            raise _End(reply=reply) if reply.code >= 400 else _End(problem=Problem.PROTOCOL)

    def _dot(self, envelope: Envelope) -> NoReturn:
        reply = self._hear(Stage.DOT, "250 2.0.0 taken", recipients=_names(envelope))
        self.taken = reply.positive
        raise _End(reply=reply)

    def _expect(self, stage: Stage, usual: str) -> None:
        self._demand(self._hear(stage, usual))

    def _hear(
        self, stage: Stage, usual: str, *, ahead: bool = False, recipients: Collection[str] = ()
    ) -> Reply:
        """The next reply in line. A command that went *ahead* cannot see that one is too many."""
        self._stage = stage
        if self._line and not ahead:
            raise _End(problem=Problem.PROTOCOL)
        answer = self._play(stage, recipients=recipients)
        self._line.append(usual if answer is None or answer is Fault.EXTRA else answer)
        if answer is Fault.EXTRA:
            self._line.append(UNASKED)
        reply = self._next()
        if stage is not Stage.DOT:
            self._heard.append(Step(stage=stage, reply=reply))
        expected = reply.code == 354 if stage is Stage.DATA else reply.positive
        if not expected and reply.code < 400:
            raise _End(problem=Problem.PROTOCOL)
        return reply

    def _play(self, stage: Stage, *, recipients: Collection[str]) -> str | None:
        """What the script says if it is a text or EXTRA; all else ends the dialogue."""
        answer = self._server.playback.answer(stage, recipients=recipients, message=self._message)
        self.taken = answer in (Fault.ACCEPT_HANG, Fault.ACCEPT_CLOSE)
        self._raise_problem(answer)
        if isinstance(answer, Fault) and answer is not Fault.EXTRA:
            raise _End(problem=_PROBLEMS[answer])
        return answer

    def _next(self) -> Reply:
        return _reply(self._line.popleft())

    def _demand(self, reply: Reply) -> None:
        if not reply.positive:
            raise _End(reply=reply)

    def _raise_problem(self, answer: Answer | None) -> None:
        if isinstance(answer, Problem):
            raise _End(problem=answer)

    def _handoff(self, end: _End) -> Handoff:
        kept = end.problem in (Problem.TOO_BIG, Problem.SMTPUTF8) or (
            end.reply is not None
            and end.reply.code != 421
            and self._stage in (Stage.MAIL, Stage.RCPT, Stage.DATA, Stage.DOT)
        )
        unattributable = end.problem is Problem.PROTOCOL and self._stage in ENVELOPE
        at = "to" if self._stage is Stage.CONNECT else "at"
        where = f"{self._stage} {at} {self._account.host}:{self._account.port}"
        return Handoff(
            stage=self._stage,
            reply=end.reply,
            problem=end.problem,
            recipients=() if unattributable else tuple(self._answered),
            detail=f"{where}: {end.problem}" if end.problem else "",
            usable=kept and not self._line,
        )


_PROBLEMS: Final = {
    Fault.CLOSE: Problem.CLOSED,
    Fault.RST: Problem.CLOSED,
    Fault.HANG: Problem.TIMEOUT,
    Fault.DRIP: Problem.TIMEOUT,
    Fault.GARBAGE: Problem.PROTOCOL,
    Fault.MIXED: Problem.PROTOCOL,
    Fault.ENDLESS: Problem.PROTOCOL,
    Fault.HUGE: Problem.PROTOCOL,
    Fault.ACCEPT_HANG: Problem.TIMEOUT,
    Fault.ACCEPT_CLOSE: Problem.CLOSED,
}
_AT_HANDSHAKE: Final = {
    Fault.CLOSE: Problem.CLOSED,
    Fault.RST: Problem.CLOSED,
    Fault.HANG: Problem.TIMEOUT,
}


def _reply(text: str) -> Reply:
    """The reply that a server's text is read as."""
    lines = text.split("\n")
    return Reply.of(int(lines[-1][:3]), joined([line[4:] for line in lines]))


def _names(envelope: Envelope) -> tuple[str, ...]:
    return tuple(str(address) for address in envelope.recipients)


def _accepted(account: Account, envelope: Envelope, octets: bytes, handoff: Handoff) -> Accepted:
    taken = tuple(
        answer.address
        for answer in handoff.recipients
        if answer.reply is not None and answer.reply.positive
    )
    return Accepted(
        account_id=account.id, envelope=attrs.evolve(envelope, recipients=taken), octets=octets
    )
