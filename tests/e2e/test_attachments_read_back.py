"""Messages with parts are read back by a mail client's parser (postal-mime) as they were given."""

import json
from base64 import b64decode, b64encode
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path
from typing import Any

import pytest

from adapters.fakes.sender import FakeSender
from application import ServicePolicy
from tests.applications import (
    a_client_with_config,
    an_application,
    an_email_body,
    deliver,
    delivery_rules,
)
from tests.node import run, with_packages
from tests.running import ROOT
from tests.unit.test_compose_parts import content_with, made
from tests.unit.test_mime_tree import CALENDAR, FILENAMES, INVITATION, LOGO, PDF, Attachment

FOLDER = ROOT / "tests/mail_parsers"
RAW_FILE = bytes(range(256)) * 1200  # stored apart
SIZES = (0, 1, 56, 57, 58, 76, 65_535)


@pytest.fixture(scope="module")
def parser(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the parser."""
    return with_packages(FOLDER, tmp_path_factory.mktemp("mail_parsers"))


def read(parser: Path, **fields: Any) -> Any:
    """What the parser finds in a message with these parts."""
    return read_octets(parser, b"From: a@b.c\r\n" + made(**fields).octets)


def read_octets(parser: Path, octets: bytes) -> Any:
    """What the parser finds in the message."""
    path = parser / "message.eml"
    path.write_bytes(octets)
    done = run("node", "read.mjs", str(path), folder=parser)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_everything_is_read_back(parser: Path) -> None:
    html = '<p>Grüße</p><img src="cid:logo">'
    found = read(parser, html=html, attachments=(LOGO, PDF), calendar=CALENDAR)
    assert found["subject"] == content_with().subject
    assert (found["text"].rstrip(), found["html"].rstrip()) == ("a", html)
    by_name = {part["filename"]: part for part in found["attachments"]}
    logo, pdf, invitation = by_name["logo.png"], by_name["report.pdf"], by_name["invite.ics"]
    assert (logo["disposition"], logo["content_id"]) == ("inline", "<logo>")
    assert (pdf["disposition"], pdf["content_id"]) == ("attachment", None)
    assert b64decode(logo["content"]) == LOGO.octets
    assert b64decode(pdf["content"]) == PDF.octets
    # it writes the lines of calendars anew
    assert b64decode(invitation["content"]).decode() == INVITATION
    [answerable] = [part for part in found["attachments"] if part["method"]]
    assert (answerable["content_type"], answerable["method"]) == ("text/calendar", "REQUEST")


def test_names_and_contents_are_read_back(parser: Path) -> None:
    contents = {f"{size} octets": bytes(n % 251 for n in range(size)) for size in SIZES}
    # it takes encoded words for what they look like, also where they are none
    contents |= dict.fromkeys([name for name in FILENAMES if "=?" not in name], b"x")
    for names in (list(contents)[:10], list(contents)[10:]):
        files = tuple(
            Attachment(
                filename=name, content_type="application/octet-stream", octets=contents[name]
            )
            for name in names
        )
        found = read(parser, attachments=files)["attachments"]
        assert [part["filename"] for part in found] == names
        assert [b64decode(part["content"]) for part in found] == [contents[name] for name in names]


def test_names_threads_and_headers_are_read_back(parser: Path) -> None:
    sender = FakeSender()
    application = an_application(
        sender=sender,
        rules=ServicePolicy(delivery=delivery_rules(), public_url="https://mail.example.com"),
    )
    client = a_client_with_config(application)
    body = an_email_body(
        recipients=["Ada Lovelace <ada@example.org>"],
        topic="news",
        reply_to=['"Büro, Ürzig" <help@example.org>'],
        in_reply_to=f"<{'a' * 60}@example.org>",
        headers={"X-Order": "7"},
        **{"from": {"address": "shop@example.com", "name": "山田太郎"}},
    )
    reply = client.post("/api/emails", json=body)
    assert reply.status_code == 201, reply.text
    answer = an_email_body(in_reply_to=1, cc=['"Hopper, Grace" <grace@example.org>'])
    assert client.post("/api/emails", json=answer).status_code == 201
    deliver(application)

    first, second = [read_octets(parser, taken.octets) for taken in sender.accepted]
    assert first["from"] == {"address": "shop@example.com", "name": "山田太郎"}
    assert first["to"] == [{"address": "ada@example.org", "name": "Ada Lovelace"}]
    assert first["reply_to"] == [{"address": "help@example.org", "name": "Büro, Ürzig"}]
    assert first["in_reply_to"] == first["references"] == body["in_reply_to"]
    assert first["headers"]["x-order"] == "7"
    assert first["headers"]["list-unsubscribe"].startswith("<https://mail.example.com/u/")
    assert first["headers"]["list-unsubscribe-post"] == "List-Unsubscribe=One-Click"
    assert second["in_reply_to"] == first["message_id"]
    assert second["references"].split() == [body["in_reply_to"], first["message_id"]]
    assert second["cc"] == [{"address": "grace@example.org", "name": "Hopper, Grace"}]


def test_the_parts_of_a_raw_message_are_read_back(parser: Path) -> None:
    made_by_client = EmailMessage(policy=SMTP)
    made_by_client["From"] = "Büro <shop@example.com>"
    made_by_client["Subject"] = "Grüße"
    made_by_client.set_content("Many Grüße.", cte="quoted-printable")
    made_by_client.add_attachment(
        RAW_FILE, maintype="application", subtype="pdf", filename="Prüfbericht – 日本.pdf"
    )
    sender = FakeSender()
    application = an_application(sender=sender)
    client = a_client_with_config(application)
    raw = b64encode(made_by_client.as_bytes()).decode()
    body = {"raw": raw, "recipients": ["ada@example.org"]}
    assert client.post("/api/emails/raw", json=body).status_code == 201
    deliver(application)

    found = read_octets(parser, sender.accepted[0].octets)
    assert (found["subject"], found["text"].rstrip()) == ("Grüße", "Many Grüße.")
    assert found["from"] == {"address": "shop@example.com", "name": "Büro"}
    [file] = found["attachments"]
    assert (file["filename"], file["content_type"]) == ("Prüfbericht – 日本.pdf", "application/pdf")
    assert b64decode(file["content"]) == RAW_FILE
