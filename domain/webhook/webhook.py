"""A webhook, what it is told, and when it is disabled."""

from collections.abc import Collection
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

import attrs

from domain.errors import NotFound
from domain.event.event import BEGINNING, Position
from domain.event.types import ALL_EVENTS, ONLY_IF_NAMED, EventType

EVERY_TYPE: Final = "*"
MOST_WEBHOOKS: Final = 50  # of an installation
FAILING_AT_MOST: Final = timedelta(days=5)
OLD_SECRET_KEPT: Final = timedelta(hours=24)


class DisabledReason(StrEnum):
    """Why a webhook is told nothing."""

    REQUEST = "request"  # somebody asked for it
    GONE = "gone"  # the receiver answered 410
    FAILING = "failing"  # no call succeeded for FAILING_AT_MOST


@attrs.frozen(kw_only=True)
class Webhook:
    """A receiver of events.

    *types* are names of event types, or `EVERY_TYPE`. *accounts* limits it to events of these
    accounts, None is all. *position* is how far it has been told the feed: each event up to there
    was either received or waits as a `Delivery`. *failing_since* is the first failure since the
    last success. The secret before the last rotation signs too until *old_until*.
    """

    id: int = 0
    url: str
    types: frozenset[str]
    accounts: frozenset[int] | None = None
    sealed_secret: bytes = attrs.field(repr=False)
    sealed_old: bytes | None = attrs.field(default=None, repr=False)
    old_until: datetime | None = None
    disabled: DisabledReason | None = None
    disabled_at: datetime | None = None
    failing_since: datetime | None = None
    position: Position = BEGINNING
    created_at: datetime
    updated_at: datetime

    @property
    def active(self) -> bool:
        """Whether it is told events."""
        return self.disabled is None

    @property
    def event_types(self) -> frozenset[EventType]:
        """The types that it is told."""
        named = {EventType(name) for name in self.types if name != EVERY_TYPE}
        usual = ALL_EVENTS - ONLY_IF_NAMED if EVERY_TYPE in self.types else frozenset()
        return usual | named

    def disable(self, reason: DisabledReason, *, at: datetime) -> "Webhook":
        """The webhook, told nothing any more. What it was not told yet is kept for later."""
        return attrs.evolve(self, disabled=reason, disabled_at=at)

    def enable(self) -> "Webhook":
        """The webhook, told again what it was not told."""
        return attrs.evolve(self, disabled=None, disabled_at=None, failing_since=None)

    def with_secret(self, sealed: bytes, *, at: datetime) -> "Webhook":
        """The webhook with a new secret; the one before signs too for `OLD_SECRET_KEPT`."""
        return attrs.evolve(
            self,
            sealed_secret=sealed,
            sealed_old=self.sealed_secret,
            old_until=at + OLD_SECRET_KEPT,
            updated_at=at,
        )

    def sealed_secrets(self, *, at: datetime) -> tuple[bytes, ...]:
        """What signs at this time, the newest first."""
        if self.sealed_old is None or self.old_until is None or self.old_until <= at:
            return (self.sealed_secret,)
        return (self.sealed_secret, self.sealed_old)

    def may_be_seen(self, accounts: Collection[int] | None) -> bool:
        """Whether a caller with these *accounts* may see and change it; None may all."""
        if accounts is None:
            return True
        return self.accounts is not None and self.accounts <= frozenset(accounts)


def no_webhook(webhook_id: int) -> NotFound:
    """The error for one that is not there, or not the caller's."""
    return NotFound(f"there is no webhook {webhook_id}")


def sealed_for(webhook_id: int) -> str:
    """The context of a webhook's secrets in the vault."""
    return f"webhook:{webhook_id}"
