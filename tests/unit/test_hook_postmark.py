"""What Postmark's events come to. The shapes are those of its public documentation, retyped."""

import base64
import json
from typing import Any

import pytest

from domain.bounce.report import BounceKind
from domain.errors import InvalidInput
from domain.hook.postmark import is_allowed, read_postmark
from tests.shipped_rules import RULES

BOUNCE: dict[str, Any] = {
    "RecordType": "Bounce",
    "MessageStream": "outbound",
    "ID": 4323372036854775807,
    "Type": "HardBounce",
    "TypeCode": 1,
    "Name": "Hard bounce",
    "Tag": "Test",
    "MessageID": "883953f4-6105-42a2-a16a-77a8eac79483",
    "Metadata": {"a_key": "a_value"},
    "ServerID": 23,
    "Description": "The server was unable to deliver your message (ex: unknown user, mailbox not "
    "found).",
    "Details": "smtp;550 5.1.1 The email account that you tried to reach does not exist.",
    "Email": "ada@example.org",
    "From": "shop@example.com",
    "BouncedAt": "2026-05-21T02:51:39Z",
    "DumpAvailable": True,
    "Inactive": True,
    "CanActivate": True,
    "Subject": "Test subject",
}


def call(**changes: Any) -> bytes:
    return json.dumps({**BOUNCE, **changes}).encode()


@pytest.mark.parametrize(
    ("changes", "kind", "status"),
    [
        ({}, BounceKind.HARD, "5.1.1"),
        ({"Details": ""}, BounceKind.HARD, "5.0.0"),
        ({"Details": "smtp;550 5.7.1 Message rejected"}, BounceKind.SOFT, "5.7.1"),
        ({"Type": "SoftBounce", "TypeCode": 4096, "Details": "smtp;552 5.2.2 mailbox full"},
         BounceKind.SOFT, "5.2.2"),
        ({"Type": "SoftBounce", "TypeCode": 4096, "Details": ""}, BounceKind.SOFT, "5.0.0"),
        ({"Type": "Transient", "TypeCode": 2, "Details": "smtp;451 4.7.1 Try again later"},
         BounceKind.DELAYED, "4.7.1"),
        ({"Type": "BadEmailAddress", "TypeCode": 100000, "Details": ""}, BounceKind.HARD, "5.1.3"),
        ({"Type": "SpamNotification", "TypeCode": 512, "Details": "looks like spam"},
         BounceKind.SOFT, "5.0.0"),
        ({"Type": "Blocked", "TypeCode": 100006, "Details": "550 5.1.1 user unknown"},
         BounceKind.SOFT, "5.1.1"),
        ({"Type": "DnsError", "TypeCode": 1024, "Details": "smtp;451 4.4.0 DNS timeout"},
         BounceKind.SOFT, "4.4.0"),
        ({"Type": "DMARCPolicy", "TypeCode": 100009, "Details": "550 5.7.26 DMARC"},
         BounceKind.SOFT, "5.7.26"),
        ({"Type": "ManuallyDeactivated", "TypeCode": 100007, "Details": ""},
         BounceKind.SOFT, "5.0.0"),
        ({"Type": "SpamComplaint", "TypeCode": 512, "Details": ""}, BounceKind.COMPLAINT, None),
        ({"RecordType": "SpamComplaint", "Type": "SpamComplaint", "TypeCode": 512,
          "Details": "Test spam complaint details"}, BounceKind.COMPLAINT, None),
    ],
)  # fmt: skip
def test_an_event_is_judged(changes: dict[str, Any], kind: BounceKind, status: str | None) -> None:
    [found] = read_postmark(call(**changes), rules=RULES)

    [recipient] = found.report.recipients
    assert (recipient.recipient, recipient.kind, recipient.status) == (
        "ada@example.org",
        kind,
        status,
    )
    assert found.report_id == "4323372036854775807"
    assert found.report.references.provider_ids == (BOUNCE["MessageID"],)


@pytest.mark.parametrize(
    "changes",
    [
        {"RecordType": "Delivery", "Recipient": "ada@example.org"},
        {"RecordType": "Open"},
        {"RecordType": "Click"},
        {"RecordType": "SubscriptionChange", "SuppressSending": True},
        {"RecordType": "Inbound"},
        {"RecordType": 7},
        {"Type": "AutoResponder"},
        {"Type": "Subscribe"},
        {"Type": "Unsubscribe"},
        {"Type": "SomethingNew"},
        {"Email": "nobody"},
        {"Email": None},
    ],
)
def test_other_events_report_nothing(changes: dict[str, Any]) -> None:
    assert read_postmark(call(**changes), rules=RULES) == []


def test_an_email_is_named_by_our_reference_in_the_metadata() -> None:
    [found] = read_postmark(call(Metadata={"email_ref": "abc"}), rules=RULES)

    assert found.report.references.refs == ("abc",)


def test_an_email_is_named_by_the_returned_message() -> None:
    content = (
        "Return-Path: <>\r\nContent-Type: multipart/report; boundary=b\r\n\r\n--b\r\n"
        "Content-Type: message/rfc822\r\n\r\nX-Email-Ref: abc\r\nMessage-ID: <1@example.com>\r\n"
        "Subject: Hello\r\n\r\nHello\r\n--b--\r\n"
    )
    [found] = read_postmark(call(Content=content), rules=RULES)

    assert found.report.references.refs == ("abc",)
    assert found.report.references.message_ids == ("<1@example.com>",)


@pytest.mark.parametrize("octets", [b"", b"[]", b"null", b"{", b'{"a":' * 100_000])
def test_what_is_no_object_is_refused(octets: bytes) -> None:
    with pytest.raises(InvalidInput):
        read_postmark(octets, rules=RULES)


@pytest.mark.parametrize(
    ("header", "allowed"),
    [
        ("Basic " + base64.b64encode(b"name:pass:word").decode(), True),
        ("basic  " + base64.b64encode(b"name:pass:word").decode(), True),
        ("Basic " + base64.b64encode(b"name:other").decode(), False),
        ("Bearer " + base64.b64encode(b"name:pass:word").decode(), False),
        ("Basic", False),
        ("", False),
        ("Basic \udc80\xff", False),
    ],
)
def test_basic_authentication_is_compared_whole(header: str, allowed: bool) -> None:
    assert is_allowed(header, name_and_password="name:pass:word") is allowed
