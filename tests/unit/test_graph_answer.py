"""What answers of Microsoft Graph mean, with the rules that are shipped."""

import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from domain.outcome.classify import classify
from domain.outcome.graph_answer import LONGEST_WAIT, of_asking, of_sending
from domain.outcome.handoff import Handoff, Problem, Stage
from domain.outcome.provider_id import provider_message_id
from domain.outcome.verdict import AccountEffect, Result, Subject
from tests.shipped_rules import RULES

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)


def error(code: str, message: str = "it says so") -> bytes:
    return json.dumps({"error": {"code": code, "message": message}}).encode()


def sending(status: int, code: str = "", message: str = "it says so", **headers: str) -> Handoff:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return of_sending(status, names, error(code, message) if code else b"", now=NOW)


def verdict(handoff: Handoff, *, recipients: int = 1, at_most_once: bool = False):
    return classify(handoff, recipients=recipients, rules=RULES, at_most_once=at_most_once)


@pytest.mark.parametrize(
    ("status", "code", "result", "reason", "effect"),
    [
        (202, "", Result.SENT, "accepted", AccountEffect.HEALTHY),
        (400, "ErrorInvalidRecipients", Result.FAILED, "recipient_refused", AccountEffect.NONE),
        (400, "ErrorMimeContentInvalid", Result.FAILED, "message_refused", AccountEffect.STREAK),
        (400, "ErrorMessageSizeExceeded", Result.FAILED, "message_too_big", AccountEffect.NONE),
        (400, "", Result.FAILED, "message_refused", AccountEffect.STREAK),
        (401, "InvalidAuthenticationToken", Result.WAIT, "token_refused", AccountEffect.PAUSE),
        (401, "", Result.WAIT, "token_refused", AccountEffect.PAUSE),
        (403, "ErrorAccessDenied", Result.WAIT, "not_authorized", AccountEffect.PAUSE),
        (403, "ErrorSendAsDenied", Result.WAIT, "sender_refused", AccountEffect.PAUSE),
        (403, "ErrorQuotaExceeded", Result.WAIT, "sender_mailbox_full", AccountEffect.PAUSE),
        (403, "ErrorMessageSubmissionBlocked", Result.WAIT, "sender_blocked", AccountEffect.PAUSE),
        (404, "ErrorInvalidUser", Result.WAIT, "sender_refused", AccountEffect.PAUSE),
        (404, "MailboxNotEnabledForRESTAPI", Result.WAIT, "sender_refused", AccountEffect.PAUSE),
        (408, "", Result.RETRY, "deferred", AccountEffect.STREAK),
        (409, "ErrorIrresolvableConflict", Result.RETRY, "deferred", AccountEffect.STREAK),
        (413, "", Result.FAILED, "message_too_big", AccountEffect.NONE),
        (429, "ApplicationThrottled", Result.WAIT, "throttled", AccountEffect.PAUSE),
        (429, "ErrorExceededMessageLimit", Result.WAIT, "quota_exceeded", AccountEffect.PAUSE),
        (429, "ErrorMessageSubmissionBlocked", Result.WAIT, "sender_blocked", AccountEffect.PAUSE),
        (500, "ErrorInternalServerError", Result.UNKNOWN, "outcome_unknown", AccountEffect.STREAK),
        (502, "", Result.UNKNOWN, "outcome_unknown", AccountEffect.STREAK),
        (503, "serviceNotAvailable", Result.UNKNOWN, "outcome_unknown", AccountEffect.STREAK),
        (504, "UnknownError", Result.UNKNOWN, "outcome_unknown", AccountEffect.STREAK),
        (200, "", Result.UNKNOWN, "outcome_unknown", AccountEffect.STREAK),
        (302, "", Result.UNKNOWN, "outcome_unknown", AccountEffect.STREAK),
    ],
)
def test_each_answer_to_sendmail_is_judged(status, code, result, reason, effect):
    found = verdict(sending(status, code))

    assert (found.result, found.reason, found.effect) == (result, reason, effect)
    assert [one.result for one in found.recipients] == [result]


@pytest.mark.parametrize("status", range(200, 600))
def test_nothing_but_202_is_sent_and_no_5xx_is_a_failure(status):
    found = verdict(sending(status)).result

    assert (found is Result.SENT) == (status == 202)
    assert found is not Result.FAILED or 400 <= status < 500
    assert (found is Result.UNKNOWN) == (status != 202 and not 400 <= status < 500)


@pytest.mark.parametrize(
    "message",
    [
        "mailbox full", "user unknown", "too many messages today", "greylisted, try again in 5 min",
        "550 5.7.1 sender blocked", "HTTP 404 ErrorInvalidUser:", "authentication required",
    ],
)  # fmt: skip
@pytest.mark.parametrize("status", [400, 403, 404, 409, 429])
def test_the_words_of_a_message_change_nothing(status, message):
    plain = verdict(sending(status, "SomeCode", "it says so"))
    found = verdict(sending(status, "SomeCode", message))

    assert (found.reason, found.result, found.effect) == (plain.reason, plain.result, plain.effect)


