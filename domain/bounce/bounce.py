"""What is known of an email after a report: of one recipient, or of a complaint without a name."""

import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Final

import attrs

from domain.address import Address
from domain.bounce.report import BounceKind, References, Report, ReportedRecipient
from domain.email.lifecycle import Email
from domain.email.recipient import Recipient
from domain.message.client_headers import reference_of
from domain.suppression import (
    EVERYTHING,
    Suppression,
    SuppressionReason,
    address_key,
    bounced,
    ends_at,
)


class BounceType(StrEnum):
    """What a report says; a recipient has at most one of each."""

    BOUNCED = "bounced"  # not delivered
    COMPLAINED = "complained"  # the recipient called it spam
    DELAYED = "delayed"  # not delivered yet


SHORTEST_REFERENCE: Final = 16  # characters; ours have 32

_ID: Final = re.compile(r"<[^@<>]+@[^<>]+>")
_TYPES: Final = {
    BounceKind.HARD: BounceType.BOUNCED,
    BounceKind.SOFT: BounceType.BOUNCED,
    BounceKind.COMPLAINT: BounceType.COMPLAINED,
    BounceKind.DELAYED: BounceType.DELAYED,
}


@attrs.frozen(kw_only=True)
class Bounce:
    """What a report has told of an email.

    *position* is the recipient's, from 0; None for a complaint that does not say whose it is.
    *status* and *text* are those of `ReportedRecipient`; *at* is when the report was made.
    """

    email_id: int
    position: int | None
    kind: BounceKind
    status: str | None
    text: str
    at: datetime

    @property
    def type(self) -> BounceType:
        """Which of the three it is."""
        return _TYPES[self.kind]

    def is_of(self, other: "Bounce") -> bool:
        """Whether both are of one type and one recipient."""
        return (self.position, self.type) == (other.position, other.type)

    def adds_to(self, known: "Bounce | None") -> bool:
        """Whether it tells anything beyond what is *known* of this recipient.

        A second report does not, unless it says that the address is dead and the first did not.
        """
        return known is None or (self.kind is BounceKind.HARD and known.kind is not BounceKind.HARD)


def is_of(report: Report, email: Email) -> bool:
    """Whether what *report* says can be about *email*: it names a recipient of it.

    A complaint may name nobody.
    """
    keys = {address_key(one.address) for one in email.recipients}
    if report.is_complaint:
        return True
    return any(_key(one.recipient) in keys for one in report.recipients)


def references_to_emails(references: References) -> Sequence[str]:
    """What may be the reference of an email, each once, the surest first.

    A short one is none: whoever submits a raw message may have chosen it, and a stranger could
    guess it.
    """
    ours = (*references.refs, *references.envelope_ids, *references.tags)
    of_ids = [reference_of(one) for one in references.message_ids if _ID.fullmatch(one)]
    found = (one for one in (*ours, *of_ids) if len(one) >= SHORTEST_REFERENCE)
    return list(dict.fromkeys(found))


def is_named(references: References, email: Email) -> bool:
    """Whether they name *email*: a Message-ID does so with its domain."""
    ours = (*references.refs, *references.envelope_ids, *references.tags)
    return email.message_id in references.message_ids or reference_of(email.message_id) in ours


def bounces_of(report: Report, email: Email, *, at: datetime) -> Iterator[Bounce]:
    """What *report* tells of the recipients of *email*; of other addresses it tells nothing.

    A complaint that names none of them is of the recipient if there is one, else of nobody.
    """
    positions: dict[str | None, int] = {}
    for position, recipient in enumerate(email.recipients):
        positions.setdefault(address_key(recipient.address), position)
    named = [
        _bounce(email, one, position=positions[_key(one.recipient)], at=at)
        for one in report.recipients
        if one.kind in _TYPES and _key(one.recipient) in positions
    ]
    yield from named
    if report.is_complaint and not named:
        alone = len(email.recipients) == 1 and not report.recipients
        text = next((one.diagnostic for one in report.recipients), "")
        yield Bounce(
            email_id=email.id,
            position=0 if alone else None,
            kind=BounceKind.COMPLAINT,
            status=None,
            text=text,
            at=at,
        )


def suppression_of(bounce: Bounce, recipient: Recipient, *, now: datetime) -> Suppression | None:
    """What follows for the list of who gets no mail; None if nothing does."""
    if bounce.kind is BounceKind.HARD:
        return bounced(recipient.address, email_id=bounce.email_id, now=now)
    if bounce.kind is BounceKind.COMPLAINT:
        return Suppression(
            address=address_key(recipient.address),
            scope=EVERYTHING,
            reason=SuppressionReason.COMPLAINT,
            email_id=bounce.email_id,
            created_at=now,
            expires_at=ends_at(SuppressionReason.COMPLAINT, now=now),
        )
    return None


def addresses_of(recipients: Sequence[ReportedRecipient]) -> Sequence[str]:
    """The addresses that can be a recipient's, as in `address_key`."""
    return [key for one in recipients if (key := _key(one.recipient)) is not None]


def _bounce(email: Email, one: ReportedRecipient, *, position: int, at: datetime) -> Bounce:
    return Bounce(
        email_id=email.id,
        position=position,
        kind=one.kind,
        status=one.status,
        text=one.diagnostic,
        at=at,
    )


def _key(text: str) -> str | None:
    """As in `address_key`; None for what is no address. The domain may be in Unicode."""
    local, at, domain = text.strip().rpartition("@")
    if not at:
        return None
    try:
        if not domain.isascii():
            domain = domain.encode("idna").decode("ascii")
        return address_key(Address(local, domain))
    except (ValueError, UnicodeError):
        return None
