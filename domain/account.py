"""An SMTP account: where mail is handed off, as whom, within which limits, and how it fares."""

from datetime import datetime
from enum import StrEnum
from typing import Final

import attrs

from domain.address import Address, is_loopback
from domain.congestion import Health
from domain.errors import FieldError, InvalidInput
from domain.limits import Limits
from domain.message import from_line

# Only these ask for a new session: whoever changes them gets a new configuration version.
CONNECTION_FIELDS: Final = ("host", "port", "security", "username", "sealed_password")


class Security(StrEnum):
    """How the connection is protected. STARTTLS is required and verified, never opportunistic."""

    STARTTLS = "starttls"
    TLS = "tls"
    PLAIN = "plain"


class OnUnknown(StrEnum):
    """What happens to an email whose server went silent after the final dot (RFC 1047)."""

    RESEND_ONCE = "resend_once"
    HOLD = "hold"


class AccountState(StrEnum):
    """What an owner sees at a glance."""

    OPEN = "open"
    INACTIVE = "inactive"
    PAUSED = "paused"
    UNREACHABLE = "unreachable"


@attrs.frozen(kw_only=True)
class Account:
    """One SMTP account. ``sealed_password`` is ciphertext bound to this row; plain text never is.

    ``version`` rises with every change that makes an open session unusable.
    """

    id: int = 0
    version: int = 1
    name: str
    address: Address
    display_name: str = ""
    host: str
    port: int
    security: Security = Security.STARTTLS
    username: str = ""
    sealed_password: bytes | None = attrs.field(default=None, repr=False)
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

    def changed(self, *, now: datetime, **changes: object) -> "Account":
        """This account with what its owner changed; its faults are forgiven if they may be cured.

        New credentials or a new server resume an account that was paused because of the old ones.
        """
        # attrs.evolve cannot know the names that arrive from a parsed request
        changed = attrs.evolve(self, updated_at=now, **changes)  # type: ignore[arg-type]
        if any(getattr(self, name) != getattr(changed, name) for name in CONNECTION_FIELDS):
            changed = attrs.evolve(changed, version=self.version + 1, health=Health())
        return changed

    def state(self, now: datetime) -> AccountState:
        """The one word for whether it may send now, limits aside."""
        if not self.active:
            return AccountState.INACTIVE
        if self.health.paused(now):
            return AccountState.PAUSED
        if self.health.broken(now):
            return AccountState.UNREACHABLE
        return AccountState.OPEN

    def opens_at(self, now: datetime) -> datetime | None:
        """When it may be tried next: *now* if open, None if only a person can change that."""
        if not self.active:
            return None
        return self.health.opens_at(now)


def security_of(
    current: Security, *, use_tls: bool | None = None, use_ssl: bool | None = None
) -> Security:
    """The protection that the two switches ask for; a switch that is not given keeps its meaning.

    They exclude each other: turning one on turns off the other if that was not named too.
    InvalidInput if both are asked for.
    """
    if use_tls and use_ssl:
        raise InvalidInput(FieldError("/use_ssl", "excludes use_tls: choose one of the two"))
    if use_tls or (use_tls is None and current is Security.STARTTLS and not use_ssl):
        return Security.STARTTLS
    if use_ssl or (use_ssl is None and current is Security.TLS):
        return Security.TLS
    return Security.PLAIN


def check(account: Account) -> Account:
    """The account, if its fields go together. InvalidInput names those that do not."""
    errors = []
    if bool(account.username) != (account.sealed_password is not None):
        missing = "/password" if account.username else "/username"
        errors.append(FieldError(missing, "username and password are given together or not at all"))
    exposed = account.security is Security.PLAIN and account.authenticates
    if exposed and not is_loopback(account.host):
        errors.append(
            FieldError("/use_tls", "a password is sent only over TLS, or to this machine")
        )
    if errors:
        raise InvalidInput(*errors)
    from_line(account.address, account.display_name)  # raises for a name no From line can carry
    return account
