"""What became of an email is told as SendGrid, Postmark and Mailgun tell it."""

from collections.abc import Callable
from io import BytesIO
from typing import Any

import attrs
import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from adapters.fakes.clock import FakeClock
from adapters.fakes.script import Rule, Script
from adapters.fakes.sender import FakeSender
from application import Application
from domain.bounce.report import BounceKind, References, Report, ReportedRecipient
from domain.message.client_headers import reference_of
from tests.applications import a_key, an_application, deliver
from tests.dialect_ways import DIALECTS, a_dialect_client, stored

ADA, BOB, EVE = "ada@example.org", "bob@example.org", "eve@example.org"
Events = list[tuple[str, str, str]]


@attrs.frozen(kw_only=True)
class Lookup:
    """How a dialect is asked for what became of the email that *sent* answered.

    *told* are the event, its recipient and what a server said of it. *events* are the dialect's
    words for what `test_…` makes happen to ADA, BOB and EVE, and *unknown* is what it answers for
    an email that is not there.
    """

    path: Callable[[TestResponse], str]
    told: Callable[[Any], Events]
    events: Events
    unknown: str
    status: Callable[[Any], str] | None = None


def _mailgun_told(body: Any) -> Events:
    return [
        (
            one["event"] + one.get("severity", "")[:4],
            one["recipient"],
            one["delivery-status"]["message"],
        )
        for one in body["items"]
    ]


LOOKUPS = {
    "sendgrid": Lookup(
        path=lambda sent: f"/v3/messages/{sent.headers['X-Message-Id']}",
        told=lambda body: [(one["event_name"], ADA, one["reason"]) for one in body["events"]],
        events=[
            ("processed", ADA, ""),
            ("delivered", ADA, "2.0.0 Ok"),
            ("bounce", ADA, "550 no"),
            ("processed", ADA, ""),
            ("bounce", ADA, "5.1.1 no such user"),
            ("processed", ADA, ""),
            ("deferred", ADA, "4.2.0 later"),
        ],
        unknown="/v3/messages/4711",
        status=lambda body: str(body["status"]),
    ),
    "postmark": Lookup(
        path=lambda sent: f"/messages/outbound/{sent.json['MessageID']}/details",
        told=lambda body: [
            (
                one["Type"],
                one["Recipient"],
                one["Details"].get("Summary", one["Details"].get("DeliveryMessage")),
            )
            for one in body["MessageEvents"]
        ],
        events=[
            ("Delivered", ADA, "2.0.0 Ok"),
            ("Bounced", ADA, "550 no"),
            ("Bounced", BOB, "5.1.1 no such user"),
            ("Transient", EVE, "4.2.0 later"),
        ],
        unknown="/messages/outbound/65732d72-656d-8000-8000-000000004711/details",
        status=lambda body: str(body["Status"]),
    ),
    "mailgun": Lookup(
        path=lambda sent: f"/v3/example.com/events?message-id={sent.json['id'].strip('<>')}",
        told=_mailgun_told,
        events=[
            ("accepted", ADA, ""),
            ("delivered", ADA, "2.0.0 Ok"),
            ("failedperm", ADA, "550 no"),
            ("accepted", BOB, ""),
            ("failedperm", BOB, "5.1.1 no such user"),
            ("accepted", EVE, ""),
            ("failedtemp", EVE, "4.2.0 later"),
        ],
        unknown="/v3/example.com/events?message-id=nobody@example.org",
    ),
}
# To, Cc and Bcc in the fields of each
MORE = {
    "sendgrid": {
        "personalizations": [
            {"to": [{"email": ADA}], "cc": [{"email": BOB}], "bcc": [{"email": EVE}]}
        ]
    },
    "postmark": {"Cc": BOB, "Bcc": EVE},
    "mailgun": {"cc": BOB, "bcc": EVE},
}
# one recipient's copy is taken, another's refused, and another's put off
PLAYED = Script(
    [
        Rule("rcpt", "550 5.1.1 no such user", recipient=BOB),
        Rule("rcpt", "451 4.2.0 later", recipient=EVE),
        Rule("dot", "250 2.0.0 Ok"),
    ]
)


