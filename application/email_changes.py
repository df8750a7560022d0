"""What a client does with an accepted email: send it at another time, cancel it, retry it, resolve
an unknown outcome.
"""

from collections.abc import Callable
from datetime import datetime
from typing import TypeAlias

from application.intake.admission import check_capability
from application.intake.routing import FROM_NOT_ALLOWED, NO_ACCOUNT
from application.ports.accounts import AccountRepository
from application.ports.store import Store, Transaction
from application.ports.system import Clock, Observe, Wake
from application.telling import save_email
from domain.access import LOCAL, Caller, Scope
from domain.account.account import Account
from domain.account.limits import is_urgent
from domain.capability import Capability
from domain.email.lifecycle import Email
from domain.email.rescheduling import rescheduled
from domain.email.retry import RetryPolicy
from domain.email.settlement import resent, resolved_as_sent
from domain.errors import (
    AccountRemoved,
    Conflict,
    ContentPurged,
    FieldError,
    InvalidInput,
    NotFound,
)
from domain.events import Event
from domain.intake import errors_of_times
from domain.mailbox import Mailbox
from domain.suppression import is_suppressed

# what becomes of an email at a time
Step: TypeAlias = Callable[[Transaction, Email, datetime], Email]


class EmailChanges:
    """The use cases for one email."""

    def __init__(
        self, *, store: Store, clock: Clock, retry: RetryPolicy, wake: Wake, observe: Observe
    ) -> None:
        self._store = store
        self._clock = clock
        self._retry = retry
        self._wake = wake
        self._observe = observe

    def cancel(self, email_id: int, *, caller: Caller = LOCAL) -> Email:
        """Take a waiting email back. IllegalTransition while it is being sent or has ended."""
        return self._change(
            email_id, "email_cancelled", lambda tx, e, now: e.cancelled(now=now), caller=caller
        )

    def reschedule(self, email_id: int, send_at: datetime, *, caller: Caller = LOCAL) -> Email:
        """Send a waiting email at another time; a time in the past means now.

        IllegalTransition while it is being sent or has ended; InvalidInput if it is due too late.
        """

        def step(tx: Transaction, email: Email, now: datetime) -> Email:
            asked = tx.details.of(email_id).expires_at
            due = max(send_at, now)
            expires_at = self._retry.expires_at(due, asked)
            changed = rescheduled(email, due, now=now, expires_at=expires_at)
            for error in errors_of_times(due, asked, now=now):
                raise InvalidInput(_about_send_at(error))
            return changed

        email = self._change(email_id, "email_rescheduled", step, caller=caller)
        self._wake()
        return email

    def retry(
        self, email_id: int, *, account_id: int | None = None, caller: Caller = LOCAL
    ) -> Email:
        """Put a failed email back into the queue, with all retries, for those that did not get it.

        With *account_id* it goes by that account from now on. IllegalTransition, NotFound (no such
        account), InvalidInput (it never fits that account's limits), Conflict (the account that it
        stays on is gone and no other was named, or the recipient has unsubscribed), ContentPurged.
        """
        return self._try_again(
            email_id,
            "email_retried",
            lambda tx, e, now: e.retried(now=now, policy=self._retry, account_id=account_id),
            account_id=account_id,
            caller=caller,
        )

    def resolve(
        self,
        email_id: int,
        *,
        as_sent: bool,
        account_id: int | None = None,
        caller: Caller = LOCAL,
    ) -> Email:
        """Resolve an unknown outcome: a person found that it was sent, or it is to be sent again.

        *account_id* is for the latter, as for `retry`.
        """
        if as_sent:
            return self._change(
                email_id,
                "email_resolved",
                lambda tx, e, now: resolved_as_sent(e, now=now),
                caller=caller,
            )
        return self._try_again(
            email_id,
            "email_resolved",
            lambda tx, e, now: resent(e, now=now, policy=self._retry, account_id=account_id),
            account_id=account_id,
            caller=caller,
        )

    def _try_again(
        self,
        email_id: int,
        name: str,
        step: Step,
        *,
        account_id: int | None,
        caller: Caller,
    ) -> Email:
        def check(tx: Transaction, email: Email) -> None:
            _check_content(tx, email)
            _check_wanted(tx, email)
            _check_older_versions(tx, email)
            if account_id is None:
                _check_account_exists(tx.accounts, email)
                return
            caller.check_account(account_id)
            account = tx.accounts.get(account_id)
            _check_fits(email, account)
            _check_sender(tx.details.of(email_id).sender, account)

        email = self._change(email_id, name, step, check=check, caller=caller)
        self._wake()
        return email

    def _change(
        self,
        email_id: int,
        name: str,
        step: Step,
        *,
        check: Callable[[Transaction, Email], None] = lambda tx, email: None,
        caller: Caller,
    ) -> Email:
        """The email after *step*, with the audit's entry. NotFound if the caller may not see it.

        *check* may refuse what *step* made of it.
        """
        caller.require(Scope.SEND)
        now = self._clock.now()

        def work(tx: Transaction) -> Email:
            email = seen_by(caller, tx.emails.get(email_id))
            changed = step(tx, email, now)
            check(tx, changed)
            save_email(tx, changed, was=email)
            status = changed.status.value
            tx.audit.add(caller.did(name, f"email {email_id}", at=now, status=status))
            return changed

        changed = self._store.write(work)
        self._observe(email_event(name, changed))
        return changed


