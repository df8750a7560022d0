"""Attachments, inline images and invitations in the calls that submit email."""

import json
from base64 import b64encode
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from hashlib import sha256
from io import BytesIO
from typing import Any, cast

import pytest
from flask.testing import FlaskClient
from werkzeug.datastructures import FileStorage, MultiDict
from werkzeug.test import encode_multipart

from adapters.fakes.sender import FakeSender, Script
from application import ServicePolicy
from domain.intake import IntakeLimits
from domain.message.attachment import encoded_size
from tests.applications import (
    a_client_with_config,
    a_keyed_client,
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
    assert "/attachments/0/content" in pointers(reply)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"attachments": [a_file(filename="a.exe")]}, ["/attachments/0/filename"]),
        ({"attachments": [a_file(filename="../a")]}, ["/attachments/0/filename"]),
        ({"attachments": [a_file(filename="a\r\nBcc: b@c.de")]}, ["/attachments/0/filename"]),
        ({"attachments": [a_file(), a_file(content_type="pdf")]}, ["/attachments/1/content_type"]),
        ({"attachments": [a_file()] * 21}, ["/attachments"]),
        ({"attachments": [{"filename": "a.txt"}]}, ["/attachments/0"]),
        ({"attachments": [a_file(attachment_id="a")]}, ["/attachments/0"]),
        ({"attachments": [{"content": "QUJD"}]}, ["/attachments/0/filename"]),
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
    rules = ServicePolicy(delivery=delivery_rules(), intake=limits)
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


# -- uploads ---------------------------------------------------------------------------------------

LARGE = bytes(range(251)) * 2000


def uploaded(client: FlaskClient, octets: bytes = LARGE, **fields: str) -> Any:
    return client.post("/api/attachments", data=octets, **fields)  # type: ignore[arg-type] - texts


def test_a_file_is_uploaded_as_it_is() -> None:
    reply = uploaded(a_client_with_config(), content_type="image/png")
    assert reply.status_code == 201, reply.text
    shown = reply.json
    assert len(shown.pop("attachment_id")) == 32
    assert shown == {
        "sha256": sha256(LARGE).hexdigest(),
        "size": len(LARGE),
        "content_type": "image/png",
    }


def test_a_file_is_uploaded_as_the_part_of_a_form() -> None:
    client = a_client_with_config()
    reply = client.post(
        "/api/attachments", **encoded(("file", stored(LARGE, "a.png", "image/png")))
    )
    assert reply.status_code == 201, reply.text
    assert (reply.json["size"], reply.json["content_type"]) == (len(LARGE), "image/png")


def test_a_file_of_a_form_without_a_type_has_that_of_its_name() -> None:
    client = a_client_with_config()
    reply = client.post("/api/attachments", **encoded(("file", stored(LARGE, "a.PDF", ""))))
    assert reply.json["content_type"] == "application/pdf"


@pytest.mark.parametrize("kind", [None, "application/x-www-form-urlencoded"])
def test_a_file_of_which_nothing_is_said_is_octets(kind: str | None) -> None:
    client = a_client_with_config()
    reply = client.post("/api/attachments", data=LARGE, content_type=kind)
    assert reply.json["content_type"] == "application/octet-stream"


def test_an_empty_file_is_refused() -> None:
    reply = uploaded(a_client_with_config(), b"")
    assert pointers(reply) == [""]


def test_an_upload_is_attached_by_its_id() -> None:
    sender = FakeSender()
    application = an_application(sender=sender)
    client = a_client_with_config(application)
    upload_id = uploaded(client).json["attachment_id"]
    file = {"filename": "a.bin", "attachment_id": upload_id}
    body = {"emails": [an_email_body(attachments=[file])] * 3}
    assert client.post("/api/emails/batch", json=body).status_code == 201
    assert deliver(application) == 3
    for accepted in sender.accepted:
        message = message_from_bytes(accepted.octets, policy=default)
        [part] = message.iter_attachments()
        assert cast(EmailMessage, part).get_content() == LARGE
    assert client.get("/api/emails/1").json["attachments"] == [
        {
            "filename": "a.bin",
            "content_type": "application/octet-stream",
            "size": len(LARGE),
            "content_id": None,
        }
    ]


