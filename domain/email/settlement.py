"""What the end of an attempt makes of an email, and how an unknown outcome is resolved."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

import attrs

from domain.account.account import OnUnknown
from domain.email.attempt import AbandonedAttempt
from domain.email.lifecycle import Email
from domain.email.recipient import (
    EXPIRED,
    OUTCOME_UNKNOWN,
    POISON,
    RecipientStatus,
    accepted_where_possible,
    judged,
)
from domain.email.retry import RetryPolicy
from domain.email.status import Phase, Status, Transition
from domain.errors import IllegalTransition
from domain.outcome.verdict import ACCOUNT_GATES, Result, Verdict

POISON_CRASHES: Final = 5
# An email steps aside so often before the account's trouble is charged to it.
FREE_ASIDES: Final = 2


@attrs.frozen(kw_only=True)
class Terms:
    """When an attempt ended, and by which policies its email is judged.

    ``steady`` is the clock of lifetimes: a wall clock that jumps forward must not end what waits.
    ``jitter`` is in [-1, 1].
    """

    now: datetime
    steady: datetime
    retry: RetryPolicy
    on_unknown: OnUnknown
    jitter: float


@attrs.frozen(kw_only=True)
class Aside:
    """How an email steps aside that may be the cause of its account's trouble.

    ``waits`` are its waits, one after the other; the last one is kept. ``passed``: the account has
    sent other mail since the last attempt of this one.
    """

    waits: Sequence[timedelta]
    passed: bool


def settled(email: Email, verdict: Verdict, terms: Terms, *, aside: Aside | None = None) -> Email:
    """What one hand-off makes of *email*.

    *aside* is given where the account has trouble that may be this email's fault.
    """
    now = terms.now
    recipients = email.recipients
    if verdict.recipients:
        recipients = judged(recipients, verdict.recipients)
    if RecipientStatus.OPEN not in [recipient.status for recipient in recipients]:
        return email.ended(verdict.reason, verdict.text, recipients, now=now)
    email = email.changed(recipients=recipients)
    if verdict.result is Result.UNKNOWN:
        return _of_unknown_outcome(email, verdict.text, terms)
    if terms.steady >= email.expires_at:
        return email.given_up(EXPIRED, verdict.text, now=now)
    if not _is_deferred(verdict):
        if aside is not None:
            email = email.changed(asides=_asides(email, verdict, aside))
        if aside is None or email.asides <= FREE_ASIDES or not aside.passed:
            wait = _uncharged_wait(email, verdict, aside, terms)
            return _put_back(email, now=now, wait=wait, reason=verdict.reason, text=verdict.text)
    return _deferred(email, verdict, terms, aside=aside)


def released(email: Email, abandoned: AbandonedAttempt, terms: Terms, *, began: bool) -> Email:
    """Given up by its instance, or taken from a dead one, without a result.

    Before the mark nothing can have been accepted and it goes back uncharged, or ends if its
    lifetime is over; after the mark the outcome is unknown. A crash counts against it only if its
    dialogue *began*: an email that was merely claimed keeps its count.
    """
    if email.phase is Phase.COMMITTING:
        text = "the process died while the server had the message"
        return _of_unknown_outcome(email, text, terms)
    if abandoned.reason == EXPIRED:
        return email.given_up(EXPIRED, abandoned.text, now=terms.now)
    crashes = email.claim_count + (abandoned.crashed and began)
    if crashes >= POISON_CRASHES:
        text = f"the process died {crashes} times in its dialogue"
        return email.given_up(POISON, text, now=terms.now)
    reason, text = abandoned.reason, abandoned.text
    if reason is None:
        reason, text = email.reason_code, email.error_message or ""
    back = _put_back(email, now=terms.now, wait=timedelta(0), reason=reason, text=text)
    return back.changed(claim_count=crashes)


def accepted_late(email: Email, verdict: Verdict, *, now: datetime) -> Email | None:
    """The instance of an older attempt learnt that the server did take it.

    None if a newer attempt may have sent its own final dot, or it ended in another way: then it is
    too late to prevent a second copy.
    """
    claimed_again = email.status is Status.SENDING and email.phase is Phase.CLAIMED
    if not (claimed_again or email.status is Status.RETRY or _outcome_is_unknown(email)):
        return None
    transition = Transition.RESOLVED if email.status is Status.FAILED else Transition.ACCEPTED
    return email.moved(
        Status.SENT,
        transition,
        now=now,
        recipients=accepted_where_possible(email.recipients),
        sent_at=now,
        possibly_delivered=False,
        reason_code=verdict.reason,
        error_message=None,
    )


def resolved_as_sent(email: Email, *, now: datetime) -> Email:
    """A person found out that the server has it. IllegalTransition unless that was unknown."""
    _check_unknown(email)
    return email.moved(
        Status.SENT,
        Transition.RESOLVED,
        now=now,
        recipients=accepted_where_possible(email.recipients),
        sent_at=now,
        reason_code="resolved",
        possibly_delivered=False,
    )


def resent(
    email: Email, *, now: datetime, policy: RetryPolicy, account_id: int | None = None
) -> Email:
    """A person found out that the server does not have it, or accepts a second copy.

    *account_id* as for `Email.retried`. IllegalTransition unless the outcome was unknown.
    """
    _check_unknown(email)
    retried = email.retried(now=now, policy=policy, account_id=account_id)
    return retried.changed(possibly_delivered=True)


def _deferred(email: Email, verdict: Verdict, terms: Terms, *, aside: Aside | None) -> Email:
    """Waits for its next retry, which is charged, or ends if none is left."""
    if email.retry_count >= terms.retry.max_retries:
        return email.given_up(verdict.reason, verdict.text, now=terms.now)
    retry = email.retry_count + 1
    wait = verdict.retry_after or terms.retry.delay(retry, jitter=terms.jitter)
    if aside is not None and email.asides > FREE_ASIDES:
        wait = max(wait, aside.waits[-1])
    return email.moved(
        Status.RETRY,
        Transition.DEFERRED,
        now=terms.now,
        retry_count=retry,
        claim_count=0,
        eligible_at=terms.now + wait,
        reason_code=verdict.reason,
        error_message=verdict.text or None,
    )


def _of_unknown_outcome(email: Email, text: str, terms: Terms) -> Email:
    email = email.changed(
        unknown_count=email.unknown_count + 1, possibly_delivered=True, error_message=text
    )
    may_resend = terms.on_unknown is OnUnknown.RESEND_ONCE and not email.at_most_once
    if not may_resend or email.unknown_count > 1 or terms.steady >= email.expires_at:
        return email.given_up(OUTCOME_UNKNOWN, text, now=terms.now)
    return email.moved(
        Status.RETRY,
        Transition.DEFERRED,
        now=terms.now,
        retry_count=email.retry_count + 1,
        claim_count=0,
        eligible_at=terms.now + terms.retry.delay(1, jitter=terms.jitter),
        reason_code=OUTCOME_UNKNOWN,
    )


def _put_back(
    email: Email, *, now: datetime, wait: timedelta, reason: str | None, text: str
) -> Email:
    """Back in the queue; nothing is charged."""
    return email.moved(
        Status.RETRY if email.retry_count else Status.QUEUED,
        Transition.RELEASED,
        now=now,
        claim_count=0,
        eligible_at=now + wait if wait else email.eligible_at,
        reason_code=reason,
        error_message=text or None,
    )


def _asides(email: Email, verdict: Verdict, aside: Aside) -> int:
    """Its asides with this one. Where the account is held up for all, only those count between
    which other mail has passed.
    """
    held_up = verdict.effect in ACCOUNT_GATES
    return email.asides + (not held_up or not email.asides or aside.passed)


def _uncharged_wait(email: Email, verdict: Verdict, aside: Aside | None, terms: Terms) -> timedelta:
    """Zero where the account itself says when it may be tried again, else a wait of its own."""
    if verdict.effect in ACCOUNT_GATES:
        return verdict.retry_after or timedelta(0)
    if aside is None:
        default = terms.retry.delay(1, jitter=terms.jitter)
        return default if verdict.retry_after is None else verdict.retry_after
    wait = aside.waits[min(email.asides, len(aside.waits)) - 1]
    return max(wait, verdict.wait or wait)


def _is_deferred(verdict: Verdict) -> bool:
    """Whether the server asked to try at least one recipient again later."""
    if verdict.recipients:
        return any(recipient.result is Result.RETRY for recipient in verdict.recipients)
    return verdict.result is Result.RETRY


def _outcome_is_unknown(email: Email) -> bool:
    return email.status is Status.FAILED and any(
        recipient.status is RecipientStatus.UNKNOWN for recipient in email.recipients
    )


def _check_unknown(email: Email) -> None:
    if not _outcome_is_unknown(email):
        raise IllegalTransition(f"email {email.id} has no unknown outcome to resolve")
