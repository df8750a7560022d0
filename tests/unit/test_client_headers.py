"""The headers that a client may set, and what they are on the wire."""

from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy

import pytest

from domain.message.client_headers import (
    LONGEST_HEADER,
    MOST_HEADERS,
    header_errors,
    header_line,
    is_reserved,
    message_token,
)
from domain.message.compose import header_names
from tests.unit.test_message import composed, content

GOOD = [
    ("X-Order", "1234"),
    ("x-order.id_2", "Grüße"),
    ("X-Mailer", "ours"),
    ("Auto-Submitted", "auto-generated"),
    ("auto-submitted", "Auto-Replied"),
    ("Feedback-ID", "campaign:customer:newsletter:example"),
    ("Feedback-ID", "::newsletter:example"),
    ("Importance", "high"),
    ("List-Help", "<https://example.com/help?a=b>"),
    ("List-Id", "<news.example.com>"),
    ("List-Id", "Our News <news.example.com>"),
    ("List-Id", '"News, weekly" <news.example.com>'),
    ("List-Unsubscribe", "<https://example.com/u?t=1>, <mailto:u@example.com?subject=stop>"),
    ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"),
    ("X-SES-CONFIGURATION-SET", "news-2026"),
    ("x-ses-message-tags", "campaign=spring, kind=news"),
    ("X-SES-LIST-MANAGEMENT-OPTIONS", "news; topic=sports"),
    ("X-SES-TENANT", "acme"),
]
RESERVED = [
    *("Bcc", "bcc", "To", "From", "Sender", "Subject", "Date", "Message-ID", "Reply-To"),
    *("In-Reply-To", "References", "MIME-Version", "Content-Type", "Content-X", "Received"),
    *("Return-Path", "Resent-To", "DKIM-Signature", "Precedence", "List-Post", "Disposition"),
    *("Disposition-Notification-To", "Return-Receipt-To", "Comments", "Keywords"),
    *("X-Email-Ref", "x-email-ref", "X-Google-DKIM-Signature", "x-google-a", "X-SES-Tags"),
    *("X-SES-SOURCE-ARN", "X-SES-FROM-ARN", "x-ses-return-path-arn"),
    *("", "X-", "X", "X--", "X A", "X-A B", "X-A:", "X-A\r\nBcc", "X-A\n", "X-Ü", "X-\u212a"),
    *(" X-A", "X-A ", "X-" + "a" * 63, "X-A\0", "X-A/B", "List-Unsubscribe ", "Importance\n"),
]
BAD = [
    ("Auto-Submitted", "yes"),
    ("Auto-Submitted", "auto-generated; owner=x"),
    ("Feedback-ID", ""),
    ("Feedback-ID", "a:b:c:d:e"),
    ("Feedback-ID", "a b"),
    ("Feedback-ID", "ü"),
    ("Importance", "urgent"),
    ("List-Help", "https://example.com/help"),
    ("List-Help", "<ftp://example.com/help>"),
    ("List-Help", "<javascript:alert(1)>"),
    ("List-Id", "news"),
    ("List-Id", "<news>"),
    ("List-Id", "Nüws <news.example.com>"),
    ("List-Id", "A <a.example.com>, B <b.example.com>"),
    ("List-Unsubscribe", "<https://example.com/u> "),
    ("List-Unsubscribe", "<https://example.com/u t>"),
    ("List-Unsubscribe", "<https://example.com/ü>"),
    ("List-Unsubscribe", "<https://example.com/=?utf-8?q?x=0D=0ABcc=3A_e=40e.e?=>"),
    ("List-Unsubscribe", "<https://example.com/u>\n"),
    ("List-Unsubscribe-Post", "list-unsubscribe=one-click"),
    ("X-SES-CONFIGURATION-SET", "a b"),
    ("X-SES-MESSAGE-TAGS", "campaign"),
    ("X-SES-MESSAGE-TAGS", "a=b\r\nBcc: x"),
    ("X-SES-TENANT", ""),
    ("X-Long", "x" * (LONGEST_HEADER + 1)),
]


@pytest.mark.parametrize(("name", "value"), GOOD)
def test_an_allowed_header_is_read_back_as_it_was_given(name: str, value: str) -> None:
    said = content(headers=((name, value),))
    octets = composed(said)

    assert list(header_errors(said.headers)) == []
    assert message_from_bytes(octets, policy=policy.default).get_all(name) == [value]
    assert message_from_bytes(octets).keys() == list(header_names(said))


@pytest.mark.parametrize("name", RESERVED, ids=ascii)
def test_any_other_header_is_reserved(name: str) -> None:
    assert is_reserved(name)
    [error] = header_errors([(name, "x")])
    assert error.field == f"headers/{name}"


@pytest.mark.parametrize(("name", "value"), BAD, ids=ascii)
def test_a_header_that_programs_read_keeps_to_its_form(name: str, value: str) -> None:
    assert not is_reserved(name)
    [error] = header_errors([(name, value)])
    assert error.field == f"headers/{name}"


@pytest.mark.parametrize("name", ["Feedback-ID", "List-Help", "List-Unsubscribe"])
def test_what_programs_read_stands_on_one_line(name: str) -> None:
    links = f"<https://example.com/{'x' * 400}>, <https://example.com/{'y' * 400}>"
    value = "a:b:c" if name == "Feedback-ID" else links

    assert header_line(name, value) == f"{name}: {value}\r\n"


def test_text_is_folded() -> None:
    assert header_line("X-Text", "word " * 30 + "end").count("\r\n ") > 0


@pytest.mark.parametrize("name", ["List-Unsubscribe", "Feedback-ID", "X-Tag"])
@pytest.mark.parametrize("value", ["=?utf-8?q?x=0D=0ABcc=3A_e=40e.e?=", "ü", "x" * 2000])
def test_what_no_line_may_hold_as_it_is_never_gets_out_as_it_is(name: str, value: str) -> None:
    assert value not in header_line(name, value)


def test_a_header_is_set_once_whatever_its_case() -> None:
    errors = list(header_errors([("X-A", "1"), ("x-a", "2"), ("X-B", "3")]))
    assert [error.field for error in errors] == ["headers/x-a"]


def test_30_headers_may_be_set() -> None:
    headers = [(f"X-{n}", "x") for n in range(MOST_HEADERS + 1)]
    assert list(header_errors(headers[:-1])) == []
    assert [error.field for error in header_errors(headers)] == ["headers"]


@pytest.mark.parametrize("year", [1970, 2026, 9999])
def test_later_messages_have_later_tokens(year: int) -> None:
    at = datetime(year, 1, 1, tzinfo=UTC)
    first = message_token("f" * 32, at=at)
    second = message_token("0" * 32, at=at + timedelta(milliseconds=1))
    assert first < second
    assert len(first) == len(second) == 32


def test_messages_of_one_moment_differ_by_80_random_bits() -> None:
    at = datetime(2026, 11, 30, tzinfo=UTC)
    assert message_token("a" * 32, at=at).endswith("a" * 20)
