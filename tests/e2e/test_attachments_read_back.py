"""Messages with parts are read back by a mail client's parser (postal-mime) as they were given."""

import json
from base64 import b64decode
from pathlib import Path
from typing import Any

import pytest

from tests.node import run, with_packages
from tests.running import ROOT
from tests.unit.test_compose_parts import content_with, made
from tests.unit.test_mime_tree import CALENDAR, FILENAMES, INVITATION, LOGO, PDF, Attachment

FOLDER = ROOT / "tests/mail_parsers"
SIZES = (0, 1, 56, 57, 58, 76, 65_535)


@pytest.fixture(scope="module")
def parser(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the parser."""
    return with_packages(FOLDER, tmp_path_factory.mktemp("mail_parsers"))


def read(parser: Path, **fields: Any) -> Any:
    """What the parser finds in a message with these parts."""
    path = parser / "message.eml"
    path.write_bytes(b"From: a@b.c\r\n" + made(**fields).octets)
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
