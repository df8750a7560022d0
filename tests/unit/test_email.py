"""The life of an email: every transition, and what each verdict makes of it."""

from datetime import timedelta
from typing import Any, Final

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.account.account import OnUnknown
from domain.email.attempt import AbandonedAttempt
from domain.email.lifecycle import Email
from domain.email.recipient import RecipientStatus, rejected
from domain.email.rescheduling import rescheduled
from domain.email.retry import RetryPolicy
from domain.email.settlement import (
    POISON_CRASHES,
    Aside,
    Terms,
    accepted_late,
    released,
    resent,
    resolved_as_sent,
    settled,
)
from domain.email.status import TERMINAL, TRANSITIONS, WAITING, Phase, Status, Transition
from domain.errors import IllegalTransition
from domain.outcome.verdict import AccountEffect, RecipientVerdict, Result, Subject, Verdict
from tests.builders import NOW, a_recipient, a_reply, an_address, an_email, at, recipients

POLICY = RetryPolicy(max_retries=3)
CRASH = AbandonedAttempt(reason="crashed", text="its process died", crashed=True)
SHUTDOWN = AbandonedAttempt(reason="shutdown", text="stopping")


def held(number: int = 1, **changes: object) -> Email:
    """An email that one process holds."""
    email = an_email(recipients=recipients(number))
    # the names are Email's own
    email = attrs.evolve(email, **changes)  # type: ignore[arg-type]
    return email.claimed(account_id=1, instance=7, now=at(0))


def verdict(*results: Result, overall: Result | None = None, **changes: object) -> Verdict:
    """The replies to each recipient in turn."""
    made = Verdict(
        result=overall or results[0],
        subject=Subject.NOBODY,
        reason="a_reason",
        text="250 as the server said",
        recipients=tuple(
            RecipientVerdict(
                result=result,
                reason="a_reason",
                reply=a_reply(550, "no") if result is Result.FAILED else a_reply(),
            )
            for result in results
        ),
    )
    return attrs.evolve(made, **changes)  # type: ignore[arg-type]


RULES: Final[dict[str, Any]] = {
    "now": at(10),
    "steady": at(10),
    "retry": POLICY,
    "on_unknown": OnUnknown.RESEND_ONCE,
    "jitter": 0.0,
}


def settle(
    email: Email, judged: Verdict, *, aside: Aside | None = None, **changes: object
) -> Email:
    return settled(email, judged, Terms(**{**RULES, **changes}), aside=aside)


def release(email: Email, why: AbandonedAttempt, *, began: bool = True) -> Email:
    return released(email, why, Terms(**RULES), began=began)


def test_a_claim_raises_the_fence_and_names_the_holder():
    email = held()

    assert (email.status, email.phase) == (Status.SENDING, Phase.CLAIMED)
    assert (email.attempt_no, email.claim_count, email.instance) == (1, 0, 7)


def test_accepted_by_everybody_is_sent():
    email = settle(held(2), verdict(Result.SENT, Result.SENT))

    assert email.status is Status.SENT
    assert email.sent_at == at(10)
    assert (email.partial, email.error_message, email.instance, email.phase) == (False,) + (
        None,
    ) * 3


def test_some_refused_is_sent_in_part():
    email = settle(held(2), verdict(Result.SENT, Result.FAILED))

    assert email.status is Status.SENT
    assert email.partial
    assert [str(r.address) for r in rejected(email.recipients)] == ["r2@example.org"]


def test_all_refused_is_failed():
    email = settle(held(2), verdict(Result.FAILED, Result.FAILED))

    assert email.status is Status.FAILED
    assert email.reason_code == "a_reason"
    assert email.error_message == "250 as the server said"


def test_only_a_deferred_recipient_is_tried_again():
    email = settle(held(3), verdict(Result.SENT, Result.RETRY, Result.FAILED))

    assert (email.status, email.retry_count) == (Status.RETRY, 1)
    again = email.claimed(account_id=1, instance=7, now=at(100)).envelope(an_address())
    assert [str(address) for address in again.recipients] == ["r2@example.org"]


def test_a_deferral_waits_for_the_step_of_its_retry():
    first = settle(held(), verdict(Result.RETRY))
    second = settle(first.claimed(account_id=1, instance=7, now=at(70)), verdict(Result.RETRY))

    assert first.eligible_at == at(10) + timedelta(minutes=1)
    assert second.eligible_at == at(10) + timedelta(minutes=5)


