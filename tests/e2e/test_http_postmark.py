"""Postmark's API, beyond what holds for every dialect."""

from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from application import Application
from entrypoints.http.dialects.ids import id_of
from entrypoints.http.judgement import JUDGEMENT, Judgement
from tests.applications import a_client, a_client_with_config, a_keyed_client, an_application
from tests.dialect_ways import (
    DIALECTS,
    a_dialect_client,
    a_template,
    message,
    number_of_emails,
    stored,
)

EMAIL: dict[str, Any] = {
    "From": "Shop <shop@example.com>",
    "To": "ada@example.org",
    "Subject": "Hi",
    "HtmlBody": "<p>Hello</p>",
}
BAD = {**EMAIL, "To": "nobody"}
TEST = {"X-Postmark-Server-Token": "POSTMARK_API_TEST"}


@pytest.fixture
def application() -> Application:
    return an_application()


@pytest.fixture
def client(application: Application) -> FlaskClient:
    return a_dialect_client(application, DIALECTS["postmark"].key)


def sent(client: FlaskClient, **fields: Any) -> TestResponse:
    return client.post("/email", json={**EMAIL, **fields})


def codes(reply: TestResponse) -> list[int]:
    return [one["ErrorCode"] for one in reply.json]


def test_the_answer_repeats_the_recipients_as_they_came(client: FlaskClient) -> None:
    to = '"Lovelace, Ada" <Ada@example.org>, grace@example.org'
    reply = sent(client, To=to)

    assert reply.status_code == 200, reply.text
    assert reply.json.pop("MessageID")
    assert reply.json == {
        "To": to,
        "SubmittedAt": "2026-01-05T09:00:00.000000Z",
        "MessageID": reply.json["MessageID"],
        "ErrorCode": 0,
        "Message": "OK",
    }
    assert id_of(reply.json["MessageID"]) == 1


def test_lists_of_recipients_are_texts_with_commas(
    application: Application, client: FlaskClient
) -> None:
    sent(
        client,
        To='"Lovelace, Ada" <ada@example.org>, grace@example.org',
        Cc="a@example.org,b@example.org",
        Bcc="eve@example.org",
        ReplyTo="help@example.com, Sales <sales@example.com>",
    )

    made = message(application)
    assert made["To"] == '"Lovelace, Ada" <ada@example.org>, grace@example.org'
    assert made["Cc"] == "a@example.org, b@example.org"
    assert made["Reply-To"] == "help@example.com, Sales <sales@example.com>"
    assert len(stored(application).email.recipients) == 5


def test_of_a_batch_each_message_has_its_answer(
    application: Application, client: FlaskClient
) -> None:
    stranger = {**EMAIL, "From": "eve@example.net"}
    reply = client.post("/email/batch", json=[EMAIL, BAD, {**EMAIL, "Pigeon": 1}, stranger, EMAIL])

    assert reply.status_code == 200
    assert codes(reply) == [0, 300, 300, 400, 0]
    assert [id_of(reply.json[place]["MessageID"]) for place in (0, 4)] == [1, 2]
    assert number_of_emails(application) == 2


def test_a_wrong_address_is_named_in_the_form_that_clients_parse(client: FlaskClient) -> None:
    reply = sent(client, Cc="ada@example.org, x@-example.org")

    assert (reply.status_code, reply.json["ErrorCode"]) == (422, 300)
    assert reply.json["Message"].startswith("Invalid 'Cc' address: 'x@-example.org'. It must ")


def test_a_batch_has_at_most_500_messages(client: FlaskClient) -> None:
    reply = client.post("/email/batch", json=[EMAIL] * 501)

    assert (reply.status_code, reply.json["ErrorCode"]) == (422, 410)


@pytest.mark.parametrize("path", ["/email/withTemplate", "/email/withTemplate/"])
@pytest.mark.parametrize("name", ["TemplateAlias", "TemplateId"])
def test_a_template_writes_the_email(
    application: Application, client: FlaskClient, path: str, name: str
) -> None:
    a_template(application)
    fields = {"From": EMAIL["From"], "To": EMAIL["To"], name: "welcome"}
    reply = client.post(path, json={**fields, "TemplateModel": {"name": "Ada"}})

    assert reply.status_code == 200, reply.text
    assert stored(application).email.subject == "Hi Ada"


@pytest.mark.parametrize("path", ["/email/batchWithTemplates", "/email/batchWithTemplates/"])
def test_templates_write_a_batch(application: Application, client: FlaskClient, path: str) -> None:
    a_template(application)
    fields = {"From": EMAIL["From"], "To": EMAIL["To"], "TemplateModel": {"name": "Ada"}}
    messages = [{**fields, "TemplateAlias": name} for name in ("welcome", "nothing")]
    reply = client.post(path, json={"Messages": messages})

    assert codes(reply) == [0, 1101]
    assert number_of_emails(application) == 1


