"""What one hand-off means for the message, each recipient and the account."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.outcome.classify import classify
from domain.outcome.handoff import Handoff, Problem, RecipientReply, Reply, Stage
from domain.outcome.verdict import AccountEffect, Limit, Result, Subject, Verdict
from tests.builders import an_address
from tests.shipped_rules import RULES

OK = "250 2.1.5 Ok"
GREYLISTED = "450 4.2.0 Greylisted"
UNKNOWN_USER = "550 5.1.1 User unknown"
TOO_MANY = "452 4.5.3 Too many recipients"
QUOTA = "550 5.4.5 Daily user sending limit exceeded"


def reply(line: str) -> Reply:
    code, _, text = line.partition(" ")
    return Reply.of(int(code), text)


def judge(
    *rcpt: str,
    stage: Stage = Stage.DOT,
    said: str | None = None,
    problem: Problem | None = None,
    recipients: int | None = None,
) -> Verdict:
    handoff = Handoff(
        stage=stage,
        reply=reply(said) if said else None,
        problem=problem,
        recipients=tuple(RecipientReply(an_address(), reply(line)) for line in rcpt),
    )
    return classify(handoff, recipients=recipients or len(rcpt) or 1, rules=RULES)


def results(verdict: Verdict) -> list[Result]:
    return [recipient.result for recipient in verdict.recipients]


def test_all_recipients_accepted_is_sent():
    verdict = judge(OK, OK, said="250 2.0.0 queued")

    assert results(verdict) == [Result.SENT, Result.SENT]
    assert (verdict.reason, verdict.effect, verdict.charged) == (
        "accepted", AccountEffect.HEALTHY, True,
    )  # fmt: skip


def test_each_recipient_gets_the_verdict_of_its_own_reply():
    verdict = judge(OK, GREYLISTED, UNKNOWN_USER, said="250 2.0.0 queued")

    assert results(verdict) == [Result.SENT, Result.RETRY, Result.FAILED]
    assert (verdict.result, verdict.reason) == (Result.SENT, "deferred")
    assert verdict.text == "450 4.2.0 Greylisted"
    assert verdict.effect is AccountEffect.HEALTHY


def test_too_many_recipients_go_again_at_once():
    verdict = judge(OK, TOO_MANY, TOO_MANY, said="250 2.0.0 queued")

    assert results(verdict) == [Result.SENT, Result.WAIT, Result.WAIT]
    assert verdict.retry_after == timedelta(0)


def test_too_many_recipients_wait_for_the_deferred_ones():
    verdict = judge(OK, "450 4.2.0 try again in 5 minutes", TOO_MANY, said="250 2.0.0 queued")

    assert verdict.retry_after == timedelta(minutes=5)


def test_452_for_the_first_recipient_is_an_ordinary_deferral():
    assert results(judge("452 4.5.3 Too many recipients", stage=Stage.RCPT)) == [Result.RETRY]


def test_all_recipients_refused_is_failed_without_a_charge():
    verdict = judge(UNKNOWN_USER, UNKNOWN_USER, stage=Stage.RCPT, said=UNKNOWN_USER)

    assert results(verdict) == [Result.FAILED, Result.FAILED]
    assert (verdict.result, verdict.charged) == (Result.FAILED, False)


def test_no_recipient_accepted_and_one_deferred_is_a_retry():
    verdict = judge(GREYLISTED, UNKNOWN_USER, stage=Stage.RCPT, said=UNKNOWN_USER)

    assert results(verdict) == [Result.RETRY, Result.FAILED]
    assert verdict.result is Result.RETRY


def test_a_quota_reply_to_one_recipient_pauses_the_account_and_refuses_no_recipient():
    verdict = judge(OK, QUOTA, said="250 2.0.0 queued")

    assert results(verdict) == [Result.SENT, Result.WAIT]
    assert (verdict.effect, verdict.pause_for) == (AccountEffect.PAUSE, timedelta(hours=1))


def test_a_pause_carries_the_reply_that_caused_it_and_not_another_recipients():
    verdict = judge(GREYLISTED, QUOTA, UNKNOWN_USER, stage=Stage.RCPT, said=UNKNOWN_USER)

    assert results(verdict) == [Result.RETRY, Result.WAIT, Result.FAILED]
    assert (verdict.effect, verdict.subject) == (AccountEffect.PAUSE, Subject.ACCOUNT)
    assert (verdict.reason, verdict.text) == ("quota_exceeded", QUOTA)
    assert verdict.limit is Limit.QUOTA


def test_only_the_recipient_who_does_not_exist_is_suppressed():
    verdict = judge(UNKNOWN_USER, OK, GREYLISTED, said="250 2.0.0 queued")

    assert [one.suppress for one in verdict.recipients] == [True, False, False]
    assert [one.subject for one in verdict.recipients] == [
        Subject.RECIPIENT, Subject.NOBODY, Subject.RECIPIENT,
    ]  # fmt: skip


def test_a_reply_about_one_of_several_recipients_after_the_dot_suppresses_none():
    alone, together = judge(OK, said=UNKNOWN_USER), judge(OK, OK, said=UNKNOWN_USER)

    assert (alone.subject, alone.suppress) == (Subject.RECIPIENT, True)
    assert (together.subject, together.suppress) == (Subject.MESSAGE, False)
    assert not any(one.suppress for one in together.recipients)


def test_a_connection_that_has_delivered_is_distinguished_from_a_new_one():
    said = "421 4.7.0 closing"
    fresh = Handoff(stage=Stage.MAIL, reply=reply(said))
    used = Handoff(stage=Stage.MAIL, reply=reply(said), delivered=20)

    assert classify(fresh, recipients=1, rules=RULES).effect is AccountEffect.UNREACHABLE
    verdict = classify(used, recipients=1, rules=RULES)

    assert (verdict.effect, verdict.limit) == (AccountEffect.RECONNECT, Limit.SESSION)
    assert verdict.retry_after == timedelta(0)


def test_a_subject_quoted_in_a_reply_matches_no_rule():
    handoff = Handoff(
        stage=Stage.DOT, reply=reply("550 5.7.1 Unwanted: Sending paused for this account")
    )
    told = classify(handoff, recipients=1, rules=RULES, echoes=["Sending paused for this account"])

    assert classify(handoff, recipients=1, rules=RULES).effect is AccountEffect.PAUSE
    assert (told.subject, told.result) == (Subject.MESSAGE, Result.FAILED)


def test_the_verdict_states_the_wait_that_the_server_asked_for():
    assert judge(stage=Stage.MAIL, said="451 try again in 3 minutes").wait == timedelta(minutes=3)
    assert judge(stage=Stage.MAIL, said="451 try again").wait is None


def test_a_quota_waits_as_long_as_the_server_asks_even_if_it_is_shorter():
    verdict = judge(stage=Stage.MAIL, said="550 hourly limit reached, try again in 10 minutes")

    assert verdict.pause_for == timedelta(minutes=10)


def test_a_refusal_at_the_dot_leaves_refused_recipients_their_own_reply():
    verdict = judge(OK, UNKNOWN_USER, said="451 4.3.0 later")

    assert results(verdict) == [Result.RETRY, Result.FAILED]
    assert (verdict.result, verdict.charged) == (Result.RETRY, False)


@pytest.mark.parametrize("problem", [Problem.TIMEOUT, Problem.CLOSED, Problem.PROTOCOL])
def test_no_reply_after_the_final_dot_is_unknown_and_charged(problem):
    verdict = judge(OK, UNKNOWN_USER, problem=problem)

    assert results(verdict) == [Result.UNKNOWN, Result.FAILED]
    assert (verdict.result, verdict.reason, verdict.charged) == (
        Result.UNKNOWN, "outcome_unknown", True,
    )  # fmt: skip


def test_a_3xx_after_the_dot_is_unknown():
    assert judge(OK, said="354 go on").result is Result.UNKNOWN


@pytest.mark.parametrize("stage", [stage for stage in Stage if stage is not Stage.DOT])
@pytest.mark.parametrize("problem", [Problem.TIMEOUT, Problem.CLOSED, Problem.STOPPED])
def test_no_reply_before_the_final_dot_is_a_retry_and_not_charged(stage, problem):
    verdict = judge(stage=stage, problem=problem, recipients=2)

    assert verdict.result in (Result.WAIT, Result.RETRY)
    assert not verdict.charged


def test_421_at_one_recipient_lets_the_whole_message_wait():
    verdict = judge(OK, "421 4.3.2 bye", stage=Stage.RCPT, said="421 4.3.2 bye", recipients=3)

    assert results(verdict) == [Result.WAIT] * 3
    assert verdict.effect is AccountEffect.UNREACHABLE


def test_bad_credentials_pause_the_account_and_wait():
    verdict = judge(stage=Stage.AUTH, said="535 5.7.8 no")

    assert (verdict.result, verdict.subject) == (Result.WAIT, Subject.ACCOUNT)
    assert (verdict.effect, verdict.pause_for) == (AccountEffect.PAUSE, None)


def test_an_enhanced_status_of_another_class_is_ignored():
    assert reply("550 4.7.1 odd").enhanced is None
    assert results(judge("550 4.7.1 odd", stage=Stage.RCPT)) == [Result.FAILED]


@pytest.mark.parametrize(
    ("text", "wait"),
    [
        ("try again in 300 seconds", 300),
        ("Please retry after 5 minutes", 300),
        ("come back in 2 hours", 7200),
        ("try again in 1 second", 10),
        ("try again in 99 hours", 6 * 3600),
    ],
)
def test_a_wait_that_the_server_asks_for_is_kept_within_bounds(text, wait):
    verdict = judge(f"450 4.2.0 {text}", stage=Stage.RCPT)

    assert verdict.retry_after == timedelta(seconds=wait)


def test_a_throttle_that_names_a_time_pauses_for_it():
    verdict = judge(stage=Stage.MAIL, said="421 4.7.0 Try again later, try again in 20 minutes")

    assert verdict.pause_for == timedelta(minutes=20)


def test_an_internal_error_is_unknown_after_the_mark_and_a_retry_before_it():
    assert judge(problem=Problem.INTERNAL).result is Result.UNKNOWN
    assert judge(stage=Stage.BODY, problem=Problem.INTERNAL).result is Result.RETRY


REPLIES = st.builds(
    Reply.of,
    st.integers(200, 599),
    st.sampled_from(["", "5.1.1 no", "4.2.0 later", "5.4.5 quota", "relay denied", "é\n\0"]),
)


@given(
    st.sampled_from([*Stage]),
    st.none() | REPLIES,
    st.sampled_from([*Problem]),
    st.lists(st.none() | REPLIES, max_size=4),
    st.integers(1, 5),
)
def test_every_handoff_gives_one_verdict_for_each_recipient(stage, said, problem, answers, count):
    handoff = Handoff(
        stage=stage,
        reply=said,
        problem=None if said else problem,
        recipients=tuple(RecipientReply(an_address(), answer) for answer in answers),
    )

    verdict = classify(handoff, recipients=count, rules=RULES)

    assert len(verdict.recipients) == count
    assert verdict.reason
    if verdict.charged:
        assert handoff.accepted or handoff.unknown


def test_a_success_evaluates_no_rule():
    handoff = Handoff(
        stage=Stage.DOT,
        reply=reply("250 2.0.0 queued"),
        recipients=(RecipientReply(an_address(), reply(OK)),),
    )
    no_rules_to_ask: Any = None

    assert classify(handoff, recipients=1, rules=no_rules_to_ask).reason == "accepted"
