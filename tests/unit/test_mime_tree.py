"""The tree of a message with attachments is the one that mail readers expect, and is read back."""

from base64 import encodebytes
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import InvalidInput
from domain.message.attachment import (
    CHUNK,
    DENIED,
    Attachment,
    Blob,
    check_attachment,
    encoded_size,
    extension,
    type_of,
)
from domain.message.calendar import CalendarMethod, CalendarPart, check_calendar
from domain.message.mime_tree import Entity, base64_lines, joined, tree

INVITATION = """BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//example.org//EN
METHOD:REQUEST
BEGIN:VEVENT
UID:1@example.org
DTSTAMP:20261130T120000Z
DTSTART:20261201T090000Z
DTEND:20261201T100000Z
ORGANIZER:mailto:ada@example.org
ATTENDEE;RSVP=TRUE:mailto:bob@example.org
SUMMARY:Planning
END:VEVENT
END:VCALENDAR
"""
CALENDAR = CalendarPart(content=INVITATION, method=CalendarMethod.REQUEST)
PDF = Attachment(filename="report.pdf", content_type="application/pdf", octets=b"%PDF\x00\xff" * 50)
LOGO = Attachment(
    filename="logo.png", content_type="image/png", octets=b"\x89PNG", content_id="logo"
)


def parsed(entity: Entity) -> EmailMessage:
    octets = b"".join(cast(bytes, piece) for piece in entity.body)
    whole = b"MIME-Version: 1.0\r\n" + entity.headers.encode("ascii") + b"\r\n" + octets
    message = message_from_bytes(whole, policy=default)
    assert not any(part.defects for part in message.walk())
    return message


def shape(part: EmailMessage) -> str:
    if not part.is_multipart():
        return part.get_content_type()
    inner = ", ".join(shape(cast(EmailMessage, each)) for each in part.iter_parts())
    return f"{part.get_content_subtype()}({inner})"


@pytest.mark.parametrize(
    ("given_parts", "expected"),
    [
        ({"text": "a"}, "text/plain"),
        ({"html": "<p>a"}, "text/html"),
        ({"text": "a", "html": "<p>a"}, "alternative(text/plain, text/html)"),
        ({"text": "a", "attachments": [PDF]}, "mixed(text/plain, application/pdf)"),
        ({"html": "<p>a", "attachments": [LOGO]}, "related(text/html, image/png)"),
        (
            {"text": "a", "html": "<p>a", "attachments": [LOGO, PDF], "calendar": CALENDAR},
            "mixed(alternative(text/plain, related(text/html, image/png), text/calendar),"
            " application/pdf, application/ics)",
        ),
        (
            {"text": "a", "calendar": CALENDAR},
            "mixed(alternative(text/plain, text/calendar), application/ics)",
        ),
    ],
)
def test_the_tree_has_no_wrapper_around_one_part(
    given_parts: dict[str, object], expected: str
) -> None:
    whole = {"text": None, "html": None, "boundary": "b0undary", **given_parts}
    assert shape(parsed(tree(**whole))) == expected  # type: ignore[arg-type]


def test_no_boundary_is_the_beginning_of_another() -> None:
    message = parsed(
        tree(text="a", html="<p>a", attachments=[LOGO, PDF], calendar=CALENDAR, boundary="b0undary")
    )
    boundaries = [str(part.get_boundary()) for part in message.walk() if part.is_multipart()]
    assert len(boundaries) == 3
    for one in boundaries:
        assert not any(other.startswith(one) for other in boundaries if other != one)


def test_text_that_holds_a_boundary_ends_no_part() -> None:
    text = "--b0undary\n--2b0undary--\n--3b0undary\n"
    message = parsed(tree(text=text, html="<p>a", attachments=[LOGO, PDF], boundary="b0undary"))
    body = message.get_body(("plain",))
    assert body is not None
    assert body.get_content().replace("\r\n", "\n") == text


FILENAMES = [
    "report.pdf",
    "Prüfbericht – 日本.pdf",
    'a "quoted" one; with=signs.txt',
    "=?utf-8?b?QQ==?=.txt",
    "😀" * 60 + ".png",
    "x" * 200,
]


@pytest.mark.parametrize("filename", FILENAMES)
def test_a_filename_is_read_back_and_folded(filename: str) -> None:
    entity = tree(
        text="a",
        html=None,
        attachments=[Attachment(filename=filename, content_type="text/csv", octets=b"a")],
        boundary="b0undary",
    )
    part = next(iter(parsed(entity).iter_attachments()))
    assert part.get_filename() == filename
    head = b"".join(cast(bytes, piece) for piece in entity.body)
    if not filename.isascii():
        assert max(map(len, head.split(b"\r\n"))) <= 78


