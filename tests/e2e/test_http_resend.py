"""Resend's API, beyond what holds for every dialect."""

from base64 import b64encode
from typing import Any
from uuid import UUID

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from application import Application
from entrypoints.http.dialects.ids import id_of, uuid_of
from tests.applications import a_key, an_application
from tests.dialect_ways import a_dialect_client, a_template, bearer, number_of_emails, stored

EMAIL = {
    "from": "Shop <shop@example.com>",
    "to": ["ada@example.org"],
    "subject": "Hi",
    "html": "<p>Hello</p>",
}
BAD = {**EMAIL, "to": "nobody"}


@pytest.fixture
def application() -> Application:
    return an_application()


@pytest.fixture
def client(application: Application) -> FlaskClient:
    return a_dialect_client(application, bearer)


def sent(client: FlaskClient, **fields: Any) -> TestResponse:
    return client.post("/emails", json={**EMAIL, **fields})


@pytest.mark.parametrize("email_id", [1, 17, 2**31, 2**62 - 1])
def test_an_id_is_a_uuid_around_ours(email_id: int) -> None:
    uuid = UUID(uuid_of(email_id))

    assert (uuid.version, uuid.variant) == (8, "specified in RFC 4122")
    assert id_of(str(uuid)) == email_id
    assert id_of(str(uuid).upper()) == email_id


@pytest.mark.parametrize(
    "text",
    ["1", "x", uuid_of(1)[:-1] + "g", "65732d72-656d-8000-8000-000000000000", str(UUID(int=1))],
)
def test_what_is_no_id_of_ours_is_not_found(client: FlaskClient, text: str) -> None:
    reply = client.get(f"/emails/{text}")

    assert (reply.status_code, reply.json["name"]) == (404, "not_found")


def test_an_email_is_shown_rescheduled_and_cancelled(client: FlaskClient) -> None:
    email_id = sent(client, scheduled_at="2026-01-20T10:00:00.000Z").json["id"]
    path = f"/emails/{email_id}"
    before = client.get(path).json
    changed = client.patch(path, json={"scheduled_at": "2026-01-21T10:00:00Z"})
    after = client.get(path).json
    cancelled = client.post(f"{path}/cancel")

    assert (before["to"], before["from"]) == (["ada@example.org"], "shop@example.com")
    assert (before["last_event"], before["scheduled_at"][:10]) == ("scheduled", "2026-01-20")
    assert changed.json == cancelled.json == {"object": "email", "id": email_id}
    assert after["scheduled_at"][:10] == "2026-01-21"
    assert client.get(path).json["last_event"] == "canceled"
    assert client.post(f"{path}/cancel").status_code == 422


def test_another_keys_email_is_not_found(application: Application, client: FlaskClient) -> None:
    email_id = sent(client).json["id"]
    other = bearer(a_key(application, "send", "read"))

    assert client.get(f"/emails/{email_id}", headers=other).status_code == 404
    assert client.post(f"/emails/{email_id}/cancel", headers=other).status_code == 404


def test_a_time_in_words_is_refused(client: FlaskClient) -> None:
    reply = sent(client, scheduled_at="in 1 min")

    assert reply.status_code == 422
    assert "scheduled_at" in reply.json["message"]


@pytest.mark.parametrize(
    "content",
    [b64encode(b"hi").decode(), [104, 105], {"type": "Buffer", "data": [104, 105]}, "aGk=\r\n"],
)
def test_a_file_is_base64_or_a_list_of_octets(
    application: Application, client: FlaskClient, content: object
) -> None:
    reply = sent(client, attachments=[{"filename": "a.txt", "content": content}])

    assert reply.status_code == 200, reply.text
    (file,) = stored(application).detail.attachments
    assert (file.filename, file.size) == ("a.txt", 2)


@pytest.mark.parametrize(
    ("file", "word"),
    [
        ({"filename": "a.txt", "path": "https://example.com/a.txt"}, "not fetched"),
        ({"filename": "a.txt", "content": [256]}, "octets"),
        ({"filename": "a.txt", "content": ["x"]}, "octets"),
        ({"filename": "a.txt", "content": "#"}, "base64"),
        ({"filename": "a.txt"}, "content: must be"),
        ("a.txt", "must be an object"),
    ],
)
def test_a_file_that_cannot_be_attached_is_refused(
    application: Application, client: FlaskClient, file: object, word: str
) -> None:
    reply = sent(client, attachments=[file])

    assert reply.status_code == 422
    assert word in reply.json["message"]
    assert number_of_emails(application) == 0


