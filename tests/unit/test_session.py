"""What a reply means for its connection, and what an announcement may have caused."""

from datetime import timedelta

import pytest

from domain.outcome.handoff import Handoff, Problem, RecipientReply, Reply, Stage
from domain.outcome.session import (
    ends_session,
    excused,
    learned_limit,
    refuses_announcement,
    same_refusal,
)
from domain.outcome.verdict import AccountEffect, RecipientVerdict, Result, Subject, Verdict
from tests.builders import an_address

ADA, BOB = an_address("ada@example.org"), an_address("bob@example.org")
OK = Reply.of(250, "2.1.5 ok")


def refused(stage: Stage, text: str, *before: Reply) -> Handoff:
    reply = Reply.of(int(text[:3]), text[4:])
    heard = (*before, reply) if stage is Stage.RCPT else before
    answers = tuple(map(RecipientReply, (ADA, BOB), heard))
    return Handoff(stage=stage, reply=reply, recipients=answers)


@pytest.mark.parametrize("stage", [Stage.MAIL, Stage.RCPT])
@pytest.mark.parametrize(
    "text",
    [
        "421 4.7.0 bye",
        "421 too many",
        "450 wait",
        "450 4.7.1 too much",
        "451 4.3.0 later",
        "452 4.5.3 Too many messages sent",
    ],
)
def test_a_connection_that_has_delivered_ends(stage: Stage, text: str) -> None:
    assert ends_session(refused(stage, text), delivered=1)
    assert not ends_session(refused(stage, text), delivered=0)


@pytest.mark.parametrize("text", ["550 5.7.1 no", "454 4.7.0 no", "503 5.5.1 no", "552 5.3.4 no"])
@pytest.mark.parametrize("stage", [Stage.MAIL, Stage.RCPT])
def test_other_refusals_are_about_the_email(stage: Stage, text: str) -> None:
    assert not ends_session(refused(stage, text), delivered=9)


@pytest.mark.parametrize("stage", [Stage.EHLO, Stage.AUTH, Stage.DATA, Stage.BODY, Stage.DOT])
def test_a_session_ends_at_mail_or_rcpt_only(stage: Stage) -> None:
    assert not ends_session(refused(stage, "451 4.3.0 later"), delivered=9)


@pytest.mark.parametrize("text", ["450 4.2.1 busy", "450 4.1.1 unverified", "452 4.2.2 full"])
def test_a_mailbox_in_trouble_ends_no_session(text: str) -> None:
    assert not ends_session(refused(Stage.RCPT, text), delivered=9)


def test_a_session_ends_only_if_no_recipient_was_refused_for_good_or_accepted() -> None:
    text = "450 4.7.1 later"
    assert not ends_session(refused(Stage.RCPT, text, Reply.of(550, "5.1.1 no")), delivered=9)
    assert not ends_session(refused(Stage.RCPT, text, OK), delivered=9)
    assert ends_session(refused(Stage.RCPT, "421 4.3.2 bye", OK), delivered=9)


@pytest.mark.parametrize(
    ("counts", "limit"),
    [((), None), ((3,), None), ((3, 3), 3), ((3, 4), None), ((3, 3, 5), None), ((2, 3, 3), 3)],
)
def test_two_equal_counts_are_a_limit(counts: tuple[int, ...], limit: int | None) -> None:
    assert learned_limit(counts) == limit


def test_the_same_refusal_has_stage_code_and_status_in_common() -> None:
    one = refused(Stage.MAIL, "450 4.7.1 wait 3 s")
    assert same_refusal(one, refused(Stage.MAIL, "450 4.7.1 wait 9 s"))
    assert not same_refusal(one, refused(Stage.RCPT, "450 4.7.1 wait 3 s"))
    assert not same_refusal(one, refused(Stage.MAIL, "451 4.7.1 wait 3 s"))
    assert not same_refusal(one, Handoff(stage=Stage.MAIL, problem=Problem.CLOSED))


@pytest.mark.parametrize("stage", [Stage.MAIL, Stage.RCPT, Stage.DATA])
@pytest.mark.parametrize("problem", [Problem.CLOSED, Problem.TIMEOUT, Problem.PROTOCOL])
def test_trouble_in_an_announced_envelope_is_the_announcements(
    stage: Stage, problem: Problem
) -> None:
    handoff = Handoff(stage=stage, problem=problem)
    assert refuses_announcement(handoff, announced=True)
    assert not refuses_announcement(handoff, announced=False)


@pytest.mark.parametrize("stage", [Stage.MAIL, Stage.RCPT, Stage.DATA])
@pytest.mark.parametrize(
    ("text", "theirs"),
    [
        ("503 5.5.1 out of sequence", True),
        ("500 5.5.2 what", True),
        ("421 4.7.0 improper pipelining", True),
        ("550 5.1.1 unknown", False),
        ("450 4.2.1 busy", False),
    ],
)
def test_a_refusal_of_the_recipient_is_not_the_announcements(
    stage: Stage, text: str, theirs: bool
) -> None:
    assert refuses_announcement(refused(stage, text), announced=True) is theirs


@pytest.mark.parametrize(
    ("handoff", "theirs"),
    [
        (Handoff(stage=Stage.DOT, problem=Problem.CLOSED), True),
        (refused(Stage.DOT, "503 5.5.1 pipelining"), True),
        (refused(Stage.DOT, "250 2.0.0 ok"), False),
        (refused(Stage.DOT, "554 5.7.1 spam"), False),
        (Handoff(stage=Stage.BODY, problem=Problem.CLOSED), False),
    ],
)
def test_the_dot_that_an_announcement_followed(handoff: Handoff, theirs: bool) -> None:
    assert refuses_announcement(handoff, announced=False) is theirs


def a_verdict(result: Result, effect: AccountEffect, *recipients: Result) -> Verdict:
    return Verdict(
        result=result,
        subject=Subject.SERVER,
        reason="x",
        effect=effect,
        recipients=tuple(RecipientVerdict(result=each, reason="x") for each in recipients),
    )


def test_an_unknown_outcome_that_an_announcement_brought_about_is_not_counted() -> None:
    verdict = a_verdict(Result.UNKNOWN, AccountEffect.STREAK, Result.UNKNOWN)
    handoff = Handoff(stage=Stage.DOT, problem=Problem.CLOSED, announcement_refused=True)
    judged = excused(verdict, handoff)
    assert (judged.result, judged.effect) == (Result.UNKNOWN, AccountEffect.NONE)
    plain = Handoff(stage=Stage.DOT, problem=Problem.CLOSED)
    assert excused(verdict, plain) == verdict


def test_a_message_that_an_announcement_got_refused_goes_again_at_once() -> None:
    verdict = a_verdict(Result.WAIT, AccountEffect.UNREACHABLE, Result.WAIT, Result.FAILED)
    handoff = Handoff(
        stage=Stage.DOT, reply=Reply.of(503, "5.5.1 pipelining"), announcement_refused=True
    )
    judged = excused(verdict, handoff)
    assert (judged.result, judged.subject, judged.effect) == (
        Result.WAIT,
        Subject.US,
        AccountEffect.NONE,
    )
    assert judged.retry_after == timedelta(0)
    assert [each.result for each in judged.recipients] == [Result.WAIT, Result.FAILED]


def test_spam_stays_spam_whatever_was_announced() -> None:
    verdict = a_verdict(Result.FAILED, AccountEffect.STREAK, Result.FAILED)
    handoff = Handoff(stage=Stage.DOT, reply=Reply.of(554, "5.7.1 spam"), announcement_refused=True)
    assert excused(verdict, handoff) == verdict
