"""An email, and the changes of its life that need no verdict.

`Email.moved` is the only way to another status or phase, and it asks the table in `status`. What
the end of an attempt makes of an email is in `settlement`.
"""

from datetime import datetime, timedelta

import attrs

from domain.account.limits import NORMAL
from domain.address import Address
from domain.email.attempt import CRASHED
from domain.email.recipient import (
    EXPIRED,
    Recipient,
    RecipientStatus,
    any_accepted,
    given_up,
    not_reached,
    reopened,
)
from domain.email.retry import RetryPolicy
from domain.email.status import PHASES, WAITING, Phase, Status, Transition, allows
from domain.errors import IllegalTransition
from domain.outcome.handoff import Envelope


# without slots, so that `changed` and the store make one of a dictionary, and run no constructor
@attrs.frozen(kw_only=True, slots=False)
class Email:
    """One accepted email, without its message: that was composed once and is stored beside it.

    ``account_id`` is the account that holds or last held it (for an unpinned one that waits: the
    one it would go to); only ``pinned`` keeps it there. ``retry_count`` counts the retries that
    were charged. ``eligible_at`` is when it may be claimed, ``expires_at`` when it is given up
    (one time has a meaning of its own: see `withdrawal`).
    ``claim_count`` counts the crashes that met it in its dialogue. ``asides`` counts the attempts
    that ended in trouble for the account which may be this email's fault.
    ``key_id`` is the API key that submitted it, None for the owner at this machine.
    """

    id: int = 0
    subject: str
    recipients: tuple[Recipient, ...]
    priority: int = NORMAL
    status: Status = Status.QUEUED
    phase: Phase | None = None
    account_id: int | None = None
    pinned: bool = False
    attempt_no: int = 0
    claim_count: int = 0
    retry_count: int = 0
    unknown_count: int = 0
    instance: int | None = None
    at_most_once: bool = False
    possibly_delivered: bool = False
    smtputf8: bool = False
    message_id: str
    size: int = 0
    eligible_at: datetime
    expires_at: datetime
    created_at: datetime
    updated_at: datetime
    sent_at: datetime | None = None
    reason_code: str | None = None
    error_message: str | None = None
    key_id: int | None = None
    asides: int = 0

    @property
    def suspect(self) -> bool:
        """Whether a process died while it held this email: it is claimed alone."""
        return self.claim_count > 0 or self.reason_code == CRASHED

    @property
    def open_recipients(self) -> tuple[Recipient, ...]:
        """Those that the next attempt names."""
        return tuple([r for r in self.recipients if r.status is RecipientStatus.OPEN])

    @property
    def partial(self) -> bool:
        """Sent, but not to all recipients."""
        return self.status is Status.SENT and not_reached(self.recipients) > 0

    def envelope(self, sender: Address) -> Envelope:
        """The envelope of the next attempt, handed off as *sender*."""
        addresses = tuple([r.address for r in self.recipients if r.status is RecipientStatus.OPEN])
        smtputf8 = self.smtputf8 or sender.needs_smtputf8
        return Envelope(
            sender=sender, recipients=addresses, smtputf8=smtputf8, message_id=self.message_id
        )

    def stored_as(self, email_id: int) -> "Email":
        """The same, with the number that the store gave it."""
        return self.changed(id=email_id)

    # -- a life, in order ---------------------------------------------------------------------

    def claimed(self, *, account_id: int, instance: int, now: datetime) -> "Email":
        """Held by *instance* for its next attempt."""
        return self.moved(
            Status.SENDING,
            Transition.CLAIMED,
            now=now,
            account_id=account_id,
            instance=instance,
            attempt_no=self.attempt_no + 1,
        )

    def committing(self) -> "Email":
        """Its final dot may be sent from now on. The time of its last change stays."""
        return self.moved(Status.SENDING, Transition.COMMITTING, now=self.updated_at)

    def cancelled(self, *, now: datetime) -> "Email":
        """Taken back by the client before any recipient got it."""
        return self.moved(Status.CANCELLED, Transition.CANCELLED, now=now, reason_code="cancelled")

    def expired(self, *, now: datetime) -> "Email":
        """Its lifetime ended while it waited."""
        text = self.error_message or "its lifetime ended while it waited"
        return self.given_up(EXPIRED, text, now=now)

    def retried(
        self, *, now: datetime, policy: RetryPolicy, account_id: int | None = None
    ) -> "Email":
        """Tried again on request, from the start, for the recipients that were not accepted.

        With *account_id* on that account, and on no other from now on. IllegalTransition if none of
        them may get it.
        """
        recipients = reopened(self.recipients)
        if not any(recipient.status is RecipientStatus.OPEN for recipient in recipients):
            raise IllegalTransition(f"email {self.id} has no recipient that it may be sent to")
        retried = self.moved(
            Status.RETRY,
            Transition.RETRIED,
            now=now,
            recipients=recipients,
            retry_count=0,
            claim_count=0,
            unknown_count=0,
            asides=0,
            eligible_at=now,
            expires_at=now + policy.max_age,
        )
        if account_id is None:
            return retried
        return retried.changed(account_id=account_id, pinned=True)

    def clock_set_back(self, *, now: datetime) -> "Email":
        """The same wait from *now*, of one whose last change lies in the future of this clock."""
        wait = max(self.eligible_at - self.updated_at, timedelta(0))
        return self.changed(eligible_at=now + wait, updated_at=now)

    # -- how a change is made -----------------------------------------------------------------

    def given_up(self, reason: str, text: str, *, now: datetime) -> "Email":
        """Ended for *reason*: the recipients that are still open are not tried again."""
        return self.ended(reason, text, given_up(self.recipients, reason), now=now)

    def ended(
        self, reason: str, text: str, recipients: tuple[Recipient, ...], *, now: datetime
    ) -> "Email":
        """Ended with these *recipients*, none of which is open."""
        statuses = [recipient.status for recipient in recipients]
        sent = RecipientStatus.ACCEPTED in statuses
        in_full = sent and RecipientStatus.REJECTED not in statuses
        waited = self.status in WAITING
        return self.moved(
            Status.SENT if sent else Status.FAILED,
            Transition.EXPIRED if waited else Transition.ACCEPTED if sent else Transition.REFUSED,
            now=now,
            recipients=recipients,
            claim_count=0,
            sent_at=now if sent else None,
            reason_code=reason,
            error_message=None if in_full else text or None,
        )

    def moved(
        self, status: Status, transition: Transition, *, now: datetime, **changes: object
    ) -> "Email":
        """In *status* by *transition*. IllegalTransition if the table does not allow it."""
        if not allows(self.status, transition, status):
            raise IllegalTransition(
                f"email {self.id} is {self.status.value}: it cannot be {transition.value}"
            )
        changes["phase"] = PHASES.get(transition)
        if status is not Status.SENDING:
            changes["instance"] = None
        if status in WAITING:
            # a server has it, or may: another account would make another message of it
            taken = self.possibly_delivered or any_accepted(self.recipients)
            changes["pinned"] = self.pinned or taken
        return self.changed(status=status, updated_at=now, **changes)

    def changed(self, **changes: object) -> "Email":
        """As attrs.evolve makes it, but no field is converted or validated.

        With attrs.evolve a hand-off and a POST take 3 % more instructions.

        For what is not a status or a phase; those are `moved`.
        """
        fields = {**self.__dict__, **changes}
        if len(fields) != len(self.__dict__):
            raise TypeError(f"an email has no {', '.join(changes.keys() - self.__dict__.keys())}")
        email = object.__new__(Email)
        object.__setattr__(email, "__dict__", fields)
        return email
