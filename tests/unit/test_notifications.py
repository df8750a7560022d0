"""Reports about emails: what their envelopes say, and servers that offer it and refuse it."""

from datetime import timedelta

import pytest

from domain.dialogue.ends import ExchangeEnded
from domain.dialogue.extensions import Extensions
from domain.dialogue.notifications import LONGEST_LINE, utf8_xtext, xtext
from domain.dialogue.replies import ServerReply
from domain.outcome.classify import classify
from domain.outcome.handoff import Handoff, Parcel, RecipientReply, Reply, Stage
from domain.outcome.notifications import (
    REFUSED,
    classify_sparing,
    proves_refusal,
    refuses_dsn,
    refuses_dsn_of_some,
)
from domain.outcome.verdict import AccountEffect, Result
from tests.builders import an_envelope
from tests.shipped_rules import RULES

MESSAGE = b"Subject: Hello\r\n\r\nHello.\r\n"
ID = "<0123456789abcdef@example.com>"
DSN = Extensions({"DSN": ""}, dsn=True)
TAKEN = Reply.of(250, "2.0.0 taken")


def said(*addresses: str, offered: Extensions = DSN, **changes: object) -> list[bytes]:
    envelope = an_envelope(*addresses, **{"message_id": ID, **changes})
    return offered.commands(Parcel(envelope, MESSAGE))


# --- what is said


def test_a_server_that_offers_dsn_is_asked_for_reports_with_our_reference():
    assert said("ada@example.org") == [
        b"MAIL FROM:<sender@example.com> RET=HDRS ENVID=0123456789abcdef\r\n",
        b"RCPT TO:<ada@example.org> NOTIFY=FAILURE,DELAY ORCPT=rfc822;ada@example.org\r\n",
        b"DATA\r\n",
    ]


def test_a_server_that_does_not_offer_dsn_is_not_asked():
    assert said("ada@example.org", offered=Extensions()) == [
        b"MAIL FROM:<sender@example.com>\r\n",
        b"RCPT TO:<ada@example.org>\r\n",
        b"DATA\r\n",
    ]


def test_dsn_is_found_in_the_reply_to_ehlo():
    assert Extensions.of(ServerReply(250, ("here", "SIZE 10", "dsn"))).dsn
    assert not Extensions.of(ServerReply(250, ("DSN", "SIZE 10"))).dsn


def test_the_other_parameters_stand_before_those_of_dsn():
    offered = Extensions({"DSN": "", "SIZE": "", "SMTPUTF8": "", "8BITMIME": ""}, dsn=True)
    mail, *_ = said("jörg@example.org", offered=offered)
    assert mail == (
        b"MAIL FROM:<sender@example.com> SIZE=26 SMTPUTF8 RET=HDRS ENVID=0123456789abcdef\r\n"
    )


@pytest.mark.parametrize(
    ("text", "encoded"),
    [
        ("ada@example.org", "ada@example.org"),
        ("ada+news@example.org", "ada+2Bnews@example.org"),
        ("a=b@example.org", "a+3Db@example.org"),
        ("bounce+ada=example.org@example.com", "bounce+2Bada+3Dexample.org@example.com"),
        ("!#$%&'*/?^_`{|}~-@example.org", "!#$%&'*/?^_`{|}~-@example.org"),
        ("a b\x7f\\", "a+20b+7F\\"),
    ],
)
def test_xtext_writes_plus_equals_and_what_is_not_printable_as_digits(text: str, encoded: str):
    assert xtext(text) == encoded


def test_xtext_encodes_each_octet_of_ascii_alike_wherever_it_stands():
    for code in range(128):
        one = chr(code)
        as_it_is = 33 <= code <= 126 and one not in "+="
        encoded = one if as_it_is else f"+{code:02X}"
        assert xtext(f"{one}a{one}b{one}") == f"{encoded}a{encoded}b{encoded}"


@pytest.mark.parametrize(
    ("text", "encoded"),
    [
        ("jörg@example.org", r"j\x{F6}rg@example.org"),
        ("用户+x@example.org", r"\x{7528}\x{6237}\x{2B}x@example.org"),
        ("a=\\é", r"a\x{3D}\x{5C}\x{E9}"),
        ("🎉@example.org", r"\x{1F389}@example.org"),
    ],
)
def test_an_address_in_utf8_is_written_in_ascii_alone(text: str, encoded: str):
    assert utf8_xtext(text) == encoded


def test_the_original_address_in_utf8_has_a_type_of_its_own():
    offered = Extensions({"DSN": "", "SMTPUTF8": ""}, dsn=True)
    _, rcpt, _ = said("jörg@example.org", offered=offered)
    assert rcpt.decode() == (
        "RCPT TO:<jörg@example.org> NOTIFY=FAILURE,DELAY ORCPT=utf-8;j\\x{F6}rg@example.org\r\n"
    )


def test_an_address_beyond_ascii_still_needs_smtputf8():
    with pytest.raises(ExchangeEnded):
        said("jörg@example.org")


def test_no_command_is_longer_than_a_server_must_take():
    host = ".".join(["a" * 61] * 3)
    longest = f"{'+' * 64}@{host}"
    offered = Extensions({"DSN": "", "SIZE": "", "SMTPUTF8": "", "8BITMIME": ""}, dsn=True)
    lines = said(longest, f"{'ö' * 32}@{host}", offered=offered, message_id=f"<{'=' * 33}@b>")
    assert all(len(line) <= LONGEST_LINE for line in lines)
    assert lines[1] == f"RCPT TO:<{longest}> NOTIFY=FAILURE,DELAY\r\n".encode()


