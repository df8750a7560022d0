"""SendGrid's API, beyond what holds for every dialect."""

from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from application import Application
from tests.applications import a_client, a_client_with_config, a_key, an_application
from tests.dialect_ways import (
    a_dialect_client,
    a_template,
    bearer,
    message,
    number_of_emails,
    stored,
)

ADA, GRACE, EVE = [[{"email": f"{name}@example.org"}] for name in ("ada", "grace", "eve")]
EMAIL: dict[str, Any] = {
    "personalizations": [{"to": ADA}],
    "from": {"email": "shop@example.com", "name": "Shop"},
    "subject": "Hi",
    "content": [
        {"type": "text/plain", "value": "Hello"},
        {"type": "text/html", "value": "<p>Hello</p>"},
    ],
}
INVITATION = (
    "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//x//y\r\nMETHOD:REQUEST\r\nBEGIN:VEVENT\r\n"
    "UID:1\r\nDTSTAMP:20260101T000000Z\r\nDTSTART:20260110T090000Z\r\n"
    "ORGANIZER:mailto:shop@example.com\r\nATTENDEE:mailto:ada@example.org\r\n"
    "SUMMARY:x\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
)


@pytest.fixture
def application() -> Application:
    return an_application()


@pytest.fixture
def client(application: Application) -> FlaskClient:
    return a_dialect_client(application, bearer)


def sent(client: FlaskClient, **fields: Any) -> TestResponse:
    return client.post("/v3/mail/send", json={**EMAIL, **fields})


def test_the_answer_is_empty_and_has_the_id(client: FlaskClient) -> None:
    reply = sent(client)

    assert (reply.status_code, reply.data, reply.headers["X-Message-Id"]) == (202, b"", "1")


def test_each_personalization_is_an_email(application: Application, client: FlaskClient) -> None:
    personalizations = [
        {"to": ADA, "subject": "For Ada", "custom_args": {"user": "1"}, "headers": {"X-A": "1"}},
        {"to": GRACE, "cc": EVE, "send_at": 1768000000, "from": {"email": "shop@example.com"}},
    ]
    common = {"custom_args": {"campaign": "x"}, "headers": {"X-B": "2"}, "categories": ["news"]}
    reply = sent(client, personalizations=personalizations, **common)

    assert reply.status_code == 202, reply.text
    first, second = stored(application, 1), stored(application, 2)
    assert (first.email.subject, second.email.subject) == ("For Ada", "Hi")
    assert dict(first.labels.metadata) == {"campaign": "x", "user": "1"}
    assert (second.labels.metadata, second.labels.tags) == ((("campaign", "x"),), ("news",))
    assert (message(application, 1)["X-A"], message(application, 2)["X-A"]) == ("1", None)
    assert message(application, 2)["X-B"] == "2"
    assert [str(one.address) for one in second.email.recipients] == [
        "grace@example.org",
        "eve@example.org",
    ]
    assert second.email.status == "scheduled"


def test_one_bad_personalization_of_three_and_none_is_stored(
    application: Application, client: FlaskClient
) -> None:
    bad = {"to": [{"email": "nobody"}]}
    reply = sent(client, personalizations=[{"to": ADA}, bad, {"to": GRACE}])

    assert reply.status_code == 400
    (error,) = reply.json["errors"]
    assert error["field"] == "personalizations.1.to.0.email"
    assert number_of_emails(application) == 0


def test_in_sandbox_mode_an_email_is_validated_and_not_stored(
    application: Application, client: FlaskClient
) -> None:
    sandbox = {"mail_settings": {"sandbox_mode": {"enable": True}}}
    good = sent(client, **sandbox)
    bad = sent(client, **sandbox, personalizations=[{"to": [{"email": "nobody"}]}])
    stranger = sent(client, **sandbox, **{"from": {"email": "eve@example.net"}})

    assert [one.status_code for one in (good, bad, stranger)] == [200, 400, 403]
    assert number_of_emails(application) == 0


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"asm": {"group_id": 1}}, "asm"),
        ({"sections": {"x": "y"}}, "sections"),
        ({"personalizations": [{"to": ADA, "substitutions": {"x": "y"}}]}, "substitutions"),
        ({"mail_settings": {"bypass_list_management": {"enable": True}}}, "mail_settings.bypass"),
        ({"mail_settings": {"footer": {"enable": True}}}, "mail_settings.footer"),
        ({"content": [{"type": "text/x-amp-html", "value": "x"}]}, "content"),
        ({"content": [{"type": "text/html", "value": "x"}] * 2}, "content"),
        ({"personalizations": []}, "personalizations"),
        ({"personalizations": [{"cc": ADA}]}, "to"),
        ({"personalizations": ["x"]}, None),
        ({"from": None}, "from"),
        ({"send_at": "soon"}, "send_at"),
        ({"send_at": True}, "send_at"),
        ({"send_at": 2**62}, "send_at"),
        ({"custom_args": "x"}, "custom_args"),
        ({"custom_args": {"x": 1}}, "custom_args"),
        ({"content": []}, "content"),
        ({"attachments": [{"filename": "a", "content": "#"}]}, "attachments.0.content"),
        ({"headers": {"From": "eve@example.net"}}, "headers"),
    ],
)
def test_what_cannot_be_done_is_refused(
    application: Application, client: FlaskClient, fields: dict[str, Any], field: str | None
) -> None:
    reply = sent(client, **fields)

    assert reply.status_code == 400, reply.text
    told = reply.json["errors"][0]["field"]
    assert told == field or told.removeprefix("personalizations.0.").startswith(str(field))
    assert number_of_emails(application) == 0


