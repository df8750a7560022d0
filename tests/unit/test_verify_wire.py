"""Nothing reaches the wire but the headers that were set, in lines that every server takes."""

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.address import Address
from domain.errors import InvalidInput
from domain.message.compose import Content, compose, header_names, verify_wire

SAFE = b"Subject: Hello\r\n folded\r\nX-Tag: a\r\nX-Tag: b\r\n\r\nBody: not a header\r\n.\r\n"
NAMES = ("X-Tag", "subject", "x-tag")
reproducible = settings(derandomize=True, deadline=None, max_examples=200)


def composed() -> tuple[bytes, tuple[str, ...]]:
    content = Content(
        subject="Grüße " * 20, html="<p>ü</p>\n" * 5, text="a\n" * 5, to=(Address("a", "b.c"),)
    )
    date = datetime(2026, 11, 2, tzinfo=UTC)
    octets = compose(content, message_id="<a@b.c>", date=date, boundary="=_b")
    return octets, header_names(content)


def refused(octets: bytes, expected: tuple[str, ...] = NAMES) -> str:
    with pytest.raises(InvalidInput) as error:
        verify_wire(octets, expected)
    assert error.value.code == "unsafe_message"
    return str(error.value)


def test_a_safe_message_passes_whatever_the_order_and_case_of_the_names() -> None:
    verify_wire(SAFE, NAMES)


def test_a_message_without_a_body_passes() -> None:
    verify_wire(b"Subject: x\r\n\r\n", ("Subject",))


def test_an_empty_value_passes() -> None:
    verify_wire(b"Subject: \r\n\r\n", ("Subject",))


@pytest.mark.parametrize(
    "octets",
    [
        SAFE.replace(b"Hello", b"Hel\rlo"),
        SAFE.replace(b"Hello", b"Hel\nlo"),
        SAFE.replace(b"Hello", b"Hello\r"),
        SAFE.replace(b"Body", b"Bo\rdy"),
        SAFE.replace(b"Body", b"Bo\ndy"),
        SAFE.replace(b"\r\n.\r\n", b"\n.\r\n"),
        SAFE.replace(b"\r\n.\r\n", b"\r.\r\n"),
        SAFE.replace(b"\r\n.\r\n", b"\n\r.\n\r"),
        SAFE + b"\r",
        b"\n" + SAFE,
    ],
    ids=ascii,
)
def test_a_bare_cr_or_lf_is_refused_wherever_it_stands(octets: bytes) -> None:
    assert "CRLF" in refused(octets)


@pytest.mark.parametrize("place", [b"Hello", b"Body"])
def test_nul_is_refused_wherever_it_stands(place: bytes) -> None:
    assert "NUL" in refused(SAFE.replace(place, b"\0"))


@pytest.mark.parametrize("place", [b"Hello", b"Body", b"."])
def test_a_line_of_999_octets_is_refused_wherever_it_stands(place: bytes) -> None:
    assert "998" in refused(SAFE.replace(place, b"x" * 999))


def test_lines_of_998_octets_pass() -> None:
    line = b"x" * 998 + b"\r\n"
    verify_wire(b"S: " + b"x" * 995 + b"\r\n\r\n" + line * 3 + line[:-2], ("S",))


@pytest.mark.parametrize("lines", [0, 1, 2, 50])
def test_the_last_line_needs_no_end_and_may_not_be_too_long_either(lines: int) -> None:
    start = b"S: x\r\n\r\n" + b"short\r\n" * lines
    verify_wire(start + b"x" * 998, ("S",))
    assert "998" in refused(start + b"x" * 999, ("S",))


@pytest.mark.parametrize(
    "octets", [b"", b"Subject: x\r\n", b"Subject: x", b"Subject: x\r\n.\r\n"], ids=ascii
)
def test_a_message_whose_headers_never_end_is_refused(octets: bytes) -> None:
    assert "empty line" in refused(octets, ("Subject",))


@pytest.mark.parametrize(
    "line",
    [
        *(b"no colon", b"Name:no-space", b"Na me: x", b": x", b"N\xc3\xa9: x", b"\x7f: x"),
        *(b" ", b"\t", b" \t ", b"From someone", b"N\x0b: x"),
    ],
    ids=ascii,
)
def test_a_line_that_is_neither_a_header_nor_the_rest_of_one_is_refused(line: bytes) -> None:
    assert "neither" in refused(SAFE.replace(b"X-Tag: a", line))


def test_headers_that_begin_with_the_rest_of_one_are_refused() -> None:
    assert "first line" in refused(b" rest\r\n" + SAFE)


@pytest.mark.parametrize(
    "expected", [(), ("Subject",), ("Subject", "X-Tag"), (*NAMES, "To"), ("Subject", "X-Tag", "To")]
)
def test_headers_other_than_the_expected_ones_are_refused(expected: tuple[str, ...]) -> None:
    assert "headers" in refused(SAFE, expected)


@pytest.mark.parametrize("name", [b"Bcc", b"bcc", b"Subject", b"Resent-To", b"X-Tag"])
def test_one_header_more_is_refused(name: bytes) -> None:
    assert "headers" in refused(SAFE.replace(b"\r\n\r\n", b"\r\n" + name + b": e@e.e\r\n\r\n"))


def test_an_error_shows_nothing_of_the_message() -> None:
    assert "secret" not in refused(SAFE.replace(b"Hello", b"secret\n"))


@reproducible
@given(st.integers(min_value=0), st.sampled_from([b"\r", b"\n", b"\0"]))
def test_one_stray_octet_anywhere_in_a_composed_message_is_refused(
    place: int, stray: bytes
) -> None:
    octets, names = composed()
    at = place % (len(octets) + 1)
    refused(octets[:at] + stray + octets[at:], names)
