"""An SMTP account: where mail is handed off, as whom, within which limits, and how it fares."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Final

import attrs

from domain.account import graph
from domain.account.health import BY_HAND, Health
from domain.account.limits import Limits
from domain.account.oauth import (
    NEEDS_CONSENT,
    OAUTH_CLIENT,
    OAuthClient,
    client_errors,
    how_to_authorize,
)
from domain.address import Address, is_loopback
from domain.errors import Conflict, FieldError, InvalidInput
from domain.message.compose import from_line

# A change of one of these needs a new session, and so a new configuration version.
CONNECTION_FIELDS: Final = (
    "host",
    "port",
    "security",
    "username",
    "sealed_password",
    "auth_mechanism",
    "oauth",
    "transport",
)
LONGEST_FROM: Final = 2000  # octets; a From line is never as long
# RFC 8314: submission with TLS from the first byte; 2465 is what providers offer beside it.
IMPLICIT_TLS_PORTS: Final = frozenset({465, 2465})
# The password was given for these: after a change of one of them it must be given again.
DESTINATION_FIELDS: Final = ("host", "port", "security", "username")
MOST_ALIASES: Final = 100
LONGEST_WHY: Final = 200  # characters of why a person has paused it
ANY_LOCAL: Final = "*"  # *@example.org
PASSWORD_MISSING: Final = "password_missing"  # noqa: S105 - the reason of a pause
_OAUTH_FORGOTTEN: Final = (
    "the server, the username or the application changed: send auth with its secret again"
)
_FORGOTTEN: Final = "the server, the TLS mode or the username changed: send the password again"


class Security(StrEnum):
    """How the connection is protected. STARTTLS is required and verified, never opportunistic."""

    STARTTLS = "starttls"
    TLS = "tls"
    PLAIN = "plain"


class AuthMechanism(StrEnum):
    """How a password or a token is presented (RFC 4954); SASL's names in small letters."""

    PLAIN = "plain"
    LOGIN = "login"
    CRAM_MD5 = "cram-md5"
    XOAUTH2 = "xoauth2"
    OAUTHBEARER = "oauthbearer"

    @property
    def takes_token(self) -> bool:
        """Whether it presents an OAuth token: one of the first three presents a password."""
        return self in (AuthMechanism.XOAUTH2, AuthMechanism.OAUTHBEARER)


class Transport(StrEnum):
    """Over what its mail leaves: SMTP, or Microsoft's Graph API, where SMTP is blocked."""

    SMTP = "smtp"
    GRAPH = "graph"


class OnUnknown(StrEnum):
    """What happens to an email whose server went silent after the final dot (RFC 1047)."""

    RESEND_ONCE = "resend_once"
    HOLD = "hold"


class AccountState(StrEnum):
    """The state of an account in one word."""

    OPEN = "open"
    INACTIVE = "inactive"
    PAUSED = "paused"
    UNREACHABLE = "unreachable"