@pytest.fixture(params=LOOKUPS)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def application() -> Application:
    return an_application(clock=FakeClock(), sender=FakeSender(PLAYED))


@pytest.fixture
def client(application: Application, name: str) -> FlaskClient:
    return a_dialect_client(application, DIALECTS[name].key)


def sent(client: FlaskClient, name: str) -> TestResponse:
    """One email to three."""
    reply = DIALECTS[name].send(client, None, **MORE[name])
    assert reply.status_code == DIALECTS[name].accepted, reply.text
    return reply


def test_each_recipients_fate_is_told_in_the_vendors_words(
    application: Application, client: FlaskClient, name: str
) -> None:
    lookup = LOOKUPS[name]
    path = lookup.path(sent(client, name))
    client.environ_base.update(_headers(name, a_key(application, "admin")))
    before = client.get(path)
    deliver(application)
    reference = reference_of(stored(application).email.message_id)
    application.reports.record(
        Report(
            recipients=(
                ReportedRecipient(
                    recipient=ADA, status="5.1.1", kind=BounceKind.HARD, diagnostic="550 no"
                ),
            ),
            references=References(refs=(reference,)),
        ),
        source="test", account_id=None, report_id="1",
    )  # fmt: skip
    after = client.get(path)

    assert (before.status_code, after.status_code) == (200, 200), after.text
    assert all(kind in ("processed", "accepted") for kind, *_ in lookup.told(before.json))
    assert lookup.told(after.json) == lookup.events
    if lookup.status is not None:
        assert lookup.status(before.json) in ("processing", "Queued")
        assert lookup.status(after.json) in ("not_delivered", "Queued")


def test_what_was_sent_is_shown(client: FlaskClient, name: str) -> None:
    text = client.get(LOOKUPS[name].path(sent(client, name))).text

    assert '"Hi"' in text
    assert "shop@example.com" in text


def test_an_email_is_shown_to_those_who_may_see_it_alone(
    application: Application, client: FlaskClient, name: str
) -> None:
    path = LOOKUPS[name].path(sent(client, name))
    way = DIALECTS[name]
    others = client.get(path, headers=way.key(a_key(application, "send", "read")))
    sender = client.get(path, headers=way.key(a_key(application, "send")))
    unknown = client.get(LOOKUPS[name].unknown)

    assert sender.status_code == 403
    assert way.told(sender)
    assert others.status_code == unknown.status_code == (200 if name == "mailgun" else 404)
    if name == "mailgun":
        assert others.json["items"] == unknown.json["items"] == []
    else:
        assert way.told(others)


@pytest.mark.parametrize(
    "query", ["", "?message-id=", "?message-id=x", "?message-id=a@b%20c", "?event=delivered"]
)
def test_mailguns_events_are_those_of_one_email(query: str) -> None:
    client = a_dialect_client(an_application(), DIALECTS["mailgun"].key)
    reply = client.get(f"/v3/example.com/events{query}")

    assert reply.status_code == 400
    assert DIALECTS["mailgun"].told(reply)


def test_of_two_emails_with_one_message_id_the_newest_is_told() -> None:
    application = an_application()
    client = a_dialect_client(application, DIALECTS["mailgun"].key)
    octets = b"From: shop@example.com\r\nSubject: %d\r\nMessage-ID: <a@b.example>\r\n\r\nHi\r\n"
    for number in (1, 2):
        message = {"message": (BytesIO(octets % number), "m.eml"), "to": ADA}
        assert client.post("/v3/example.com/messages.mime", data=message).status_code == 200
    found = client.get("/v3/example.com/events?message-id=<a@b.example>").json["items"]

    assert [one["message"]["headers"]["subject"] for one in found] == ["2"]


def _headers(name: str, key: str) -> dict[str, str]:
    return {
        f"HTTP_{header.upper().replace('-', '_')}": value
        for header, value in DIALECTS[name].key(key).items()
    }
