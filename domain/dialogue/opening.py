"""From the greeting to a session that takes mail: EHLO, STARTTLS, AUTH.

It happens once a connection, so it is a generator: it yields what it wants, and the driver sends it
the reply to each `Ask`. The greeting itself is the driver's: it may have to find the address first.
"""

import base64
import hmac
from collections.abc import Generator
from typing import Final

import attrs

from domain.account.account import Account, AuthMechanism, Security
from domain.address import Address
from domain.dialogue.bearer import (
    answer_to_error,
    bearer_message,
    error_of,
    is_refusal,
)
from domain.dialogue.credential import Credential
from domain.dialogue.ends import ConnectionFailed, ExchangeEnded, expect
from domain.dialogue.extensions import Extensions
from domain.dialogue.replies import ServerReply
from domain.outcome.handoff import Problem, Stage
from domain.outcome.secret_forms import SecretForms

# RFC 5321 section 4.5.3.1.4, without the line end. Dovecot and Gmail do insist.
LONGEST_COMMAND: Final = 510


@attrs.frozen
class Ask:
    """Write *line* and read the reply. Asks of one stage in a row share one deadline."""

    stage: Stage
    line: bytes = attrs.field(repr=False)


@attrs.frozen
class StageReply:
    """*stage* came to *reply*, whether it may go on or not."""

    stage: Stage
    reply: ServerReply


@attrs.frozen
class StartTls:
    """Encrypt now. Nothing may have been received before: see `bytes_before_tls`."""


@attrs.frozen
class LoggingIn:
    """What will be sent is secret: replies are to be redacted from here on."""

    forms: SecretForms


@attrs.frozen
class Resumed:
    """Time has passed that was not the server's: what is asked next has a deadline of its own.

    The server may have left meanwhile; what it said is heard before anything is written.
    """


Event = Ask | StageReply | StartTls | LoggingIn | Resumed
Steps = Generator[Event, ServerReply | None, None]
Asking = Generator[Event, ServerReply | None, ServerReply]


def bytes_before_tls() -> ExchangeEnded:
    """What came before the handshake would be read as if TLS had protected it."""
    return ExchangeEnded(problem=Problem.NOT_OFFERED, detail="bytes came before TLS")