@attrs.frozen(kw_only=True)
class Account:
    """One SMTP account. ``sealed_password`` is ciphertext bound to this row; plain text never is.

    ``version`` rises with every change that makes an open session unusable. ``auth_mechanism`` None
    takes the first that the server offers. ``announce_next`` lets the next email's envelope be
    written together with a final dot, before its reply: two well-known servers break on that.
    ``aliases`` are further addresses that may stand in its mail's From line; the local part * of
    one stands for any.
    ``ses_headers``: orders to Amazon SES in the headers of its mail are left there.
    ``allowed_octets``: the largest message that its owner allows; None: what its server takes.
    ``oauth``: it logs in with a token in the place of a password.
    ``signs``: one of its DKIM keys is active; the store tells, from the keys.
    """

    id: int = 0
    version: int = 1
    name: str
    address: Address
    display_name: str = ""
    aliases: tuple[Address, ...] = ()
    host: str
    port: int
    security: Security = Security.STARTTLS
    username: str = ""
    sealed_password: bytes | None = attrs.field(default=None, repr=False)
    auth_mechanism: AuthMechanism | None = None
    oauth: OAuthClient | None = None
    transport: Transport = Transport.SMTP
    announce_next: bool = False
    ses_headers: bool = False
    allowed_octets: int | None = None
    signs: bool = False
    active: bool = True
    limits: Limits = attrs.field(factory=Limits)
    on_unknown: OnUnknown | None = None
    health: Health = attrs.field(factory=Health)
    created_at: datetime
    updated_at: datetime
    last_sent_at: datetime | None = None

    @property
    def authenticates(self) -> bool:
        """Whether AUTH is spoken: a relay may be used without."""
        return bool(self.username)

    @property
    def awaits_password(self) -> bool:
        """Whether its password was forgotten: it is paused and opens no connection until then."""
        pause = self.health.pause
        forgotten = pause is not None and pause.reason == PASSWORD_MISSING
        return (
            self.oauth is None and forgotten and self.authenticates and self.sealed_password is None
        )

    @property
    def awaits_consent(self) -> bool:
        """Whether it is paused until a person authorizes it."""
        return self.health.pause is not None and self.health.pause.reason == NEEDS_CONSENT

    @property
    def max_octets(self) -> int | None:
        """The largest message that its owner allows and its server takes, as far as that is known.

        None: any.
        """
        by_graph = self.transport is Transport.GRAPH
        told = graph.MOST_OCTETS if by_graph else self.health.max_octets
        if self.allowed_octets is None or told is None:
            return self.allowed_octets or told
        return min(self.allowed_octets, told)

    def takes(self, size: int) -> bool:
        """Whether its server takes a message of *size* octets, to which the From line comes."""
        most = self.max_octets
        if most is None or size + LONGEST_FROM <= most:
            return True
        return size + len(from_line(self.address, self.display_name)) <= most

    def changed(self, *, now: datetime, secret_given: bool = False, **changes: object) -> "Account":
        """This account with what its owner changed; its faults are forgiven if they may be cured.

        New credentials or a new server resume an account that was paused because of the old ones.
        A new server, TLS mode or username without *sealed_password* among the changes forgets the
        password: a person who may change the server must not learn what was meant for another one.
        The same holds for what OAuth has in its place (`Credentials.after_change`): such an account
        is paused until a person authorizes it. *secret_given*: its client secret, or the key of its
        service account, comes with the changes.
        """
        # attrs.evolve cannot know the names that arrive from a parsed request
        changed = attrs.evolve(self, updated_at=now, **changes)  # type: ignore[arg-type]
        if changed.oauth is not None:
            return self._changed_oauth(changed, changed.oauth, now=now, secret_given=secret_given)
        password_given = "sealed_password" in changes
        if self._differs(changed, DESTINATION_FIELDS) and not password_given:
            changed = attrs.evolve(changed, sealed_password=None)
        if self._differs(changed, CONNECTION_FIELDS) or password_given:
            changed = attrs.evolve(changed, health=Health())
        if self._differs(changed, CONNECTION_FIELDS):
            changed = attrs.evolve(changed, version=self.version + 1)
        had_one = self.sealed_password is not None or self.awaits_password
        missing = changed.authenticates and changed.sealed_password is None
        if missing and had_one and not password_given and not changed.awaits_password:
            health = changed.health.halted(PASSWORD_MISSING, now=now, text=_FORGOTTEN)
            changed = attrs.evolve(changed, health=health)
        return changed

    def _changed_oauth(
        self, changed: "Account", client: OAuthClient, *, now: datetime, secret_given: bool
    ) -> "Account":
        changed = attrs.evolve(changed, sealed_password=None)
        if not secret_given and not self._differs(changed, CONNECTION_FIELDS):
            return changed
        tokens_lost = self._differs(changed, (*DESTINATION_FIELDS, "oauth", "transport"))
        unauthorized = tokens_lost or self.awaits_consent
        changed = attrs.evolve(changed, version=self.version + 1, health=Health())
        if client.needs_consent and unauthorized:
            return changed.awaiting_consent(now=now)
        if not secret_given and not shares_oauth_secret(self, changed):
            health = changed.health.halted(OAUTH_CLIENT, now=now, text=_OAUTH_FORGOTTEN)
            return attrs.evolve(changed, health=health)
        return changed

    def awaiting_consent(self, *, now: datetime) -> "Account":
        """Paused until a person authorizes it."""
        text = f"it is not authorized: {how_to_authorize(self.id)}"
        return attrs.evolve(self, health=self.health.halted(NEEDS_CONSENT, now=now, text=text))

    def paused_by_hand(self, *, now: datetime, text: str = "") -> "Account":
        """Paused until a person resumes it; one that awaits its password is paused already.

        *text* is why, for other people. InvalidInput.
        """
        text = text.strip()
        if len(text) > LONGEST_WHY or not text.isprintable():
            message = f"must be at most {LONGEST_WHY} printable characters in one line"
            raise InvalidInput(FieldError("reason", message))
        if self.awaits_password:
            return self
        return attrs.evolve(self, health=self.health.halted(BY_HAND, now=now, text=text))

    def resumed(self) -> "Account":
        """Its faults forgiven. Conflict while it awaits its password."""
        if self.awaits_password:
            raise Conflict(f"the SMTP configuration {self.name!r} has no password: send it first")
        return attrs.evolve(self, health=self.health.resumed())

    def _differs(self, other: "Account", names: Sequence[str]) -> bool:
        return any(getattr(self, name) != getattr(other, name) for name in names)

    def may_send_as(self, sender: Address) -> bool:
        """Whether *sender* may stand in the From line: its own address, or one of its aliases.

        Upper and lower case are the same: to the left of the @ too, where servers may differ.
        """
        local = sender.local.lower()
        return any(
            allowed.domain == sender.domain and allowed.local.lower() in (ANY_LOCAL, local)
            for allowed in (self.address, *self.aliases)
        )

    def state(self, now: datetime) -> AccountState:
        """The one word for whether it may send now, limits aside."""
        if not self.active:
            return AccountState.INACTIVE
        if self.health.paused(now):
            return AccountState.PAUSED
        if self.health.breaker.is_open(now):
            return AccountState.UNREACHABLE
        return AccountState.OPEN

    def limits_at(self, now: datetime) -> Limits:
        """Its limits, with the pace that its server asked for."""
        pace = self.health.pace.now(now) if self.health.pace is not None else None
        if pace is None:
            return self.limits
        minute = int(pace) if self.limits.minute is None else min(int(pace), self.limits.minute)
        return attrs.evolve(self.limits, minute=minute)

    def opens_at(self, now: datetime) -> datetime | None:
        """When it may be tried next: *now* if open, None if only a person can change that."""
        if not self.active:
            return None
        return self.health.opens_at(now)


