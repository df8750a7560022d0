"""What became of an email, recipient by recipient, for dialects that show a history of it."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from enum import StrEnum

import attrs

from application.queries import EmailView
from domain.bounce.bounce import BounceType
from domain.email.recipient import Recipient, RecipientField, RecipientStatus


class Step(StrEnum):
    """What happened."""

    ACCEPTED = "accepted"  # here
    DELAYED = "delayed"  # and tried again
    DELIVERED = "delivered"  # to a mail server, which may report otherwise later
    FAILED = "failed"  # or not tried at all, see the recipient's status
    BOUNCED = "bounced"
    COMPLAINED = "complained"


@attrs.frozen(kw_only=True)
class Happened:
    """One thing that happened to one recipient's copy, and what a server has told of it."""

    kind: Step
    recipient: Recipient
    at: datetime
    code: int | None = None
    text: str = ""


def history(view: EmailView) -> Sequence[Happened]:
    """All that is known, recipient by recipient, and for each in the order of time."""
    return [
        one
        for place, recipient in enumerate(view.email.recipients)
        for one in (
            Happened(kind=Step.ACCEPTED, recipient=recipient, at=view.email.created_at),
            *_handed_off(view, recipient),
            *_reported(view, recipient, place),
        )
    ]


def of_field(view: EmailView, field: RecipientField) -> list[str]:
    """The recipients that stand in a field."""
    return [str(one.address) for one in view.email.recipients if one.field is field]


def sender_of(view: EmailView) -> str:
    """The address in From; "" if the account that it would be is gone."""
    sender = view.detail.sender or (view.account and view.account.address)
    return "" if sender is None else str(getattr(sender, "address", sender))


_ENDS = {
    RecipientStatus.ACCEPTED: Step.DELIVERED,
    RecipientStatus.REJECTED: Step.FAILED,
    RecipientStatus.UNKNOWN: Step.FAILED,
    RecipientStatus.SUPPRESSED: Step.FAILED,
}


def _handed_off(view: EmailView, recipient: Recipient) -> Iterator[Happened]:
    """How it ended, or why it is tried again."""
    ended = [one.ended_at for one in view.attempts if one.ended_at is not None]
    kind, reply = _ENDS.get(recipient.status, Step.DELAYED), recipient.reply
    if kind is Step.DELAYED and not ended:
        return
    yield Happened(
        kind=kind,
        recipient=recipient,
        at=ended[-1] if ended else view.email.updated_at,
        code=None if reply is None else reply.code,
        text=recipient.reason or "" if reply is None else reply.text,
    )


_REPORTS = {
    BounceType.DELAYED: Step.DELAYED,
    BounceType.BOUNCED: Step.BOUNCED,
    BounceType.COMPLAINED: Step.COMPLAINED,
}


def _reported(view: EmailView, recipient: Recipient, place: int) -> Iterator[Happened]:
    """What came back later."""
    for one in sorted(view.bounces, key=lambda bounce: bounce.at):
        if one.position in (place, None):
            yield Happened(kind=_REPORTS[one.type], recipient=recipient, at=one.at, text=one.text)
