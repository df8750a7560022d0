"""What must hold of an email that is to be sent again, beyond what its own status allows."""

from collections.abc import Collection

from application.intake.admission import check_capability
from application.intake.routing import FROM_NOT_ALLOWED, NO_ACCOUNT
from application.ports.accounts import AccountRepository
from application.ports.store import Transaction
from application.suppressing import entries_of, keys_of, unwanted
from domain.account.account import Account
from domain.account.limits import is_urgent
from domain.address import Address
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
from domain.suppression import by_address


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


def left_out(tx: Transaction, email: Email, *, secret: bytes | None) -> Collection[Address]:
    """Who of its open recipients would get nothing, as the suppression list stands now.

    The next claim asks again, and that counts. *secret* is that of the pseudonyms.
    """
    found = entries_of(tx.suppressions, keys_of(email.recipients), secret=secret, wait=False)
    if not found:
        return ()
    subscription = tx.topics.of(email.id)
    return unwanted(
        email.open_recipients,
        by_address(found),
        topic=None if subscription is None else subscription.topic,
        account_id=email.account_id if email.pinned else None,
        bypassed=tx.details.of(email.id).bypassed,
        email_id=email.id,
        now=email.updated_at,
    )


def check_wanted(tx: Transaction, email: Email, *, secret: bytes | None) -> None:
    """Conflict if nobody would get it: it would end as suppressed, and could not be retried when
    the list has changed.
    """
    out = left_out(tx, email, secret=secret)
    if out and all(one.address in out for one in email.open_recipients):
        raise Conflict(
            f"every recipient of email {email.id} is on the suppression list: remove one first"
        )


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
