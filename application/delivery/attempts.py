"""The row of an attempt: as its dialogue begins, and as it ends."""

from datetime import datetime, timedelta

from application.delivery.rows import ResultRows
from application.ports.queue import AttemptRepository
from domain.account.account import Account
from domain.email.attempt import Attempt
from domain.email.lifecycle import Email
from domain.outcome.handoff import Handoff
from domain.outcome.verdict import Verdict


def open_attempt(email: Email, account: Account | None, *, now: datetime) -> Attempt:
    return Attempt(
        email_id=email.id,
        attempt_no=email.attempt_no,
        account_id=email.account_id or 0,
        account_name=account.name if account else "",
        instance=email.instance or 0,
        started_at=now,
    )


def ended_attempt(
    email: Email,
    account: Account,
    handoff: Handoff,
    verdict: Verdict,
    *,
    now: datetime,
    seconds: float,
) -> Attempt:
    return Attempt(
        email_id=email.id,
        attempt_no=email.attempt_no,
        account_id=account.id,
        account_name=account.name,
        instance=email.instance or 0,
        started_at=now,
        ended_at=now,
        duration=timedelta(seconds=seconds),
        stage=handoff.stage,
        reply=handoff.reply,
        result=verdict.result,
        reason=verdict.reason,
        text=verdict.text,
    )


def close_attempt(tx: ResultRows, attempt: Attempt) -> None:
    """Write how the current attempt of an email ended, and count it."""
    tx.attempts.close(attempt)
    tx.throughput.attempt(attempt)


def has_begun(attempts: AttemptRepository, email: Email) -> bool:
    """Whether the dialogue of its current attempt has begun, as far as the rows can tell."""
    return any(attempt.attempt_no == email.attempt_no for attempt in attempts.of(email.id))


def others_passed(attempts: AttemptRepository, account: Account, email: Email) -> bool:
    """Whether the account has sent other mail since the last attempt of this email."""
    if not email.asides or account.last_sent_at is None:
        return False
    ends = [attempt.ended_at for attempt in attempts.of(email.id) if attempt.ended_at]
    return not ends or account.last_sent_at >= ends[-1]
