"""What the call of a provider comes to: recorded if it is signed and names an email of ours."""

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from application.hook_calls import AT_ONCE, HookCall
from application.ports.web import WebAnswer, WebProblem, WebRequest
from domain.bounce.report import BounceKind
from domain.errors import Forbidden, InvalidInput, NotFound, TooMany, Unavailable
from domain.event.types import EventType
from domain.hook.hook import EventHook, HookKind
from tests.builders import NOW
from tests.hook_calls import (
    CERTIFICATE_URL,
    MAILGUN_KEY,
    SNS,
    TOPIC,
    certificate,
    mailgun_call,
    postmark_call,
    sendgrid_event,
    sendgrid_headers,
    sendgrid_public_key,
    ses_bounce,
    sns_call,
    sns_confirmation,
)
from tests.world import World

REPLY = "250 2.0.0 Ok: queued as {}"
PROVIDER_ID = "0100018f3c5d7e9a-1b2c3d4e-0000-4000-8000-aabbccddeeff-000000"
OTHER_TOPIC = "arn:aws:sns:eu-west-1:123456789012:other"
REMOTE = "203.0.113.9"


class Hooked:
    """A service with one hook of *kind*, and an email that was sent to ada and to bob."""

    def __init__(self, kind: HookKind, **wish: Any) -> None:
        self.world = World(public_url="https://mail.example.com")
        self.account = self.world.account()
        self.made = self.world.application.event_hooks.create(self.account.id, kind, **wish)
        self.email_id = self.world.submit("ada@example.org", "bob@example.org")
        self.world.run()
        self.message_id = self.world.email(self.email_id).message_id
        name = PROVIDER_ID
        self.world.store.write(lambda tx: tx.bounces.name(self.email_id, attempt_no=1, name=name))
        self.web_answers = {SNS: WebAnswer(status=200, headers={}, body=certificate())}
        self.world.web.serve(SNS, self._answer)

    def _answer(self, request: WebRequest) -> WebAnswer | WebProblem:
        return self.web_answers[SNS]

    @property
    def hook(self) -> EventHook:
        [hook] = self.world.application.event_hooks.of(self.account.id)
        return hook

    def call(
        self, body: object, *, headers: Mapping[str, str] | None = None, remote: str = REMOTE
    ) -> None:
        octets = body if isinstance(body, bytes) else json.dumps(body).encode()
        *_, kind, secret = self.made.url.split("/")
        calls = self.world.application.hook_calls
        calls.receive(
            calls.hook(kind, secret, remote=remote),
            HookCall(octets=octets, headers=headers or {}, remote=remote),
        )

    def batch(self, *events: dict[str, Any]) -> None:
        body = json.dumps(events).encode()
        self.call(body, headers=sendgrid_headers(body))

    def bounces(self) -> dict[str, BounceKind]:
        email = self.world.email(self.email_id)
        found = self.world.store.read(lambda tx: tx.bounces.of(self.email_id))
        return {str(email.recipients[one.position].address): one.kind for one in found}

    def events(self) -> list[str]:
        page = self.world.application.event_feed.page(limit=100)
        return [
            event.type for event, _ in page.events
            if event.type in (EventType.EMAIL_BOUNCED, EventType.EMAIL_COMPLAINED)
        ]  # fmt: skip

    def suppressed(self) -> list[str]:
        listing = self.world.application.suppressions.page(limit=100)
        return [one.address for one in listing.suppressions]

    def reasons(self) -> list[object]:
        return [e.fields.get("reason") for e in self.world.heard.events if e.name == "hook_refused"]

    def nothing_recorded(self) -> bool:
        return (self.bounces(), self.events(), self.suppressed()) == ({}, [], [])


@pytest.fixture
def ses() -> Hooked:
    return Hooked(HookKind.SES, topic=TOPIC)


@pytest.fixture
def sendgrid() -> Hooked:
    return Hooked(HookKind.SENDGRID, signing_key=sendgrid_public_key())


@pytest.fixture
def mailgun() -> Hooked:
    return Hooked(HookKind.MAILGUN, signing_key=MAILGUN_KEY)


@pytest.fixture
def postmark() -> Hooked:
    return Hooked(HookKind.POSTMARK)


