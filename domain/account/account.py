"""An SMTP account: where mail is handed off, as whom, within which limits, and how it fares."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Final

import attrs

from domain.account.health import BY_HAND, Health
from domain.account.limits import Limits
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
)
# RFC 8314: submission with TLS from the first byte; 2465 is what providers offer beside it.
LONGEST_FROM: Final = 2000  # octets; a From line is never as long
IMPLICIT_TLS_PORTS: Final = frozenset({465, 2465})
# The password was given for these: after a change of one of them it must be given again.
DESTINATION_FIELDS: Final = ("host", "port", "security", "username")
MOST_ALIASES: Final = 100
ANY_LOCAL: Final = "*"  # *@example.org
PASSWORD_MISSING: Final = "password_missing"  # noqa: S105 - the reason of a pause
_FORGOTTEN: Final = "the server, the TLS mode or the username changed: send the password again"


class Security(StrEnum):
    """How the connection is protected. STARTTLS is required and verified, never opportunistic."""

    STARTTLS = "starttls"
    TLS = "tls"
    PLAIN = "plain"


class AuthMechanism(StrEnum):
    """How the password is presented (RFC 4954); the names of SASL in small letters."""

    PLAIN = "plain"
    LOGIN = "login"
    CRAM_MD5 = "cram-md5"


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
    announce_next: bool = False
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
        return forgotten and self.authenticates and self.sealed_password is None

    def takes(self, size: int) -> bool:
        """Whether its server takes a message of *size* octets, to which the From line comes."""
        most = self.health.max_octets
        if most is None or size + LONGEST_FROM <= most:
            return True
        return size + len(from_line(self.address, self.display_name)) <= most

    def changed(self, *, now: datetime, **changes: object) -> "Account":
        """This account with what its owner changed; its faults are forgiven if they may be cured.

        New credentials or a new server resume an account that was paused because of the old ones.
        A new server, TLS mode or username without *sealed_password* among the changes forgets the
        password: a person who may change the server must not learn what was meant for another one.
        """
        # attrs.evolve cannot know the names that arrive from a parsed request
        changed = attrs.evolve(self, updated_at=now, **changes)  # type: ignore[arg-type]
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

    def paused_by_hand(self, *, now: datetime) -> "Account":
        """Paused until a person resumes it; one that awaits its password is paused already."""
        if self.awaits_password:
            return self
        return attrs.evolve(self, health=self.health.halted(BY_HAND, now=now))

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


def default_port(*, use_ssl: bool | None = None) -> int:
    """Where a server is asked for unless its owner says otherwise."""
    return 465 if use_ssl else 587


def default_security(port: int) -> Security:
    """How a connection to *port* is protected unless its owner says otherwise."""
    return Security.TLS if port in IMPLICIT_TLS_PORTS else Security.STARTTLS


def initial_security(
    port: int, *, use_tls: bool | None = None, use_ssl: bool | None = None
) -> Security:
    """The protection of a new account. InvalidInput if both switches are on."""
    start = Security.STARTTLS if use_ssl is False else default_security(port)
    return security_of(start, use_tls=use_tls, use_ssl=use_ssl)


def security_after_move(current: Security, *, old_port: int, new_port: int) -> Security:
    """The protection after a change of the port alone: a default follows it, a choice stays."""
    return default_security(new_port) if current is default_security(old_port) else current


def security_of(
    current: Security, *, use_tls: bool | None = None, use_ssl: bool | None = None
) -> Security:
    """The protection that the two switches ask for; a switch that is not given keeps its meaning.

    They exclude each other: turning one on turns off the other if that was not named too.
    InvalidInput if both are asked for.
    """
    if use_tls and use_ssl:
        raise InvalidInput(FieldError("use_ssl", "excludes use_tls: choose one of the two"))
    if use_tls or (use_tls is None and current is Security.STARTTLS and not use_ssl):
        return Security.STARTTLS
    if use_ssl or (use_ssl is None and current is Security.TLS):
        return Security.TLS
    return Security.PLAIN


def check(account: Account) -> Account:
    """The account, if its fields go together. InvalidInput names those that do not."""
    errors = []
    together = account.authenticates == (account.sealed_password is not None)
    if not together and not account.awaits_password:
        missing = "password" if account.username else "username"
        errors.append(FieldError(missing, "username and password are given together or not at all"))
    exposed = account.security is Security.PLAIN and account.authenticates
    if exposed and not is_loopback(account.host):
        errors.append(
            FieldError("security", "a password is sent only over TLS, or to this machine")
        )
    if len(account.aliases) > MOST_ALIASES:
        errors.append(FieldError("aliases", f"must have at most {MOST_ALIASES} items"))
    if errors:
        raise InvalidInput(*errors)
    from_line(account.address, account.display_name)  # raises for a name no From line can carry
    return account
