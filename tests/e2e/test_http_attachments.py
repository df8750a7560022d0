"""Attachments, inline images and invitations in the calls that submit email."""

from base64 import b64encode
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any, cast

import pytest

from adapters.fakes.sender import FakeSender
from application import ServiceRules
from domain.intake import IntakeLimits
from tests.applications import (
    a_client_with_config,
    an_application,
    an_email_body,
    deliver,
    delivery_rules,
    pointers,
)
from tests.unit.test_mime_tree import INVITATION, shape

PDF = b"%PDF-1.7\n\x00\xff"
PNG = b"\x89PNG\r\n\x1a\n"


def a_file(octets: bytes = PDF, **fields: str) -> dict[str, str]:
    return {"filename": "invoice.pdf", "content": b64encode(octets).decode(), **fields}


A_LOGO = a_file(PNG, filename="logo.png", content_id="logo")
SHOWN_LOGO = '<img src="cid:logo" alt="Logo">'


def delivered(**fields: Any) -> EmailMessage:
    """The message that a server gets of an email with these fields."""
    sender = FakeSender()
    application = an_application(sender=sender)
    client = a_client_with_config(application)
    reply = client.post("/api/emails", json=an_email_body(**fields))
    assert reply.status_code == 201, reply.text
    assert deliver(application) == 1
    return message_from_bytes(sender.accepted[0].octets, policy=default)


def refused(**fields: Any) -> Any:
    return a_client_with_config().post("/api/emails", json=an_email_body(**fields))


def test_an_email_is_sent_with_its_files_byte_for_byte() -> None:
    files = [a_file(), a_file(b"", filename="Prüfbericht – 日本.txt", content_type="text/x-log")]
    message = delivered(attachments=files)
    assert (
        shape(message) == "mixed(alternative(text/plain, text/html), application/pdf, text/x-log)"
    )
    first, second = (cast(EmailMessage, part) for part in message.iter_attachments())
    assert (first.get_filename(), first.get_content()) == ("invoice.pdf", PDF)
    assert (second.get_filename(), second.get_content()) == ("Prüfbericht – 日本.txt", "")


def test_an_inline_image_stands_beside_the_html() -> None:
    message = delivered(html_content=SHOWN_LOGO, attachments=[A_LOGO])
    assert shape(message) == "alternative(text/plain, related(text/html, image/png))"


def test_an_invitation_is_an_alternative_and_a_file() -> None:
    message = delivered(calendar={"content": INVITATION, "method": "REQUEST"})
    assert shape(message) == (
        "mixed(alternative(text/plain, text/html, text/calendar), application/ics)"
    )


def test_the_attachments_of_an_email_are_shown() -> None:
    client = a_client_with_config()
    body = an_email_body(html_content=SHOWN_LOGO, attachments=[a_file(), A_LOGO])
    client.post("/api/emails", json=body)
    assert client.get("/api/emails/1").json["attachments"] == [
        {
            "filename": "invoice.pdf",
            "content_type": "application/pdf",
            "size": len(PDF),
            "content_id": None,
        },
        {
            "filename": "logo.png",
            "content_type": "image/png",
            "size": len(PNG),
            "content_id": "logo",
        },
    ]


def test_an_email_without_attachments_shows_none() -> None:
    client = a_client_with_config()
    client.post("/api/emails", json=an_email_body())
    assert client.get("/api/emails/1").json["attachments"] == []


@pytest.mark.parametrize("content", ["QUJ D", "QUJD\n", "QUI", "QU-_", "QUI=QUI=", "ü", 1, None])
def test_content_that_is_not_exactly_base64_is_refused(content: object) -> None:
    reply = refused(attachments=[{"filename": "a.txt", "content": content}])
    assert pointers(reply) == ["/attachments/0/content"]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"attachments": [a_file(filename="a.exe")]}, ["/attachments/0/filename"]),
        ({"attachments": [a_file(filename="../a")]}, ["/attachments/0/filename"]),
        ({"attachments": [a_file(filename="a\r\nBcc: b@c.de")]}, ["/attachments/0/filename"]),
        ({"attachments": [a_file(), a_file(content_type="pdf")]}, ["/attachments/1/content_type"]),
        ({"attachments": [a_file()] * 21}, ["/attachments"]),
        ({"attachments": [{"filename": "a.txt"}]}, ["/attachments/0/content"]),
        ({"attachments": [a_file(path="/etc/passwd")]}, ["/attachments/0/path"]),
        ({"attachments": None}, ["/attachments"]),
        ({"calendar": {"content": INVITATION, "method": "PUBLISH"}}, ["/calendar/method"]),
        ({"calendar": {"content": "BEGIN", "method": "REQUEST"}}, ["/calendar/content"]),
    ],
)
def test_what_is_wrong_with_a_part_is_refused_with_its_place(
    fields: dict[str, Any], expected: list[str]
) -> None:
    assert pointers(refused(**fields)) == expected


def test_an_image_that_is_not_there_is_refused() -> None:
    reply = refused(html_content='<img src="cid:x">')
    assert pointers(reply) == ["/html_content"]
    assert reply.json["code"] == "cid_unknown"


def test_an_image_that_is_not_shown_is_refused() -> None:
    reply = refused(attachments=[A_LOGO])
    assert pointers(reply) == ["/attachments/0/content_id"]
    assert reply.json["code"] == "cid_unused"


def test_a_wrong_attachment_in_a_batch_is_refused_with_its_place() -> None:
    wrong = an_email_body(attachments=[a_file(), a_file(filename="a.exe")])
    client = a_client_with_config()
    reply = client.post("/api/emails/batch", json={"emails": [an_email_body(), wrong]})
    assert pointers(reply) == ["/emails/1/attachments/1/filename"]
    each = {"emails": [an_email_body(), wrong], "mode": "each"}
    results = client.post("/api/emails/batch", json=each).json["results"]
    assert results[1]["error"]["errors"][0]["pointer"] == "/attachments/1/filename"


def test_an_owner_decides_which_files_are_sent() -> None:
    limits = IntakeLimits(denied_files=frozenset({"pdf"}))
    rules = ServiceRules(delivery=delivery_rules(), intake=limits)
    client = a_client_with_config(an_application(rules=rules))
    reply = client.post("/api/emails", json=an_email_body(attachments=[a_file()]))
    assert pointers(reply) == ["/attachments/0/filename"]
    allowed = an_email_body(attachments=[a_file(filename="a.exe")])
    assert client.post("/api/emails", json=allowed).status_code == 201


def test_the_same_key_with_another_file_is_another_call() -> None:
    client = a_client_with_config()
    key = {"Idempotency-Key": "k"}
    first, other = (an_email_body(attachments=[a_file(octets)]) for octets in (PDF, PNG))
    assert client.post("/api/emails", json=first, headers=key).status_code == 201
    assert client.post("/api/emails", json=first, headers=key).json["email_id"] == 1
    assert client.post("/api/emails", json=other, headers=key).status_code == 409
