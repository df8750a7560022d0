"""What delivery tells of an email once it is written down."""

from application.ports.system import Observe
from domain.account.account import Account
from domain.email.attempt import Attempt
from domain.email.lifecycle import Email
from domain.events import Event
from domain.outcome.verdict import AccountEffect, Verdict


def email_event(name: str, email: Email, **fields: str | int | float | None) -> Event:
    """An event about the current attempt of *email*."""
    return Event(
        name=name,
        email_id=email.id,
        account_id=email.account_id,
        attempt=email.attempt_no,
        fields=fields,
    )


def report_settled(
    observe: Observe, account: Account, email: Email, attempt: Attempt, verdict: Verdict
) -> None:
    """What became of the email, and of its account if that was paused."""
    assert attempt.duration is not None, "it has ended"
    observe(
        email_event(
            f"email_{email.status}",
            email,
            stage=attempt.stage,
            reason=verdict.reason,
            text=verdict.text,
            duration_ms=round(attempt.duration.total_seconds() * 1000, 1),
        )
    )
    if verdict.effect is AccountEffect.PAUSE:
        observe(
            Event(
                name="account_paused",
                account_id=account.id,
                fields={"reason": verdict.reason, "text": verdict.text},
            )
        )
