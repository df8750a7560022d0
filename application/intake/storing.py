"""Storing emails that are composed: their rows, and what goes with them only where it is there."""

from collections.abc import Mapping, Sequence

from application.intake.admission import check_capability
from application.intake.prepared import Prepared
from application.ports.store import Transaction
from application.telling import tell_accepted
from domain.capability import Capability
from domain.email.detail import NOTHING
from domain.email.labels import NO_LABELS
from domain.email.lifecycle import Email
from domain.errors import FieldError, InvalidInput
from domain.message.attachment import Blob


def large_of(prepared: Sequence[Prepared]) -> Mapping[Blob, bytes]:
    """What stands apart from the messages, and comes before them."""
    return {blob: octets for one in prepared for blob, octets in one.large.items()}


def store_emails(tx: Transaction, prepared: Sequence[Prepared]) -> Sequence[Email]:
    """The emails with their ids. NotAccepting; InvalidInput if a file is not there any more."""
    carried = {placed.blob.digest for one in prepared for placed in one.blobs}
    if carried:
        _check_blobs(tx, carried)
        if any(placed.as_it_is for one in prepared for placed in one.blobs):
            check_capability(tx.instances, Capability.PLAIN_BLOBS)
    added = tx.emails.add_all([(one.email, one.octets) for one in prepared])
    labelled = {
        email.id: one.labels
        for email, one in zip(added, prepared, strict=True)
        if one.labels is not NO_LABELS
    }
    if labelled:
        tx.labels.add_all(labelled)
    details = {
        email.id: one.detail
        for email, one in zip(added, prepared, strict=True)
        if one.detail is not NOTHING
    }
    if details:
        if any(detail.sender for detail in details.values()):
            check_capability(tx.instances, Capability.OWN_FROM)
        tx.details.add_all(details)
        tx.topics.add_all(
            {
                email.id: one.subscription
                for email, one in zip(added, prepared, strict=True)
                if one.subscription is not None
            }
        )
    tell_accepted(tx, zip(added, (one.via for one in prepared), strict=True))
    if carried:
        tx.blobs.place_all(
            {email.id: one.blobs for email, one in zip(added, prepared, strict=True)}
        )
    return added


def _check_blobs(tx: Transaction, carried: set[bytes]) -> None:
    """Refuse messages whose parts are not there, or would not be sent by all who deliver."""
    check_capability(tx.instances, Capability.BLOBS)
    if not carried <= set(tx.blobs.whole(carried)):
        error = FieldError("attachments", "one of them has expired: upload it again")
        raise InvalidInput(error, code="attachment_unknown")