def _about_send_at(error: FieldError) -> FieldError:
    """The same of the one field that was given; when the email expires was given before."""
    if error.field == "send_at":
        return error
    return FieldError("send_at", "must be before the email's expires_at")


def email_event(name: str, email: Email) -> Event:
    """What happened to an email, for the observers."""
    return Event(
        name=name,
        email_id=email.id,
        account_id=email.account_id,
        fields={"status": email.status.value, "priority": email.priority},
    )


def seen_by(caller: Caller, email: Email) -> Email:
    """The email. NotFound, as if there were none, if this caller may not see it."""
    if not caller.sees(email.key_id, email.account_id):
        raise NotFound(f"there is no email {email.id}")
    return email


def _check_fits(email: Email, account: Account) -> None:
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


def _check_sender(sender: Mailbox | None, account: Account) -> None:
    """InvalidInput if the message has a From of its own that is not the account's to send."""
    if sender is not None and not account.may_send_as(sender.address):
        raise InvalidInput(
            FieldError("account_id", "it may not send as the address in the From line"),
            code=FROM_NOT_ALLOWED,
        )


def _check_content(tx: Transaction, email: Email) -> None:
    """ContentPurged if there is nothing to send any more."""
    if tx.retention.content_purged_at(email.id) is not None:
        raise ContentPurged(email.id)


def _check_wanted(tx: Transaction, email: Email) -> None:
    """Conflict if its recipient has unsubscribed from its topic.

    Whoever is suppressed otherwise is left out by the claim.
    """
    subscription = tx.topics.of(email.id)
    if subscription is not None and is_suppressed(
        tx.suppressions.of([subscription.address]),
        topic=subscription.topic,
        account_id=email.account_id if email.pinned else None,
        email_id=email.id,
        now=email.updated_at,
    ):
        raise Conflict(f"the recipient of email {email.id} gets no email of its topic any more")


def _check_account_exists(accounts: AccountRepository, email: Email) -> None:
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


def _check_older_versions(tx: Transaction, email: Email) -> None:
    """NotAccepting while a process delivers that would send the email wrong."""
    placed = tx.blobs.of([email.id]).get(email.id, ())
    if placed:
        check_capability(tx.instances, Capability.BLOBS)
    if any(blob.as_it_is for blob in placed):
        check_capability(tx.instances, Capability.PLAIN_BLOBS)
    if tx.details.of(email.id).sender is not None:
        check_capability(tx.instances, Capability.OWN_FROM)
