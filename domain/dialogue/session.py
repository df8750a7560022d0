"""One connection and the emails that go over it, for senders that write, wait and read.

A sender brings the connection; what is said over it, and what is reported, stands here. The client
of `adapters/smtp_sender` does not use it: it keeps a deadline for each group of commands.
"""

from collections.abc import Callable, Iterable
from typing import Protocol

import attrs

from domain.account.account import Account, Security
from domain.account.verification import Step, TlsFacts
from domain.address import Address
from domain.dialogue.credential import Credential
from domain.dialogue.driver import Connection, follow, open_transaction, recover
from domain.dialogue.ends import ConnectionFailed, ExchangeEnded, expect
from domain.dialogue.extensions import Extensions, body_of
from domain.dialogue.opening import Opening, Steps, verifying
from domain.dialogue.redaction import Redaction
from domain.dialogue.replies import ServerReply
from domain.dialogue.result import handoff_after
from domain.dialogue.transaction import DOT, IDLE, MailTransaction, State
from domain.outcome.handoff import Handoff, Parcel, Problem, RecipientReply, Stage


@attrs.frozen(kw_only=True)
class Connected:
    """What the dialogue must know of a connection that stands.

    ``own_name`` is what this end calls itself, ``is_local`` whether nothing that is sent leaves
    this machine.
    """

    own_name: str
    is_local: bool
    detail: str


class NewConnection(Connection, Protocol):
    """A `Connection` that is not connected yet. All but ``stage`` and ``tls`` raise
    ConnectionFailed.
    """

    @property
    def stage(self) -> Stage:
        """What was begun last; None changes nothing. RESOLVE before anything was."""
        ...

    @property
    def tls(self) -> TlsFacts | None:
        """What the handshake came to, once there was one."""
        ...

    def connect(self) -> Connected:
        """Resolve and connect, in the place of a connection that was. ExchangeEnded as well."""
        ...

    def pour(self, pieces: Iterable[bytes], *, size: int) -> bool:
        """A message without its terminator, about *size* octets. False if the server spoke or left
        before its end.
        """
        ...