# -- recorded --------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["1", "2"])
def test_a_signed_bounce_of_ses_is_recorded_once(ses: Hooked, version: str) -> None:
    call = sns_call(ses_bounce(PROVIDER_ID, "ada@example.org"), version=version)
    for _ in range(3):
        ses.call(call)

    assert ses.bounces() == {"ada@example.org": BounceKind.HARD}
    assert ses.events() == ["email.bounced"]
    assert ses.suppressed() == ["ada@example.org"]
    assert [request.url for request in ses.world.web.requests] == [CERTIFICATE_URL]


def test_a_batch_of_sendgrid_is_recorded(sendgrid: Hooked) -> None:
    sendgrid.batch(
        sendgrid_event(1, sg_message_id=f"{PROVIDER_ID}.filter1.0"),
        sendgrid_event(
            2, event="spamreport", email="bob@example.org", **{"smtp-id": sendgrid.message_id}
        ),
    )

    assert sendgrid.bounces() == {
        "ada@example.org": BounceKind.HARD,
        "bob@example.org": BounceKind.COMPLAINT,
    }
    assert sendgrid.events() == ["email.bounced", "email.complained"]
    assert sorted(sendgrid.suppressed()) == ["ada@example.org", "bob@example.org"]


def test_a_failure_of_mailgun_is_recorded_by_its_message_id(mailgun: Hooked) -> None:
    message = {"headers": {"message-id": mailgun.message_id.strip("<>")}}
    for _ in range(2):  # a call that is repeated is the same call
        mailgun.call(mailgun_call(message=message))

    assert mailgun.bounces() == {"ada@example.org": BounceKind.HARD}
    assert mailgun.events() == ["email.bounced"]


def test_a_bounce_of_postmark_is_recorded_by_its_provider_id(postmark: Hooked) -> None:
    postmark.call(postmark_call(MessageID=PROVIDER_ID))
    postmark.call(postmark_call(MessageID=PROVIDER_ID))

    assert postmark.bounces() == {"ada@example.org": BounceKind.HARD}
    assert postmark.events() == ["email.bounced"]


def test_a_delay_suppresses_nobody(sendgrid: Hooked) -> None:
    sendgrid.batch(sendgrid_event(event="deferred", response="452 full", sg_message_id=PROVIDER_ID))

    assert sendgrid.bounces() == {"ada@example.org": BounceKind.DELAYED}
    assert sendgrid.suppressed() == []


def test_a_batch_of_more_events_than_one_work_writes_is_recorded(sendgrid: Hooked) -> None:
    unknown = [sendgrid_event(n) for n in range(2 * AT_ONCE)]
    sendgrid.batch(*unknown, sendgrid_event(9999, sg_message_id=PROVIDER_ID))

    assert sendgrid.bounces() == {"ada@example.org": BounceKind.HARD}


def test_what_names_no_email_of_the_account_is_answered_and_records_nothing() -> None:
    for hooked, call in (
        (Hooked(HookKind.SES, topic=TOPIC), sns_call(ses_bounce("unknown", "ada@example.org"))),
        (Hooked(HookKind.POSTMARK), postmark_call()),
        (Hooked(HookKind.MAILGUN, signing_key=MAILGUN_KEY), mailgun_call()),
    ):
        hooked.call(call)
        assert hooked.nothing_recorded()


def test_an_address_that_is_no_recipient_of_the_email_records_nothing(postmark: Hooked) -> None:
    postmark.call(postmark_call(MessageID=PROVIDER_ID, Email="eve@example.org"))

    assert postmark.nothing_recorded()


def test_a_provider_id_of_another_account_records_nothing(postmark: Hooked) -> None:
    other = postmark.world.account("other")
    postmark.made = postmark.world.application.event_hooks.create(other.id, HookKind.POSTMARK)

    postmark.call(postmark_call(MessageID=PROVIDER_ID))

    assert postmark.nothing_recorded()


# -- whose call it is ------------------------------------------------------------------------------


def test_an_unknown_secret_is_not_found_and_an_address_has_to_wait_after_some() -> None:
    hooked = Hooked(HookKind.SES)
    calls = hooked.world.application.hook_calls
    for _ in range(20):
        with pytest.raises(NotFound):
            calls.hook("ses", "0" * 64, remote=REMOTE)
    with pytest.raises(TooMany):
        calls.hook("ses", "0" * 64, remote=REMOTE)

    *_, secret = hooked.made.url.split("/")
    assert calls.hook("ses", secret, remote=REMOTE) == hooked.hook