def test_a_content_id_that_the_html_does_not_show_is_a_file_like_any_other(
    application: Application, client: FlaskClient
) -> None:
    file = {"filename": "a.png", "content": "aGk=", "content_id": "logo"}
    sent(client, attachments=[file])
    sent(client, attachments=[file], html='<img src="cid:logo">')

    ids = [stored(application, n).detail.attachments[0].content_id for n in (1, 2)]
    assert ids == [None, "logo"]


def test_tags_are_metadata(application: Application, client: FlaskClient) -> None:
    sent(client, tags=[{"name": "order", "value": "1042"}])

    assert stored(application).labels.metadata == (("order", "1042"),)


def test_some_headers_are_fields(application: Application, client: FlaskClient) -> None:
    headers = {
        "Reply-To": "help@example.com",
        "In-Reply-To": "<a@b.example>",
        "References": "<x@y>",
    }
    reply = sent(client, headers=headers)

    assert reply.status_code == 200, reply.text
    assert reply.headers["X-Ignored"] == "References"
    detail = stored(application).detail
    assert str(detail.reply_to[0].address) == "help@example.com"
    assert detail.in_reply_to == "<a@b.example>"


def test_a_strict_batch_is_all_or_nothing(application: Application, client: FlaskClient) -> None:
    refused = client.post("/emails/batch", json=[EMAIL, BAD, EMAIL])
    none = number_of_emails(application)
    accepted = client.post("/emails/batch", json=[EMAIL, EMAIL])

    assert (refused.status_code, none) == (422, 0)
    assert refused.json["message"].startswith("emails[1].to.0: ")
    assert [id_of(one["id"]) for one in accepted.json["data"]] == [1, 2]
    assert "errors" not in accepted.json


def test_a_permissive_batch_takes_what_is_valid(
    application: Application, client: FlaskClient
) -> None:
    stranger = {**EMAIL, "from": "eve@example.net"}
    headers = {"x-batch-validation": "permissive", "Idempotency-Key": "once"}
    emails = [BAD, EMAIL, {**EMAIL, "pigeon": 1}, stranger, EMAIL]
    first, second = [client.post("/emails/batch", json=emails, headers=headers) for _ in "12"]

    assert first.status_code == 200, first.text
    assert [id_of(one["id"]) for one in first.json["data"]] == [1, 2]
    assert [one["index"] for one in first.json["errors"]] == [0, 2, 3]
    assert first.json["errors"][1]["message"].startswith("pigeon: ")
    assert second.json == first.json
    assert number_of_emails(application) == 2


def test_a_permissive_batch_without_a_valid_email_stores_none(
    application: Application, client: FlaskClient
) -> None:
    reply = client.post(
        "/emails/batch", json=[BAD, BAD], headers={"x-batch-validation": "permissive"}
    )

    assert reply.json["data"] == []
    assert [one["index"] for one in reply.json["errors"]] == [0, 1]
    assert number_of_emails(application) == 0


@pytest.mark.parametrize(
    ("emails", "headers"),
    [([], {}), ([EMAIL], {"x-batch-validation": "loose"}), ([EMAIL] * 501, {}), (["x"], {})],
)
def test_a_batch_that_is_none_is_refused(
    client: FlaskClient, emails: list[object], headers: dict[str, str]
) -> None:
    assert client.post("/emails/batch", json=emails, headers=headers).status_code == 422


def test_names_come_as_text_or_as_encoded_words(
    application: Application, client: FlaskClient
) -> None:
    sent(client, to="=?utf-8?b?SsO8cmdlbg==?= <j@example.org>", bcc="<eve@example.org>")
    injected = sent(client, to="=?utf-8?q?x=0D=0ABcc=3A_evil=40e.com?= <a@example.org>")

    (recipient, blind) = stored(application).email.recipients
    assert stored(application).detail.names == ((0, "Jürgen"),)
    assert str(recipient.address) == "j@example.org"
    assert str(blind.address) == "eve@example.org"
    assert injected.status_code == 422


def test_fields_that_are_null_are_not_there(client: FlaskClient) -> None:
    assert sent(client, cc=None, text=None, attachments=None, pigeon=None).status_code == 200


@pytest.mark.parametrize("name", ["from", "to"])
def test_sender_and_recipient_are_required(client: FlaskClient, name: str) -> None:
    email = {field: value for field, value in EMAIL.items() if field != name}
    reply = client.post("/emails", json=email)

    assert (reply.status_code, reply.json["name"]) == (422, "validation_error")
    assert reply.json["message"] == f"{name}: is required"


def test_a_template_writes_the_email(application: Application, client: FlaskClient) -> None:
    a_template(application)
    email = {"from": EMAIL["from"], "to": EMAIL["to"]}
    reply = client.post(
        "/emails", json={**email, "template": {"id": "welcome", "variables": {"name": "Ada"}}}
    )

    assert reply.status_code == 200, reply.text
    assert stored(application).email.subject == "Hi Ada"
