"""Texts of a stranger cost time in proportion to their length, whatever is never closed in them."""

from collections.abc import Callable
from contextlib import suppress
from time import thread_time
from typing import Any

import pytest

from domain.errors import InvalidInput
from domain.message.calendar import CalendarMethod, CalendarPart, check_calendar
from domain.message.encoded_fields import ascii_field
from domain.message.seven_bit import MOST_PARTS, seven_bit
from domain.message.template import Rendered, SourceKind, TemplateSource
from domain.message.template_warnings import warnings

LONG_S = 2.0  # the quadratic ways that were here took a minute and more


def cost(work: Callable[[], Any]) -> float:
    began = thread_time()
    work()
    return thread_time() - began


def invitation(line: str) -> CalendarPart:
    head = "BEGIN:VCALENDAR\r\nMETHOD:REQUEST\r\nUID:1\r\nDTSTAMP:20261130T120000Z\r\n"
    rest = "ORGANIZER:mailto:a@b.example\r\nDTSTART:20261130T120000Z\r\nEND:VCALENDAR\r\n"
    return CalendarPart(content=f"{head}{line}\r\n{rest}", method=CalendarMethod.REQUEST)


@pytest.mark.parametrize(
    "line", ["A" + ";" * 40, 'A;B="', "A;" + '"' * 50_001, "A" + ";" * 200_000]
)
def test_a_line_of_an_invitation_is_read_in_one_way(line: str) -> None:
    def check() -> None:
        with pytest.raises(InvalidInput, match="neither NAME:VALUE"):
            check_calendar(invitation(line))

    assert cost(check) < LONG_S


@pytest.mark.parametrize(
    "line",
    [
        'ATTENDEE;CN="Ada: the first":mailto:ada@example.org',
        'ATTENDEE;MEMBER="mailto:a@b.example","mailto:c@d.example";CN=Ada:mailto:ada@example.org',
        "ATTENDEE;CN=:mailto:ada@example.org",
        "X-ANY:",
    ],
)
def test_an_invitation_may_have_parameters_in_quotes(line: str) -> None:
    check_calendar(invitation(line))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("To", '\\"' * 60_000 + "ü"),
        ("To", "a " * 60_000 + "ü"),
        ("Content-Type", "a" * 60_000 + "ü"),
        ("Content-Type", 'x="\\"' * 60_000 + "ü"),
    ],
)
def test_a_header_in_utf_8_is_read_once(name: str, text: str) -> None:
    def read() -> None:
        with suppress(InvalidInput):
            ascii_field(f"{name}: ü {text}\r\n".encode())

    assert cost(read) < LONG_S


def test_a_quotation_mark_without_another_one_is_refused() -> None:
    for name in ("To: ", "Content-Type: x; name="):
        for end in ("", "\\"):
            with pytest.raises(InvalidInput, match="without another one"):
                ascii_field(f'{name}"ü{end}\r\n'.encode())


def test_names_in_utf_8_stay_what_they_are() -> None:
    field = ascii_field('To: "Ü, \\"Ö\\"" <a@b.example>, Ä ä <c@d.example>\r\n'.encode())

    assert field.isascii()
    assert field.count(b"=?utf-8?") == 2
    assert ascii_field('Content-Type: text/plain; name="ü.txt"\r\n'.encode()) == (
        b"Content-Type: text/plain; name*=utf-8''%C3%BC.txt\r\n"
    )


def test_a_message_by_smtp_has_a_bounded_number_of_parts_and_headers() -> None:
    head = "From: a@b.example\r\nContent-Type: multipart/mixed; boundary=b\r\n"
    parts, headers = "--b\r\n" * (MOST_PARTS + 1), "X-A: b\r\n" * 50_000

    with pytest.raises(InvalidInput, match="parts"):
        seven_bit(f"{head}\r\n{parts}ü\r\n".encode())
    with pytest.raises(InvalidInput, match="octets"):
        seven_bit(f"{head}{headers}\r\nü\r\n".encode())


@pytest.mark.parametrize("html", ["<a " * 80_000, "<a '\"" * 40_000, f"<img {'a' * 200_000}>"])
def test_a_template_is_looked_through_once(html: str) -> None:
    source = TemplateSource(subject="s", kind=SourceKind.HTML, body=html)
    rendered = Rendered(subject="s", html=html, text="")

    assert cost(lambda: warnings(source, rendered)) < LONG_S