class Session:
    """One connection for one account. Used by one thread at a time.

    After `open` and each `hand_off`, ``usable`` tells whether it may be used again.
    """

    def __init__(
        self,
        account: Account,
        connection: NewConnection,
        *,
        credential: Credential,
        stopped: Callable[[], bool] = lambda: False,
        pipelining: bool = True,
    ) -> None:
        """*stopped* tells whether another thread has ended the attempt. Without *pipelining* each
        command waits for its reply.
        """
        self.account = account
        self.transaction = MailTransaction(Extensions())
        self.usable = False
        self._connection = connection
        self._credential = credential
        self._stopped = stopped
        self._pipelining = pipelining
        self._redaction = Redaction()
        self._heard: list[Step] = []

    # --- from nothing to a session that takes mail

    def open(self) -> Handoff:
        """Connect, TLS, EHLO, AUTH. Stage MAIL without reply or problem if all went well."""
        try:
            self._open()
        except (ConnectionFailed, ExchangeEnded) as end:
            return self._ended(end, self._connection.stage)
        self.usable = True
        return Handoff(stage=Stage.MAIL, usable=True)

    def verify(self, recipient: Address) -> tuple[Step, ...]:
        """`open`, MAIL and RCPT, then RSET: what each stage came to.

        The last one is the one that failed, or RCPT.
        """
        handoff = self.open()
        try:
            if handoff.usable:
                self.usable = False
                self._follow(verifying(self.account, recipient))
                self.transaction.reset()
                recover(self.transaction, self._connection)
                self.usable = self.transaction.state in IDLE
        except (ConnectionFailed, ExchangeEnded) as end:
            handoff = self._ended(end, self._connection.stage)
        failed, passed = Step.of(handoff), [step for step in self._heard if step.ok]
        return tuple(self._heard) if failed.ok else (*passed, failed)

    def _open(self) -> None:
        try:
            self._credential.prepare()
        except ExchangeEnded:
            self._connection.begin(Stage.AUTH)
            raise
        try:
            self._log_in()
        except ConnectionFailed as failure:
            if self._stopped() or not self._credential.goes_on_after(failure):
                raise
            self._heard.clear()
            self._log_in()

    def _log_in(self) -> None:
        account, connection = self.account, self._connection
        connected = connection.connect()
        self._heard.append(Step(stage=Stage.CONNECT, detail=connected.detail))
        if account.security is Security.TLS:
            connection.begin(Stage.TLS)
            connection.encrypt()
            self._note(Stage.TLS)
        connection.begin(Stage.BANNER)
        greeting = connection.read()
        self._note(Stage.BANNER, greeting)
        expect(220, greeting)
        opening = Opening(
            account,
            own_name=connected.own_name,
            credential=self._credential,
            is_local=connected.is_local,
        )
        try:
            self._follow(opening.steps())
        finally:
            connection.begin(opening.stage)
        self._redaction.end_login()
        pipelining = self._pipelining and opening.extensions.pipelining
        self.transaction = MailTransaction(attrs.evolve(opening.extensions, pipelining=pipelining))

    def _follow(self, steps: Steps) -> None:
        follow(steps, self._connection, redaction=self._redaction, note=self._note)

    def _note(self, stage: Stage, reply: ServerReply | None = None) -> None:
        if reply is None:
            detail = "TLS stands and its certificate is good"
            self._heard.append(Step(stage=stage, detail=detail, tls=self._connection.tls))
        else:
            self._heard.append(Step(stage=stage, reply=self._redaction.clean(reply)))

    # --- one email

    def renew(self, parcel: Parcel) -> bool:
        """Whether the next email may go over it: it was announced, or the session is reset."""
        transaction = self.transaction
        if transaction.announced is not None:
            return transaction.announced == parcel
        try:
            recover(transaction, self._connection)
        except ConnectionFailed:
            return False
        return transaction.state is State.READY and self._connection.silent

    def hand_off(
        self,
        parcel: Parcel,
        *,
        before_dot: Callable[[], bool],
        still: Callable[[], bool] = lambda: True,
        then: Callable[[], Parcel | None] = lambda: None,
    ) -> Handoff:
        """One transaction, as `Conversation.send` describes it.

        *then* is asked for the next email if the server takes both at once.
        """
        transaction, connection = self.transaction, self._connection
        delivered = transaction.delivered
        self.usable = False
        try:
            open_transaction(transaction, connection, parcel)
            connection.begin(Stage.BODY)
            whole = connection.pour(body_of(parcel), size=parcel.size)
            self._expect_silence(whole=whole)
            announcement = (
                transaction.announce(then()) if transaction.extensions.pipelining else b""
            )
            if not before_dot():
                raise _stopped()
            reply = self._end_message(announcement, still)
        except (ConnectionFailed, ExchangeEnded) as end:
            self.usable = transaction.state in IDLE
            return self._ended(end, transaction.stage, parcel, delivered=delivered)
        self.usable = transaction.state in IDLE
        return Handoff(
            stage=Stage.DOT,
            reply=self._redaction.clean(reply),
            recipients=self._recipients(parcel),
            delivered=delivered,
            usable=self.usable,
            max_octets=transaction.extensions.max_octets,
            dsn=transaction.extensions.dsn,
        )

    def _end_message(self, announcement: bytes, still: Callable[[], bool]) -> ServerReply:
        """The reply to the final dot."""
        transaction, connection = self.transaction, self._connection
        self._expect_silence()
        if not still():
            raise _stopped()
        connection.write(DOT + announcement)
        transaction.dot_written()
        connection.begin(Stage.DOT)
        reply = connection.read()
        transaction.heard(reply)
        if not announcement and not connection.silent:
            transaction.heard_again(connection.read(), reply)
        return reply

    def _expect_silence(self, *, whole: bool = True) -> None:
        """The dot may follow a *whole* body; ExchangeEnded or ConnectionFailed tells why not."""
        if whole and self._connection.silent:
            return
        self.transaction.heard(self._connection.read())
        raise AssertionError("nothing but the end is heard in the middle of a body")

    def _recipients(self, parcel: Parcel) -> tuple[RecipientReply, ...]:
        replies = map(self._redaction.clean, self.transaction.replies)
        return tuple(map(RecipientReply, parcel.envelope.recipients, replies))

    def _ended(
        self,
        end: ConnectionFailed | ExchangeEnded,
        stage: Stage,
        parcel: Parcel | None = None,
        *,
        delivered: int = 0,
    ) -> Handoff:
        return handoff_after(
            end,
            stage=stage,
            account=self.account,
            redaction=self._redaction,
            recipients=() if parcel is None else self._recipients(parcel),
            used=self.transaction.used,
            delivered=delivered,
            usable=self.usable,
            stopped=self._stopped(),
            dsn=self.transaction.extensions.dsn,
        )


def _stopped() -> ExchangeEnded:
    return ExchangeEnded(problem=Problem.STOPPED, detail="stopped before the final dot")