def test_what_the_server_asks_for_comes_before_the_schedule():
    email = settle(held(), verdict(Result.RETRY, retry_after=timedelta(seconds=42)))

    assert email.eligible_at == at(52)


def test_after_the_last_retry_it_is_failed():
    email = settle(held(retry_count=3), verdict(Result.RETRY))

    assert (email.status, email.retry_count) == (Status.FAILED, 3)


def test_after_the_last_retry_it_is_sent_if_somebody_was_accepted_before():
    first = settle(held(2, retry_count=2), verdict(Result.SENT, Result.RETRY))
    last = settle(first.claimed(account_id=1, instance=7, now=at(70)), verdict(Result.RETRY))

    assert last.status is Status.SENT
    assert last.partial


@pytest.mark.parametrize("effect", [AccountEffect.PAUSE, AccountEffect.UNREACHABLE])
def test_trouble_of_the_account_is_not_charged_and_waits_for_the_account_alone(effect):
    email = settle(held(), verdict(Result.WAIT, effect=effect))

    assert (email.status, email.retry_count) == (Status.QUEUED, 0)
    assert email.eligible_at == at(0)


def test_trouble_of_the_account_that_does_not_stop_it_makes_the_email_wait():
    email = settle(held(), verdict(Result.WAIT, effect=AccountEffect.STREAK))

    assert email.eligible_at == at(10) + timedelta(minutes=1)


def test_the_rest_of_too_many_recipients_goes_at_once_and_uncharged():
    judged = verdict(Result.SENT, Result.WAIT, retry_after=timedelta(0))
    email = settle(held(2), judged)

    assert (email.status, email.retry_count, email.eligible_at) == (Status.QUEUED, 0, at(0))


def test_a_released_email_keeps_the_status_of_its_charged_tries():
    email = settle(held(retry_count=1), verdict(Result.WAIT, effect=AccountEffect.PAUSE))

    assert email.status is Status.RETRY


def test_a_try_after_the_lifetime_is_the_last():
    email = settle(held(expires_at=at(5)), verdict(Result.RETRY))

    assert (email.status, email.reason_code) == (Status.FAILED, "expired")


def test_an_unknown_outcome_is_sent_once_more():
    email = settle(held(), verdict(Result.UNKNOWN))

    assert (email.status, email.possibly_delivered) == (Status.RETRY, True)
    assert email.reason_code == "outcome_unknown"


WAITS = (timedelta(seconds=30), timedelta(minutes=2), timedelta(minutes=10))


def step_aside(email, *, passed=True, **changes):
    claimed = email.claimed(account_id=1, instance=7, now=at(10))
    judged = verdict(overall=Result.WAIT, **changes)
    return settle(claimed, judged, aside=Aside(waits=WAITS, passed=passed))


def test_an_email_steps_aside_twice_uncharged_and_then_it_is_its_own_fault():
    email, seen = an_email(), []
    for _ in range(4):
        email = step_aside(email)
        seen.append((email.asides, email.retry_count, email.eligible_at - at(10)))

    charged = WAITS[-1]
    assert seen == [(1, 0, WAITS[0]), (2, 0, WAITS[1]), (3, 1, charged), (4, 2, charged)]


def test_an_email_is_not_charged_where_no_other_mail_has_passed():
    email = an_email()
    for _ in range(9):
        email = step_aside(email, passed=False)

    assert (email.retry_count, email.eligible_at) == (0, at(10) + WAITS[-1])


def test_an_email_that_coincides_with_three_openings_while_others_pass_is_charged():
    email = an_email()
    for _ in range(3):
        email = step_aside(email, effect=AccountEffect.UNREACHABLE)

    assert (email.asides, email.retry_count) == (3, 1)


def test_an_outage_is_charged_to_none_of_the_emails_that_probed_it():
    email = an_email()
    for _ in range(9):
        email = step_aside(email, effect=AccountEffect.UNREACHABLE, passed=False)

    assert (email.asides, email.retry_count, email.status) == (1, 0, Status.QUEUED)


def test_a_wait_that_the_server_asked_for_is_kept_by_one_that_steps_aside():
    email = step_aside(an_email(), wait=timedelta(minutes=5))

    assert email.eligible_at == at(10) + timedelta(minutes=5)