def test_an_upload_of_another_key_is_not_there() -> None:
    application = an_application()
    a_client_with_config(application)
    ours, theirs = (a_keyed_client(application, "send") for _ in range(2))
    upload_id = uploaded(ours).json["attachment_id"]
    body = an_email_body(attachments=[{"filename": "a.bin", "attachment_id": upload_id}])
    reply = theirs.post("/api/emails", json=body)
    assert pointers(reply) == ["/attachments/0/attachment_id"]
    assert reply.json["code"] == "attachment_unknown"
    assert ours.post("/api/emails", json=body).status_code == 201


def test_who_may_only_read_uploads_nothing() -> None:
    assert uploaded(a_keyed_client(an_application(), "read")).status_code == 403


def test_an_upload_has_the_type_of_one_part() -> None:
    reply = uploaded(a_client_with_config(), content_type="multipart/mixed; boundary=x")
    assert pointers(reply) == ["/content_type"]


def test_a_file_larger_than_a_body_may_be_is_refused() -> None:
    client = a_client_with_config(max_body_bytes=1000)
    assert uploaded(client, b"x" * 1000).status_code == 201
    assert uploaded(client, b"x" * 1001).status_code == 413


def test_another_sites_page_uploads_nothing() -> None:
    for path in ("/api/attachments", "/api/emails"):
        form = {"file": (BytesIO(b"x"), "a.png")}
        reply = a_client_with_config().post(
            path, data=form, headers={"Origin": "https://evil.example"}
        )
        assert reply.status_code == 403


# -- forms -----------------------------------------------------------------------------------------


def a_form(*files: tuple[bytes, str] | tuple[bytes, str, str], **fields: Any) -> dict[str, Any]:
    email = json.dumps(an_email_body(**fields))
    return encoded(("email", email), *(("file", stored(*file)) for file in files))


def encoded(*parts: tuple[str, Any]) -> dict[str, Any]:
    """The body of a form. The boundary that the client would make itself is now and then longer
    than the 70 characters that RFC 2046 allows.
    """
    boundary, body = encode_multipart(MultiDict(parts), boundary="=_tests")
    return {"data": body, "content_type": f'multipart/form-data; boundary="{boundary}"'}


def stored(octets: bytes, name: str, content_type: str | None = None) -> FileStorage:
    return FileStorage(BytesIO(octets), name, content_type=content_type)


def posted(*files: Any, **fields: Any) -> tuple[Any, EmailMessage | None]:
    """The reply, and the message if there is one."""
    sender = FakeSender()
    application = an_application(sender=sender)
    reply = a_client_with_config(application).post("/api/emails", **a_form(*files, **fields))
    deliver(application)
    taken = sender.accepted
    return reply, message_from_bytes(taken[0].octets, policy=default) if taken else None


def test_a_form_has_the_email_and_its_files() -> None:
    files = [(PDF, "Prüfbericht.pdf"), (LARGE, "b.bin", "application/x-b")]
    reply, message = posted(*files, attachments=[a_file(b"first")])
    assert reply.status_code == 201, reply.text
    assert message is not None
    found = [cast(EmailMessage, part) for part in message.iter_attachments()]
    assert [(part.get_filename(), part.get_content_type()) for part in found] == [
        ("invoice.pdf", "application/pdf"),
        ("Prüfbericht.pdf", "application/pdf"),
        ("b.bin", "application/x-b"),
    ]
    assert [part.get_content() for part in found] == [b"first", PDF, LARGE]


def test_what_is_wrong_with_a_form_is_refused_with_its_place() -> None:
    assert pointers(posted((PDF, "a.pdf"), subject="")[0]) == ["/subject"]
    reply, _ = posted((PDF, "a.exe"), attachments=[a_file()])
    assert pointers(reply) == ["/attachments/1/filename"]
    assert pointers(posted(*[(PDF, "a.pdf")] * 21)[0]) == ["/attachments"]


