"""What must hold of an email that is to be sent again, beyond what its own status allows."""

from application.intake.admission import check_capability
from application.intake.routing import FROM_NOT_ALLOWED, NO_ACCOUNT
from application.ports.accounts import AccountRepository
from application.ports.store import Transaction
from domain.account.account import Account
from domain.account.limits import is_urgent
from domain.capability import Capability
from domain.email.lifecycle import Email
from domain.errors import (
    AccountRemoved,
    Conflict,
    ContentPurged,
    FieldError,
    InvalidInput,
    NotFound,
)
from domain.mailbox import Mailbox
from domain.suppression import is_of_topic, is_suppressed


def check_fits(email: Email, account: Account) -> None:
    """InvalidInput if the email has more recipients than the account may ever send to at once."""
    urgent = is_urgent(email.priority)
    if not account.limits.ever_fits(len(email.open_recipients), urgent=urgent):
        most = account.limits.smallest(urgent=urgent)
        raise InvalidInput(
            FieldError(
                "account_id",
                f"its limits never allow so many recipients as the email has ({most} at most)",
            )
        )


def check_sender(sender: Mailbox | None, account: Account) -> None:
    """InvalidInput if the message has a From of its own that is not the account's to send."""
    if sender is not None and not account.may_send_as(sender.address):
        raise InvalidInput(
            FieldError("account_id", "it may not send as the address in the From line"),
            code=FROM_NOT_ALLOWED,
        )


def check_content(tx: Transaction, email: Email) -> None:
    """ContentPurged if there is nothing to send any more."""
    if tx.retention.content_purged_at(email.id) is not None:
        raise ContentPurged(email.id)


def check_wanted(tx: Transaction, email: Email) -> None:
    """Conflict if its recipient has unsubscribed from its topic.

    Whoever is suppressed otherwise is left out by the claim.
    """
    subscription = tx.topics.of(email.id)
    if subscription is None:
        return
    listed = tx.suppressions.of([subscription.address])
    if is_suppressed(
        [one for one in listed if is_of_topic(one)],
        topic=subscription.topic,
        account_id=email.account_id if email.pinned else None,
        now=email.updated_at,
    ):
        raise Conflict(f"the recipient of email {email.id} gets no email of its topic any more")


def check_account_exists(accounts: AccountRepository, email: Email) -> None:
    """Conflict if nothing could ever take the email: its account is gone, or there is none."""
    if not email.pinned:
        if not accounts.all():
            raise Conflict(NO_ACCOUNT)
        return
    try:
        accounts.get(email.account_id or 0)
    except NotFound:
        raise AccountRemoved(
            f"email {email.id} stays on the SMTP configuration {email.account_id}, which was"
            " removed"
        ) from None


def check_older_versions(tx: Transaction, email: Email) -> None:
    """NotAccepting while a process delivers that would send the email wrong."""
    placed = tx.blobs.of([email.id]).get(email.id, ())
    if placed:
        check_capability(tx.instances, Capability.BLOBS)
    if any(blob.as_it_is for blob in placed):
        check_capability(tx.instances, Capability.PLAIN_BLOBS)
    if tx.details.of(email.id).sender is not None:
        check_capability(tx.instances, Capability.OWN_FROM)
