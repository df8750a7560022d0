"""Who is not written to any more: the suppression list, and subscriptions to topics.

A topic is the name of one kind of mail that a recipient may unsubscribe from.
"""

import re
from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from typing import Final

import attrs

from domain.address import Address

LONGEST_TOPIC: Final = 64
TOPIC: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
TOPIC_RULE: Final = (
    f"must be 1 to {LONGEST_TOPIC} small letters, digits, dashes and underscores, and begin with a"
    " letter or a digit"
)
EVERYTHING: Final = "*"  # the scope of a suppression that holds for all mail


class SuppressionReason(StrEnum):
    """Why an address is on the list."""

    HARD_BOUNCE = "hard_bounce"
    COMPLAINT = "complaint"
    UNSUBSCRIBE = "unsubscribe"
    MANUAL = "manual"


def _valid_topic(_: object, __: object, topic: str) -> None:
    if not TOPIC.fullmatch(topic):
        raise ValueError(f"not a topic: {topic!r}")


@attrs.frozen
class Subscription:
    """What a recipient can end: mail of *topic* to *address*, an address as in `address_key`."""

    address: str
    topic: str = attrs.field(validator=_valid_topic)

    @property
    def scope(self) -> str:
        """The scope of the suppression that ends it."""
        return topic_scope(self.topic)


@attrs.frozen(kw_only=True)
class Suppression:
    """No mail of *scope* goes to *address* (as in `address_key`) until *expires_at*, None is ever.

    Each reason stands by itself: that one ends leaves the others. *email_id* is the email that was
    the occasion, where it is known; it may be gone.
    """

    address: str
    scope: str
    reason: SuppressionReason
    created_at: datetime
    email_id: int | None = None
    expires_at: datetime | None = None

    def outlasts(self, other: "Suppression") -> bool:
        """Whether it holds longer than *other*."""
        if other.expires_at is None:
            return False
        return self.expires_at is None or self.expires_at > other.expires_at

    def holds(self, *, now: datetime) -> bool:
        """Whether it is in force."""
        return self.expires_at is None or now < self.expires_at


def address_key(address: Address) -> str:
    """How *address* stands in the list: lower case, its domain in ASCII; a `+` part is kept."""
    return str(address).lower()


def account_scope(account_id: int) -> str:
    """The scope of a suppression that holds for all mail of one account."""
    return f"account:{account_id}"


def topic_scope(topic: str) -> str:
    """The scope of a suppression that holds for mail of one topic."""
    return f"topic:{topic}"


def unsubscribed(subscription: Subscription, *, now: datetime) -> Suppression:
    """What stands in the list for good once a recipient has ended *subscription*."""
    return Suppression(
        address=subscription.address,
        scope=subscription.scope,
        reason=SuppressionReason.UNSUBSCRIBE,
        created_at=now,
    )


def is_suppressed(
    subscription: Subscription,
    suppressions: Iterable[Suppression],
    *,
    account_id: int | None,
    now: datetime,
) -> bool:
    """Whether one of *suppressions* forbids mail of this topic to this address now.

    *account_id* is the account that sends it, None if that is not known yet.
    """
    scopes = {EVERYTHING, subscription.scope}
    if account_id is not None:
        scopes.add(account_scope(account_id))
    return any(
        one.address == subscription.address and one.scope in scopes and one.holds(now=now)
        for one in suppressions
    )