def test_a_part_with_a_content_id_is_an_image_within_the_html() -> None:
    client = a_client_with_config()
    body = json.dumps(an_email_body(html_content=SHOWN_LOGO))
    octets = (
        f'--b\r\nContent-Disposition: form-data; name="email"\r\n\r\n{body}\r\n--b\r\n'
        'Content-Disposition: form-data; name="file"; filename="logo.png"\r\n'
        "Content-ID: <logo>\r\n\r\nPNG\r\n--b--\r\n"
    ).encode()
    reply = client.post("/api/emails", data=octets, content_type="multipart/form-data; boundary=b")
    assert reply.status_code == 201, reply.text
    [shown] = client.get("/api/emails/1").json["attachments"]
    assert shown["content_id"] == "logo"


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"--b--\r\n",
        b'--b\r\nContent-Disposition: form-data; name="email"\r\n\r\n{}',
        b'--b\r\nContent-Disposition: form-data; name="email"\r\n' + b"x: y\r\n" * 50_000,
        b"--b\r\n\r\n\r\n--b--\r\n",
        b'--b\r\nContent-Disposition: form-data; name="other"\r\n\r\n{}\r\n--b--\r\n',
        b"--b\r\nContent-Disposition: \xff\r\n\r\n{}\r\n--b--\r\n",
        b'--b\r\nContent-Disposition: form-data; name="email"\r\n\r\n{}\r\n' * 30 + b"--b--\r\n",
    ],
)
def test_a_form_that_is_none_is_refused(octets: bytes) -> None:
    reply = a_client_with_config().post(
        "/api/emails", data=octets, content_type="multipart/form-data; boundary=b"
    )
    assert reply.status_code == 400
    assert reply.json["code"] == "invalid_form"


@pytest.mark.parametrize("boundary", ["x" * 71, '""'])
def test_a_form_without_a_good_boundary_is_refused(boundary: str) -> None:
    kind = f"multipart/form-data; boundary={boundary}"
    reply = a_client_with_config().post("/api/emails", data=b"x", content_type=kind)
    assert reply.json["code"] == "invalid_form"


def test_the_json_of_a_form_keeps_to_the_rules_of_json() -> None:
    reply = a_client_with_config().post(
        "/api/emails", data={"email": '{"a": NaN}'}, content_type="multipart/form-data"
    )
    assert (reply.json["code"], pointers(reply)) == ("invalid_json", ["/email"])


def test_the_same_key_with_another_file_of_a_form_is_another_call() -> None:
    client = a_client_with_config()
    key = {"Idempotency-Key": "k"}

    def post(octets: bytes, name: str = "a.pdf") -> int:
        form = a_form((octets, name))
        return client.post("/api/emails", **form, headers=key).status_code

    assert [post(PDF), post(PDF), post(PNG), post(PDF, "b.pdf")] == [201, 201, 409, 409]


def test_a_batch_is_no_form() -> None:
    assert a_client_with_config().post("/api/emails/batch", **a_form()).status_code == 415


# -- sizes -----------------------------------------------------------------------------------------


def test_a_message_larger_than_the_mail_server_takes_is_refused() -> None:
    sender = FakeSender(Script(extensions=("SIZE 50000",)))
    application = an_application(sender=sender)
    client = a_client_with_config(application)
    client.post("/api/emails", json=an_email_body())
    deliver(application)
    assert client.get("/api/smtp-configs/1").json["max_message_bytes"] == 50_000

    reply = client.post("/api/emails", json=an_email_body(attachments=[a_file(LARGE)]))

    assert (reply.status_code, reply.json["code"]) == (413, "message_too_large")


def test_a_file_of_20_mib_is_larger_in_base64_than_a_server_takes_that_takes_25_mib() -> None:
    assert encoded_size(20 * 2**20) == 28_697_870  # lines of 76 characters, each with its CRLF
    sender = FakeSender(Script(extensions=(f"SIZE {25 * 2**20}",)))
    application = an_application(sender=sender)
    client = a_client_with_config(application, max_body_bytes=30 * 2**20)
    client.post("/api/emails", json=an_email_body())
    deliver(application)

    def sent(size: int) -> Any:
        upload_id = uploaded(client, bytes(size)).json["attachment_id"]
        files = [{"filename": "report.pdf", "attachment_id": upload_id}]
        return client.post("/api/emails", json=an_email_body(attachments=files))

    refused = sent(20 * 2**20)
    assert (refused.status_code, refused.json["code"]) == (413, "message_too_large")
    assert len(client.get("/api/emails").json) == 1
    assert sent(18 * 2**20).status_code == 201
