"""Who may do what: API keys, their scopes, and what is remembered about callers."""

import base64
import re
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

import attrs

from domain.errors import (
    Conflict,
    FieldError,
    Forbidden,
    InvalidInput,
    NotFound,
    Unauthorized,
    no_smtp_configuration,
)

KEY_MARK: Final = "es"  # so that a leaked key is recognised by those who scan for secrets
PREFIX_LENGTH: Final = 8
SECRET_OCTETS: Final = 32
LONGEST_KEY_NAME: Final = 200
HOUR: Final = timedelta(hours=1)
DAY: Final = timedelta(days=1)
_TOKEN: Final = re.compile(rf"{KEY_MARK}_([0-9a-f]{{{PREFIX_LENGTH}}})_[A-Za-z0-9_-]{{43}}")


class Scope(StrEnum):
    """What a key may do. ``admin`` includes the others."""

    SEND = "send"
    READ = "read"
    METRICS = "metrics"
    ADMIN = "admin"


@attrs.frozen(kw_only=True)
class Reach:
    """What a key may do, through which accounts, for how many recipients a day and until when.

    ``accounts`` None is every account, ``expires_at`` None no end; ``daily_recipients`` None is
    what the settings say.
    """

    scopes: frozenset[Scope]
    accounts: frozenset[int] | None = None
    daily_recipients: int | None = None
    expires_at: datetime | None = None


@attrs.frozen(kw_only=True)
class ApiKey:
    """A key as it is stored: its prefix for the eye, a keyed digest of the whole, never the key.

    ``accounts`` None is every account; ``daily_recipients`` None is what the settings say.
    ``rewrites_from``: mail by SMTP with a From that is not its own is sent as its account.
    """

    id: int = 0
    name: str
    prefix: str
    digest: bytes = attrs.field(repr=False)
    scopes: frozenset[Scope]
    accounts: frozenset[int] | None = None
    daily_recipients: int | None = None
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    rewrites_from: bool = False

    def usable(self, now: datetime) -> bool:
        """Neither revoked nor expired."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)

    def hand_on(self, wanted: Reach, *, daily_recipients: int | None) -> Reach:
        """The reach of a new key that the holder of this one makes: at most its own.

        What is left out of *wanted* is as this key has it. *daily_recipients* is what this key may
        name in a day, also where the settings say so; None is any number. Forbidden; NotFound for
        an account that is not this key's.
        """
        if Scope.ADMIN not in self.scopes and not wanted.scopes <= self.scopes:
            raise Forbidden("this API key may hand on its own scopes only")
        accounts = self.accounts if wanted.accounts is None else wanted.accounts
        if self.accounts is not None:
            for account_id in sorted((accounts or frozenset()) - self.accounts):
                raise no_smtp_configuration(account_id)
        recipients = wanted.daily_recipients or self.daily_recipients
        if recipients is not None and daily_recipients is not None:
            _check_most("recipients a day", recipients, daily_recipients)
        expires_at = wanted.expires_at or self.expires_at
        if expires_at is not None and self.expires_at is not None and expires_at > self.expires_at:
            raise Forbidden("this API key may hand on access up to its own end only")
        return attrs.evolve(
            wanted, accounts=accounts, daily_recipients=recipients, expires_at=expires_at
        )

    def may_be_seen(self, accounts: Collection[int] | None) -> bool:
        """Whether an administrator of these *accounts* may see and revoke it; None may all."""
        if accounts is None:
            return True
        return self.accounts is not None and self.accounts <= frozenset(accounts)

    def may_replace(self, other: "ApiKey") -> bool:
        """Whether what is for administrators may be done with it wherever *other* may do it."""
        return Scope.ADMIN in self.scopes and other.may_be_seen(self.accounts)


NOBODY: Final = "nobody"  # the actor of what somebody without a usable key has tried


@attrs.frozen(kw_only=True)
class AuditEntry:
    """Who did what to which thing, and when. *actor* is a key's prefix, ``local`` or `NOBODY`."""

    id: int = 0
    at: datetime
    actor: str
    action: str
    subject: str
    detail: Mapping[str, str | int | bool | None] = attrs.field(factory=dict)


