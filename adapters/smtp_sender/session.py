"""One connection to one mail server, and the emails that go over it.

What is said and what a reply means is decided by `domain/dialogue`; here it is written and read,
each stage by its deadline. Before a group of commands is written the server must be silent.

The one moment that matters is the final dot. Until its last byte is handed to the kernel nothing
can have been accepted; from then on only a clear reply tells (RFC 1047).
"""

from collections.abc import Callable
from typing import NoReturn

from adapters.smtp_sender.opening import Opener
from adapters.smtp_sender.terms import Terms
from adapters.smtp_sender.wire import Deadline, Wire
from application.sending import CancelToken
from domain.account.account import Account
from domain.account.verification import Step
from domain.address import Address
from domain.dialogue.driver import hear_unasked
from domain.dialogue.ends import ConnectionFailed, ExchangeEnded
from domain.dialogue.extensions import Extensions, body_of
from domain.dialogue.redaction import Redaction
from domain.dialogue.replies import ServerReply
from domain.dialogue.result import handoff_after
from domain.dialogue.transaction import (
    AT_ONCE,
    DOT,
    ENVELOPE,
    IDLE,
    QUIT,
    RECOVERING,
    MailTransaction,
    State,
)
from domain.outcome.handoff import Handoff, Parcel, Problem, RecipientReply, Stage


