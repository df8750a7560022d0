"""An event as it is stored, and what a reader asks for."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Final, TypeAlias

import attrs

from domain.account.limits import Window
from domain.bounce.bounce import Bounce, BounceType
from domain.bounce.report import BounceKind
from domain.email.lifecycle import Email
from domain.email.recipient import Recipient, RecipientStatus
from domain.email.status import Status
from domain.event.types import EventType
from domain.outcome.handoff import Reply
from domain.suppression import SuppressionReason

LONGEST_REPLY: Final = 512  # characters of a server's reply; what is told of it stands in front
# Octets that are stored of the recipients of one email; see `payload.LARGEST_DATA`.
MOST_STORED: Final = 3500
_AROUND_ONE: Final = 70  # octets of JSON around the values of one recipient
_REPORTED: Final = {
    BounceType.BOUNCED: EventType.EMAIL_BOUNCED,
    BounceType.COMPLAINED: EventType.EMAIL_COMPLAINED,
    BounceType.DELAYED: EventType.EMAIL_DELAYED,
}


@attrs.frozen
class ToldBounce:
    """What a report has told of a recipient; *text* is at most `LONGEST_REPLY` characters."""

    kind: BounceKind
    status: str | None
    text: str


@attrs.frozen
class ToldRecipient:
    """What became of one recipient by the time of the event; *reply* is the server's.

    *bounce* is what the report says that the event is about.
    """

    address: str
    status: RecipientStatus
    reason: str | None
    reply: str | None
    bounce: ToldBounce | None = None


@attrs.frozen(kw_only=True)
class EmailFacts:
    """An email at the time of the event. *left_out* recipients did not fit."""

    status: Status
    reason_code: str | None
    attempt: int
    message_id: str
    recipients: tuple[ToldRecipient, ...]
    left_out: int = 0


@attrs.frozen(kw_only=True)
class AccountFacts:
    """An account at the time of the event.

    *reason*, *text* and *until* are of its pause; *window*, *least* and *most* of a limit that its
    provider was found to have: it refused after so many messages.
    """

    name: str
    reason: str | None = None
    text: str = ""
    until: datetime | None = None
    window: Window | None = None
    least: int | None = None
    most: int | None = None


@attrs.frozen(kw_only=True)
class SuppressionFacts:
    """An entry of the suppression list. *email_id* was its occasion, where that is known."""

    address: str
    scope: str
    reason: SuppressionReason
    email_id: int | None = None
    expires_at: datetime | None = None


@attrs.frozen(kw_only=True)
class QueueFacts:
    """A queue that grows: *waiting* emails are due now, *before* were at the time *since*.

    The oldest of them has waited for *oldest*.
    """

    waiting: int
    before: int
    since: datetime
    oldest: timedelta


@attrs.frozen(kw_only=True)
class WebhookFacts:
    """A webhook at the time of the event. Its path and query may be secret: *host* has neither."""

    webhook_id: int
    host: str
    reason: str


# What an event tells that is not of an email.
OtherFacts: TypeAlias = AccountFacts | SuppressionFacts | QueueFacts | WebhookFacts


@attrs.frozen(kw_only=True)
class OtherEvent:
    """An event that is to be stored and is not of an email.

    Who may see one account only, sees those with its *account_id*.
    """

    type: EventType
    at: datetime
    account_id: int | None
    facts: OtherFacts


@attrs.frozen(kw_only=True)
class EmailEvent:
    """An event of an email that is to be stored, and that no change of the email tells."""

    type: EventType
    at: datetime
    email_id: int
    account_id: int | None
    key_id: int | None
    facts: EmailFacts


@attrs.frozen(order=True)
class Position:
    """A place among the events: behind the one with this *id*.

    *commit* says which commit it came with where several processes write at once, else it is 0:
    there ids are given out in another order than that of the commits.
    """

    commit: int
    id: int


BEGINNING: Final = Position(0, 0)


@attrs.frozen(kw_only=True)
class StoredEvent:
    """An event as it was stored; *key_id* is the API key that submitted the email."""

    position: Position
    type: EventType
    at: datetime
    email_id: int | None
    account_id: int | None
    key_id: int | None
    facts: EmailFacts | OtherFacts

    @property
    def id(self) -> int:
        """Its number, which no other event has or will have."""
        return self.position.id


@attrs.frozen(kw_only=True)
class EventFilter:
    """Which events are asked for, and which may be seen: None for each of these is any.

    *key_id*: events of emails that this API key submitted; *accounts*: of these accounts.
    """

    types: Collection[EventType] | None = None
    email_id: int | None = None
    key_id: int | None = None
    accounts: Collection[int] | None = None

    def passes(self, event: StoredEvent) -> bool:
        """Whether *event* is one of them."""
        return (
            (self.types is None or event.type in self.types)
            and (self.email_id is None or event.email_id == self.email_id)
            and (self.key_id is None or event.key_id == self.key_id)
            and (self.accounts is None or event.account_id in self.accounts)
        )


EVERY_EVENT: Final = EventFilter()


@attrs.frozen
class EventPage:
    """Events in the order in which they became visible, and the position to go on from."""

    events: Sequence[StoredEvent]
    next: Position


def facts_of(email: Email) -> EmailFacts:
    """What is stored of *email* with an event: the first recipients, as many as fit."""
    return _facts(email, [_told(recipient) for recipient in email.recipients])


def reported_of(email: Email, bounces: Sequence[Bounce], *, at: datetime) -> EmailEvent:
    """The event that a report about *email* tells: only the recipients that it is about.

    All *bounces* are of one type; of a complaint without a name no recipient is told.
    """
    told = [
        attrs.evolve(
            _told(email.recipients[one.position]),
            bounce=ToldBounce(one.kind, one.status, one.text[:LONGEST_REPLY]),
        )
        for one in bounces
        if one.position is not None
    ]
    return EmailEvent(
        type=_REPORTED[bounces[0].type],
        at=at,
        email_id=email.id,
        account_id=email.account_id,
        key_id=email.key_id,
        facts=_facts(email, told),
    )


def _facts(email: Email, recipients: Sequence[ToldRecipient]) -> EmailFacts:
    """With as many of the *recipients* as fit, but one at least."""
    told: list[ToldRecipient] = []
    octets = 0
    for one in recipients:
        said = one.bounce
        octets += _AROUND_ONE + sum(
            len(text.encode("utf-8", "surrogatepass"))
            for text in (one.address, one.reason, one.reply, said.text if said else None)
            if text is not None
        )
        if said is not None:
            octets += _AROUND_ONE
        if told and octets > MOST_STORED:
            break
        told.append(one)
    return EmailFacts(
        status=email.status,
        reason_code=email.reason_code,
        attempt=email.attempt_no,
        message_id=email.message_id,
        recipients=tuple(told),
        left_out=len(recipients) - len(told),
    )


def told_reply(reply: Reply | None) -> str | None:
    """What is told of a server's *reply*: code, enhanced status and the beginning of its text."""
    return None if reply is None else str(reply)[:LONGEST_REPLY]


def _told(recipient: Recipient) -> ToldRecipient:
    return ToldRecipient(
        str(recipient.address), recipient.status, recipient.reason, told_reply(recipient.reply)
    )
