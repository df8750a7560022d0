"""A message with attachments is composed once, verified, and read back as it was given."""

from datetime import UTC, datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any, cast

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from domain.address import Address
from domain.errors import InvalidInput
from domain.message.attachment import Attachment, Blob, encoded_size
from domain.message.calendar import CalendarMethod, CalendarPart
from domain.message.compose import Content, compose, compose_parts
from domain.message.skeleton import PlacedBlob, Skeleton
from tests.unit.test_mime_tree import CALENDAR, LOGO, PDF, shape
from tests.world import World

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
ADA = Address("ada", "example.org")
reproducible = settings(derandomize=True, deadline=None, max_examples=100)


def content_with(**fields: Any) -> Content:
    return Content(**{"subject": "Prüfung", "text": "a\n", "to": (ADA,), **fields})


def made(**fields: Any) -> Skeleton:
    return compose_parts(content_with(**fields), message_id="<t@b.c>", date=NOW, boundary="=_t")


def parsed(octets: bytes) -> EmailMessage:
    message = message_from_bytes(octets, policy=default)
    assert not any(part.defects for part in message.walk())
    return message


def test_everything_stands_in_the_tree_that_mail_readers_expect() -> None:
    html = '<p>a</p><img src="cid:logo">'
    message = parsed(made(html=html, attachments=(LOGO, PDF), calendar=CALENDAR).octets)
    assert shape(message) == (
        "mixed(alternative(text/plain, related(text/html, image/png), text/calendar),"
        " application/pdf, application/ics)"
    )
    assert message["Subject"] == "Prüfung"
    files = [cast(EmailMessage, part).get_content() for part in message.iter_attachments()]
    assert files[0] == PDF.octets


def test_text_that_is_left_out_is_made_from_the_html() -> None:
    message = parsed(made(text=None, html="<p>Hello</p>", attachments=(PDF,)).octets)
    body = message.get_body(("plain",))
    assert body is not None
    assert body.get_content() == "Hello"


def test_content_without_parts_is_what_compose_makes_of_it() -> None:
    tokens: Any = {"message_id": "<t@b.c>", "date": NOW, "boundary": "=_t"}
    content = content_with(html="<p>the cid: of it</p>")
    assert compose_parts(content, **tokens) == Skeleton(compose(content, **tokens))


def test_a_blob_stands_outside_of_the_octets_and_counts_in_the_size() -> None:
    blob = Blob(digest=b"d" * 32, size=100_000)
    small, large = (
        made(attachments=(Attachment(filename="a", content_type="a/b", octets=octets),))
        for octets in (b"", blob)
    )
    assert large.octets == small.octets
    [placed] = large.blobs
    assert placed == PlacedBlob(offset=placed.offset, blob=blob)
    assert large.octets[: placed.offset].endswith(b"\r\n\r\n")
    assert large.octets[placed.offset :].startswith(b"\r\n--=_t--")
    assert large.size == len(large.octets) + encoded_size(100_000)


@reproducible
@given(
    filename=st.text(min_size=1, max_size=200),
    content_type=st.text(max_size=60) | st.just("text/plain; charset=utf-8"),
    content_id=st.none() | st.text(max_size=30),
)
@example("0 ", "text/plain", None)
def test_nothing_in_a_part_adds_a_header(
    filename: str, content_type: str, content_id: str | None
) -> None:
    """Either it is refused, or it is read back as one part with its name.

    Python drops the spaces around a name when it reads one.
    """
    file = Attachment(
        filename=filename, content_type=content_type, octets=b"x", content_id=content_id
    )
    html = f'<img src="cid:{content_id}">' if content_id else None
    try:
        message = parsed(made(html=html, attachments=(file,)).octets)
    except InvalidInput:
        return
    last = cast(EmailMessage, list(message.walk())[-1])
    assert last.get_filename() == filename.strip()
    allowed = {"content-type", "content-transfer-encoding", "content-id", "content-disposition"}
    assert {name.lower() for name in last} <= allowed


def test_an_invitation_with_half_a_character_is_refused() -> None:
    broken = CalendarPart(content="BEGIN:VCALENDAR\ud800", method=CalendarMethod.REQUEST)
    with pytest.raises(InvalidInput) as error:
        made(calendar=broken)
    assert [one.field for one in error.value.errors] == ["calendar/content"]


def test_an_image_that_the_html_carries_is_sent_as_a_part() -> None:
    world = World()
    world.account()
    world.submit(html='<p>a</p><img src="data:image/gif;base64,R0lGODlh" alt="dot">')
    world.run()
    [taken] = world.sender.accepted
    assert shape(parsed(taken.octets)) == "alternative(text/plain, related(text/html, image/gif))"
    assert b"R0lGODlh" not in taken.octets.split(b"image/gif")[0]
