"""An email's life: the table below is the whole of it, and nothing else may change a status.

The store is the queue, so a status is a promise about who acts next. A client or the sweep acts on
a waiting email; the owner of the attempt on one that is `sending`; a person on one that has ended.
Each recipient has a fate of its own and the status is a fold over them, so that nobody gets a
second copy because a neighbour was deferred.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Final

import attrs

from domain.account.account import OnUnknown
from domain.address import Address
from domain.email.retry import RetryPolicy
from domain.errors import IllegalTransition
from domain.outcome.handoff import Envelope, Reply, Stage
from domain.outcome.verdict import ACCOUNT_GATES, RecipientVerdict, Result, Verdict

POISON_CRASHES: Final = 5
# An email that so many crashes have met in its dialogue is handed off with no other such beside it.
SUSPECT_CRASHES: Final = 2
NO_SUSPECTS: Final = -1
CRASHED: Final = "crashed"
# An email steps aside so often before the account's trouble is charged to it.
FREE_ASIDES: Final = 2
# Reasons of our own for giving a recipient up: no server has rejected it.
OUR_REASONS: Final = frozenset({"expired", "poison", "outcome_unknown"})


class Status(StrEnum):
    """Where an email stands."""

    QUEUED = "queued"  # waits for its first try, or was put back uncharged
    SCHEDULED = "scheduled"  # waits for send_at
    SENDING = "sending"  # claimed: one process holds the current attempt
    SENT = "sent"  # nobody is open any more and at least one recipient was accepted
    RETRY = "retry"  # was deferred; waits for eligible_at
    FAILED = "failed"  # ended without anybody accepted, or nobody knows
    CANCELLED = "cancelled"  # the client took it back before anyone got it


class Transition(StrEnum):
    """What can happen to an email."""

    CLAIMED = "claimed"
    ACCEPTED = "accepted"
    DEFERRED = "deferred"
    REFUSED = "refused"
    RELEASED = "released"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    RETRIED = "retried"
    RESOLVED = "resolved"


_S, _H = Status, Transition
WAITING: Final = frozenset({_S.QUEUED, _S.SCHEDULED, _S.RETRY})
TERMINAL: Final = frozenset({_S.SENT, _S.FAILED, _S.CANCELLED})

# (from, what happens) -> the statuses it may lead to
TRANSITIONS: Final[Mapping[tuple[Status, Transition], frozenset[Status]]] = MappingProxyType(
    {
        (_S.QUEUED, _H.CLAIMED): frozenset({_S.SENDING}),
        (_S.SCHEDULED, _H.CLAIMED): frozenset({_S.SENDING}),
        (_S.RETRY, _H.CLAIMED): frozenset({_S.SENDING}),
        (_S.SENDING, _H.ACCEPTED): frozenset({_S.SENT}),
        (_S.RETRY, _H.ACCEPTED): frozenset({_S.SENT}),  # by an attempt that was given up too early
        (_S.SENDING, _H.DEFERRED): frozenset({_S.RETRY}),
        (_S.SENDING, _H.REFUSED): frozenset({_S.FAILED}),
        (_S.SENDING, _H.RELEASED): frozenset({_S.QUEUED, _S.RETRY}),
        (_S.QUEUED, _H.CANCELLED): frozenset({_S.CANCELLED}),
        (_S.SCHEDULED, _H.CANCELLED): frozenset({_S.CANCELLED}),
        (_S.RETRY, _H.CANCELLED): frozenset({_S.CANCELLED}),
        (_S.QUEUED, _H.EXPIRED): frozenset({_S.FAILED}),
        (_S.SCHEDULED, _H.EXPIRED): frozenset({_S.FAILED}),
        (_S.RETRY, _H.EXPIRED): frozenset({_S.FAILED, _S.SENT}),
        (_S.FAILED, _H.RETRIED): frozenset({_S.RETRY}),
        (_S.FAILED, _H.RESOLVED): frozenset({_S.SENT}),
    }
)


class Phase(StrEnum):
    """How far the holder of a `sending` email may have got."""

    CLAIMED = "claimed"  # no final dot was sent: a crash here lost nothing
    COMMITTING = "committing"  # the dot may have been sent: a crash here is an unknown outcome


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
    UNKNOWN = "unknown"  # the server had the message and never said; nobody is to try again
    SUPPRESSED = "suppressed"


@attrs.frozen(kw_only=True)
class Recipient:
    """One address of an email, its fate and the reply that decided it."""

    address: Address
    kind: RecipientField = RecipientField.TO
    fate: RecipientStatus = RecipientStatus.OPEN
    reason: str | None = None
    reply: Reply | None = None


@attrs.frozen(kw_only=True, slots=False)  # as an Email: there are two of it for each
class Attempt:
    """One try to hand an email off; the row stands before the socket is opened."""

    email_id: int
    attempt_no: int
    account_id: int
    account_name: str
    owner: int
    started_at: datetime
    ended_at: datetime | None = None
    duration: timedelta | None = None
    stage: Stage | None = None
    reply: Reply | None = None
    result: Result | None = None
    reason: str | None = None
    text: str = ""


@attrs.frozen(kw_only=True)
class AbandonedAttempt:
    """Why a claim ended without a result. ``reason`` None leaves the reason that the email had."""

    reason: str | None
    text: str = ""
    crashed: bool = False


@attrs.frozen(kw_only=True)
class Aside:
    """How an email steps aside that may be the cause of its account's trouble.

    ``waits`` are its waits, one after the other; the last one is kept. ``passed`` tells whether the
    account has sent other mail since the last attempt of this one.
    """

    waits: Sequence[timedelta]
    passed: bool


# without slots a frozen instance is made a fifth faster, and a claim makes fifty
@attrs.frozen(kw_only=True, slots=False)
class Email:
    """One accepted email, without its message: that was composed once and stands beside it.

    ``account_id`` is the account that holds or last held it (for an unpinned one that waits: the
    one it would go to); only ``pinned`` keeps it there. ``retry_count`` counts the retries that
    were charged. ``eligible_at`` is when it may be claimed, ``expires_at`` when it is given up.
    ``claim_count`` counts the crashes that met it in its dialogue. ``asides`` counts the attempts
    that ended in trouble for the account which may be this email's fault.
    ``key_id`` is the API key that submitted it, None for the owner at this machine.
    """

    id: int = 0
    subject: str
    recipients: tuple[Recipient, ...]
    priority: int = 3
    status: Status = Status.QUEUED
    phase: Phase | None = None
    account_id: int | None = None
    pinned: bool = False
    attempt_no: int = 0
    claim_count: int = 0
    retry_count: int = 0
    unknown_count: int = 0
    owner: int | None = None
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
        """Those whom the next attempt names."""
        return tuple([r for r in self.recipients if r.fate is RecipientStatus.OPEN])

    @property
    def rejected_recipients(self) -> tuple[Recipient, ...]:
        """Those whom a server rejected; whoever was given up otherwise has another reason."""
        return tuple(
            recipient
            for recipient in self.recipients
            if recipient.fate is RecipientStatus.REJECTED
            and recipient.reply is not None
            and not recipient.reply.positive
            and recipient.reason not in OUR_REASONS
        )

    @property
    def accepted_recipients(self) -> tuple[Recipient, ...]:
        """Those for whom a server took it."""
        return tuple(r for r in self.recipients if r.fate is RecipientStatus.ACCEPTED)

    @property
    def partial(self) -> bool:
        """Sent, but not to everybody."""
        return self.status is Status.SENT and any(
            recipient.fate in (RecipientStatus.REJECTED, RecipientStatus.UNKNOWN)
            for recipient in self.recipients
        )

    def envelope(self, sender: Address) -> Envelope:
        """The envelope of the next attempt, handed off as *sender*."""
        addresses = tuple([r.address for r in self.recipients if r.fate is RecipientStatus.OPEN])
        smtputf8 = self.smtputf8 or sender.needs_smtputf8
        return Envelope(sender=sender, recipients=addresses, smtputf8=smtputf8)

    def stored_as(self, email_id: int) -> "Email":
        """The same, with the number that the store gave it."""
        return self._changed(id=email_id)

    # -- a life, in order ---------------------------------------------------------------------

    def claimed(self, *, account_id: int, owner: int, now: datetime) -> "Email":
        """Held by *owner* for its next attempt."""
        return self._to(
            Status.SENDING,
            Transition.CLAIMED,
            now=now,
            phase=Phase.CLAIMED,
            account_id=account_id,
            owner=owner,
            attempt_no=self.attempt_no + 1,
        )

    def settled(
        self,
        verdict: Verdict,
        *,
        now: datetime,
        steady: datetime,
        policy: RetryPolicy,
        on_unknown: OnUnknown,
        jitter: float,
        aside: Aside | None = None,
    ) -> "Email":
        """What one hand-off makes of it. *jitter* in [-1, 1].

        *steady* is the clock of lifetimes: a wall that jumps forward must not end what waits.
        *aside* is given where the account has trouble that may be this email's fault.
        """
        recipients = self._judged(verdict)
        fates = [recipient.fate for recipient in recipients]
        if RecipientStatus.OPEN not in fates:
            return self._ended(verdict.reason, verdict.text, recipients, fates, now=now)
        email = self._changed(recipients=recipients)
        if verdict.result is Result.UNKNOWN:
            return email._of_unknown_outcome(
                verdict,
                now=now,
                steady=steady,
                policy=policy,
                on_unknown=on_unknown,
                jitter=jitter,
            )
        if steady >= email.expires_at:
            return email._closed("expired", verdict.text, now=now)
        if not _someone_deferred(verdict):
            if aside is not None:
                email = email._changed(asides=email._asides(verdict, aside))
            if aside is None or email.asides <= FREE_ASIDES or not aside.passed:
                wait = email._uncharged_wait(verdict, aside, policy.delay(1, jitter=jitter))
                return email._released(now=now, wait=wait, reason=verdict.reason, text=verdict.text)
        if email.retry_count >= policy.max_retries:
            return email._closed(verdict.reason, verdict.text, now=now)
        retry = email.retry_count + 1
        wait = verdict.retry_after or policy.delay(retry, jitter=jitter)
        if aside is not None and email.asides > FREE_ASIDES:
            wait = max(wait, aside.waits[-1])
        return email._to(
            Status.RETRY,
            Transition.DEFERRED,
            now=now,
            retry_count=retry,
            claim_count=0,
            eligible_at=now + wait,
            reason_code=verdict.reason,
            error_message=verdict.text or None,
        )

    def released(
        self,
        abandoned: AbandonedAttempt,
        *,
        now: datetime,
        steady: datetime,
        policy: RetryPolicy,
        on_unknown: OnUnknown,
        jitter: float,
        began: bool,
    ) -> "Email":
        """Given up by its holder, or taken from a dead one, without a result.

        Before the mark nothing can have been accepted and it goes back uncharged; behind the mark
        the outcome is unknown. A crash counts against it only if its dialogue *began*: whoever was
        merely claimed keeps its count.
        """
        if self.phase is Phase.COMMITTING:
            return self._of_unknown_outcome(
                None,
                now=now,
                steady=steady,
                policy=policy,
                on_unknown=on_unknown,
                jitter=jitter,
            )
        crashes = self.claim_count + (abandoned.crashed and began)
        if crashes >= POISON_CRASHES:
            text = f"the process died {crashes} times in its dialogue"
            return self._closed("poison", text, now=now)
        reason, text = abandoned.reason, abandoned.text
        if reason is None:
            reason, text = self.reason_code, self.error_message or ""
        back = self._released(now=now, wait=timedelta(0), reason=reason, text=text)
        return back._changed(claim_count=crashes)

    def cancelled(self, *, now: datetime) -> "Email":
        """Taken back by the client before anybody got it."""
        return self._to(Status.CANCELLED, Transition.CANCELLED, now=now, reason_code="cancelled")

    def expired(self, *, now: datetime) -> "Email":
        """Its lifetime ended while it waited."""
        return self._closed(
            "expired", self.error_message or "its lifetime ended while it waited", now=now
        )

    def retried(
        self, *, now: datetime, policy: RetryPolicy, account_id: int | None = None
    ) -> "Email":
        """Tried again because somebody asked for it: whoever was not accepted, from the start.

        With *account_id* on that account, and on no other from now on.
        """
        reopened = tuple(
            attrs.evolve(recipient, fate=RecipientStatus.OPEN, reason=None)
            if recipient.fate in (RecipientStatus.REJECTED, RecipientStatus.UNKNOWN)
            else recipient
            for recipient in self.recipients
        )
        retried = self._to(
            Status.RETRY,
            Transition.RETRIED,
            now=now,
            recipients=reopened,
            retry_count=0,
            claim_count=0,
            unknown_count=0,
            asides=0,
            eligible_at=now,
            expires_at=now + policy.max_age,
        )
        if account_id is None:
            return retried
        return retried._changed(account_id=account_id, pinned=True)

    def resent(
        self, *, now: datetime, policy: RetryPolicy, account_id: int | None = None
    ) -> "Email":
        """Somebody looked: the server did not have it, or a second copy does no harm.

        *account_id* as for `retried`.
        """
        self._check_unknown()
        retried = self.retried(now=now, policy=policy, account_id=account_id)
        return retried._changed(possibly_delivered=True)

    def accepted_late(self, verdict: Verdict, *, now: datetime) -> "Email | None":
        """The holder of an older attempt learnt that the server did take it.

        None if a newer attempt may have passed its own dot, or it ended in another way: then it is
        too late to prevent a second copy.
        """
        newer = self.status is Status.SENDING and self.phase is Phase.CLAIMED
        if not (newer or self.status is Status.RETRY or self._outcome_unknown):
            return None
        transition = Transition.RESOLVED if self.status is Status.FAILED else Transition.ACCEPTED
        return self._to(
            Status.SENT,
            transition,
            now=now,
            recipients=_accepted_where_possible(self.recipients),
            sent_at=now,
            possibly_delivered=False,
            reason_code=verdict.reason,
            error_message=None,
        )

    def resolved_as_sent(self, *, now: datetime) -> "Email":
        """Somebody looked: the server did have it."""
        self._check_unknown()
        return self._to(
            Status.SENT,
            Transition.RESOLVED,
            now=now,
            recipients=_accepted_where_possible(self.recipients),
            sent_at=now,
            reason_code="resolved",
            possibly_delivered=False,
        )

    def clock_set_back(self, *, now: datetime) -> "Email":
        """The same wait from *now*, of one whose last change lies in the future of this clock."""
        wait = max(self.eligible_at - self.updated_at, timedelta(0))
        return self._changed(eligible_at=now + wait, updated_at=now)

    # -- how the arrows are taken -------------------------------------------------------------

    def _asides(self, verdict: Verdict, aside: Aside) -> int:
        """Its asides with this one. Where the account is held up for all, only those count between
        which other mail has passed.
        """
        held_up = verdict.effect in ACCOUNT_GATES
        return self.asides + (not held_up or not self.asides or aside.passed)

    def _uncharged_wait(
        self, verdict: Verdict, aside: Aside | None, default: timedelta
    ) -> timedelta:
        """Zero where the account itself says when it may be tried again, else a wait of its own."""
        if verdict.effect in ACCOUNT_GATES:
            return verdict.retry_after or timedelta(0)
        if aside is None:
            return default if verdict.retry_after is None else verdict.retry_after
        wait = aside.waits[min(self.asides, len(aside.waits)) - 1]
        return max(wait, verdict.wait or wait)

    @property
    def _passed_the_dot(self) -> bool:
        """Whether a server has it, or may: another account would make another message of it."""
        return self.possibly_delivered or bool(self.accepted_recipients)

    @property
    def _outcome_unknown(self) -> bool:
        return self.status is Status.FAILED and any(
            recipient.fate is RecipientStatus.UNKNOWN for recipient in self.recipients
        )

    def _check_unknown(self) -> None:
        if not self._outcome_unknown:
            raise IllegalTransition(f"email {self.id} has no unknown outcome to resolve")

    def _allow(self, transition: Transition, status: Status) -> None:
        if status not in TRANSITIONS.get((self.status, transition), frozenset()):
            raise IllegalTransition(
                f"email {self.id} is {self.status.value}: it cannot be {transition.value}"
            )

    def _to(
        self, status: Status, transition: Transition, *, now: datetime, **changes: object
    ) -> "Email":
        self._allow(transition, status)
        if status is not Status.SENDING:
            changes["phase"] = changes["owner"] = None
        if status in WAITING:
            changes["pinned"] = self.pinned or self._passed_the_dot
        return self._changed(status=status, updated_at=now, **changes)

    def _changed(self, **changes: object) -> "Email":
        """As attrs.evolve makes it, in a tenth of the time: no field is converted or validated."""
        fields = {**self.__dict__, **changes}
        if len(fields) != len(self.__dict__):
            raise TypeError(f"an email has no {', '.join(changes.keys() - self.__dict__.keys())}")
        email = object.__new__(Email)
        object.__setattr__(email, "__dict__", fields)
        return email

    def _judged(self, verdict: Verdict) -> tuple[Recipient, ...]:
        """Everybody, those who were named with what the verdict says of them."""
        if not verdict.recipients:
            return self.recipients
        judged = iter(verdict.recipients)
        return tuple(
            [
                _judged(recipient, next(judged))
                if recipient.fate is RecipientStatus.OPEN
                else recipient
                for recipient in self.recipients
            ]
        )

    def _of_unknown_outcome(
        self,
        verdict: Verdict | None,
        *,
        now: datetime,
        steady: datetime,
        policy: RetryPolicy,
        on_unknown: OnUnknown,
        jitter: float,
    ) -> "Email":
        text = verdict.text if verdict else "the process died while the server had the message"
        email = self._changed(
            unknown_count=self.unknown_count + 1,
            possibly_delivered=True,
            error_message=text,
        )
        may_resend = on_unknown is OnUnknown.RESEND_ONCE and not self.at_most_once
        if not may_resend or email.unknown_count > 1 or steady >= self.expires_at:
            return email._closed("outcome_unknown", text, now=now)
        return email._to(
            Status.RETRY,
            Transition.DEFERRED,
            now=now,
            retry_count=self.retry_count + 1,
            claim_count=0,
            eligible_at=now + policy.delay(1, jitter=jitter),
            reason_code="outcome_unknown",
        )

    def _released(
        self, *, now: datetime, wait: timedelta, reason: str | None, text: str
    ) -> "Email":
        status = Status.RETRY if self.retry_count else Status.QUEUED
        return self._to(
            status,
            Transition.RELEASED,
            now=now,
            claim_count=0,
            eligible_at=now + wait if wait else self.eligible_at,
            reason_code=reason,
            error_message=text or None,
        )

    def _closed(self, reason: str, text: str, *, now: datetime) -> "Email":
        """Nobody is tried any more: whoever is still open is given up for *reason*."""
        fate = RecipientStatus.UNKNOWN if reason == "outcome_unknown" else RecipientStatus.REJECTED
        recipients = _without_open(self.recipients, fate, reason)
        fates = [recipient.fate for recipient in recipients]
        return self._ended(reason, text, recipients, fates, now=now)

    def _ended(
        self,
        reason: str,
        text: str,
        recipients: tuple[Recipient, ...],
        fates: Sequence[RecipientStatus],
        *,
        now: datetime,
    ) -> "Email":
        """Nobody is open any more: these *recipients*, with these *fates*, are its last word."""
        sent = RecipientStatus.ACCEPTED in fates
        waited = self.status in WAITING
        return self._to(
            Status.SENT if sent else Status.FAILED,
            Transition.EXPIRED if waited else Transition.ACCEPTED if sent else Transition.REFUSED,
            now=now,
            recipients=recipients,
            claim_count=0,
            sent_at=now if sent else None,
            reason_code=reason,
            error_message=None if sent and RecipientStatus.REJECTED not in fates else text or None,
        )


def _judged(recipient: Recipient, verdict: RecipientVerdict) -> Recipient:
    return Recipient(
        address=recipient.address,
        kind=recipient.kind,
        fate=_FATES.get(verdict.result, RecipientStatus.OPEN),
        reason=verdict.reason,
        reply=verdict.reply,
    )


_FATES: Final = MappingProxyType(
    {Result.SENT: RecipientStatus.ACCEPTED, Result.FAILED: RecipientStatus.REJECTED}
)


def _accepted_where_possible(recipients: Sequence[Recipient]) -> tuple[Recipient, ...]:
    """Those who were open, or whose outcome nobody knew, as accepted."""
    return tuple(
        attrs.evolve(recipient, fate=RecipientStatus.ACCEPTED)
        if recipient.fate in (RecipientStatus.OPEN, RecipientStatus.UNKNOWN)
        else recipient
        for recipient in recipients
    )


def _without_open(
    recipients: Sequence[Recipient], fate: RecipientStatus, reason: str
) -> tuple[Recipient, ...]:
    return tuple(
        [
            attrs.evolve(recipient, fate=fate, reason=_why_given_up(recipient, reason))
            if recipient.fate is RecipientStatus.OPEN
            else recipient
            for recipient in recipients
        ]
    )


def _why_given_up(recipient: Recipient, reason: str) -> str:
    """Its own last reason, unless it is given up for one of ours."""
    return reason if reason in OUR_REASONS else recipient.reason or reason


def _someone_deferred(verdict: Verdict) -> bool:
    if verdict.recipients:
        return any(recipient.result is Result.RETRY for recipient in verdict.recipients)
    return verdict.result is Result.RETRY


@attrs.frozen(kw_only=True)
class EmailSummary:
    """One row of a list."""

    id: int
    subject: str
    status: Status
    priority: int
    retry_count: int
    account_id: int | None
    created_at: datetime


@attrs.frozen
class Page:
    """One page of a list; *next_before* is the cursor of the next one, or None at the end."""

    emails: tuple[EmailSummary, ...]
    next_before: int | None = None


@attrs.frozen(kw_only=True)
class Waiting:
    """How much is under way."""

    waiting: int
    sending: int