@attrs.frozen(kw_only=True)
class Caller:
    """Who asks. ``key_id`` None is the owner at this machine: a command, or open development."""

    key_id: int | None = None
    prefix: str = "local"
    scopes: frozenset[Scope] = frozenset({Scope.ADMIN})
    accounts: frozenset[int] | None = None
    daily_recipients: int | None = None
    rewrites_from: bool = False

    @property
    def is_admin(self) -> bool:
        """Whether everything may be seen and changed (on its accounts)."""
        return Scope.ADMIN in self.scopes

    @property
    def owned_by(self) -> int | None:
        """The key whose emails alone may be seen; None as admin."""
        return None if self.is_admin else self.key_id

    @property
    def idempotency_scope(self) -> str:
        """Where its idempotency keys count: the same one of another caller is another one."""
        return "" if self.key_id is None else f"key {self.key_id}"

    def require(self, scope: Scope) -> None:
        """Forbidden without this scope."""
        if scope not in self.scopes and not self.is_admin:
            raise Forbidden(f"this API key lacks the scope {scope.value!r}")

    def may_use(self, account_id: int | None) -> bool:
        """Whether the account is one of this caller's."""
        return self.accounts is None or account_id in self.accounts

    def check_account(self, account_id: int) -> None:
        """NotFound for an account that is not this caller's: it may not learn that it exists."""
        if not self.may_use(account_id):
            raise no_smtp_configuration(account_id)

    @property
    def has_every_account(self) -> bool:
        """Whether it is not limited to some accounts."""
        return self.accounts is None

    def require_every_account(self, what: str) -> None:
        """Forbidden with a key that is limited to some accounts; *what* belongs to all of them."""
        if not self.has_every_account:
            raise Forbidden(
                f"this API key is limited to some SMTP configurations: it may not {what}"
            )

    def sees(self, owner_key: int | None, account_id: int | None) -> bool:
        """Whether an email submitted with *owner_key* may be seen: one's own, or any as admin."""
        return self.may_use(account_id) if self.is_admin else self.key_id == owner_key

    def did(
        self, action: str, subject: str, *, at: datetime, **detail: str | int | bool | None
    ) -> AuditEntry:
        """The entry that says so."""
        return AuditEntry(at=at, actor=self.prefix, action=action, subject=subject, detail=detail)


LOCAL: Final = Caller()
# Whoever tries out a call that is only validated: they have no account, and share one allowance.
TESTER: Final = Caller(
    key_id=0, prefix="test", scopes=frozenset({Scope.SEND}), accounts=frozenset()
)


@attrs.frozen(kw_only=True)
class IdempotencyRecord:
    """The answer given under an idempotency key; *digest* is of the body that came with it."""

    key: str
    scope: str
    digest: str
    email_ids: tuple[int, ...]
    created_at: datetime


def token_of(prefix: str, secret: bytes) -> str:
    """The text of a key: its mark, its prefix and 256 random bits, as its owner gets it once."""
    if len(secret) != SECRET_OCTETS:
        raise ValueError(f"a key has {SECRET_OCTETS} random octets, not {len(secret)}")
    written = base64.urlsafe_b64encode(secret).rstrip(b"=").decode("ascii")
    return f"{KEY_MARK}_{prefix}_{written}"


def prefix_of(token: str) -> str | None:
    """The prefix of a text that looks like a key; None for one that cannot be any."""
    found = _TOKEN.fullmatch(token)
    return found[1] if found else None


def key_name(text: str) -> str:
    """The name of a key, without spaces around it. ValueError."""
    name = text.strip()
    if not name or len(text) > LONGEST_KEY_NAME or not text.isprintable():
        raise ValueError(f"must be 1 to {LONGEST_KEY_NAME} printable characters")
    return name


def no_api_key() -> NotFound:
    """The error for a key that is not there, or that the caller may not see."""
    return NotFound("there is no API key with this prefix")


def check_end(expires_at: datetime | None, *, now: datetime) -> None:
    """InvalidInput for the end of a new key that has passed."""
    if expires_at is not None and expires_at <= now:
        raise InvalidInput(FieldError("expires_at", "must be in the future"))


def still_usable(caller: Caller, keys: Iterable[ApiKey], *, now: datetime) -> ApiKey | None:
    """The caller's key among all *keys* as they are stored now; None for the owner.

    Unauthorized if it was revoked, or has expired, since the caller was recognised.
    """
    if caller.key_id is None:
        return None
    for key in keys:
        if key.id == caller.key_id and key.usable(now):
            return key
    raise Unauthorized("this API key is unknown, revoked or expired")


def check_successor(key: ApiKey, keys: Iterable[ApiKey], *, now: datetime) -> None:
    """Conflict if no other of all *keys* may do what is for administrators in the place of *key*.

    Who calls with a key may be far from the machine where a new one is made by command.
    """
    if Scope.ADMIN not in key.scopes or not key.usable(now):
        return
    if not any(one.id != key.id and one.usable(now) and one.may_replace(key) for one in keys):
        raise Conflict(
            f"{key.prefix} is the last usable API key with the scope 'admin' for its SMTP"
            " configurations: create another one first, or revoke it by command"
        )


def _check_most(what: str, wanted: int, most: int) -> None:
    if wanted > most:
        raise Forbidden(f"this API key may hand on at most its own {most} {what}")


def hour_of(now: datetime) -> datetime:
    """The hour that *now* is in: recipients are counted by the hour."""
    return now.replace(minute=0, second=0, microsecond=0)
