"""What each command is answered, and what a session knows between commands."""

from collections.abc import Callable, Mapping
from enum import Enum, auto
from typing import Final, TypeAlias

import attrs

from domain.address import Address
from entrypoints.smtp import reply
from entrypoints.smtp.commands import Command, Refused, Sender, recipient, sender
from entrypoints.smtp.login import MECHANISMS
from entrypoints.smtp.reply import Reply


@attrs.frozen(kw_only=True)
class SessionPolicy:
    """What a session allows: *most_octets* of a message, *most_recipients* of one.

    *name* is that of the server. ``tls``: STARTTLS is offered. ``login_in_clear``: AUTH is taken
    without TLS too.
    """

    name: str
    most_octets: int
    most_recipients: int
    tls: bool = False
    login_in_clear: bool = False


class Start(Enum):
    """What begins after a command."""

    TLS = auto()
    BODY = auto()


@attrs.frozen
class StartLogin:
    """A dialogue begins; *initial* is the response that came with AUTH."""

    mechanism: str
    initial: str


Answer: TypeAlias = Reply | bytes | Start | StartLogin


@attrs.define
class Envelope:
    """What MAIL and RCPT have said so far; *sender* None before MAIL."""

    sender: Sender | None = None
    recipients: list[Address] = attrs.field(factory=list)


class Conversation:
    """The commands of one session. ``known``: a key was accepted; ``refusal`` tells what else keeps
    its holder from sending.
    """

    def __init__(self, policy: SessionPolicy, *, secure: bool) -> None:
        self._policy = policy
        self.secure = secure
        self.known = False
        self.refusal: Reply | None = None
        self.envelope = Envelope()
        self._greeted = False

    def begin_anew(self, *, secure: bool) -> None:
        """As after the greeting: what was said in clear does not count inside of TLS."""
        self.secure, self._greeted, self.envelope = secure, False, Envelope()

    def answer(self, given: Command) -> Answer:
        """The answer to a command. Refused."""
        handler = _HANDLERS.get(given.verb)
        if handler is None:
            raise Refused(reply.UNKNOWN_COMMAND)
        return handler(self, given.argument)

    def ehlo(self, argument: str) -> Answer:
        """The extensions that are offered now."""
        if not argument.strip():
            raise Refused(reply.BAD_ARGUMENT)
        self._greeted, self.envelope = True, Envelope()
        lines = [self._policy.name, "PIPELINING", f"SIZE {self._policy.most_octets}"]
        lines += ["8BITMIME", "SMTPUTF8"]
        if self._policy.tls and not self.secure:
            lines.append("STARTTLS")
        if self._may_log_in and not self.known:
            lines.append(f"AUTH {' '.join(MECHANISMS)}")
        lines.append("ENHANCEDSTATUSCODES")
        text = "".join(f"250-{line}\r\n" for line in lines[:-1]) + f"250 {lines[-1]}\r\n"
        return text.encode("ascii")

    def helo(self, argument: str) -> Answer:
        """A client without extensions: it cannot log in before it sends EHLO."""
        if not argument.strip():
            raise Refused(reply.BAD_ARGUMENT)
        self._greeted, self.envelope = True, Envelope()
        return f"250 {self._policy.name}\r\n".encode("ascii")

    def starttls(self, argument: str) -> Answer:
        """RFC 3207."""
        if argument:
            raise Refused(reply.BAD_ARGUMENT)
        if not self._policy.tls or self.secure:
            raise Refused(reply.NO_TLS)
        if self.known:
            raise Refused(reply.LOGGED_IN_ALREADY)
        return Start.TLS

    def auth(self, argument: str) -> Answer:
        """RFC 4954."""
        mechanism, _, initial = argument.partition(" ")
        if not self._greeted:
            raise Refused(reply.NEEDS_HELLO)
        if self.known:
            raise Refused(reply.LOGGED_IN_ALREADY)
        if not self._may_log_in:
            raise Refused(reply.NEEDS_TLS)
        return StartLogin(mechanism.upper(), initial.strip())

    def mail(self, argument: str) -> Answer:
        """Who sends is the account in From: of the address nothing is kept."""
        if not self.known:
            raise Refused(reply.NEEDS_LOGIN if self._may_log_in else reply.NEEDS_TLS)
        if not self._greeted:
            raise Refused(reply.NEEDS_HELLO)
        if self.envelope.sender is not None:
            raise Refused(reply.TWO_SENDERS)
        given = sender(argument, most=self._policy.most_octets)
        if self.refusal is not None:
            raise Refused(self.refusal)
        self.envelope.sender = given
        return reply.SENDER_OK

    def rcpt(self, argument: str) -> Answer:
        """One more recipient."""
        if self.envelope.sender is None:
            raise Refused(reply.NEEDS_MAIL)
        if len(self.envelope.recipients) >= self._policy.most_recipients:
            return reply.TOO_MANY_RECIPIENTS
        address = recipient(argument, smtputf8=self.envelope.sender.smtputf8)
        self.envelope.recipients.append(address)
        return reply.RECIPIENT_OK

    def data(self, argument: str) -> Answer:
        """The message may come, if there is somebody to send it to."""
        if argument:
            raise Refused(reply.BAD_ARGUMENT)
        if self.envelope.sender is None:
            raise Refused(reply.NEEDS_MAIL)
        if not self.envelope.recipients:
            raise Refused(reply.NEEDS_RECIPIENT)
        return Start.BODY

    def rset(self, _: str) -> Answer:
        """Forget the envelope."""
        self.envelope = Envelope()
        return reply.OK

    @property
    def in_transaction(self) -> bool:
        """Whether a sender was named, and the message has not come to its end."""
        return self.envelope.sender is not None

    @property
    def _may_log_in(self) -> bool:
        return self.secure or self._policy.login_in_clear


def _noop(_: Conversation, __: str) -> Answer:
    return reply.OK


def _verify(_: Conversation, __: str) -> Answer:
    return reply.CANNOT_VERIFY


def _quit(_: Conversation, __: str) -> Answer:
    return reply.BYE


_HANDLERS: Final[Mapping[str, Callable[[Conversation, str], Answer]]] = {
    "EHLO": Conversation.ehlo,
    "HELO": Conversation.helo,
    "STARTTLS": Conversation.starttls,
    "AUTH": Conversation.auth,
    "MAIL": Conversation.mail,
    "RCPT": Conversation.rcpt,
    "DATA": Conversation.data,
    "RSET": Conversation.rset,
    "NOOP": _noop,
    "VRFY": _verify,
    "QUIT": _quit,
}