@pytest.mark.parametrize("wrong", ["", "x", "0" * 63, "0" * 65, "G" * 64, "0" * 10_000])
def test_what_is_no_secret_is_not_found(ses: Hooked, wrong: str) -> None:
    with pytest.raises(NotFound):
        ses.world.application.hook_calls.hook("ses", wrong, remote=REMOTE)


def test_a_secret_is_good_for_its_own_provider_only(ses: Hooked) -> None:
    *_, secret = ses.made.url.split("/")
    for kind in ("sendgrid", "SES", "mailgun", "postmark", "x"):
        with pytest.raises(NotFound):
            ses.world.application.hook_calls.hook(kind, secret, remote=REMOTE)


# -- Amazon SNS ------------------------------------------------------------------------------------

BOUNCE = ses_bounce(PROVIDER_ID, "ada@example.org")


@pytest.mark.parametrize(
    ("call", "reason"),
    [
        (sns_call(BOUNCE, Signature="AAAA"), "signature"),
        (sns_call(BOUNCE, Signature=""), "signature"),
        (sns_call(BOUNCE, Signature="no Base64"), "signature"),
        ({**sns_call(BOUNCE), "Message": json.dumps(ses_bounce(PROVIDER_ID, "bob@example.org"))},
         "signature"),
        ({**sns_call(BOUNCE), "Subject": "added"}, "signature"),
        ({**sns_call(BOUNCE), "SignatureVersion": "2"}, "signature"),
        (sns_call(BOUNCE, TopicArn=OTHER_TOPIC), "another topic"),
        (sns_call(BOUNCE, at=NOW - timedelta(hours=26)), "too old"),
        (sns_call(BOUNCE, at=NOW + timedelta(minutes=11)), "too old"),
        (sns_confirmation(OTHER_TOPIC), "another topic"),
        *(
            (sns_call(BOUNCE, url=url), "signature")
            for url in (
                "https://sns.us-east-1.amazonaws.com/x.pem",  # another region
                "http://sns.eu-west-1.amazonaws.com/x.pem",
                "https://sns.eu-west-1.amazonaws.com.example.com/x.pem",
                "https://sns.eu-west-1.amazonaws.com.cn/x.pem",
                "https://example.com/sns.eu-west-1.amazonaws.com/x.pem",
                "https://sns.eu-west-1.amazonaws.com@example.com/x.pem",
                "https://sns.eu-west-1.amazonaws.com:8443/x.pem",
                "https://sns.eu-west-1.amazonaws.com/x.pem?y",
                "https://sns.eu-west-1.amazonaws.com/x",
                "https://sns.eu-west-1.amazonaws.com/../x.pem",
                "https://sns.eu-west-1.amazonaws.com\\@example.com/x.pem",
                "https://SNS.eu-west-1.amazonaws.com/x.pem",
                "https://s3.eu-west-1.amazonaws.com/x.pem",
                "file:///x.pem",
                "",
            )
        ),
    ],
)  # fmt: skip
def test_what_sns_has_not_signed_lately_for_this_topic_is_refused(
    ses: Hooked, call: dict[str, Any], reason: str
) -> None:
    with pytest.raises(Forbidden):
        ses.call(call)

    assert ses.nothing_recorded()
    assert ses.reasons() == [reason]
    # nothing is fetched from where no certificate of SNS can be
    assert {request.url for request in ses.world.web.requests} <= {CERTIFICATE_URL}


def test_a_certificate_that_has_expired_verifies_nothing(ses: Hooked) -> None:
    old = certificate(begins=NOW - timedelta(days=400))
    ses.web_answers[SNS] = WebAnswer(status=200, headers={}, body=old)

    with pytest.raises(Forbidden):
        ses.call(sns_call(BOUNCE))


