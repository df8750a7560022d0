"""The parts of a message in the sandbox: the tree, its files, and the images that it brings."""

import os
import re
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import SMTP
from time import process_time

import pytest
from flask import Flask
from flask.testing import FlaskClient

from adapters.fakes.clock import FakeClock
from adapters.message_reader import BoundedMessageReader
from adapters.message_reader.letter import part_octets, read_letter
from adapters.sandbox_inbox import SandboxInbox
from domain.message.letter import Letter
from entrypoints.http.sandbox import Sandbox

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256))
EVIL = '"><script>alert(1)</script>'


@pytest.fixture
def inbox() -> SandboxInbox:
    return SandboxInbox(clock=FakeClock(), reader=BoundedMessageReader(), port=0)


@pytest.fixture
def pages(inbox: SandboxInbox) -> FlaskClient:
    app = Flask("sandbox-test")
    app.register_blueprint(Sandbox(inbox).routes())
    return app.test_client()


def a_message(*, file: bytes = b"%PDF-1.7", filename: str = "Prüfbericht – 日本.pdf") -> bytes:
    message = EmailMessage()
    message["Subject"] = "Invoice"
    message.set_content("Hello")
    message.add_alternative('<p>Hello <img src="cid:logo@x" alt="Logo"></p>', subtype="html")
    html = message.get_payload()[1]  # type: ignore[index]
    html.add_related(PNG, "image", "png", cid="<logo@x>", filename="logo.png")  # type: ignore[union-attr]
    message.add_attachment(file, "application", "pdf", filename=filename)
    return message.as_bytes(policy=SMTP)


def letter_of(octets: bytes) -> Letter:
    return read_letter(octets, ["bob@example.com"])


def test_the_parts_are_listed_as_the_tree_that_they_are() -> None:
    parts = letter_of(a_message()).parts

    assert [(part.depth, part.content_type, part.size) for part in parts] == [
        (0, "multipart/mixed", None),
        (1, "multipart/alternative", None),
        (2, "text/plain", len("Hello\r\n")),
        (2, "multipart/related", None),
        (3, "text/html", parts[4].size),
        (3, "image/png", len(PNG)),
        (1, "application/pdf", 8),
    ]
    assert parts[6].filename == "Prüfbericht – 日本.pdf"
    assert parts[6].disposition == "attachment"
    assert parts[5].content_id == "logo@x"


@pytest.mark.parametrize("size", [0, 1, 57, 30_000, 200_000, 5_000_000])
def test_a_file_is_downloaded_byte_for_byte_whatever_its_size(size: int) -> None:
    file = os.urandom(size)
    octets = a_message(file=file)

    assert part_octets(octets, 6) == file
    assert letter_of(octets).parts[6].size == size
    assert not letter_of(octets).cut


def test_a_text_that_looks_like_base64_is_shown_as_it_is() -> None:
    lines = "A" * 76 + "\r\n"
    octets = b"Subject: x\r\n\r\n" + lines.encode() * 1000

    assert letter_of(octets).text == lines * 1000


@pytest.mark.parametrize("encoding", ["7bit", "quoted-printable", "x-unknown", "base64"])
def test_a_large_run_of_base64_is_no_error_in_any_encoding(encoding: str) -> None:
    octets = (
        f"Content-Transfer-Encoding: {encoding}\r\n\r\n".encode() + (b"QUJD" * 19 + b"\r\n") * 999
    )

    expected = b"ABC" * 19 * 999 if encoding == "base64" else (b"QUJD" * 19 + b"\r\n") * 999
    assert (part_octets(octets, 0) or b"").rstrip() == expected.rstrip()


def test_a_broken_run_of_base64_is_downloaded_as_it_came() -> None:
    octets = b"Content-Transfer-Encoding: base64\r\n\r\n" + (b"Q" * 77 + b"\r\n").join([b""] * 2)
    octets += (b"QUJD" * 19 + b"\r\n") * 500 + b"Q"

    assert part_octets(octets, 0)


def test_a_container_and_a_part_that_is_not_there_have_no_octets() -> None:
    assert part_octets(a_message(), 0) is None
    assert part_octets(a_message(), 99) is None
    assert part_octets(b"", 1) is None