def test_of_several_recipients_graph_does_not_say_which_one_is_invalid():
    found = verdict(sending(400, "ErrorInvalidRecipients"), recipients=3)

    assert found.subject is Subject.MESSAGE
    assert {one.result for one in found.recipients} == {Result.FAILED}
    assert not any(one.suppress for one in found.recipients)


@pytest.mark.parametrize(("status", "code"), [(429, "TooManyRequests"), (503, "x")])
def test_a_wait_that_is_asked_for_is_kept(status, code):
    found = verdict(sending(status, code, retry_after="17"))

    assert found.result is Result.WAIT
    assert found.effect is AccountEffect.PAUSE
    assert found.pause_for == timedelta(seconds=17)


def test_202_with_retry_after_is_sent_and_rests_the_account():
    found = verdict(sending(202, retry_after="17"), recipients=2)

    assert found.result is Result.SENT
    assert found.effect is AccountEffect.REST
    assert found.pause_for == timedelta(seconds=17)
    assert [one.reason for one in found.recipients] == ["accepted", "accepted"]


@pytest.mark.parametrize(("status", "unknown"), [(429, True), (503, True), (400, False)])
def test_a_refusal_that_is_doubted_leaves_an_at_most_once_email_unknown(status, unknown):
    handoff = sending(status, "x", retry_after="17")

    assert verdict(handoff).result is not Result.UNKNOWN
    assert (verdict(handoff, at_most_once=True).result is Result.UNKNOWN) == unknown


@pytest.mark.parametrize(
    ("value", "wait"),
    [
        ("0", timedelta()),
        ("120", timedelta(minutes=2)),
        ("999999999", LONGEST_WAIT),
        (format_datetime(NOW + timedelta(seconds=90), usegmt=True), timedelta(seconds=90)),
        (format_datetime(NOW - timedelta(seconds=90), usegmt=True), timedelta()),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("", None),
    ],
)
def test_retry_after_has_seconds_or_a_date(value, wait):
    assert sending(429, "x", retry_after=value).wait == wait


def test_an_accepted_message_is_told_with_the_id_of_its_request():
    ident = "7d4e1c9e-2d0b-4f6b-8f0e-3a0d8f2b6c11"
    known, other = sending(202, request_id=ident), sending(202, request_id="<b>\r\nX: y")

    assert known.reply.text == f"2.0.0 HTTP 202 Accepted, request-id {ident}"
    assert other.reply.text == "2.0.0 HTTP 202 Accepted"
    assert provider_message_id(known.reply) is None  # it names the request, not the message


@pytest.mark.parametrize(
    "body",
    [
        b"", b"<html>Bad Gateway</html>", b"[]", b'{"error":"x"}', b'{"error":{"code":7}}',
        b'{"error":{"code":"two words"}}', b"\xff\xfe", b"[" * 5000,
        b'{"error":{"code":"a\\r\\n"}}',
    ],
)  # fmt: skip
def test_a_body_that_is_none_of_graphs_leaves_the_status(body):
    handoff = of_sending(403, {}, body, now=NOW)

    assert handoff.reply.text == "5.7.1 HTTP 403"


def test_control_characters_and_length_of_a_message_are_bounded():
    handoff = sending(400, "ErrorX", "a\r\nb\0c" + "d" * 5000)

    assert handoff.reply.text.startswith("5.6.0 HTTP 400 ErrorX: a b c")
    assert handoff.reply.text.isprintable()
    assert len(handoff.reply.text) < 600


@pytest.mark.parametrize(
    ("status", "stage", "logged_in"),
    [
        (200, Stage.MAIL, True),
        (403, Stage.MAIL, False),
        (401, Stage.AUTH, False),
        (404, Stage.MAIL, False),
        (429, Stage.MAIL, False),
        (503, Stage.MAIL, False),
        (302, Stage.AUTH, False),
    ],
)
def test_each_answer_to_a_question_is_judged(status, stage, logged_in):
    handoff = of_asking(status, {}, b"", now=NOW)

    assert (handoff.stage, handoff.logged_in) == (stage, logged_in)
    assert not handoff.unknown


@pytest.mark.parametrize(
    ("code", "logged_in"),
    [("Authorization_RequestDenied", True), ("ErrorAccessDenied", True), ("Blocked", False)],
)
def test_a_token_that_may_only_send_was_taken(code, logged_in):
    assert of_asking(403, {}, error(code), now=NOW).logged_in == logged_in


def test_504_is_a_timeout_of_the_server():
    assert sending(504).problem is Problem.TIMEOUT
