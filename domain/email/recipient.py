"""The recipients of an email, each with a status of its own.

The email's status follows from theirs: a retry names only the open ones, so no recipient
gets a second copy because another one was deferred.
"""

from collections.abc import Collection, Sequence
from enum import StrEnum
from types import MappingProxyType
from typing import Final

import attrs

from domain.address import Address
from domain.outcome.handoff import Reply
from domain.outcome.verdict import RecipientVerdict, Result

OUTCOME_UNKNOWN: Final = "outcome_unknown"
EXPIRED: Final = "expired"
POISON: Final = "poison"
SUPPRESSED: Final = "suppressed"
# The service's own reasons for giving a recipient up: no server has rejected it.
OUR_REASONS: Final = frozenset({EXPIRED, POISON, OUTCOME_UNKNOWN, SUPPRESSED})


class RecipientField(StrEnum):
    """Which field of the request named the recipient."""

    TO = "to"
    CC = "cc"
    BCC = "bcc"


class RecipientStatus(StrEnum):
    """What became of one recipient."""

    OPEN = "open"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    UNKNOWN = "unknown"  # the server had the message and did not answer; it is not tried again
    SUPPRESSED = "suppressed"  # wants no such mail; it is not tried


# They did not get it, and are not tried again by themselves.
NOT_REACHED: Final = frozenset(
    {RecipientStatus.REJECTED, RecipientStatus.UNKNOWN, RecipientStatus.SUPPRESSED}
)


@attrs.frozen(kw_only=True)
class Recipient:
    """One address of an email, its status and the reply that decided it."""

    address: Address
    field: RecipientField = RecipientField.TO
    status: RecipientStatus = RecipientStatus.OPEN
    reason: str | None = None
    reply: Reply | None = None


def judged(
    recipients: Sequence[Recipient], verdicts: Sequence[RecipientVerdict]
) -> tuple[Recipient, ...]:
    """All *recipients*; the open ones were named in the attempt and have one verdict each."""
    of = iter(verdicts)
    return tuple(
        [
            _judged(recipient, next(of)) if recipient.status is RecipientStatus.OPEN else recipient
            for recipient in recipients
        ]
    )


def rejected(recipients: Sequence[Recipient]) -> tuple[Recipient, ...]:
    """Those that a server rejected, without those that were given up for a reason of ours."""
    return tuple(
        recipient
        for recipient in recipients
        if recipient.status is RecipientStatus.REJECTED
        and recipient.reply is not None
        and not recipient.reply.positive
        and recipient.reason not in OUR_REASONS
    )


def not_reached(recipients: Sequence[Recipient]) -> int:
    """How many did not get it and are not tried again by themselves."""
    return sum(recipient.status in NOT_REACHED for recipient in recipients)


def any_accepted(recipients: Sequence[Recipient]) -> bool:
    """Whether a server took the email for at least one of them."""
    return any(recipient.status is RecipientStatus.ACCEPTED for recipient in recipients)


def accepted_where_possible(recipients: Sequence[Recipient]) -> tuple[Recipient, ...]:
    """Those that were open, or whose outcome was unknown, as accepted."""
    return tuple(
        attrs.evolve(recipient, status=RecipientStatus.ACCEPTED)
        if recipient.status in (RecipientStatus.OPEN, RecipientStatus.UNKNOWN)
        else recipient
        for recipient in recipients
    )


def reopened(recipients: Sequence[Recipient]) -> tuple[Recipient, ...]:
    """Those that did not get the email, open again."""
    return tuple(
        attrs.evolve(recipient, status=RecipientStatus.OPEN, reason=None)
        if recipient.status in (RecipientStatus.REJECTED, RecipientStatus.UNKNOWN)
        else recipient
        for recipient in recipients
    )


def given_up(recipients: Sequence[Recipient], reason: str) -> tuple[Recipient, ...]:
    """All *recipients*, none of them open: those that were are given up for *reason*."""
    unknown = reason == OUTCOME_UNKNOWN
    status = RecipientStatus.UNKNOWN if unknown else RecipientStatus.REJECTED
    return tuple(
        [
            attrs.evolve(recipient, status=status, reason=_why_given_up(recipient, reason))
            if recipient.status is RecipientStatus.OPEN
            else recipient
            for recipient in recipients
        ]
    )


def suppressed(
    recipients: Sequence[Recipient], *, among: Collection[Address] | None = None
) -> tuple[Recipient, ...]:
    """All *recipients*; those that were open and *among* these, None is all, get no such mail."""
    return tuple(
        attrs.evolve(recipient, status=RecipientStatus.SUPPRESSED, reason=SUPPRESSED)
        if recipient.status is RecipientStatus.OPEN
        and (among is None or recipient.address in among)
        else recipient
        for recipient in recipients
    )


def _judged(recipient: Recipient, verdict: RecipientVerdict) -> Recipient:
    return Recipient(
        address=recipient.address,
        field=recipient.field,
        status=_STATUSES.get(verdict.result, RecipientStatus.OPEN),
        reason=verdict.reason,
        reply=verdict.reply,
    )


_STATUSES: Final = MappingProxyType(
    {Result.SENT: RecipientStatus.ACCEPTED, Result.FAILED: RecipientStatus.REJECTED}
)


def _why_given_up(recipient: Recipient, reason: str) -> str:
    """Its own last reason, unless it is given up for one of ours."""
    return reason if reason in OUR_REASONS else recipient.reason or reason
