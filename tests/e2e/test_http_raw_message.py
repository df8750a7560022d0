"""A message that the client made: its envelope, its From, and what is refused."""

import os
from base64 import b64encode, encodebytes
from email.message import EmailMessage

import pytest

from adapters.fakes.sender import FakeSender
from domain.message.raw_blobs import LARGEST_TOGETHER
from tests.applications import (
    a_client_with_config,
    a_config_body,
    a_keyed_client,
    an_application,
    an_email_body,
    deliver,
)

PATH = "/api/emails/raw"
MESSAGE = (
    b"From: Ada <shop@example.com>\nTo: team@example.org\nBcc: eve@example.org\n"
    b"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\nContent-Type: text/plain\n\nHello\n.\n"
)


def a_raw_body(octets: bytes = MESSAGE, **changes):
    body = {"raw": b64encode(octets).decode(), "recipients": ["grace@example.org"]}
    return {**body, **changes}


def test_it_goes_to_the_recipients_of_the_call_alone():
    sender = FakeSender()
    application = an_application(sender=sender)
    client = a_client_with_config(application)
    answer = client.post(PATH, json=a_raw_body())
    deliver(application)
    [taken] = sender.accepted

    assert (answer.status_code, answer.headers["Location"]) == (201, "/api/emails/1")
    assert [str(one) for one in taken.envelope.recipients] == ["grace@example.org"]
    assert str(taken.envelope.sender) == "shop@example.com"
    assert taken.octets.startswith(b"From: Ada <shop@example.com>\r\n")
    assert b"\r\nTo: team@example.org\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n" in taken.octets
    assert taken.octets.endswith(b"\r\n\r\nHello\r\n.\r\n")
    assert b"eve@" not in taken.octets


def test_a_from_without_a_name_is_given_none():
    sender = FakeSender()
    application = an_application(sender=sender)
    client = a_client_with_config(application)
    octets = MESSAGE.replace(b"Ada <shop@example.com>", b"shop@example.com")
    client.post(PATH, json=a_raw_body(octets))
    deliver(application)
    [taken] = sender.accepted
    shown = client.get("/api/emails/1").get_json()

    assert taken.octets.startswith(b"From: shop@example.com\r\n")
    assert shown["from"] == {"address": "shop@example.com", "name": ""}


def test_it_is_shown_as_any_email():
    client = a_client_with_config()
    changes = {
        "priority": 1,
        "smtp_config_id": 1,
        "send_at": "2026-01-06T09:00:00Z",
        "expires_at": "2026-01-07T09:00:00Z",
        "tags": ["invoice"],
        "metadata": {"order": "7"},
        "at_most_once": True,
    }
    octets = b"Message-ID: <1@example.net>\nReply-To: help@example.org\n" + MESSAGE
    assert client.post(PATH, json=a_raw_body(octets, **changes)).status_code == 201
    shown = client.get("/api/emails/1").get_json()

    assert shown["subject"] == "Grüße"
    assert shown["from"] == {"address": "shop@example.com", "name": "Ada"}
    assert shown["recipients"] == ["grace@example.org"]
    assert (shown["reply_to"], shown["in_reply_to"], shown["attachments"]) == ([], None, [])
    assert shown["message_id"] == "<1@example.net>"
    assert (shown["status"], shown["priority"], shown["at_most_once"]) == ("scheduled", 1, True)
    assert (shown["tags"], shown["metadata"]) == (["invoice"], {"order": "7"})
    assert shown["send_at"].startswith("2026-01-06T09:00:00")
    assert shown["expires_at"].startswith("2026-01-07T09:00:00")
    assert client.get("/api/emails/1/raw").data.endswith(b"\r\n\r\nHello\r\n.\r\n")


def test_from_chooses_the_account_that_has_it_as_an_alias():
    client = a_client_with_config()
    other = a_config_body(name="other", email_address="me@b.example", aliases=["*@c.example"])
    assert client.post("/api/smtp-configs", json=other).status_code == 201
    octets = MESSAGE.replace(b"shop@example.com", b"news@c.example")
    assert client.post(PATH, json=a_raw_body(octets)).status_code == 201

    shown = client.get("/api/emails/1").get_json()
    assert (shown["smtp_config"], shown["sender"]) == ("other", "me@b.example")
    assert shown["from"]["address"] == "news@c.example"
    assert shown["message_id"].endswith("@c.example>")