def shares_destination(one: Account, other: Account) -> bool:
    """Whether what is secret of the one goes to the same server and user as of the other."""
    return all(getattr(one, name) == getattr(other, name) for name in DESTINATION_FIELDS)


def shares_oauth_secret(one: Account, other: Account) -> bool:
    """Whether the client secret that was given for the one is good for the other."""
    if one.oauth is None or other.oauth is None:
        return False
    return one.oauth.registration == other.oauth.registration and shares_destination(one, other)


def default_port(security: Security | None) -> int:
    """The port unless the owner names one; *security* is None if the owner did not name it."""
    return 465 if security is Security.TLS else 587


def default_security(port: int) -> Security:
    """How a connection to *port* is protected unless its owner says otherwise."""
    return Security.TLS if port in IMPLICIT_TLS_PORTS else Security.STARTTLS


def security_after_move(current: Security, *, old_port: int, new_port: int) -> Security:
    """The protection after a change of the port alone: a default follows it, a choice stays."""
    return default_security(new_port) if current is default_security(old_port) else current


def check(account: Account) -> Account:
    """The account, if its fields go together. InvalidInput names those that do not."""
    errors = []
    if account.oauth is not None:
        if not account.authenticates:
            errors.append(FieldError("username", "is required: it names the mailbox to OAuth"))
        by_graph = account.transport is Transport.GRAPH
        errors.extend(client_errors(account.oauth, graph=by_graph))
    elif account.transport is not Transport.GRAPH and (  # it is told below: that needs OAuth
        account.authenticates != (account.sealed_password is not None)
        and not account.awaits_password
    ):
        missing = "password" if account.username else "username"
        errors.append(FieldError(missing, "username and password are given together or not at all"))
    if account.transport is Transport.GRAPH:
        errors.extend(
            graph.graph_errors(
                host=account.host,
                port=account.port,
                security=account.security.value,
                client=account.oauth,
                connections=account.limits.max_connections,
            )
        )
    exposed = account.security is Security.PLAIN and account.authenticates
    if exposed and not is_loopback(account.host):
        errors.append(
            FieldError("security", "a password or token is sent only over TLS, or to this machine")
        )
    mechanism, by_token = account.auth_mechanism, account.oauth is not None
    if mechanism is not None and mechanism.takes_token is not by_token:
        clash = "a password, and OAuth is set up" if by_token else "a token: set up OAuth"
        errors.append(FieldError("auth_mechanism", f"{mechanism} presents {clash}"))
    if len(account.aliases) > MOST_ALIASES:
        errors.append(FieldError("aliases", f"must have at most {MOST_ALIASES} items"))
    if errors:
        raise InvalidInput(*errors)
    from_line(account.address, account.display_name)  # raises for a name no From line can carry
    return account


def waits_for_person(account: Account) -> bool:
    """Whether it stays paused until a person acts: to pause it by hand would change nothing."""
    pause = account.health.pause
    by_hand = pause is not None and pause.reason == BY_HAND
    return by_hand or account.awaits_password or account.awaits_consent


def may_resume(account: Account) -> bool:
    """Whether there is a fault to forgive, and no password or consent has to come first."""
    faulty = account.health.pause is not None or account.health.breaker.failures > 0
    return faulty and not account.awaits_password and not account.awaits_consent