@pytest.mark.parametrize(
    "answer",
    [
        WebProblem.TIMEOUT,
        WebProblem.TLS,
        WebAnswer(status=301, headers={"location": "https://example.com/x.pem"}, body=b""),
        WebAnswer(status=404, headers={}, body=b""),
        WebAnswer(status=200, headers={}, body=b"x" * 20_000),
    ],
)
def test_without_its_certificate_sns_is_asked_to_call_again(
    ses: Hooked, answer: WebAnswer | WebProblem
) -> None:
    ses.web_answers[SNS] = answer  # type: ignore[assignment]
    with pytest.raises(Unavailable):
        ses.call(sns_call(BOUNCE))
    assert ses.nothing_recorded()

    ses.web_answers[SNS] = WebAnswer(status=200, headers={}, body=certificate())
    ses.call(sns_call(BOUNCE))
    assert ses.events() == ["email.bounced"]


@pytest.mark.parametrize("body", [b"", b"no certificate", b"-----BEGIN CERTIFICATE-----\n"])
def test_what_is_no_certificate_verifies_nothing(ses: Hooked, body: bytes) -> None:
    ses.web_answers[SNS] = WebAnswer(status=200, headers={}, body=body)
    with pytest.raises(Forbidden):
        ses.call(sns_call(BOUNCE))


def test_a_certificate_is_fetched_again_after_a_day(ses: Hooked) -> None:
    for hours in (0, 23, 2):
        ses.world.clock.tick(hours * 3600)
        ses.call(sns_call(BOUNCE, at=ses.world.clock.now()))

    assert len(ses.world.web.requests) == 2


def test_the_first_topic_that_subscribes_is_the_only_one() -> None:
    ses = Hooked(HookKind.SES)
    with pytest.raises(Forbidden):
        ses.call(sns_call(BOUNCE))

    ses.call(sns_confirmation())

    assert ses.hook.topic == TOPIC
    assert [one.url for one in ses.world.web.requests] == [
        CERTIFICATE_URL,
        sns_confirmation()["SubscribeURL"],
    ]
    with pytest.raises(Forbidden):
        ses.call(sns_confirmation(OTHER_TOPIC))
    ses.call(sns_call(BOUNCE))
    assert ses.events() == ["email.bounced"]


@pytest.mark.parametrize(
    "url",
    [
        f"https://{SNS}/?Action=ConfirmSubscription&TopicArn={OTHER_TOPIC}&Token=1",
        f"https://{SNS}/?Action=DeleteTopic&TopicArn={TOPIC}",
        f"https://{SNS}/?Action=ConfirmSubscription&Action=X&TopicArn={TOPIC}",
        "https://127.0.0.1/?Action=ConfirmSubscription",
        f"https://example.com/?Action=ConfirmSubscription&TopicArn={TOPIC}",
        "",
    ],
)
def test_a_url_that_does_not_confirm_this_topic_is_never_asked(url: str) -> None:
    ses = Hooked(HookKind.SES)
    with pytest.raises(Forbidden):
        ses.call(sns_confirmation(SubscribeURL=url))

    assert ses.hook.topic is None
    assert url not in [one.url for one in ses.world.web.requests]


def test_a_confirmation_that_fails_is_asked_for_again() -> None:
    ses = Hooked(HookKind.SES)
    good = ses.web_answers[SNS]
    ses.call(sns_confirmation())
    ses.web_answers[SNS] = WebAnswer(status=500, headers={}, body=b"")
    with pytest.raises(Unavailable):
        ses.call(sns_confirmation())
    ses.web_answers[SNS] = good
    ses.call(sns_confirmation())

    assert ses.hook.topic == TOPIC


def test_the_end_of_a_subscription_is_told_and_undone_by_nobody(ses: Hooked) -> None:
    ses.call(sns_confirmation(Type="UnsubscribeConfirmation"))

    assert [e.name for e in ses.world.heard.events][-1] == "hook_unsubscribed"
    assert [one.url for one in ses.world.web.requests] == [CERTIFICATE_URL]


@pytest.mark.parametrize("headers", [{}, {"X-Amz-Sns-Rawdelivery": "true"}])
def test_raw_delivery_is_refused_for_it_has_no_signature(
    ses: Hooked, headers: dict[str, str]
) -> None:
    with pytest.raises(InvalidInput, match="raw message delivery"):
        ses.call(BOUNCE, headers=headers)
    assert ses.nothing_recorded()