def test_the_html_is_shown_with_the_images_that_the_message_brings(inbox, pages) -> None:
    inbox.keep("a@example.com", ["b@example.com"], a_message())

    page = pages.get("/sandbox/1/html").get_data(as_text=True)

    assert 'src="data:image/png;base64,iVBORw0KGgo' in page
    assert "cid:" not in page


def test_an_image_that_could_run_something_stays_away(inbox, pages) -> None:
    octets = a_message().replace(b"image/png", b"image/svg+xml")
    inbox.keep("a@example.com", ["b@example.com"], octets)

    assert "data:" not in pages.get("/sandbox/1/html").get_data(as_text=True)


def test_no_more_images_are_put_in_than_a_page_can_bear(inbox, pages) -> None:
    image = os.urandom(3 * 1024**2)
    message = EmailMessage()
    message.set_content("".join(f'<img src="cid:{n}">' for n in range(4)), subtype="html")
    for n in range(4):
        message.add_related(image, "image", "png", cid=f"<{n}>")
    inbox.keep("a@example.com", ["b@example.com"], message.as_bytes(policy=SMTP))

    assert pages.get("/sandbox/1/html").get_data().count(b"data:image/png") == 2


def test_the_page_links_every_part_and_its_file_is_kept_under_its_own_name(inbox, pages) -> None:
    inbox.keep("a@example.com", ["b@example.com"], a_message())

    page = pages.get("/sandbox/1/parts").get_data(as_text=True)
    file = pages.get("/sandbox/1/parts/6")

    page = page[page.index("<table") :]
    assert re.findall(r'href="(/sandbox/1/parts/\d+)"', page) == [
        f"/sandbox/1/parts/{n}" for n in (2, 4, 5, 6)
    ]
    assert "Prüfbericht – 日本.pdf" in page
    assert file.data == b"%PDF-1.7"
    assert file.headers["Content-Disposition"] == (
        'attachment; filename="Pr_fbericht _ __.pdf"; '
        "filename*=UTF-8''Pr%C3%BCfbericht%20%E2%80%93%20%E6%97%A5%E6%9C%AC.pdf"
    )


@pytest.mark.parametrize("filename", [EVIL, "a\tb", "../../etc/passwd", "x;y=z", 'q"\\'])
def test_t_xss_no_name_of_a_file_reaches_further_than_its_place(inbox, pages, filename) -> None:
    inbox.keep("a@example.com", ["b@example.com"], a_message(filename=filename))

    page = pages.get("/sandbox/1/parts").get_data(as_text=True)
    file = pages.get("/sandbox/1/parts/6")

    assert "<script>" not in page
    assert file.content_type == "application/octet-stream"
    assert file.headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in file.headers["Content-Security-Policy"]
    assert re.fullmatch(
        r'attachment; filename="[^"\\/\r\n]+"; filename\*=UTF-8\'\'[A-Za-z0-9%._~-]+',
        file.headers["Content-Disposition"],
    )


def test_t_xss_the_source_is_text_whatever_stands_in_it(inbox, pages) -> None:
    inbox.keep("a@example.com", ["b@example.com"], b"Subject: x\r\n\r\n" + EVIL.encode())

    page = pages.get("/sandbox/1/source").get_data(as_text=True)

    assert "&lt;script&gt;alert(1)" in page
    assert "<script>" not in page


def test_a_message_of_twenty_megabytes_is_read_nearly_as_quickly_as_the_parser_reads_two() -> None:
    large, small = a_message(file=os.urandom(20_000_000)), a_message(file=os.urandom(2_000_000))

    def seconds(work: object) -> float:
        began = process_time()
        work()  # type: ignore[operator]
        return process_time() - began

    ours = min(seconds(lambda: letter_of(large)) for _ in range(3))
    theirs = min(seconds(lambda: BytesParser().parsebytes(small)) for _ in range(3))
    assert ours < 20 * theirs


@pytest.mark.parametrize("path", ["/9/parts/0", "/1/parts/0", "/1/parts/99", "/9/source"])
def test_what_is_not_there_is_not_found(inbox, pages, path) -> None:
    inbox.keep("a@example.com", ["b@example.com"], a_message())

    assert pages.get(f"/sandbox{path}").status_code == 404
