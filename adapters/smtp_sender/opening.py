"""From a host name to a connection that takes mail: addresses, the greeting, TLS and the login.

The commands are those of `domain/dialogue/opening.py`; waiting, trying other addresses and finding
out that a silent server expects TLS stand here.
"""

import ssl
from typing import Final

from adapters.smtp_sender.addresses import race
from adapters.smtp_sender.terms import Terms
from adapters.smtp_sender.wire import Deadline, Wire, connect
from application.ports.network import Endpoint
from application.sending import CancelToken, credential_of, resolved
from domain.account.account import Account, Security
from domain.account.verification import Step
from domain.address import Address, address_literal
from domain.dialogue.credential import Credential
from domain.dialogue.ends import ConnectionFailed, ExchangeEnded, expect, unasked
from domain.dialogue.extensions import Extensions
from domain.dialogue.opening import (
    Ask,
    LoggingIn,
    Opening,
    Resumed,
    StageReply,
    StartTls,
    Steps,
    bytes_before_tls,
    verifying,
)
from domain.dialogue.redaction import Redaction
from domain.dialogue.replies import ServerReply
from domain.outcome.handoff import Problem, Stage


class Opener:
    """Opens one connection. ``stage`` is how far it got, ``heard`` what each stage came to."""

    def __init__(self, account: Account, *, terms: Terms, cancel_token: CancelToken) -> None:
        self.stage = Stage.RESOLVE
        self.heard: list[Step] = []
        self.wire: Wire | None = None
        self.redaction = Redaction()
        self._live: Wire  # the same, once there is one
        self._account = account
        self._terms = terms
        self._timeouts = terms.timeouts
        self._cancel_token = cancel_token

    def open(self) -> Extensions:
        """Connect, TLS, EHLO, AUTH. ConnectionFailed or ExchangeEnded at ``stage``."""
        terms = self._terms
        credential = credential_of(self._account, vault=terms.vault, tokens=terms.tokens)
        try:
            credential.prepare()
        except ExchangeEnded:
            self.stage = Stage.AUTH
            raise
        try:
            return self._log_in(credential)
        except ConnectionFailed as failure:
            if self._cancel_token.stopped or not credential.goes_on_after(failure):
                raise
            self._live.close()
            return self._log_in(credential)

    def _log_in(self, credential: Credential) -> Extensions:
        """All of it once, from the address to the reply to AUTH."""
        endpoint = self._reach()
        own_name = self._terms.ehlo_hostname or address_literal(self._live.own_address)
        opening = Opening(
            self._account,
            own_name=own_name,
            credential=credential,
            is_local=endpoint.loopback,
        )
        try:
            self._follow(opening.steps())
        finally:
            self.stage = opening.stage
        self.redaction.end_login()
        return opening.extensions

    def verify(self, recipient: Address) -> bool:
        """MAIL and RCPT, told in ``heard``. Whether RSET may follow."""
        try:
            self._follow(verifying(self._account, recipient))
        except ExchangeEnded as ended:
            self._note(self.stage, ended.reply)
        except ConnectionFailed as broken:
            step = Step(stage=self.stage, problem=broken.problem, detail=broken.detail)
            self.heard.append(step)
        else:
            return True
        return False

    def _follow(self, steps: Steps) -> None:
        """Do what the dialogue wants, one event after the other."""
        answer: ServerReply | None = None
        deadline, asked = Deadline(0, monotonic=self._terms.monotonic), None
        try:
            while True:
                event = steps.send(answer)
                answer = None
                match event:
                    case Ask():
                        self.stage = event.stage
                        if event.stage is not asked:
                            deadline, asked = self._deadline(event.stage), event.stage
                        answer = self._ask(event.line, deadline)
                    case StageReply():
                        self._note(event.stage, event.reply)
                    case LoggingIn():
                        self.redaction.begin_login(event.forms)
                    case Resumed():
                        asked = None
                        self._expect_silence()
                    case StartTls():
                        if not self._live.silent:
                            self._refuse_injection()
                        self._encrypt(deadline)
        except StopIteration:
            pass

    def _deadline(self, stage: Stage) -> Deadline:
        """For a stage that begins now."""
        return self._within(self._timeouts.of(stage))

    def _ask(self, line: bytes, deadline: Deadline) -> ServerReply:
        """The reply to one command. A 421 may come before it (RFC 5321 section 3.8)."""
        self._expect_silence()
        self._live.write(line, deadline.left_s)
        return self._live.read(deadline.left_s)

    def _expect_silence(self) -> None:
        """ConnectionFailed or ExchangeEnded if the server spoke before its turn, or left."""
        if not self._live.silent:
            raise unasked(self._live.read(self._timeouts.pending))

    def _refuse_injection(self) -> None:
        """Bytes came before the handshake; or the server closed the connection."""
        try:
            self._live.read(self._timeouts.pending)
        except ConnectionFailed as broken:
            if broken.problem is Problem.CLOSED:
                raise
        raise bytes_before_tls()

    def _reach(self) -> Endpoint:
        """A connection whose server has greeted, to one address after the other (RFC 5321 5.1).

        If there is none the failure of the one that got furthest is told.
        """
        addresses = self._terms.addresses
        left = addresses.ordered(self._resolve())
        failures: list[tuple[Stage, ConnectionFailed | ExchangeEnded]] = []

        def refused(endpoint: Endpoint) -> None:
            addresses.failed(endpoint)
            left.remove(endpoint)

        while left and not (failures and self._cancel_token.stopped):
            self.stage = Stage.CONNECT
            endpoint: Endpoint | None = None
            try:
                wire, endpoint = race(
                    tuple(left),
                    timeout_s=self._timeouts.connect,
                    cancel_token=self._cancel_token,
                    monotonic=self._terms.monotonic,
                    failed=refused,
                )
                self.wire = self._live = wire
                self._hear_greeting(endpoint, is_last=len(left) == 1)
            except (ConnectionFailed, ExchangeEnded) as failure:
                failures.append((self.stage, failure))
                if endpoint is None or not _another_may_do(failure):
                    break
                refused(endpoint)
                if left:
                    self._live.close()
                continue
            addresses.worked(endpoint)
            return endpoint
        self.stage, furthest = max(failures, key=lambda failure: _ORDER.index(failure[0]))
        raise furthest

    def _resolve(self) -> list[Endpoint]:
        self.stage = Stage.RESOLVE
        endpoints = resolved(
            self._account,
            self._terms.resolver,
            timeout_s=self._timeouts.resolve,
            cancel_token=self._cancel_token,
        )
        return list(endpoints)

    def _hear_greeting(self, endpoint: Endpoint, *, is_last: bool) -> None:
        self.heard.clear()  # of the address before this one
        self._note(Stage.CONNECT, detail=f"connected to {endpoint.ip}")
        if self._account.security is Security.TLS:
            self.stage = Stage.TLS
            self._encrypt(self._within(self._timeouts.starttls))
        self.stage = Stage.BANNER
        greeting = self._read_greeting(endpoint, is_last=is_last)
        self._note(Stage.BANNER, greeting)
        expect(220, greeting)

    def _read_greeting(self, endpoint: Endpoint, *, is_last: bool) -> ServerReply:
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
            if may_try and self._expects_tls(endpoint):
                detail = "this port expects TLS from the first byte: use_ssl"
                raise ExchangeEnded(problem=Problem.TLS_MODE, detail=detail) from None
            if not is_last or not deadline.left_s:
                raise
            return self._live.read(deadline.left_s)

    @property
    def _encrypted_from_start(self) -> bool:
        return self._account.security is Security.TLS

    def _expects_tls(self, endpoint: Endpoint) -> bool:
        """Whether a second connection gets an answer to TLS. Nothing is sent over it."""
        if self._terms.addresses.is_no_tls(endpoint):
            return False
        deadline, spoken = self._within(self._timeouts.silence), False
        second: Wire | None = None
        try:
            second = connect(
                endpoint,
                timeout_s=deadline.left_s,
                cancel_token=self._cancel_token,
                monotonic=self._terms.monotonic,
            )
            host = self._account.host
            second.encrypt(
                _any_tls(),
                hostname=host,
                timeout_s=deadline.left_s,
                cancel_token=self._cancel_token,
            )
            spoken = True
        except ConnectionFailed as broken:
            spoken = broken.problem is Problem.HANDSHAKE  # its alert is TLS too
        finally:
            if second is not None:
                second.close()
            self._cancel_token.watch(self._live.interrupt)
        if not spoken:
            self._terms.addresses.no_tls(endpoint)
        return spoken

    def _encrypt(self, deadline: Deadline) -> None:
        try:
            self._live.encrypt(
                self._terms.ssl_context(),
                hostname=self._account.host,
                timeout_s=deadline.left_s,
                cancel_token=self._cancel_token,
            )
        except ConnectionFailed as broken:
            if broken.problem is not Problem.TLS_MODE:
                raise
            if self.stage is not Stage.TLS:
                raise ConnectionFailed(Problem.HANDSHAKE, broken.detail) from None
            detail = "this port does not speak TLS from the first byte: use_tls (STARTTLS)"
            raise ConnectionFailed(Problem.TLS_MODE, detail) from None
        detail = "TLS stands and its certificate is good"
        self.heard.append(Step(stage=Stage.TLS, detail=detail, tls=self._live.tls))

    def _within(self, timeout_s: float) -> Deadline:
        return Deadline(timeout_s, monotonic=self._terms.monotonic)

    def _note(self, stage: Stage, reply: ServerReply | None = None, *, detail: str = "") -> None:
        """Write down what a stage before the first message came to."""
        kept = self.redaction.clean(reply) if reply else None
        self.heard.append(Step(stage=stage, reply=kept, detail=detail))


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