class Session:
    """One connection for one account. Used by one thread at a time.

    After `open` and each `hand_off`, ``usable`` tells whether it may be used again.
    """

    def __init__(self, account: Account, *, terms: Terms) -> None:
        self.account_id = account.id
        self.version = account.version
        self.opened_at = terms.monotonic()
        self.transaction = MailTransaction(Extensions())
        self.usable = False
        self.heard: list[Step] = []  # what each stage before the first message came to
        self._account = account
        self._terms = terms
        self._timeouts = terms.timeouts
        self._by_stage = {
            Stage.MAIL: terms.timeouts.mail,
            Stage.RCPT: terms.timeouts.rcpt,
            Stage.DATA: terms.timeouts.data,
        }
        self._wire: Wire | None = None
        self._live: Wire  # the same, once there is one
        self._opener: Opener
        self._redaction = Redaction()
        self._seen_silent = False  # just now, so that nobody needs to look again
        self._listening = False

    def open(self, cancel_token: CancelToken) -> Handoff:
        """Connect, TLS, EHLO, AUTH. Stage MAIL without reply or problem if all went well."""
        opener = Opener(self._account, terms=self._terms, cancel_token=cancel_token)
        self.heard, self._redaction = opener.heard, opener.redaction
        try:
            extensions = opener.open()
        except (ConnectionFailed, ExchangeEnded) as end:
            # in the middle of a command it cannot be told goodbye, after a reply it can
            self._listening = isinstance(end, ExchangeEnded) and end.reply is not None
            return handoff_after(
                end,
                stage=opener.stage,
                account=self._account,
                redaction=self._redaction,
                stopped=cancel_token.stopped,
            )
        finally:
            if opener.wire is not None:
                self._wire = self._live = opener.wire
        self._opener = opener
        self.transaction = MailTransaction(extensions)
        self.usable = True
        return Handoff(stage=Stage.MAIL, usable=True)

    def verify(self, recipient: Address) -> None:
        """MAIL from the account and RCPT, each told in ``heard``; then RSET. After `open`."""
        self.usable = self._opener.verify(recipient)
        if not self.usable:
            return
        self.transaction.reset()
        try:
            self._recover(self._within(self._timeouts.rset))
        except ConnectionFailed as broken:
            step = Step(stage=self._opener.stage, problem=broken.problem, detail=broken.detail)
            self.heard.append(step)
        self.usable = self.transaction.state in IDLE

    # --- one message

    @property
    def idle(self) -> bool:
        """Whether anybody may have it: it is usable, and nothing has been announced."""
        return self.usable and self.transaction.announced is None

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
        transaction = self.transaction
        delivered = transaction.delivered
        try:
            self._open_transaction(parcel)
            deadline = self._terms.monotonic() + self._timeouts.for_body(parcel.size)
            self._write_body(parcel, deadline)
            # before the permission: between that and the dot nothing may be waited for
            announcement = b""
            if then is not None and transaction.extensions.pipelining:
                announcement = transaction.announce(then())
            if not before_dot():
                raise ExchangeEnded(problem=Problem.STOPPED, detail="stopped before the final dot")
            reply = self._write_dot(cancel_token, announcement, still, deadline)
        except (ConnectionFailed, ExchangeEnded) as end:
            self.usable = transaction.state in IDLE
            return self._ended(end, cancel_token, parcel)
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

    def _open_transaction(self, parcel: Parcel) -> None:
        """MAIL, RCPT, DATA: from here on the server waits for the body, or ExchangeEnded."""
        transaction, read = self.transaction, self._live.read
        transaction.begin(parcel)
        while transaction.state in ENVELOPE:
            timeout_s = self._by_stage[transaction.stage]
            if not transaction.owed:
                deadline = self._terms.monotonic() + timeout_s
                self._write_group(timeout_s)
                timeout_s = deadline - self._terms.monotonic()
            transaction.heard(read(timeout_s))
        if transaction.state is not State.BODY:
            self._recover(self._within(self._timeouts.rset))
            raise ExchangeEnded(reply=transaction.refusal)

    def _write_group(self, timeout_s: float) -> None:
        if not self._seen_silent and not self._live.silent:
            self._hear_unasked()
        self._seen_silent = False
        self._live.write(self.transaction.next_group(), timeout_s)

    def _hear_unasked(self) -> None:
        hear_unasked(self.transaction, lambda: self._live.read(self._timeouts.pending))

    def _recover(self, deadline: Deadline) -> None:
        """Read what is owed for commands that went ahead of a refusal, and reset or leave.

        ConnectionFailed if the server may have sent more replies than it was given commands: then
        the refusal may belong to another command, and so may all before it.
        """
        transaction, wire = self.transaction, self._live
        try:
            while transaction.state in RECOVERING:
                if not transaction.owed:
                    if transaction.state is State.LEAVING:
                        deadline = self._within(self._timeouts.quit)
                    elif transaction.state not in AT_ONCE and not wire.silent:
                        self._hear_unasked()
                        continue
                    wire.write(transaction.next_group(), deadline.left_s)
                transaction.heard(wire.read(deadline.left_s))
        except ConnectionFailed as failure:
            transaction.lost(failure)

    def _write_body(self, parcel: Parcel, deadline: float) -> None:
        try:
            whole = all(self._live.pour(piece, deadline) for piece in body_of(parcel))
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
    ) -> ServerReply:
        """The reply to the final dot. While the stage is BODY, the dot was surely not sent."""
        wire, transaction = self._live, self.transaction
        if not wire.silent:
            self._spoke_early(ConnectionFailed(Problem.CLOSED, "the server closed the connection"))
        if not cancel_token.release() or not still():
            raise ExchangeEnded(problem=Problem.STOPPED, detail="stopped before the final dot")
        try:
            wire.write(DOT, deadline - self._terms.monotonic(), then=announcement)
        except ConnectionFailed as broken:
            self._spoke_early(broken)
        transaction.dot_written()
        reply = wire.read(self._timeouts.dot)
        transaction.heard(reply)
        if not announcement and wire.has_more:
            transaction.heard_again(wire.read(self._timeouts.pending), reply)
        return reply

    def _spoke_early(self, broken: ConnectionFailed) -> NoReturn:
        """The body was cut short: say why, if the server did."""
        if broken.problem is Problem.TIMEOUT:
            raise broken
        self.transaction.heard(self._live.read(self._timeouts.pending))
        raise AssertionError("nothing but the end is heard in the middle of a body")

    # --- between messages

    def interrupt(self) -> None:
        """End what waits for the server. From any thread."""
        self._live.interrupt()

    def renew(self, parcel: Parcel) -> bool:
        """Whether it is fit for this message: the server is silent and, if need be, reset.

        Or this message was announced; if another one was, nobody can use the session any more.
        """
        transaction = self.transaction
        if transaction.announced is not None:
            self.usable = transaction.announced is parcel
            return self.usable
        self.usable = self._live.silent
        if self.usable and transaction.state is State.RESETTING:
            # a second answer to RSET would be taken for the answer to MAIL
            try:
                self._recover(self._within(self._timeouts.rset))
                self.usable = transaction.state in IDLE and self._live.silent
            except ConnectionFailed:
                self.usable = False
        self._seen_silent = self.usable
        return self.usable

    def quit(self) -> None:
        """Say QUIT, wait for the answer, whatever it is, and close."""
        try:
            if self.usable and self._live.silent:
                deadline = self._within(self._timeouts.quit)
                self._live.write(QUIT, deadline.left_s)
                self._live.read(deadline.left_s)
        except ConnectionFailed:
            pass
        finally:
            self.abandon()

    def close(self) -> None:
        """Close, with a QUIT that waits for no answer if the server listens."""
        # where an envelope was announced a QUIT could be taken for the body
        polite = (self.usable or self._listening) and self.transaction.announced is None
        if self._wire is not None:
            self._wire.close(farewell=QUIT if polite else b"")

    def abandon(self) -> None:
        """Close without a word."""
        if self._wire is not None:
            self._wire.close()

    # --- what it comes to

    def _within(self, timeout_s: float) -> Deadline:
        """For a stage that begins now."""
        return Deadline(timeout_s, monotonic=self._terms.monotonic)

    def _recipients(self, parcel: Parcel) -> tuple[RecipientReply, ...]:
        """The replies to RCPT that were read, in the envelope's order."""
        replies = map(self._redaction.clean, self.transaction.replies)
        return tuple(map(RecipientReply, parcel.envelope.recipients, replies))

    def _ended(
        self, end: ConnectionFailed | ExchangeEnded, cancel_token: CancelToken, parcel: Parcel
    ) -> Handoff:
        transaction = self.transaction
        refused = isinstance(end, ExchangeEnded) and end.reply is not None
        # between two commands it can be told goodbye; in the middle of a body it cannot
        self._listening = transaction.stage is not Stage.BODY and (refused or self.usable)
        return handoff_after(
            end,
            stage=transaction.stage,
            account=self._account,
            redaction=self._redaction,
            recipients=self._recipients(parcel),
            used=transaction.used,
            delivered=transaction.delivered,
            usable=self.usable,
            stopped=cancel_token.stopped,
            dsn=transaction.extensions.dsn,
        )