@pytest.mark.parametrize("message_id", ["", f"<{'a' * 101}@b>", f"<{'=' * 34}@b>"])
def test_a_reference_that_is_missing_or_too_long_is_left_out(message_id: str):
    mail, *_ = said("ada@example.org", message_id=message_id)
    assert mail == b"MAIL FROM:<sender@example.com> RET=HDRS\r\n"


def test_a_reference_of_a_client_cannot_add_a_parameter():
    mail, *_ = said("ada@example.org", message_id="<a+b=c@d>")
    assert mail.endswith(b" RET=HDRS ENVID=a+2Bb+3Dc\r\n")


# --- servers that refuse it


def a_refusal(stage: Stage, text: str, *answers: str, dsn: bool = True) -> Handoff:
    envelope = an_envelope(*(f"u{n}@example.org" for n in range(max(1, len(answers)))))
    replies = [Reply.of(int(answer[:3]), answer[4:]) for answer in answers]
    return Handoff(
        stage=stage,
        reply=Reply.of(int(text[:3]), text[4:]),
        recipients=tuple(map(RecipientReply, envelope.recipients, replies)),
        dsn=dsn,
    )


@pytest.mark.parametrize(
    "text",
    [
        "501 5.5.4 Syntax: MAIL FROM",
        "504 5.5.4 not implemented",
        "555 5.5.4 Unsupported option",
        "553 ORCPT address syntax error",
        "550 5.7.1 NOTIFY is not allowed here",
    ],
)
def test_a_parameter_that_is_refused_is_told_by_the_code_or_by_its_name(text: str):
    assert refuses_dsn(a_refusal(Stage.MAIL, text))
    assert refuses_dsn(a_refusal(Stage.RCPT, text, text))


@pytest.mark.parametrize(
    "text",
    [
        "550 5.1.1 unknown",
        "501 5.1.3 bad address",
        "501 5.1.7 bad sender",
        "555 5.7.1 no",
        "451 ORCPT",
    ],
)
def test_other_refusals_are_not_about_a_parameter(text: str):
    assert not refuses_dsn(a_refusal(Stage.MAIL, text))
    assert not refuses_dsn(a_refusal(Stage.RCPT, text, text))


def test_what_was_not_asked_for_was_not_refused():
    text = "555 5.5.4 Unsupported option"
    assert not refuses_dsn(a_refusal(Stage.MAIL, text, dsn=False))
    assert not refuses_dsn_of_some(a_refusal(Stage.DOT, "250 ok", "250 ok", text, dsn=False))


def test_only_an_envelope_that_comes_further_proves_the_refusal():
    at_mail = a_refusal(Stage.MAIL, "555 no")
    at_rcpt = a_refusal(Stage.RCPT, "555 no", "555 no")
    assert proves_refusal(a_refusal(Stage.RCPT, "550 no", "550 no"), at_mail)
    assert proves_refusal(a_refusal(Stage.DOT, "250 ok"), at_rcpt)
    assert not proves_refusal(at_mail, at_mail)
    assert not proves_refusal(at_rcpt, at_rcpt)
    assert not proves_refusal(a_refusal(Stage.EHLO, "421 no"), at_mail)


def judged(handoff: Handoff):
    return classify_sparing(handoff, recipients=len(handoff.recipients), rules=RULES)


def test_recipients_refused_for_a_parameter_are_tried_again_at_once():
    handoff = a_refusal(
        Stage.DOT, "250 2.0.0 taken", "250 ok", "504 5.5.4 HELO: no such option", "250 ok"
    )
    verdict = judged(handoff)
    assert [one.result for one in verdict.recipients] == [Result.SENT, Result.WAIT, Result.SENT]
    assert verdict.recipients[1].reason == verdict.reason == REFUSED
    assert verdict.retry_after == timedelta(0)
    assert verdict.effect is AccountEffect.HEALTHY
    assert verdict.charged


def test_a_recipient_that_does_not_exist_is_refused_all_the_same():
    handoff = a_refusal(
        Stage.DOT, "250 2.0.0 taken", "250 ok", "555 5.5.4 no option", "550 5.1.1 unknown"
    )
    verdict = judged(handoff)
    assert [one.result for one in verdict.recipients] == [Result.SENT, Result.WAIT, Result.FAILED]
    assert verdict.suppress


def test_a_deferred_recipient_makes_the_refused_one_wait_with_it():
    handoff = a_refusal(
        Stage.DOT, "250 2.0.0 taken", "250 ok", "555 5.5.4 no option", "450 4.2.1 busy"
    )
    verdict = judged(handoff)
    assert [one.result for one in verdict.recipients] == [Result.SENT, Result.WAIT, Result.RETRY]
    assert verdict.retry_after is None


@pytest.mark.parametrize("dsn", [True, False])
def test_without_such_a_refusal_the_verdict_is_the_usual_one(dsn: bool):
    handoff = a_refusal(Stage.DOT, "250 taken", "250 ok", "550 5.1.1 unknown", dsn=dsn)
    assert judged(handoff) == classify(handoff, recipients=2, rules=RULES)


def test_a_refusal_without_the_parameters_counts():
    handoff = a_refusal(Stage.DOT, "250 taken", "250 ok", "555 5.5.4 no option", dsn=False)
    assert judged(handoff).retry_after is None
    assert judged(handoff).recipients[1].result is Result.RETRY
