"""What a client does with an accepted email: send it at another time, cancel it, retry it, resolve
an unknown outcome.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import TypeAlias

from application.ports.store import Store, Transaction
from application.ports.system import Clock, Observe, Wake
from application.pseudonyms import Pseudonyms
from application.retry_checks import (
    check_account_exists,
    check_content,
    check_fits,
    check_older_versions,
    check_sender,
    check_wanted,
    left_out,
)
from application.telling import save_email
from domain.access import LOCAL, Caller, Scope
from domain.address import Address
from domain.email.lifecycle import Email
from domain.email.rescheduling import rescheduled
from domain.email.retry import RetryPolicy
from domain.email.settlement import resent, resolved_as_sent
from domain.errors import (
    AccountRemoved,
    EmailServiceError,
    FieldError,
    IllegalTransition,
    InvalidInput,
    NotFound,
)
from domain.events import Event
from domain.intake import errors_of_times

# what becomes of an email at a time
Step: TypeAlias = Callable[[Transaction, Email, datetime], Email]


class Change(StrEnum):
    """What a person may do with an email."""

    CANCEL = "cancel"
    RESCHEDULE = "reschedule"
    RETRY = "retry"
    RESOLVE_AS_SENT = "sent"
    RESEND = "resend"


class EmailChanges:
    """The use cases for one email."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        pseudonyms: Pseudonyms,
        retry: RetryPolicy,
        wake: Wake,
        observe: Observe,
    ) -> None:
        self._store = store
        self._pseudonyms = pseudonyms
        self._clock = clock
        self._retry = retry
        self._wake = wake
        self._observe = observe

    def possible(self, email_id: int, *, caller: Caller = LOCAL) -> Mapping[Change, str | None]:
        """What may be done with the email now; NotFound.

        With a text it is not possible though the email's status allows it: the text says why.
        Where the outcome is unknown a retry goes by the name of RESEND, which says what that means.
        """
        caller.require(Scope.SEND)
        now = self._clock.now()
        secret = self._pseudonyms.known()

        def work(tx: Transaction) -> Mapping[Change, str | None]:
            email = seen_by(caller, tx.emails.get(email_id))
            found: dict[Change, str | None] = {}
            for change, step in self._steps().items():
                try:
                    changed = step(tx, email, now)
                except IllegalTransition:
                    continue
                again = change in (Change.RETRY, Change.RESEND)
                found[change] = _why_not(tx, changed, secret=secret) if again else None
            if Change.RESEND in found:
                del found[Change.RETRY]
            return found

        return self._store.read(work)

    def left_out_of_retry(self, email_id: int, *, caller: Caller = LOCAL) -> Sequence[Address]:
        """Who would get nothing of a retry, because of the suppression list. NotFound."""
        caller.require(Scope.SEND)
        now = self._clock.now()
        secret = self._pseudonyms.known()

        def work(tx: Transaction) -> Sequence[Address]:
            email = seen_by(caller, tx.emails.get(email_id))
            try:
                changed = email.retried(now=now, policy=self._retry)
            except IllegalTransition:
                return ()
            out = left_out(tx, changed, secret=secret)
            return [one.address for one in changed.open_recipients if one.address in out]

        return self._store.read(work)

    def _steps(self) -> Mapping[Change, Step]:
        """What becomes of an email by each change, without what a person adds to it."""
        policy = self._retry
        return {
            Change.RETRY: lambda tx, e, now: e.retried(now=now, policy=policy),
            Change.RESOLVE_AS_SENT: lambda tx, e, now: resolved_as_sent(e, now=now),
            Change.RESEND: lambda tx, e, now: resent(e, now=now, policy=policy),
            Change.RESCHEDULE: lambda tx, e, now: rescheduled(
                e, now, now=now, expires_at=e.expires_at
            ),
            Change.CANCEL: lambda tx, e, now: e.cancelled(now=now),
        }

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
        stays on is gone and no other was named, or everybody is suppressed), ContentPurged.
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
        secret = self._pseudonyms.known()

        def check(tx: Transaction, email: Email) -> None:
            _check_again(tx, email, secret=secret)
            if account_id is None:
                check_account_exists(tx.accounts, email)
                return
            caller.check_account(account_id)
            account = tx.accounts.get(account_id)
            check_fits(email, account)
            check_sender(tx.details.of(email_id).sender, account)

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


def _check_again(tx: Transaction, email: Email, *, secret: bytes | None) -> None:
    """Whatever account it goes by."""
    check_content(tx, email)
    check_wanted(tx, email, secret=secret)
    check_older_versions(tx, email)


def _why_not(tx: Transaction, email: Email, *, secret: bytes | None) -> str | None:
    """Why it cannot be sent again, by any account."""
    try:
        _check_again(tx, email, secret=secret)
        check_account_exists(tx.accounts, email)
    except AccountRemoved:
        return None  # by another one that is named it may go
    except EmailServiceError as error:
        return str(error)
    return None
