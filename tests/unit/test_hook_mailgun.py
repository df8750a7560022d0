"""What Mailgun's events come to. The shapes are those of its public documentation, retyped."""

import json
from typing import Any

import pytest

from domain.bounce.report import BounceKind, References
from domain.errors import InvalidInput
from domain.hook.mailgun import digest_of_event, read_mailgun, signature_of
from domain.hook.reading import read_object
from tests.shipped_rules import RULES

CALL: dict[str, Any] = {
    "signature": {"timestamp": "1684922400", "token": "t" * 50, "signature": "0" * 64},
    "event-data": {
        "id": "G9Bn5sl1TC6nu79C8C0bwg",
        "timestamp": 1684922399.5,
        "log-level": "error",
        "event": "failed",
        "severity": "permanent",
        "recipient": "ada@example.org",
        "recipient-domain": "example.org",
        "message": {
            "headers": {
                "to": "Ada <ada@example.org>",
                "message-id": "20260113152120.1.AAAA@example.com",
                "from": "Shop <shop@example.com>",
                "subject": "Hello",
            },
            "attachments": [],
            "size": 111,
        },
        "user-variables": {"my_var_1": "1"},
        "flags": {"is-routed": False, "is-test-mode": False},
        "storage": {"url": "https://se.api.mailgun.net/v3/x", "key": "x"},
        "delivery-status": {},
    },
}


def a_call(*, delivery: dict[str, Any] | None = None, **event: Any) -> dict[str, Any]:
    changed = {**CALL["event-data"], **event}
    if delivery is not None:
        changed["delivery-status"] = delivery
    return {**CALL, "event-data": changed}


@pytest.mark.parametrize(
    ("event", "delivery", "kind", "status"),
    [
        (
            {"reason": "bounce"},
            {"attempt-no": 1, "code": 550, "message": "5.1.1 The email account that you tried to "
             "reach does not exist", "description": "", "session-seconds": 0.4},
            BounceKind.HARD, "5.1.1",
        ),
        (
            {"reason": "bounce"},
            {"code": 550, "enhanced-code": "5.1.1", "bounce-type": "hard",
             "message": "No such user here"},
            BounceKind.HARD, "5.1.1",
        ),
        (
            {"reason": "generic"},
            {"code": 553, "message": "", "description": "sorry, no mailbox here by that name"},
            BounceKind.HARD, "5.0.0",
        ),
        (
            {"reason": "bounce"},
            {"code": 552, "message": "5.2.2 Mailbox full"},
            BounceKind.SOFT, "5.2.2",
        ),
        (
            {"reason": "bounce"},
            {"code": 550, "message": "5.7.1 Message rejected as spam"},
            BounceKind.SOFT, "5.7.1",
        ),
        ({"reason": "suppress-bounce"},
         {"code": 605, "message": "", "description": "Not delivering to previously bounced "
          "address"}, BounceKind.HARD, "5.1.1"),
        ({"reason": "suppress-complaint"},
         {"code": 607, "description": "Not delivering to a user who marked your messages as spam"},
         BounceKind.SOFT, "5.0.0"),
        ({"reason": "suppress-unsubscribe"},
         {"code": 606, "description": "Not delivering to unsubscribed address"},
         BounceKind.SOFT, "5.0.0"),
        ({"reason": "old"}, {"code": 602, "message": "Too old"}, BounceKind.SOFT, "5.0.0"),
        ({"reason": "espblock"}, {"code": 550, "message": "user unknown"},
         BounceKind.SOFT, "5.0.0"),
        ({"severity": "temporary", "reason": "generic", "log-level": "warn"},
         {"code": 452, "message": "4.2.2 Mailbox full", "retry-seconds": 600},
         BounceKind.DELAYED, "4.2.2"),
        ({"severity": "temporary", "reason": "greylisted"},
         {"code": 450, "message": "greylisted"}, BounceKind.DELAYED, "4.0.0"),
        ({"event": "complained"}, {}, BounceKind.COMPLAINT, None),
    ],
)  # fmt: skip
def test_an_event_is_judged(
    event: dict[str, Any], delivery: dict[str, Any], kind: BounceKind, status: str | None
) -> None:
    [found] = read_mailgun(a_call(delivery=delivery, **event), rules=RULES)

    [recipient] = found.report.recipients
    assert (recipient.recipient, recipient.kind, recipient.status) == (
        "ada@example.org",
        kind,
        status,
    )
    assert found.report_id == "G9Bn5sl1TC6nu79C8C0bwg"
    assert found.report.references == References(
        message_ids=("<20260113152120.1.AAAA@example.com>",)
    )


@pytest.mark.parametrize(
    "name", ["accepted", "rejected", "delivered", "opened", "clicked", "unsubscribed", "stored", 1]
)
def test_other_events_report_nothing(name: object) -> None:
    assert read_mailgun(a_call(event=name), rules=RULES) == []


def test_our_reference_may_come_back_as_a_variable() -> None:
    call = a_call(event="complained", **{"user-variables": {"X-Email-Ref": "abc"}})
    [found] = read_mailgun(call, rules=RULES)

    assert found.report.references.refs == ("abc",)


@pytest.mark.parametrize(
    "call",
    [{}, {"event-data": []}, {"event-data": {"event": "failed"}}, {"signature": 1},
     {"event-data": {"event": "failed", "recipient": {}, "delivery-status": 1, "message": 2}}],
)  # fmt: skip
def test_what_names_nobody_reports_nothing(call: dict[str, Any]) -> None:
    assert read_mailgun(call, rules=RULES) == []
    assert not signature_of(call).is_of("key")


def test_the_digest_of_an_event_is_that_of_its_content() -> None:
    event = CALL["event-data"]
    turned = {**CALL, "event-data": dict(reversed(event.items()))}

    assert digest_of_event(CALL) == digest_of_event(turned)
    assert digest_of_event(CALL) != digest_of_event(a_call(recipient="eve@example.org"))


def test_an_event_that_is_too_deep_is_refused() -> None:
    deep = b'{"event-data": {"x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}}"
    with pytest.raises(InvalidInput):
        digest_of_event(read_object(deep))


def test_an_event_of_any_depth_that_can_be_read_has_a_digest_or_is_refused() -> None:
    for depth in (100, 500, 900, 990, 1000, 2000, 5000):
        octets = b'{"event-data": {"x": ' + b"[" * depth + b"]" * depth + b"}}"
        try:
            assert digest_of_event(read_object(octets))
        except InvalidInput:
            continue


def test_nobody_signs_with_an_empty_signature() -> None:
    assert not signature_of({"signature": {"timestamp": "1", "token": "t"}}).is_of("key")
    assert json.dumps(CALL)