@pytest.mark.parametrize("changes", [{}, {"smtp_config_id": 1}])
def test_a_from_that_no_account_has_is_refused(client, changes):
    octets = MESSAGE.replace(b"shop@example.com", b"me@bank.example")
    answer = client.post(PATH, json=a_raw_body(octets, **changes))

    assert (answer.status_code, answer.get_json()["code"]) == (400, "from_not_allowed")
    assert [one["pointer"] for one in answer.get_json()["errors"]] == ["/raw"]


@pytest.mark.parametrize(
    ("octets", "told"),
    [
        (MESSAGE + "ü".encode(), "encode"),
        (MESSAGE + b"\0", "NUL"),
        (MESSAGE + b"\r.\r", "CR"),
        (b"From me\n" + MESSAGE, "mailbox"),
        (b"From: eve@example.org\n" + MESSAGE, "more than once"),
        (b"Sender: eve@example.org\n" + MESSAGE, "Sender"),
        (b"", "no empty line"),
    ],
)
def test_a_message_that_cannot_be_sent_as_it_is_is_refused_with_the_reason(client, octets, told):
    answer = client.post(PATH, json=a_raw_body(octets)).get_json()

    assert (answer["status"], answer["code"]) == (400, "invalid_message")
    assert [one["pointer"] for one in answer["errors"]] == ["/raw"]
    assert told in answer["detail"]


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"raw": "QUJ D"}, "/raw"),
        ({"raw": "QUJD\n"}, "/raw"),
        ({"raw": "QUJ"}, "/raw"),
        ({"raw": 1}, "/raw"),
        ({"recipients": []}, "/recipients"),
        ({"recipients": ["nobody"]}, "/recipients/0"),
        ({"subject": "Hi"}, "/subject"),
        ({"cc": ["a@b.example"]}, "/cc"),
    ],
)
def test_fields_that_are_wrong_are_named(client, changes, pointer):
    answer = client.post(PATH, json=a_raw_body(**changes))

    assert answer.status_code == 400
    assert [one["pointer"] for one in answer.get_json()["errors"]] == [pointer]


def test_the_same_call_twice_is_one_email_and_another_message_a_conflict():
    client = a_client_with_config()
    key = {"Idempotency-Key": "a"}
    answers = [client.post(PATH, json=a_raw_body(), headers=key) for _ in range(2)]
    other = client.post(PATH, json=a_raw_body(MESSAGE + b"!"), headers=key)

    assert [answer.get_json()["email_id"] for answer in answers] == [1, 1]
    assert (other.status_code, other.get_json()["code"]) == (409, "idempotency_mismatch")
    assert len(client.get("/api/emails").get_json()) == 1


def test_a_large_file_is_handed_off_as_it_stood():
    sender = FakeSender()
    application = an_application(sender=sender)
    client = a_client_with_config(application)
    message = EmailMessage()
    message["From"] = "shop@example.com"
    message.set_content("See the file.")
    message.add_attachment(os.urandom(3_000_000), maintype="image", subtype="png", filename="a.png")
    octets = message.as_bytes().replace(b"\n", b"\r\n")
    assert client.post(PATH, json=a_raw_body(octets)).status_code == 201
    deliver(application)
    whole = sender.accepted[0].octets

    body = octets.partition(b"\r\n\r\n")[2]
    assert whole.endswith(b"\r\n\r\n" + body)
    assert client.get("/api/emails/1/raw").data == whole


@pytest.mark.parametrize("lines", [b"Hello\n", encodebytes(b"a" * 40)])
def test_what_is_large_and_no_file_in_base64_is_413(client, lines):
    octets = MESSAGE + lines * (LARGEST_TOGETHER // len(lines))
    answer = client.post(PATH, json=a_raw_body(octets))

    assert (answer.status_code, answer.get_json()["code"]) == (413, "message_too_large")


def test_a_key_sends_only_by_its_accounts():
    application = an_application()
    client = a_client_with_config(application)
    other = a_config_body(name="other", email_address="me@b.example")
    assert client.post("/api/smtp-configs", json=other).status_code == 201
    keyed = a_keyed_client(application, "send", accounts={2})
    reader = a_keyed_client(application, "read")

    assert keyed.post(PATH, json=a_raw_body()).get_json()["code"] == "from_not_allowed"
    assert reader.post(PATH, json=a_raw_body()).status_code == 403


def test_an_answer_to_it_names_its_message_id():
    client = a_client_with_config()
    octets = b"Message-ID: <1@example.net>\nReferences: <0@example.net>\n" + MESSAGE
    client.post(PATH, json=a_raw_body(octets))
    client.post("/api/emails", json=an_email_body(in_reply_to=1))
    reply = client.get("/api/emails/2/raw").data

    assert b"In-Reply-To: <1@example.net>\r\nReferences: <0@example.net> <1@example.net>" in reply
