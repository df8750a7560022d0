"""Follows the machines over a connection whose waiting is its own affair.

For a sender that writes a group, waits and reads. The socket client follows the machines itself,
because it keeps a deadline for each group.
"""

from collections.abc import Callable
from typing import NoReturn, Protocol

from domain.dialogue.ends import ConnectionFailed, ExchangeEnded, unasked
from domain.dialogue.opening import (
    Ask,
    LoggingIn,
    Resumed,
    StageReply,
    StartTls,
    Steps,
    bytes_before_tls,
)
from domain.dialogue.redaction import Redaction
from domain.dialogue.replies import ServerReply
from domain.dialogue.transaction import AT_ONCE, ENVELOPE, RECOVERING, MailTransaction, State
from domain.outcome.handoff import Parcel, Problem, Stage


class Connection(Protocol):
    """What is needed of a connection. All but ``silent`` raise ConnectionFailed."""

    @property
    def silent(self) -> bool:
        """Whether everything that was received has been read, and the server is there."""
        ...

    def begin(self, stage: Stage | None) -> None:
        """What follows belongs to *stage*; None is what follows a refusal."""
        ...

    def write(self, octets: bytes) -> None:
        """Commands."""
        ...

    def read(self) -> ServerReply:
        """The next reply."""
        ...

    def encrypt(self) -> None:
        """The handshake of TLS."""
        ...


def follow(
    steps: Steps,
    line: Connection,
    *,
    redaction: Redaction,
    note: Callable[[Stage, ServerReply | None], None],
) -> None:
    """Do what *steps* want, one event after the other; *note* is told what each stage came to."""
    answer: ServerReply | None = None
    asked: Stage | None = None
    try:
        while True:
            event = steps.send(answer)
            answer = None
            match event:
                case Ask():
                    if event.stage is not asked:
                        asked = event.stage
                        line.begin(asked)
                    _expect_silence(line)
                    line.write(event.line)
                    answer = line.read()
                case StageReply():
                    note(event.stage, event.reply)
                case LoggingIn():
                    redaction.begin_login(event.forms)
                case Resumed():
                    asked = None
                    _expect_silence(line)
                case StartTls():
                    if not line.silent:
                        _refuse_injection(line)
                    line.encrypt()
                    note(Stage.TLS, None)
    except StopIteration:
        pass


def _expect_silence(line: Connection) -> None:
    """ConnectionFailed or ExchangeEnded if the server spoke before its turn, or left."""
    if not line.silent:
        raise unasked(line.read())


def _refuse_injection(line: Connection) -> NoReturn:
    """Bytes came before the handshake; or the server closed the connection."""
    try:
        line.read()
    except ConnectionFailed as broken:
        if broken.problem is Problem.CLOSED:
            raise
    raise bytes_before_tls()


def open_transaction(transaction: MailTransaction, line: Connection, parcel: Parcel) -> None:
    """MAIL, RCPT, DATA: from here on the server waits for the body.

    ExchangeEnded or ConnectionFailed if it does not.
    """
    transaction.begin(parcel)
    while transaction.state in ENVELOPE:
        line.begin(transaction.stage)
        if not transaction.owed:
            if not line.silent:
                hear_unasked(transaction, line.read)
            line.write(transaction.next_group())
        transaction.heard(line.read())
    if transaction.state is not State.BODY:
        recover(transaction, line)
        raise ExchangeEnded(reply=transaction.refusal)


def hear_unasked(transaction: MailTransaction, read: Callable[[], ServerReply]) -> None:
    """What came before its command. It raises, but for a goodbye that follows a refusal.

    *read* waits for the rest of a reply, which may never come.
    """
    try:
        reply = read()
    except ConnectionFailed as failure:
        if failure.problem is not Problem.TIMEOUT:
            raise
        detail = "part of a reply that nobody asked for"
        raise ConnectionFailed(Problem.PROTOCOL, detail) from None
    transaction.unasked(reply)


def recover(transaction: MailTransaction, line: Connection) -> None:
    """Read what is owed after a refusal, and reset.

    ConnectionFailed if the refusal may belong to another command.
    """
    line.begin(None)
    try:
        while transaction.state in RECOVERING:
            if not transaction.owed:
                if transaction.state not in AT_ONCE and not line.silent:
                    hear_unasked(transaction, line.read)
                    continue
                line.write(transaction.next_group())
            transaction.heard(line.read())
    except ConnectionFailed as failure:
        transaction.lost(failure)
