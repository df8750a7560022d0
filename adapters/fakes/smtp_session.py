"""A connection in memory and the dialogue over it: the machines of production, no socket, no wait.

A server that hangs is a timeout at once.
"""

from collections.abc import Callable

import attrs

from adapters.fakes.mail_server import Connection, MailServer
from application.ports.system import Vault
from domain.account.account import Account, Security
from domain.account.verification import Step
from domain.address import Address
from domain.dialogue.driver import follow, open_transaction, recover
from domain.dialogue.ends import ConnectionFailed, ExchangeEnded, expect_positive
from domain.dialogue.extensions import Extensions, dot_stuffed
from domain.dialogue.opening import (
    Opening,
    Steps,
    expect_password,
    verifying,
)
from domain.dialogue.redaction import Redaction
from domain.dialogue.replies import ServerReply
from domain.dialogue.result import handoff_after
from domain.dialogue.transaction import (
    DOT,
    IDLE,
    MailTransaction,
    State,
)
from domain.errors import SecretUnreadable
from domain.outcome.handoff import Envelope, Handoff, Parcel, Problem, RecipientReply, Stage


@attrs.frozen(kw_only=True)
class Accepted:
    """One message the server took, with the recipients it took it for."""

    account_id: int
    envelope: Envelope
    octets: bytes = attrs.field(repr=False)


class Session:
    """One connection in memory and the machines that speak over it."""

    def __init__(self, account: Account, server: MailServer, vault: Vault | None) -> None:
        self.account = account
        self.server = server
        self.transaction = MailTransaction(Extensions())
        self.taken: Accepted | None = None
        self._vault = vault
        self._connection = Connection(
            server,
            any_password=vault is None,
            can_start_tls=account.security is Security.STARTTLS,
        )
        self._redaction = Redaction()
        self._heard: list[Step] = []

    # --- from nothing to a session that takes mail

    def open(self) -> Handoff:
        """Connect, TLS, EHLO, AUTH. Stage MAIL without reply or problem if all went well."""
        try:
            self._open()
        except (ConnectionFailed, ExchangeEnded) as end:
            return handoff_after(
                end, stage=self._connection.stage, account=self.account, redaction=self._redaction
            )
        return Handoff(stage=Stage.MAIL, usable=True)

    def verify(self, recipient: Address) -> tuple[Step, ...]:
        """What each stage came to; the last one is the one that failed, or RCPT."""
        handoff = self.open()
        try:
            if handoff.usable:
                self._follow(verifying(self.account, recipient))
        except (ConnectionFailed, ExchangeEnded) as end:
            handoff = handoff_after(
                end, stage=self._connection.stage, account=self.account, redaction=self._redaction
            )
        failed, passed = Step.of(handoff), [step for step in self._heard if step.ok]
        return tuple(self._heard) if failed.ok else (*passed, failed)

    def _open(self) -> None:
        account, connection = self.account, self._connection
        try:
            expect_password(account)
        except ExchangeEnded:
            connection.begin(Stage.AUTH)
            raise
        connection.connect()
        self._heard.append(Step(stage=Stage.CONNECT, detail="connected"))
        if account.security is Security.TLS:
            connection.begin(Stage.TLS)
            connection.encrypt()
            self._note(Stage.TLS)
        connection.begin(Stage.BANNER)
        greeting = connection.read()
        self._note(Stage.BANNER, greeting)
        expect_positive(greeting)
        opening = Opening(
            account, own_name="client.example.com", password=self._password, is_local=True
        )
        try:
            self._follow(opening.steps())
        finally:
            connection.begin(opening.stage)
        self._redaction.end_login()
        self.transaction = MailTransaction(opening.extensions)

    def _follow(self, steps: Steps) -> None:
        follow(steps, self._connection, redaction=self._redaction, note=self._note)

    def _note(self, stage: Stage, reply: ServerReply | None = None) -> None:
        if reply is None:
            self._heard.append(Step(stage=stage, detail="TLS stands"))
        else:
            self._heard.append(Step(stage=stage, reply=self._redaction.clean(reply)))

    def _password(self) -> str:
        if self._vault is None:
            return ""
        assert self.account.sealed_password is not None
        context = f"account:{self.account.id}"
        try:
            return self._vault.open(self.account.sealed_password, context=context)
        except SecretUnreadable:
            raise ExchangeEnded(problem=Problem.SECRET) from None

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
        before_dot: Callable[[], bool],
        then: Callable[[], Parcel | None],
    ) -> Handoff:
        """One transaction; *then* is asked for the next one if the server takes both at once."""
        transaction, connection = self.transaction, self._connection
        delivered = transaction.delivered
        self.taken = None
        try:
            open_transaction(transaction, connection, parcel)
            connection.pour(dot_stuffed(parcel.octets))
            if not connection.silent:
                transaction.heard(connection.read())
            announcement = (
                transaction.announce(then()) if transaction.extensions.pipelining else b""
            )
            if not before_dot():
                raise ExchangeEnded(problem=Problem.STOPPED)
            reply = self._end_message(announcement)
        except (ConnectionFailed, ExchangeEnded) as end:
            return handoff_after(
                end,
                stage=transaction.stage,
                account=self.account,
                redaction=self._redaction,
                recipients=self._recipients(parcel),
                delivered=delivered,
                usable=transaction.state in IDLE,
            )
        finally:
            taken = connection.pop_taken()
            self.taken = None if taken is None else self._accepted(parcel, *taken)
        return Handoff(
            stage=Stage.DOT,
            reply=self._redaction.clean(reply),
            recipients=self._recipients(parcel),
            delivered=delivered,
            usable=transaction.state in IDLE,
        )

    def _end_message(self, announcement: bytes) -> ServerReply:
        """The reply to the final dot."""
        transaction, connection = self.transaction, self._connection
        connection.write(DOT + announcement)
        transaction.dot_written()
        reply = connection.read()
        transaction.heard(reply)
        if not announcement and not connection.silent:
            transaction.heard_again(connection.read(), reply)
        return reply

    def _recipients(self, parcel: Parcel) -> tuple[RecipientReply, ...]:
        replies = map(self._redaction.clean, self.transaction.replies)
        return tuple(map(RecipientReply, parcel.envelope.recipients, replies))

    def _accepted(self, parcel: Parcel, names: tuple[str, ...], octets: bytes) -> Accepted:
        envelope = parcel.envelope
        taken = tuple(address for address in envelope.recipients if str(address) in names)
        return Accepted(
            account_id=self.account.id,
            envelope=attrs.evolve(envelope, recipients=taken),
            octets=octets,
        )
