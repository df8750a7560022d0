"""Who may do what: API keys, their scopes, and what is remembered about callers."""

import base64
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

import attrs

from domain.errors import (
    Forbidden,
    no_smtp_configuration,
)

KEY_MARK: Final = "es"  # so that a leaked key is recognised by those who scan for secrets
PREFIX_LENGTH: Final = 8
SECRET_OCTETS: Final = 32
HOUR: Final = timedelta(hours=1)
DAY: Final = timedelta(days=1)
_TOKEN: Final = re.compile(rf"{KEY_MARK}_([0-9a-f]{{{PREFIX_LENGTH}}})_[A-Za-z0-9_-]{{43}}")


class Scope(StrEnum):
    """What a key may do. ``admin`` includes the others."""

    SEND = "send"
    READ = "read"
    ADMIN = "admin"


@attrs.frozen(kw_only=True)
class ApiKey:
    """A key as it is stored: its prefix for the eye, a keyed digest of the whole, never the key.

    ``accounts`` None is every account; ``daily_recipients`` None is what the settings say.
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

    def usable(self, now: datetime) -> bool:
        """Neither revoked nor expired."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


@attrs.frozen(kw_only=True)
class AuditEntry:
    """Who did what to which thing, and when. *actor* is a key's prefix or ``local``."""

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

    def sees(self, owner_key: int | None, account_id: int | None) -> bool:
        """Whether an email submitted with *owner_key* may be seen: one's own, or any as admin."""
        return self.may_use(account_id) if self.is_admin else self.key_id == owner_key

    def did(
        self, action: str, subject: str, *, at: datetime, **detail: str | int | bool | None
    ) -> AuditEntry:
        """The entry that says so."""
        return AuditEntry(at=at, actor=self.prefix, action=action, subject=subject, detail=detail)


LOCAL: Final = Caller()


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


def hour_of(now: datetime) -> datetime:
    """The hour that *now* is in: recipients are counted by the hour."""
    return now.replace(minute=0, second=0, microsecond=0)