@pytest.mark.parametrize("reason", ["expired", "poison"])
def test_whom_no_server_rejected_is_not_among_the_rejected(reason):
    deferred = a_recipient(reason="deferred", reply=a_reply(450, "4.2.0 later"))
    email = an_email(recipients=(deferred,), claim_count=POISON_CRASHES)
    ended = (
        email.expired(now=at(0))
        if reason == "expired"
        else release(email.claimed(account_id=1, instance=7, now=at(0)), CRASH)
    )

    assert (ended.status, rejected(ended.recipients)) == (Status.FAILED, ())
    assert [recipient.reason for recipient in ended.recipients] == [reason]


def test_a_second_unknown_outcome_is_held():
    first = settle(held(), verdict(Result.UNKNOWN))
    second = settle(first.claimed(account_id=1, instance=7, now=at(70)), verdict(Result.UNKNOWN))

    assert (second.status, second.reason_code) == (Status.FAILED, "outcome_unknown")
    assert [recipient.status for recipient in second.recipients] == [RecipientStatus.UNKNOWN]


def test_an_unknown_outcome_is_sent_once_more_even_without_retries_left():
    email = settle(held(retry_count=3), verdict(Result.UNKNOWN))

    assert email.status is Status.RETRY


@pytest.mark.parametrize(
    ("email", "policy"),
    [(held(), OnUnknown.HOLD), (held(at_most_once=True), OnUnknown.RESEND_ONCE)],
)
def test_hold_and_at_most_once_never_send_again_by_themselves(email, policy):
    ended = settle(email, verdict(Result.UNKNOWN), on_unknown=policy)

    assert (ended.status, ended.possibly_delivered) == (Status.FAILED, True)


def test_a_crash_before_the_mark_goes_back_uncharged():
    email = release(held(), CRASH)

    assert (email.status, email.retry_count, email.possibly_delivered) == (Status.QUEUED, 0, False)


def test_a_crash_after_the_mark_is_an_unknown_outcome():
    email = release(held().committing(), CRASH)

    assert (email.status, email.possibly_delivered) == (Status.RETRY, True)


def test_an_email_that_ends_its_process_again_and_again_is_given_up():
    email = an_email()
    for _ in range(POISON_CRASHES):
        email = release(email.claimed(account_id=1, instance=7, now=at(0)), CRASH)

    assert (email.status, email.reason_code) == (Status.FAILED, "poison")


def test_an_email_that_was_only_claimed_when_a_process_died_keeps_its_count():
    email = an_email(claim_count=1)
    for _ in range(POISON_CRASHES + 1):
        email = release(email.claimed(account_id=1, instance=7, now=at(0)), CRASH, began=False)

    assert (email.status, email.claim_count) == (Status.QUEUED, 1)


def test_shutdowns_are_not_taken_for_poison():
    email = an_email()
    for _ in range(POISON_CRASHES + 1):
        email = release(email.claimed(account_id=1, instance=7, now=at(0)), SHUTDOWN)

    assert email.status is Status.QUEUED


def test_a_claim_that_was_given_back_untouched_leaves_the_reason_as_it_was():
    email = held(reason_code="deferred", error_message="451 later", eligible_at=at(0))

    back = release(email, AbandonedAttempt(reason=None), began=False)

    assert (back.reason_code, back.error_message) == ("deferred", "451 later")


@pytest.mark.parametrize("status", [s for s in Status if s not in WAITING])
def test_only_waiting_email_can_be_cancelled(status):
    with pytest.raises(IllegalTransition):
        an_email(status=status).cancelled(now=at(1))


@pytest.mark.parametrize("status", sorted(WAITING))
def test_waiting_email_can_be_cancelled_and_can_expire(status):
    assert an_email(status=status).cancelled(now=at(1)).status is Status.CANCELLED
    assert an_email(status=status).expired(now=at(1)).reason_code == "expired"


def test_a_retry_by_hand_starts_anew_for_whoever_did_not_get_it():
    failed = settle(held(2, retry_count=3), verdict(Result.FAILED, Result.FAILED))
    email = failed.retried(now=at(20), policy=POLICY)

    assert (email.status, email.retry_count, email.eligible_at) == (Status.RETRY, 0, at(20))
    assert len(email.open_recipients) == 2
    assert email.expires_at == at(20) + POLICY.max_age


