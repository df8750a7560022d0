"""One SMTP session without sockets: octets in, replies out, and questions that others answer.

The driver calls `receive` with what came and then `advance` until it gives None; before it waits,
it writes what `take` gives. A question stops the session until it is answered: `logged_in` answers
`LoginAsked`, `answered` answers `MessageCame`; for `TlsAsked` the driver calls `begin_tls` before
the handshake and `secured` after it. Commands that came meanwhile (PIPELINING, RFC 2920) wait.

What came behind STARTTLS in clear is dropped by `begin_tls`: it may be anybody's (CVE-2011-0411).
What is received after that has come through TLS, even if the driver hears of the end of the
handshake later: some clients send EHLO together with the last octets of it.
"""

from enum import Enum, auto
from typing import Final, TypeAlias

import attrs

from domain.address import Address
from entrypoints.smtp import reply
from entrypoints.smtp.body import MessageReader, has_bare_line_end
from entrypoints.smtp.commands import LONGEST_LINE, LONGEST_SECRET, Refused, command
from entrypoints.smtp.conversation import (
    Answer,
    Conversation,
    Envelope,
    SessionPolicy,
    Start,
    StartLogin,
)
from entrypoints.smtp.lines import Incoming, LongLine
from entrypoints.smtp.login import LoginDialogue
from entrypoints.smtp.reply import Reply

MOST_ERRORS: Final = 10  # since the last message that was accepted
TURN: Final = 100  # commands; an international address takes a millisecond to validate
GO_AHEAD: Final = b"354 End the message with a line that has only a dot\r\n"


@attrs.frozen
class LoginAsked:
    """Somebody says that this is an API key."""

    token: str = attrs.field(repr=False)


@attrs.frozen
class MessageCame:
    """A whole message, and who is to get it."""

    recipients: tuple[Address, ...]
    octets: bytes = attrs.field(repr=False)


@attrs.frozen
class TlsAsked:
    """What `take` gives is to be written, and then comes the handshake."""


Question: TypeAlias = LoginAsked | MessageCame | TlsAsked


class State(Enum):
    """What the session does with the next octets."""

    COMMAND = auto()
    LOGIN = auto()  # takes a line of the dialogue of AUTH
    BODY = auto()
    WAITING = auto()  # for the answer to a question
    OVER = auto()


class Session:
    """One session, from the greeting on. *secure*: it waits for `secured` before it greets.

    ``more``: `advance` has done its turn, and would go on at once.
    """

    def __init__(self, policy: SessionPolicy, *, secure: bool = False) -> None:
        self._policy = policy
        self.conversation = Conversation(policy, secure=secure)
        self.state = State.WAITING if secure else State.COMMAND
        self._out = [f"220 {policy.name} ESMTP\r\n".encode("ascii")]
        self._incoming = Incoming()
        self._errors = 0
        self._login: LoginDialogue | None = None
        self._body: MessageReader | None = None
        self._no_memory = False
        self.more = False

    @property
    def held(self) -> int:
        """How many octets it keeps in memory."""
        return len(self._incoming) + (0 if self._body is None else len(self._body))

    def receive(self, octets: bytes) -> None:
        """Add what was read."""
        self._incoming.add(octets)

    def take(self) -> bytes:
        """What is to be written, once."""
        out, self._out = b"".join(self._out), []
        return out

    def advance(self) -> Question | None:
        """Go on as far as the octets and its turn reach; a question if it needs an answer first."""
        self.more = False
        for _ in range(TURN):
            before = len(self._incoming)
            if not before or self.state in (State.WAITING, State.OVER):
                return None
            question = self._read_body() if self.state is State.BODY else self._read_line()
            if question is not None:
                self.state = State.WAITING
                return question
            if len(self._incoming) == before:
                return None  # half a line
        self.more = True
        return None

    def end(self, last: Reply) -> None:
        """Say *last* and listen to nothing more, whatever the session was doing."""
        self._out.append(last.line())
        self.state = State.OVER
        self._incoming, self._body = Incoming(), None

    def begin_tls(self) -> None:
        """What is received from now on is protected; what was received before is dropped."""
        self._incoming = Incoming()

    def secured(self) -> None:
        """The handshake is done; the client begins anew."""
        self.conversation.begin_anew(secure=True)
        self.state = State.COMMAND

    def logged_in(self, answer: Reply, *, refusal: Reply | None = None) -> None:
        """Whether the key is good, as *answer* says; *refusal* is what each MAIL is answered."""
        self.conversation.known = answer.code == reply.LOGGED_IN.code
        self.conversation.refusal = refusal
        self.answered(answer)

    def answered(self, answer: Reply) -> None:
        """What became of what was asked for."""
        self.state = State.COMMAND
        if answer.code == reply.OK.code:
            self._errors = 0
        self._say(answer)

    def forget_message(self) -> None:
        """Keep nothing of the message that is being read: there is no memory for it."""
        if self._body is not None and not self._body.too_large:
            self._body.forget()
            self._no_memory = True

    def _read_line(self) -> Question | None:
        login = self._login if self.state is State.LOGIN else None
        secret = login is not None or self._incoming.begins_with(b"AUTH ")
        try:
            line = self._incoming.line(most=LONGEST_SECRET if secret else LONGEST_LINE)
            if line is None:
                return None
            if login is not None:
                return self._login_goes_on(login, login.hear(line))
            return self._follow(self.conversation.answer(command(line)))
        except LongLine:
            self.state = State.COMMAND
            self._say(reply.LONG_LINE)
        except Refused as refused:
            self.state = State.COMMAND
            self._say(refused.reply)
        return None

    def _follow(self, answer: Answer) -> Question | None:
        """Do what a command was answered."""
        if isinstance(answer, Reply):
            self._say(answer)
        elif isinstance(answer, bytes):
            self._out.append(answer)
        elif isinstance(answer, StartLogin):
            login = LoginDialogue(answer.mechanism)
            return self._login_goes_on(login, login.begin(answer.initial))
        elif answer is Start.TLS:
            self._out.append(reply.START_TLS.line())
            return TlsAsked()
        else:
            self._out.append(GO_AHEAD)
            self._body, self._no_memory = MessageReader(self._policy.most_octets), False
            self.state = State.BODY
        return None

    def _login_goes_on(self, login: LoginDialogue, challenge: bytes | None) -> Question | None:
        if challenge is None:
            return LoginAsked(login.token)
        self._out.append(challenge)
        self._login, self.state = login, State.LOGIN
        return None

    def _read_body(self) -> Question | None:
        body = self._body
        assert body is not None
        rest = body.feed(self._incoming.all())
        if rest is None:
            return None
        self._incoming.add(rest)
        recipients = tuple(self.conversation.envelope.recipients)
        self.conversation.envelope, self._body = Envelope(), None
        self.state = State.COMMAND
        if body.too_large:
            self._say(reply.NO_MEMORY if self._no_memory else reply.TOO_LARGE)
            return None
        message = body.message()
        if has_bare_line_end(message):
            self._say(reply.BARE_LINE_END)
            return None
        return MessageCame(recipients, message)

    def _say(self, answer: Reply) -> None:
        self._errors += answer.is_error
        if self._errors >= MOST_ERRORS and not answer.closes:
            self._out.append(answer.line())
            answer = reply.TOO_MANY_ERRORS
        if answer.closes:
            self.end(answer)
        else:
            self._out.append(answer.line())
