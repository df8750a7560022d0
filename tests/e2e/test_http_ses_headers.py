"""Orders to Amazon SES in the headers: only where the account that is named takes them."""

from base64 import b64encode

import pytest

from adapters.fakes.sender import FakeSender
from tests.applications import a_client_with_config, an_application, an_email_body, deliver
from tests.applications import pointers as pointers_of

TAGS = {"X-SES-MESSAGE-TAGS": "campaign=spring"}
RAW = (
    b"From: shop@example.com\r\nX-SES-CONFIGURATION-SET: news\r\n"
    b"X-SES-SOURCE-ARN: arn\r\n\r\nHi\r\n"
)


def a_service(*, ses_headers: bool = True):
    sender = FakeSender()
    application = an_application(sender=sender)
    client = a_client_with_config(application)
    shown = client.put("/api/smtp-configs/1", json={"ses_headers": ses_headers})
    assert (shown.status_code, client.get("/api/smtp-configs/1").json["ses_headers"]) == (
        200,
        ses_headers,
    )

    def message() -> bytes:
        deliver(application)
        [taken] = sender.accepted
        return taken.octets

    return client, message


def test_an_account_that_takes_them_gets_them_as_they_were_given():
    client, message = a_service()
    reply = client.post("/api/emails", json=an_email_body(headers=TAGS, smtp_config_id=1))
    assert reply.status_code == 201, reply.json
    assert b"X-SES-MESSAGE-TAGS: campaign=spring\r\n" in message()


@pytest.mark.parametrize(
    ("ses_headers", "named"), [(False, {"smtp_config_id": 1}), (True, {}), (False, {})]
)
def test_another_account_or_any_account_gets_none(ses_headers: bool, named: dict[str, int]):
    client, _ = a_service(ses_headers=ses_headers)
    reply = client.post("/api/emails", json=an_email_body(headers=TAGS, **named))
    assert (reply.status_code, reply.json["code"]) == (400, "header_reserved")
    assert pointers_of(reply) == ["/headers/X-SES-MESSAGE-TAGS"]
    assert "ses_headers" in reply.json["errors"][0]["message"]
    assert client.get("/api/emails").json == []


@pytest.mark.parametrize("name", ["X-SES-SOURCE-ARN", "X-SES-FROM-ARN", "X-SES-Anything"])
def test_no_account_takes_an_order_to_send_as_somebody_else(name: str):
    client, _ = a_service()
    body = an_email_body(headers={name: "arn:aws:ses:x"}, smtp_config_id=1)
    reply = client.post("/api/emails", json=body)
    assert (reply.status_code, reply.json["code"]) == (400, "header_reserved")


def test_the_items_of_a_batch_are_judged_each_by_its_own_account():
    client, _ = a_service()
    good = an_email_body(headers=TAGS, smtp_config_id=1)
    reply = client.post("/api/emails/batch", json={"emails": [good, an_email_body(headers=TAGS)]})
    assert reply.status_code == 400, reply.json
    assert pointers_of(reply) == ["/emails/1/headers/X-SES-MESSAGE-TAGS"]


@pytest.mark.parametrize(
    ("ses_headers", "named", "kept"),
    [(True, {"smtp_config_id": 1}, True), (True, {}, False), (False, {"smtp_config_id": 1}, False)],
)
def test_in_a_raw_message_they_are_kept_or_dropped(
    ses_headers: bool, named: dict[str, int], kept: bool
):
    client, message = a_service(ses_headers=ses_headers)
    body = {"raw": b64encode(RAW).decode(), "recipients": ["ada@example.org"], **named}
    reply = client.post("/api/emails/raw", json=body)
    assert reply.status_code == 201, reply.json
    octets = message()
    assert (b"X-SES-CONFIGURATION-SET: news\r\n" in octets) is kept
    assert b"SOURCE-ARN" not in octets