@pytest.mark.parametrize("status", [s for s in Status if s is not Status.FAILED])
def test_only_failed_email_can_be_retried_by_hand(status):
    with pytest.raises(IllegalTransition):
        an_email(status=status).retried(now=at(1), policy=POLICY)


def test_a_held_email_can_be_resolved_as_sent():
    unknown = settle(held(), verdict(Result.UNKNOWN), on_unknown=OnUnknown.HOLD)
    email = resolved_as_sent(unknown, now=at(30))

    assert (email.status, email.possibly_delivered) == (Status.SENT, False)
    assert [recipient.status for recipient in email.recipients] == [RecipientStatus.ACCEPTED]


def test_an_email_that_failed_for_sure_has_nothing_to_resolve():
    failed = settle(held(), verdict(Result.FAILED))

    with pytest.raises(IllegalTransition):
        resolved_as_sent(failed, now=at(30))
    with pytest.raises(IllegalTransition):
        resent(failed, now=at(30), policy=POLICY)


def test_a_late_acceptance_ends_an_email_that_waits_for_its_second_copy():
    waiting = settle(held(), verdict(Result.UNKNOWN))

    late = accepted_late(waiting, verdict(Result.SENT), now=at(30))

    assert late is not None
    assert late.status is Status.SENT


def test_a_late_acceptance_cannot_call_back_a_dot():
    waiting = settle(held(), verdict(Result.UNKNOWN))
    again = waiting.claimed(account_id=1, instance=8, now=at(70))
    committing = again.committing()

    assert accepted_late(committing, verdict(Result.SENT), now=at(71)) is None


def test_the_table_names_every_status_and_transition():
    assert {status for status, _ in TRANSITIONS} | {
        s for to in TRANSITIONS.values() for s in to
    } == set(Status)
    assert {transition for _, transition in TRANSITIONS} == set(Transition)


def test_nothing_leads_out_of_sent_and_cancelled():
    assert not [pair for pair in TRANSITIONS if pair[0] in TERMINAL - {Status.FAILED}]


@given(
    st.lists(st.sampled_from([*Result]), min_size=1, max_size=5),
    st.sampled_from([*Result]),
    st.sampled_from([*AccountEffect]),
    st.integers(0, 4),
    st.booleans(),
)
def test_whatever_the_replies_the_status_is_a_fold_over_the_recipients(
    results, overall, effect, retries, expired
):
    email = held(len(results), retry_count=retries, expires_at=at(5 if expired else 100))
    judged = verdict(*results, overall=overall, effect=effect)

    after = settle(email, judged)

    assert after.status in TARGETS_FROM_SENDING
    statuses = [recipient.status for recipient in after.recipients]
    if after.status is Status.SENT:
        assert RecipientStatus.OPEN not in statuses
        assert RecipientStatus.ACCEPTED in statuses
    elif after.status is Status.FAILED:
        assert not {RecipientStatus.OPEN, RecipientStatus.ACCEPTED} & set(statuses)
    else:
        assert RecipientStatus.OPEN in statuses
        assert after.eligible_at >= email.eligible_at
    assert after.instance is None
    assert after.attempt_no == email.attempt_no


TARGETS_FROM_SENDING = {s for (f, _), to in TRANSITIONS.items() if f is Status.SENDING for s in to}


@pytest.mark.parametrize(
    ("status", "due", "expected", "eligible_at"),
    [
        (Status.QUEUED, 60, Status.SCHEDULED, 60),
        (Status.QUEUED, -60, Status.QUEUED, 0),
        (Status.SCHEDULED, 60, Status.SCHEDULED, 60),
        (Status.SCHEDULED, 0, Status.QUEUED, 0),
        (Status.RETRY, 0, Status.RETRY, 30),
        (Status.RETRY, 60, Status.RETRY, 60),
    ],
)
def test_what_waits_is_due_at_another_time(status, due, expected, eligible_at):
    tried = status is Status.RETRY
    email = an_email(status=status, eligible_at=at(30), attempt_no=int(tried))

    after = rescheduled(email, at(due), now=NOW, expires_at=at(99))

    assert (after.status, after.eligible_at, after.expires_at) == (
        expected,
        at(eligible_at),
        at(99),
    )


@pytest.mark.parametrize("status", sorted(set(Status) - WAITING))
def test_what_does_not_wait_keeps_its_time(status):
    with pytest.raises(IllegalTransition):
        rescheduled(an_email(status=status), at(60), now=NOW, expires_at=at(99))
