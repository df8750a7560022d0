"""Who is not written to any more: the suppression list, and subscriptions to topics.

A topic is the name of one kind of mail that a recipient may unsubscribe from.
"""

import re
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

import attrs

from domain.address import Address
from domain.errors import FieldError, InvalidInput

LONGEST_TOPIC: Final = 64
TOPIC: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
TOPIC_RULE: Final = (
    f"must be 1 to {LONGEST_TOPIC} small letters, digits, dashes and underscores, and begin with a"
    " letter or a digit"
)
EVERYTHING: Final = "*"  # the scope of a suppression that holds for all mail
SCOPE: Final = re.compile(rf"\*|account:[1-9][0-9]{{0,17}}|topic:{TOPIC.pattern}")
SCOPE_RULE: Final = (
    "must be *, account: with the id of an SMTP configuration, or topic: with a topic"
)
HARD_BOUNCE_HOLDS: Final = timedelta(days=180)  # an address may be given to somebody else
# A mailbox that is full, as servers say with 5.2.2, may be emptied: only the third email in a week
# that is refused for it suppresses the address, for a week.
FULL: Final = "5.2.2"
FULL_TIMES: Final = 3
FULL_WITHIN: Final = timedelta(days=7)
FULL_HOLDS: Final = timedelta(days=7)
_OF_ACCOUNT: Final = "account:"
_OF_TOPIC: Final = "topic:"


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
    the occasion, where it is known; it may be gone. *id* is 0 until it is stored.
    """

    id: int = attrs.field(default=0, eq=False)
    address: str
    scope: str
    reason: SuppressionReason
    created_at: datetime
    email_id: int | None = None
    expires_at: datetime | None = None

    @property
    def key(self) -> tuple[str, str, SuppressionReason]:
        """What no other entry has: its address, scope and reason."""
        return (self.address, self.scope, self.reason)

    def outlasts(self, other: "Suppression") -> bool:
        """Whether it holds longer than *other*."""
        if other.expires_at is None:
            return False
        return self.expires_at is None or self.expires_at > other.expires_at

    def holds(self, *, now: datetime) -> bool:
        """Whether it is in force."""
        return self.expires_at is None or now < self.expires_at

    def is_bounce_of(self, email_id: int) -> bool:
        """Whether this email was the occasion: it has bounced."""
        return self.reason is SuppressionReason.HARD_BOUNCE and self.email_id == email_id

    def check(self, *, now: datetime) -> None:
        """InvalidInput for one that nobody may put on the list by hand."""
        check_scope(self.scope)
        errors = []
        if self.expires_at is not None and self.expires_at <= now:
            errors.append(FieldError("expires_at", "must be in the future"))
        if self.expires_at is not None and self.reason is SuppressionReason.COMPLAINT:
            errors.append(FieldError("expires_at", "must be left out: a complaint holds for ever"))
        if errors:
            raise InvalidInput(*errors)


@attrs.frozen
class Additions:
    """What the list was given since emails asked it: those with ids up to *until* may have to ask
    again. *of_scope* says whether it has entries of the scope that was asked for.
    """

    until: int
    of_scope: bool


def address_key(address: Address) -> str:
    """How *address* stands in the list: lower case, its domain in ASCII; a `+` part is kept."""
    return str(address).lower()


def account_scope(account_id: int) -> str:
    """The scope of a suppression that holds for all mail of one account."""
    return f"{_OF_ACCOUNT}{account_id}"


def topic_scope(topic: str) -> str:
    """The scope of a suppression that holds for mail of one topic."""
    return f"{_OF_TOPIC}{topic}"


def check_scope(scope: str) -> None:
    """InvalidInput for what is no scope."""
    if not SCOPE.fullmatch(scope):
        raise InvalidInput(FieldError("scope", SCOPE_RULE))


def account_of(scope: str) -> int | None:
    """The account whose mail a *scope* is; None if it is another one."""
    return int(scope.removeprefix(_OF_ACCOUNT)) if scope.startswith(_OF_ACCOUNT) else None


def is_of_topic(suppression: Suppression) -> bool:
    """Whether it holds for mail of one topic."""
    return suppression.scope.startswith(_OF_TOPIC)


def ends_at(reason: SuppressionReason, *, now: datetime) -> datetime | None:
    """When a suppression for this *reason* ends if nobody says otherwise; None is never."""
    return now + HARD_BOUNCE_HOLDS if reason is SuppressionReason.HARD_BOUNCE else None


def bounced(address: Address, *, email_id: int, now: datetime) -> Suppression:
    """What stands in the list once a server has said that there is no such *address*."""
    return Suppression(
        address=address_key(address),
        scope=EVERYTHING,
        reason=SuppressionReason.HARD_BOUNCE,
        email_id=email_id,
        created_at=now,
        expires_at=ends_at(SuppressionReason.HARD_BOUNCE, now=now),
    )


def full_too_often(address: str, *, times: int, email_id: int, now: datetime) -> Suppression | None:
    """What stands in the list once *times* emails within `FULL_WITHIN` were refused because the
    mailbox of *address* (as in `address_key`) is full; None if that is not often enough.
    """
    if times < FULL_TIMES:
        return None
    return Suppression(
        address=address,
        scope=EVERYTHING,
        reason=SuppressionReason.HARD_BOUNCE,
        email_id=email_id,
        created_at=now,
        expires_at=now + FULL_HOLDS,
    )


def unsubscribed(subscription: Subscription, *, now: datetime) -> Suppression:
    """What stands in the list for good once a recipient has ended *subscription*."""
    return Suppression(
        address=subscription.address,
        scope=subscription.scope,
        reason=SuppressionReason.UNSUBSCRIBE,
        created_at=now,
    )


def by_address(suppressions: Iterable[Suppression]) -> dict[str, list[Suppression]]:
    """Those of each address that has some."""
    found: dict[str, list[Suppression]] = {}
    for suppression in suppressions:
        found.setdefault(suppression.address, []).append(suppression)
    return found


def is_suppressed(
    suppressions: Sequence[Suppression],
    *,
    topic: str | None,
    account_id: int | None,
    bypassed: Collection[SuppressionReason] = (),
    email_id: int | None = None,
    now: datetime,
) -> bool:
    """Whether one of the *suppressions* of an address forbids this mail to it now.

    *account_id* is the account that sends it, None if that is not known yet. Those for a reason
    that is *bypassed* do not count. Nor does a bounce for the email that was its occasion,
    *email_id*: it is tried again only if a client asks for that, who knows how it was refused.
    """
    if not suppressions:
        return False
    scopes = {EVERYTHING}
    if topic is not None:
        scopes.add(topic_scope(topic))
    if account_id is not None:
        scopes.add(account_scope(account_id))
    return any(
        one.scope in scopes
        and one.reason not in bypassed
        and not (email_id is not None and one.is_bounce_of(email_id))
        and one.holds(now=now)
        for one in suppressions
    )