def test_tracking_and_pools_are_ignored_and_named(client: FlaskClient) -> None:
    reply = sent(
        client,
        tracking_settings={"click_tracking": {"enable": True}},
        ip_pool_name="a",
        batch_id="b",
        mail_settings={"spam_check": {"enable": True}, "footer": {"enable": False}},
    )

    assert reply.status_code == 202
    assert set(reply.headers["X-Ignored"].split(", ")) == {
        *("tracking_settings", "ip_pool_name", "batch_id", "mail_settings.spam_check")
    }


def test_an_invitation_is_one(application: Application, client: FlaskClient) -> None:
    content = [*EMAIL["content"], {"type": "text/calendar", "value": INVITATION}]
    reply = sent(client, content=content)

    assert reply.status_code == 202, reply.text
    assert "text/calendar" in [part.get_content_type() for part in message(application).walk()]


def test_a_template_writes_an_email_for_each_personalization(
    application: Application, client: FlaskClient
) -> None:
    a_template(application)
    names = [("Ada", ADA), ("Grace", GRACE)]
    reply = client.post(
        "/v3/mail/send",
        json={
            "from": EMAIL["from"],
            "template_id": "welcome",
            "subject": "unused",
            "personalizations": [
                {"to": to, "dynamic_template_data": {"name": name}} for name, to in names
            ],
        },
    )

    assert reply.status_code == 202, reply.text
    assert reply.headers["X-Ignored"] == "subject"
    assert [stored(application, n).email.subject for n in (1, 2)] == ["Hi Ada", "Hi Grace"]


def test_a_template_that_is_not_there_is_told_at_its_field(client: FlaskClient) -> None:
    reply = client.post(
        "/v3/mail/send",
        json={**EMAIL, "content": None, "template_id": "d-1f2e"},
    )

    assert reply.status_code == 400
    assert reply.json["errors"][0]["field"].startswith("template_id")


def test_a_file_with_a_content_id_that_is_attached_is_no_image_of_the_html(
    application: Application, client: FlaskClient
) -> None:
    file = {"filename": "a.png", "content": "aGk=", "content_id": "a", "disposition": "attachment"}
    reply = sent(client, attachments=[file])

    assert reply.status_code == 202, reply.text
    assert stored(application).detail.attachments[0].content_id is None


def test_replies_go_to_all_that_are_named(application: Application, client: FlaskClient) -> None:
    sent(client, reply_to={"email": "help@example.com", "name": "Help, please"})
    sent(client, reply_to_list=[*ADA, *GRACE])

    assert message(application, 1)["Reply-To"] == '"Help, please" <help@example.com>'
    assert message(application, 2)["Reply-To"] == "ada@example.org, grace@example.org"


def test_what_emails_share_may_not_be_more_than_a_body_altogether(application: Application) -> None:
    a_client_with_config(application)
    client = a_client(application, max_body_bytes=50_000)
    file = {"filename": "a.bin", "content": "AAAA" * 5_000}
    body = {**EMAIL, "personalizations": [{"to": ADA}] * 3, "attachments": [file]}
    key = bearer(a_key(application, "send"))
    refused = client.post("/v3/mail/send", json=body, headers=key)
    accepted = client.post(
        "/v3/mail/send", json={**body, "personalizations": [{"to": ADA}] * 2}, headers=key
    )

    assert (refused.status_code, accepted.status_code) == (400, 202)
    assert "send fewer emails at once" in refused.json["errors"][0]["message"]