class Opening:
    """One connection's. ``stage`` is how far it got, ``extensions`` what the server offers."""

    def __init__(
        self, account: Account, *, own_name: str, credential: Credential, is_local: bool
    ) -> None:
        """*credential* has been prepared. *is_local*: a connection that leaves this machine by no
        means.
        """
        self.stage = Stage.EHLO
        self.extensions = Extensions()
        self._account = account
        self._own_name = own_name.encode()
        self._credential = credential
        self._is_local = is_local

    @property
    def _encrypted(self) -> bool:
        return self._account.security is not Security.PLAIN

    def steps(self) -> Steps:
        """All of it. ExchangeEnded or ConnectionFailed at ``stage``."""
        yield from self._say_hello()
        if self._account.security is Security.STARTTLS:
            yield from self._start_tls()
            yield from self._say_hello()
        if self._account.authenticates:
            yield from self._authenticate()

    def _ask(self, stage: Stage, line: bytes) -> Asking:
        self.stage = stage
        return (yield from ask(stage, line))

    def _say_hello(self) -> Steps:
        reply = yield from self._ask(Stage.EHLO, b"EHLO " + self._own_name)
        needs_extensions = self._encrypted or self._account.authenticates
        is_old = reply.code in (500, 502) and not needs_extensions
        if is_old:
            reply = yield from self._ask(Stage.EHLO, b"HELO " + self._own_name)
        yield StageReply(Stage.EHLO, reply)
        expect(250, reply)
        self.extensions = Extensions() if is_old else Extensions.of(reply)

    def _start_tls(self) -> Steps:
        self.stage = Stage.STARTTLS
        if "STARTTLS" not in self.extensions.keywords:
            raise ExchangeEnded(problem=Problem.NOT_OFFERED, detail="STARTTLS is not offered")
        reply = yield from self._ask(Stage.STARTTLS, b"STARTTLS")
        yield StageReply(Stage.STARTTLS, reply)
        expect(220, reply)
        yield StartTls()

    def _authenticate(self) -> Steps:
        """One mechanism, once: three tries with a wrong password lock many an account.

        Only where PLAIN itself is refused (502, 504) LOGIN follows: no password was judged.
        """
        self.stage = Stage.AUTH
        if not (self._encrypted or self._is_local):
            what = "password" if self._account.oauth is None else "token"
            raise ExchangeEnded(problem=Problem.BLOCKED, detail=f"a {what} is not sent without TLS")
        mechanism = self._mechanism()
        if mechanism.takes_token:
            reply = yield from self._log_in_by_token(mechanism)
        else:
            reply = yield from self._log_in_by_password(mechanism)
        yield StageReply(Stage.AUTH, reply)
        expect(235, reply)

    def _log_in_by_password(self, mechanism: AuthMechanism) -> Asking:
        username, secret = self._account.username, self._credential.password()
        user, password = username.encode(), secret.encode()
        yield LoggingIn(SecretForms(username=username, password=secret))
        if mechanism is AuthMechanism.PLAIN:
            reply = yield from self._say_first(mechanism, b"\0" + user + b"\0" + password)
            if reply.code in (502, 504) and self._may_use_login_instead():
                reply = yield from self._log_in(user, password)
        elif mechanism is AuthMechanism.LOGIN:
            reply = yield from self._log_in(user, password)
        else:
            reply = yield from self._log_in_by_challenge(username, secret)
        return reply

    def _say_first(self, mechanism: AuthMechanism, message: bytes) -> Asking:
        """What a client begins with: in the command, or where that is too long after a 334.

        AUTH is a command and has the length of one; an answer to a challenge may have 12,288
        octets (RFC 4954 section 4).
        """
        command, encoded = b"AUTH " + mechanism.upper().encode(), base64.b64encode(message)
        if len(command) + 1 + len(encoded) <= LONGEST_COMMAND:
            return (yield from self._ask(Stage.AUTH, command + b" " + encoded))
        reply = yield from self._ask(Stage.AUTH, command)
        if reply.intermediate:
            reply = yield from self._ask(Stage.AUTH, encoded)
        return reply

    def _log_in(self, user: bytes, password: bytes) -> Asking:
        reply = yield from self._ask(Stage.AUTH, b"AUTH LOGIN")
        for answer in (user, password):
            if reply.intermediate:
                reply = yield from self._ask(Stage.AUTH, base64.b64encode(answer))
        return reply

    def _log_in_by_challenge(self, username: str, secret: str) -> Asking:
        """CRAM-MD5."""
        reply = yield from self._ask(Stage.AUTH, b"AUTH CRAM-MD5")
        if not reply.intermediate:
            return reply
        digest = _cram_md5(secret.encode(), challenge=reply.lines[-1])
        response = base64.b64encode(f"{username} {digest}".encode())
        said = (digest, response.decode())
        yield LoggingIn(SecretForms(username=username, password=secret, said=said))
        return (yield from self._ask(Stage.AUTH, response))

    def _log_in_by_token(self, mechanism: AuthMechanism) -> Asking:
        """With the token that was fetched, and with a fresh one if the server refuses that."""
        reply = yield from self._present(mechanism)
        if self._credential.renew():
            yield Resumed()
            reply = yield from self._present(mechanism)
        return reply

    def _present(self, mechanism: AuthMechanism) -> Asking:
        """XOAUTH2 or OAUTHBEARER, once. To a refusal the words of its challenge are added."""
        token, earlier = self._credential.present()
        forms = SecretForms(username=self._account.username, password=token, earlier=earlier)
        yield LoggingIn(forms)
        message = bearer_message(self._account, mechanism, token)
        reply = yield from self._say_first(mechanism, message)
        if reply.code != 334:
            self._credential.judged(refused=is_refusal(reply))
            return reply
        self._credential.judged(refused=True)  # a server may close where a 535 is due
        told = error_of(reply)
        reply = yield from self._ask(Stage.AUTH, answer_to_error(mechanism))
        self._credential.judged(refused=reply.code >= 500)
        if reply.code >= 400 and told and not forms.in_lines([told]):
            return ServerReply(reply.code, (*reply.lines, told))
        return reply

    def _may_use_login_instead(self) -> bool:
        offered = self.extensions.mechanisms
        return self._account.auth_mechanism is None and AuthMechanism.LOGIN in offered

    def _mechanism(self) -> AuthMechanism:
        offered, chosen = self.extensions.mechanisms, self._account.auth_mechanism
        by_token = self._account.oauth is not None
        for mechanism in AuthMechanism if chosen is None else (chosen,):
            if mechanism in offered and mechanism.takes_token is by_token:
                return mechanism
        if "STARTTLS" in self.extensions.keywords and not self._encrypted:
            detail = "AUTH is offered only after STARTTLS: use_tls"
            raise ExchangeEnded(problem=Problem.TLS_MODE, detail=detail)
        if by_token:
            asked = f"no AUTH {'XOAUTH2 or OAUTHBEARER' if chosen is None else chosen.upper()}"
            asked += ", by which a token is presented"
        else:
            asked = "no AUTH mechanism in common" if chosen is None else f"no AUTH {chosen.upper()}"
        there = " ".join(offered).upper() or "none"
        raise ExchangeEnded(
            problem=Problem.NO_MECHANISM, detail=f"{asked}: the server offers {there}"
        )


def verifying(account: Account, recipient: Address) -> Steps:
    """MAIL from the account and RCPT, to be followed by RSET."""
    for stage, line in (
        (Stage.MAIL, f"MAIL FROM:<{account.address}>"),
        (Stage.RCPT, f"RCPT TO:<{recipient}>"),
    ):
        reply = yield from ask(stage, line.encode())
        yield StageReply(stage, reply)
        if not reply.positive:
            return


def ask(stage: Stage, line: bytes) -> Asking:
    """The reply to one command. ExchangeEnded if it is a 421: the server is about to close."""
    reply = yield Ask(stage, line + b"\r\n")
    assert reply is not None, "each command has a reply"
    if reply.code == 421:
        raise ExchangeEnded(reply=reply)
    return reply


def _cram_md5(password: bytes, *, challenge: str) -> str:
    try:
        nonce = base64.b64decode(challenge, validate=True)
    except ValueError:
        raise ConnectionFailed(Problem.PROTOCOL, "a challenge that is not base64") from None
    return hmac.new(password, nonce, "md5").hexdigest()
