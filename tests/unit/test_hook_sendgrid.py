"""What SendGrid's events come to. The shapes are those of its public documentation, retyped."""

import json
from typing import Any

import pytest

from domain.bounce.report import BounceKind, References
from domain.errors import InvalidInput
from domain.hook.sendgrid import read_sendgrid
from tests.shipped_rules import RULES

EVENT = {
    "email": "ada@example.org",
    "timestamp": 1_684_922_400,
    "smtp-id": "<14c5d75ce93.dfd.64b469@ismtpd-555>",
    "category": ["cat facts"],
    "sg_event_id": "ZGVmZXJyZWQ6MQ==",
    "sg_message_id": "14c5d75ce93.dfd.64b469.filter0001.16648.5515E0B88.0",
    "ip": "203.0.113.9",
    "tls": 1,
}


def events(*changes: dict[str, Any]) -> bytes:
    return json.dumps(
        [{**EVENT, "sg_event_id": f"event-{n}", **one} for n, one in enumerate(changes)]
    ).encode()


@pytest.mark.parametrize(
    ("event", "kind", "status"),
    [
        (
            {"event": "bounce", "type": "bounce", "status": "5.1.1",
             "reason": "550 5.1.1 The email account that you tried to reach does not exist.",
             "bounce_classification": "Invalid Address"},
            BounceKind.HARD, "5.1.1",
        ),
        (
            {"event": "bounce", "type": "bounce", "status": "5.0.0",
             "reason": "500 unknown recipient"},
            BounceKind.HARD, "5.0.0",
        ),
        (
            {"event": "bounce", "type": "bounce", "bounce_classification": "Invalid Address"},
            BounceKind.HARD, "5.0.0",
        ),
        (
            {"event": "bounce", "type": "bounce", "status": "5.2.2",
             "reason": "552 5.2.2 The email account that you tried to reach is over quota",
             "bounce_classification": "Mailbox Unavailable"},
            BounceKind.SOFT, "5.2.2",
        ),
        (
            {"event": "bounce", "type": "bounce", "status": "5.7.1",
             "reason": "550 5.7.1 Message rejected due to content restrictions",
             "bounce_classification": "Content"},
            BounceKind.SOFT, "5.7.1",
        ),
        (
            {"event": "bounce", "type": "blocked", "status": "5.7.1",
             "reason": "550 5.7.1 Service unavailable, client host blocked",
             "bounce_classification": "Reputation"},
            BounceKind.SOFT, "5.7.1",
        ),
        (
            {"event": "bounce", "type": "blocked", "status": "5.1.1",
             "reason": "550 5.1.1 user unknown"},
            BounceKind.SOFT, "5.1.1",
        ),
        (
            {"event": "dropped", "reason": "Bounced Address", "status": "5.0.0"},
            BounceKind.HARD, "5.1.1",
        ),
        ({"event": "dropped", "reason": "Invalid"}, BounceKind.HARD, "5.1.3"),
        ({"event": "dropped", "reason": "Spam Reporting Address"}, BounceKind.SOFT, "5.0.0"),
        ({"event": "dropped", "reason": "Unsubscribed Address"}, BounceKind.SOFT, "5.0.0"),
        (
            {"event": "dropped", "reason": "Recipient List over Package Quota"},
            BounceKind.SOFT, "5.0.0",
        ),
        (
            {"event": "deferred", "response": "400 try again later", "attempt": "5"},
            BounceKind.DELAYED, "4.0.0",
        ),
        ({"event": "spamreport"}, BounceKind.COMPLAINT, None),
    ],
)  # fmt: skip
def test_an_event_is_judged(event: dict[str, Any], kind: BounceKind, status: str | None) -> None:
    [found] = read_sendgrid(events(event), rules=RULES)

    [recipient] = found.report.recipients
    assert (recipient.recipient, recipient.kind, recipient.status) == (
        "ada@example.org",
        kind,
        status,
    )
    assert found.report_id == "event-0"


@pytest.mark.parametrize(
    "name",
    ["processed", "delivered", "open", "click", "unsubscribe", "group_unsubscribe",
     "group_resubscribe", "account_status_change", "something new", ""],
)  # fmt: skip
def test_other_events_report_nothing(name: str) -> None:
    assert read_sendgrid(events({"event": name}), rules=RULES) == []


def test_an_email_is_named_by_message_id_provider_id_and_our_reference() -> None:
    [found] = read_sendgrid(
        events({"event": "spamreport", "smtp-id": "1@example.com", "X-Email-Ref": "abc"}),
        rules=RULES,
    )

    assert found.report.references == References(
        refs=("abc",),
        message_ids=("<1@example.com>",),
        provider_ids=(EVENT["sg_message_id"], "14c5d75ce93"),
    )


def test_a_batch_keeps_its_order_and_an_event_that_comes_twice_counts_once() -> None:
    batch = json.loads(events({"event": "spamreport"}, {"event": "deferred"}))
    found = read_sendgrid(json.dumps([*batch, *batch]).encode(), rules=RULES)

    assert [one.report_id for one in found] == ["event-0", "event-1"]


def test_old_events_without_an_id_are_told_apart() -> None:
    batch = json.loads(events({"event": "spamreport"}, {"event": "spamreport", "timestamp": 2}))
    for one in batch:
        del one["sg_event_id"]

    assert len(read_sendgrid(json.dumps(batch).encode(), rules=RULES)) == 2


@pytest.mark.parametrize(
    "octets",
    [b"", b"{}", b"null", b"[", b"\xff", b"[" * 100_000, b"[" * 100_000 + b"]" * 100_000,
     b"[1" + b",1" * 20_000 + b"]", b'[{"timestamp": ' + b"9" * 5000 + b"}]"],
)  # fmt: skip
def test_what_is_no_batch_is_refused(octets: bytes) -> None:
    with pytest.raises(InvalidInput):
        read_sendgrid(octets, rules=RULES)


@pytest.mark.parametrize(
    "event",
    [1, None, [], {}, {"event": []}, {"event": "bounce"}, {"event": "bounce", "email": 1},
     {"event": "bounce", "email": "nobody"}],
)  # fmt: skip
def test_an_event_that_names_nobody_is_left_out(event: object) -> None:
    assert read_sendgrid(json.dumps([event]).encode(), rules=RULES) == []


def test_what_no_database_takes_as_text_is_taken_out() -> None:
    [found] = read_sendgrid(
        events(
            {
                "event": "bounce",
                "email": "a\0da@example.org",
                "status": "\0",
                "reason": "no\0 such\ud800 user",
                "sg_message_id": "a\0b",
                "sg_event_id": "\0x",
            }
        ),
        rules=RULES,
    )

    assert "\0" not in repr(found)
    json.dumps(repr(found)).encode("utf-8")
    found.report.recipients[0].diagnostic.encode("utf-8")