@pytest.mark.parametrize("size", [0, 1, 56, 57, 58, 64 * 57 - 1, 64 * 57, 64 * 57 + 1, CHUNK])
def test_base64_has_lines_of_76_characters(size: int) -> None:
    octets = bytes(range(256)) * (size // 256 + 1)
    expected = encodebytes(octets[:size]).replace(b"\n", b"\r\n").removesuffix(b"\r\n")
    assert base64_lines(octets[:size]) == expected


@given(st.binary(max_size=400))
def test_an_attachment_arrives_byte_for_byte(octets: bytes) -> None:
    entity = tree(
        text="a",
        html=None,
        attachments=[Attachment(filename="a.bin", content_type="image/png", octets=octets)],
        boundary="b0undary",
    )
    part = next(iter(parsed(entity).iter_attachments()))
    assert part.get_content() == octets
    assert encoded_size(len(octets)) == len(base64_lines(octets))


def test_an_inline_image_has_a_content_id_and_a_disposition() -> None:
    entity = tree(text=None, html="<img src='cid:logo'>", attachments=[LOGO], boundary="b0undary")
    _, image = parsed(entity).iter_parts()
    assert image["Content-ID"] == "<logo>"
    assert image.get_content_disposition() == "inline"


def test_the_invitation_is_an_alternative_without_a_name_and_a_file() -> None:
    message = parsed(tree(text="a", html=None, calendar=CALENDAR, boundary="b0undary"))
    invitation, file = (
        part
        for part in message.walk()
        if "ics" in str(part.get_filename()) or part.get_content_type() == "text/calendar"
    )
    assert invitation.get_param("method") == "REQUEST"
    assert invitation["Content-Disposition"] is None
    assert invitation.get_filename() is None
    assert invitation.get_content() == INVITATION.replace("\n", "\r\n")
    assert file.get_filename() == "invite.ics"


def test_a_message_is_attached_without_encoding_where_it_can_be() -> None:
    plain = Attachment(
        filename="a.eml", content_type="message/rfc822", octets=b"Subject: x\r\n\r\nHello\r\n"
    )
    odd = Attachment(
        filename="b.eml", content_type="message/rfc822", octets=b"Subject: x\r\n\r\n\xff\n"
    )
    message = parsed(tree(text="a", html=None, attachments=[plain, odd], boundary="b0undary"))
    first, second = message.iter_attachments()
    assert first["Content-Transfer-Encoding"] == "7bit"
    assert first.get_content_type() == "message/rfc822"
    assert second.get_content_type() == "application/octet-stream"


def test_what_is_stored_apart_stands_between_the_octets() -> None:
    blob = Blob(digest=b"d" * 32, size=9)
    file = Attachment(filename="a.bin", content_type="image/png", octets=blob)
    pieces = list(joined(tree(text="a", html=None, attachments=[file], boundary="b").body))
    assert [isinstance(piece, Blob) for piece in pieces] == [False, True, False]


@pytest.mark.parametrize(
    ("filename", "expected"),
    [("a.PDF", "pdf"), ("a.tar.gz", "gz"), ("a", ""), (".profile", ""), ("a.exe. .", "exe")],
)
def test_the_extension_is_what_follows_the_last_dot(filename: str, expected: str) -> None:
    assert extension(filename) == expected


def test_the_type_comes_from_a_table_of_our_own() -> None:
    assert type_of("Invoice.PDF") == "application/pdf"
    assert type_of("a.unknown") == "application/octet-stream"


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"filename": ""}, "filename"),
        ({"filename": "a" * 201}, "filename"),
        ({"filename": "a\r\nBcc: x"}, "filename"),
        ({"filename": "../a"}, "filename"),
        ({"filename": "a\\b"}, "filename"),
        ({"filename": "..."}, "filename"),
        ({"filename": "a.exe"}, "filename"),
        ({"filename": "a.Js. "}, "filename"),
        ({"content_type": "pdf"}, "content_type"),
        ({"content_type": "text/html\r\nX: y"}, "content_type"),
        ({"content_type": "multipart/mixed"}, "content_type"),
        ({"content_id": "<logo>"}, "content_id"),
        ({"content_id": "a b"}, "content_id"),
        ({"content_id": ""}, "content_id"),
    ],
)
def test_a_wrong_attachment_is_refused_with_its_field(changed: dict[str, str], field: str) -> None:
    fields = {"filename": "a.pdf", "content_type": "application/pdf", "octets": b"", **changed}
    with pytest.raises(InvalidInput) as refused:
        check_attachment(Attachment(**fields), field="attachments/0")  # type: ignore[arg-type]
    assert [error.field for error in refused.value.errors] == [f"attachments/0/{field}"]


def test_types_with_parameters_are_taken() -> None:
    for content_type in ("text/csv; charset=utf-8", 'text/csv;header="present yes"'):
        check_attachment(
            Attachment(filename="a.csv", content_type=content_type, octets=b""), field=""
        )
    assert "exe" in DENIED


def test_a_good_invitation_is_taken() -> None:
    check_calendar(CALENDAR)
    zone = "BEGIN:VTIMEZONE\nTZID:Europe/Paris\nBEGIN:STANDARD\nDTSTART:19701025T030000\n"
    zone += "TZOFFSETFROM:+0200\nTZOFFSETTO:+0100\nEND:STANDARD\nEND:VTIMEZONE\n"
    content = INVITATION.replace("BEGIN:VEVENT", zone + "BEGIN:VEVENT", 1)
    content = content.replace(
        "DTSTART:20261201T090000Z", "DTSTART;TZID=Europe/Paris:20261201T090000"
    )
    check_calendar(CalendarPart(content=content, method=CalendarMethod.REQUEST))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("METHOD:REQUEST", "METHOD:PUBLISH"),
        ("METHOD:REQUEST\n", ""),
        ("UID:1@example.org\n", ""),
        ("DTSTAMP:20261130T120000Z\n", ""),
        ("mailto:ada@example.org", "ada@example.org"),
        ("ATTENDEE;RSVP=TRUE:mailto:", "ATTENDEE:"),
        ("DTSTART:20261201T090000Z", "DTSTART:20261201T090000"),
        ("DTSTART:20261201T090000Z", "DTSTART;TZID=Europe/Paris:20261201T090000"),
        ("BEGIN:VCALENDAR\n", ""),
        ("END:VCALENDAR\n", ""),
        ("SUMMARY:Planning", "SUMMARY"),
        ("Planning", "\0"),
    ],
)
def test_an_invitation_without_buttons_is_refused(old: str, new: str) -> None:
    content = INVITATION.replace(old, new, 1)
    with pytest.raises(InvalidInput) as refused:
        check_calendar(CalendarPart(content=content, method=CalendarMethod.REQUEST))
    assert refused.value.code == "calendar_invalid"
