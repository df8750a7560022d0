"""Every kind of notification that SES documents: types, subtypes and kinds of feedback."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from domain.bounce.parse import parse_report
from domain.bounce.report import BounceKind
from tests.hook_calls import ses_bounce
from tests.shipped_rules import RULES

ADA = "ada@example.org"
HARD, SOFT, DELAYED = BounceKind.HARD, BounceKind.SOFT, BounceKind.DELAYED


def judged(notification: Mapping[str, Any]) -> list[tuple[BounceKind, str | None]]:
    report = parse_report(json.dumps(notification).encode(), rules=RULES)
    assert report is not None
    assert report.references.provider_ids in ((), ("p-1",))
    return [(one.kind, one.status) for one in report.recipients]


def without_dsn(notification: dict[str, Any]) -> dict[str, Any]:
    """As SES has it if the other server has sent no DSN: the address alone."""
    bounced = [{"emailAddress": ADA}]
    return {**notification, "bounce": {**notification["bounce"], "bouncedRecipients": bounced}}


@pytest.mark.parametrize(
    ("kind", "sub_type", "expected"),
    [
        ("Permanent", "General", (HARD, "5.0.0")),
        ("Permanent", "NoEmail", (HARD, "5.1.1")),
        ("Permanent", "Suppressed", (HARD, "5.0.0")),
        ("Permanent", "OnAccountSuppressionList", (HARD, "5.0.0")),
        ("Permanent", "UnsubscribedRecipient", (SOFT, "5.7.1")),
        ("Transient", "General", (SOFT, "4.0.0")),
        ("Transient", "MailboxFull", (SOFT, "5.2.2")),
        ("Transient", "MessageTooLarge", (SOFT, "5.3.4")),
        ("Transient", "CustomTimeoutExceeded", (SOFT, "4.4.7")),
        ("Transient", "ContentRejected", (SOFT, "5.6.0")),
        ("Transient", "AttachmentRejected", (SOFT, "5.6.1")),
        ("Undetermined", "Undetermined", (SOFT, "4.0.0")),
    ],
)
def test_each_type_and_subtype_of_a_bounce_without_a_dsn(
    kind: str, sub_type: str, expected: tuple[BounceKind, str]
) -> None:
    notification = without_dsn(ses_bounce("p-1", ADA, kind=kind, sub_type=sub_type))
    assert judged(notification) == [expected]
    # events that are published by a configuration set name their type otherwise
    event = {**notification, "eventType": notification["notificationType"]}
    del event["notificationType"]
    assert judged(event) == [expected]


@pytest.mark.parametrize(
    ("kind", "sub_type", "expected"),
    [
        ("Permanent", "General", HARD),
        ("Undetermined", "Undetermined", HARD),
        ("Transient", "General", SOFT),
        ("Permanent", "UnsubscribedRecipient", SOFT),
    ],
)
def test_a_dsn_that_names_a_dead_address_counts_unless_ses_says_more(
    kind: str, sub_type: str, expected: BounceKind
) -> None:
    assert judged(ses_bounce("p-1", ADA, kind=kind, sub_type=sub_type)) == [(expected, "5.1.1")]


def complaint(**fields: object) -> dict[str, Any]:
    return {
        "notificationType": "Complaint",
        "complaint": {
            "complainedRecipients": [{"emailAddress": ADA}],
            "timestamp": "2026-01-27T14:59:38.237Z",
            "feedbackId": "000001378603177f-18c07c78-fa81-4a58-9dd1-fedc3cb8f49a-000000",
            **fields,
        },
        "mail": {"messageId": "p-1", "destination": [ADA], "source": "shop@example.com"},
    }


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"complaintFeedbackType": None},
        {"complaintFeedbackType": "abuse", "userAgent": "AnyCompany Feedback Loop (V0.01)"},
        {"complaintFeedbackType": "fraud"},
        {"complaintFeedbackType": "other"},
        {"complaintSubType": "OnAccountSuppressionList"},
    ],
)
def test_what_a_recipient_complains_of_is_a_complaint(fields: dict[str, Any]) -> None:
    assert judged(complaint(**fields)) == [(BounceKind.COMPLAINT, None)]


@pytest.mark.parametrize("feedback", ["not-spam", "virus", "auth-failure"])
def test_feedback_that_is_no_complaint_of_a_recipient_is_none(feedback: str) -> None:
    assert judged(complaint(complaintFeedbackType=feedback)) == []


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("InternalFailure", "4.0.0"),
        ("General", "4.0.0"),
        ("MailboxFull", "4.2.2"),
        ("SpamDetected", "4.7.0"),
        ("RecipientServerError", "4.3.0"),
        ("IPFailure", "4.4.0"),
        ("TransientCommunicationFailure", "4.4.2"),
        ("BYOIPHostNameLookupUnavailable", "4.0.0"),
        ("Undetermined", "4.0.0"),
        ("SendingDeferral", "4.0.0"),
    ],
)
def test_each_type_of_a_delay(kind: str, status: str) -> None:
    notification = {
        "eventType": "DeliveryDelay",
        "deliveryDelay": {
            "delayType": kind,
            "delayedRecipients": [{"emailAddress": ADA}],
            "timestamp": "2026-01-27T14:59:38.237Z",
            "expirationTime": "2026-01-28T00:25:08.914Z",
        },
        "mail": {"messageId": "p-1", "destination": [ADA]},
    }
    assert judged(notification) == [(DELAYED, status)]


@pytest.mark.parametrize(
    "kind",
    ["Send", "Delivery", "Reject", "Open", "Click", "Rendering Failure", "Subscription"],
)
def test_what_reports_no_trouble_reports_nobody(kind: str) -> None:
    assert judged({"eventType": kind, "mail": {"messageId": "p-1", "destination": [ADA]}}) == []


def test_the_greeting_of_a_new_topic_reports_nobody() -> None:
    text = "You have successfully subscribed your Amazon SNS topic to receive notifications."
    assert judged({"notificationType": "AmazonSnsSubscriptionSucceeded", "message": text}) == []