def test_a_call_with_the_test_token_is_validated_and_not_stored() -> None:
    application = an_application(closed=True)
    client = a_client(application)
    good = client.post("/email", json=EMAIL, headers=TEST)
    bad = client.post("/email", json=BAD, headers=TEST)
    batch = client.post("/email/batch", json=[EMAIL, BAD], headers=TEST)

    assert (good.status_code, good.json["Message"]) == (200, "Test job accepted")
    assert (bad.status_code, bad.json["ErrorCode"]) == (422, 300)
    assert codes(batch) == [0, 300]
    assert number_of_emails(application) == 0


def test_all_who_use_the_test_token_share_one_allowance() -> None:
    client = a_client(an_application(closed=True))
    replies = [client.post("/email", json=EMAIL, headers=TEST) for _ in range(101)]

    assert replies[-1].status_code == 429


def test_a_stranger_with_the_test_token_sends_no_large_body() -> None:
    client = a_client(an_application(closed=True))
    body = {**EMAIL, "HtmlBody": "x" * 64 * 1024}
    whole = client.post("/email", json=body, headers=TEST)
    judgement = Judgement()
    head = {"CONTENT_LENGTH": "100000", "CONTENT_TYPE": "application/json", JUDGEMENT: judgement}
    early = client.post("/email", headers=TEST, environ_overrides=head)

    assert (whole.status_code, whole.json["ErrorCode"]) == (413, 413)
    assert (early.status_code, early.json["ErrorCode"]) == (413, 413)
    assert not judgement.passed


def test_the_test_token_is_none_elsewhere() -> None:
    client = a_client_with_config(an_application())
    headers = {"Authorization": "Bearer POSTMARK_API_TEST"}

    assert client.post("/emails", json={}, headers=headers).status_code == 403
    assert client.post("/v3/mail/send", json={}, headers=headers).status_code == 401
    assert client.get("/api/emails", headers=headers).status_code == 401


def test_who_is_suppressed_is_an_inactive_recipient(
    application: Application, client: FlaskClient
) -> None:
    admin = a_keyed_client(application, "admin")
    body = {"address": "ada@example.org", "reason": "manual"}
    assert admin.post("/api/suppressions", json=body).status_code in (200, 201)
    nobody, some = sent(client), sent(client, Cc="grace@example.org")

    assert (nobody.status_code, nobody.json["ErrorCode"]) == (422, 406)
    assert "inactive addresses: ada@example.org. Inactive recipients" in nobody.json["Message"]
    assert (some.status_code, some.json["ErrorCode"]) == (200, 0)
    assert "inactive addresses: ada@example.org. Inactive recipients" in some.json["Message"]


def test_what_is_empty_or_null_is_not_there(application: Application, client: FlaskClient) -> None:
    empty = {"Cc": "", "Bcc": None, "ReplyTo": "", "Tag": "", "Headers": [], "Attachments": []}
    reply = sent(client, **empty, TextBody="", Metadata={})

    assert reply.status_code == 200, reply.text
    assert stored(application).labels.tags == ()


def test_tracking_and_streams_are_ignored_and_named(client: FlaskClient) -> None:
    reply = sent(client, TrackOpens=True, TrackLinks="HtmlOnly", MessageStream="broadcast")

    assert reply.status_code == 200
    ignored = set(reply.headers["X-Ignored"].split(", "))
    assert ignored == {"TrackOpens", "TrackLinks", "MessageStream"}


def test_tag_metadata_headers_and_files(application: Application, client: FlaskClient) -> None:
    reply = sent(
        client,
        Tag="welcome",
        Metadata={"order": "1042"},
        Headers=[{"Name": "X-Order", "Value": "1042"}],
        HtmlBody='<img src="cid:logo">',
        Attachments=[
            {
                "Name": "a.png",
                "Content": "aGk=",
                "ContentType": "image/png",
                "ContentID": "cid:logo",
            },
            {"Name": "a.txt", "Content": "aGk=", "ContentType": "text/plain", "ContentID": None},
        ],
    )

    assert reply.status_code == 200, reply.text
    view = stored(application)
    assert (view.labels.tags, dict(view.labels.metadata)) == (("welcome",), {"order": "1042"})
    assert [file.content_id for file in view.detail.attachments] == ["logo", None]
    assert message(application)["X-Order"] == "1042"


@pytest.mark.parametrize(
    "fields",
    [
        {"From": None},
        {"To": None},
        {"HtmlBody": None},
        {"Headers": {"X-A": "1"}},
        {"Headers": [{"Name": "Bcc", "Value": "eve@example.org"}]},
        {"Metadata": {"a": 1}},
        {"Attachments": [{"Name": "a.txt", "Content": "#", "ContentType": "text/plain"}]},
        {"Attachments": ["a.txt"]},
        {"TemplateAlias": "welcome"},
        {"To": ["ada@example.org", 1]},
    ],
)
def test_what_cannot_be_done_is_refused(
    application: Application, client: FlaskClient, fields: dict[str, Any]
) -> None:
    reply = sent(client, **fields)

    assert (reply.status_code, reply.json["ErrorCode"]) == (422, 300)
    assert number_of_emails(application) == 0