@pytest.mark.parametrize(
    "change",
    [{"Type": "Other"}, {"Type": 1}, {"TopicArn": "x"}, {"TopicArn": TOPIC + "\n"},
     {"SignatureVersion": "3"}, {"SignatureVersion": 1}],
)  # fmt: skip
def test_what_is_no_call_of_sns_is_refused(ses: Hooked, change: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        ses.call(sns_call(BOUNCE) | change)


# -- SendGrid --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ({}, "signature"),
        (sendgrid_headers(b"[]"), "signature"),
        ({"X-Twilio-Email-Event-Webhook-Signature": "x",
          "X-Twilio-Email-Event-Webhook-Timestamp": "1"}, "signature"),
    ],
)  # fmt: skip
def test_what_sendgrid_has_not_signed_is_refused(
    sendgrid: Hooked, headers: dict[str, str], reason: str
) -> None:
    body = json.dumps([sendgrid_event(sg_message_id=PROVIDER_ID)]).encode()
    with pytest.raises(Forbidden):
        sendgrid.call(body, headers=headers)
    assert sendgrid.nothing_recorded()
    assert sendgrid.reasons() == [reason]


@pytest.mark.parametrize("age", [timedelta(hours=26), -timedelta(minutes=11)])
def test_a_call_of_sendgrid_out_of_its_time_is_refused(sendgrid: Hooked, age: timedelta) -> None:
    body = json.dumps([sendgrid_event(sg_message_id=PROVIDER_ID)]).encode()
    with pytest.raises(Forbidden):
        sendgrid.call(body, headers=sendgrid_headers(body, at=NOW - age))
    assert sendgrid.nothing_recorded()


# -- Mailgun ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "reason"),
    [
        (mailgun_call(key="another"), "signature"),
        ({"event-data": {}}, "signature"),
        ({**mailgun_call(), "signature": {"token": 1, "timestamp": None}}, "signature"),
        (mailgun_call(at=NOW - timedelta(hours=26)), "too old"),
    ],
)
def test_what_mailgun_has_not_signed_lately_is_refused(
    mailgun: Hooked, call: dict[str, Any], reason: str
) -> None:
    with pytest.raises(Forbidden):
        mailgun.call(call)
    assert mailgun.reasons() == [reason]


def test_a_token_of_mailgun_is_good_for_one_event(mailgun: Hooked) -> None:
    mailgun.call(mailgun_call(event="delivered"))
    message = {"headers": {"message-id": mailgun.message_id.strip("<>")}}

    with pytest.raises(Forbidden):
        mailgun.call(mailgun_call(message=message))
    assert mailgun.nothing_recorded()
    assert mailgun.reasons() == ["token used before"]

    mailgun.call(mailgun_call(message=message, token="u" * 50))
    assert mailgun.events() == ["email.bounced"]


def test_tokens_are_forgotten_when_no_call_with_them_is_taken_any_more(mailgun: Hooked) -> None:
    mailgun.call(mailgun_call())
    mailgun.world.clock.tick(51 * 3600)
    mailgun.call(mailgun_call(at=mailgun.world.clock.now(), token="u" * 50))

    far = mailgun.world.clock.now() + timedelta(days=1)
    assert mailgun.world.store.write(lambda tx: tx.hooks.prune_tokens(far, limit=10)) == 1


# -- Postmark --------------------------------------------------------------------------------------


def test_postmark_must_send_the_name_and_password_that_were_agreed() -> None:
    postmark = Hooked(HookKind.POSTMARK, signing_key="name:word")
    with pytest.raises(Forbidden):
        postmark.call(postmark_call(MessageID=PROVIDER_ID))
    assert postmark.nothing_recorded()

    postmark.call(
        postmark_call(MessageID=PROVIDER_ID), headers={"Authorization": "Basic bmFtZTp3b3Jk"}
    )
    assert postmark.events() == ["email.bounced"]


def test_refused_calls_of_one_address_are_soon_too_many(ses: Hooked) -> None:
    for _ in range(20):
        with pytest.raises(Forbidden):
            ses.call(sns_call(BOUNCE, Signature="AAAA"))
    with pytest.raises(TooMany):
        ses.call(sns_call(BOUNCE, Signature="AAAA"))
    assert len(ses.reasons()) == 20

    ses.call(sns_call(BOUNCE))
    assert ses.events() == ["email.bounced"]
