"""From the octets of a CSV file to numbered rows, whatever program wrote it."""

import codecs
from collections.abc import Iterator

import pytest

from domain.errors import InvalidInput
from domain.mailing.decoding import LONGEST_LINE, decoded, encoding_of
from domain.mailing.table import read_table

TEXT = "email;name\r\nada@example.org;Müller\r\n"


def rows(text: str, **options: str) -> list[tuple[int, tuple[str, ...]]]:
    table = read_table(iter(text.splitlines(keepends=True)), **options)
    return [(row.number, row.cells) for row in table.rows]


def in_pieces(octets: bytes, size: int) -> Iterator[bytes]:
    """As a file is read: the first piece is long enough to tell the encoding from."""
    yield octets[:4096]
    for at in range(4096, len(octets), size):
        yield octets[at : at + size]


@pytest.mark.parametrize(
    "octets",
    [
        TEXT.encode(),
        codecs.BOM_UTF8 + TEXT.encode(),
        TEXT.encode("utf-16"),
        codecs.BOM_UTF16_BE + TEXT.encode("utf-16-be"),
        TEXT.encode("utf-16-le"),
        TEXT.encode("utf-16-be"),
        TEXT.encode("utf-32"),
    ],
    ids=["UTF-8", "with a mark", "UTF-16", "big-endian", "LE, no mark", "BE, no mark", "UTF-32"],
)
def test_the_encoding_is_found_out(octets: bytes) -> None:
    assert "".join(decoded([octets])) == TEXT


def test_another_encoding_must_be_named() -> None:
    octets = TEXT.encode("latin-1")

    with pytest.raises(InvalidInput, match=r"line 2 is not UTF-8: the octet 0xFC .*'ü'"):
        list(decoded([octets]))
    assert "".join(decoded([octets], encoding="latin-1")) == TEXT


def test_the_line_that_cannot_be_read_is_named_also_far_behind() -> None:
    octets = b"email\n" + b"ada@example.org\n" * 10_000 + b"\xff\n"

    with pytest.raises(InvalidInput, match="line 10002 "):
        list(decoded(in_pieces(octets, 1000)))


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_are_the_same_however_the_file_is_cut(end: str) -> None:
    text = end.join(["email", *(f"größe{n}@example.org" for n in range(2000))])
    octets = text.encode()

    for size in (1, 7, 4096):
        lines = list(decoded(in_pieces(octets, size)))
        assert (len(lines), "".join(lines)) == (2001, text)


def test_a_file_without_ends_of_lines_takes_no_memory_for_nothing() -> None:
    endless = (b"x" * 65_536 for _ in range(10**9))

    with pytest.raises(InvalidInput, match=f"line 1 is longer than {LONGEST_LINE:,} characters"):
        list(decoded(endless))


def test_octets_that_are_no_text_are_no_utf_16() -> None:
    assert encoding_of(b"\0" * 100) == "utf-8"


# -- the table ----


@pytest.mark.parametrize(
    ("text", "delimiter"),
    [
        ("email,name\na@example.org,Ada\n", ","),
        ("email;name\na@example.org;Ada\n", ";"),
        ("email\tname\na@example.org\tAda\n", "\t"),
        ("email|name\na@example.org|Ada\n", "|"),
        ('"a, b, c";email\nAda;a@example.org\n', ";"),
        ("email\na@example.org\n", ","),
    ],
)
def test_the_delimiter_is_found_out(text: str, delimiter: str) -> None:
    table = read_table(iter(text.splitlines(keepends=True)))

    assert table.delimiter == delimiter
    assert [len(row.cells) for row in table.rows] == [len(table.header)]


def test_the_delimiter_may_be_said_by_a_person_or_by_the_file() -> None:
    assert rows("a,b;c\n1,2;3\n", delimiter=";") == [(2, ("1,2", "3"))]
    assert rows("sep=;\na,b,c;d\n1,2,3;4\n") == [(2, ("1,2,3", "4"))]


def test_rows_are_numbered_as_in_a_spreadsheet() -> None:
    text = '\nemail,name\n\na@example.org,"two\nlines"\n , \nb@example.org,Bo\n'

    assert rows(text) == [(4, ("a@example.org", "two\nlines")), (6, ("b@example.org", "Bo"))]


def test_blanks_around_cells_and_empty_cells_behind_the_last_column_are_left_out() -> None:
    assert rows('email,name\na@example.org , "A, B",,\n') == [(2, ("a@example.org", "A, B"))]


def test_rows_of_another_width_are_kept_for_the_judge() -> None:
    assert rows("email,name\na@example.org\nb@example.org,Bo,3\n") == [
        (2, ("a@example.org",)),
        (3, ("b@example.org", "Bo", "3")),
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "the file is empty"),
        ("\n\n \n", "the file is empty"),
        ("a@example.org,Ada\n", "row 1 has an address where the names"),
        ("email,name,name\n", "the column 'name' stands twice"),
        (",".join(map(str, range(501))) + "\n", "more than 500 columns"),
    ],
)
def test_what_is_no_header_is_refused(text: str, words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        rows(text)


@pytest.mark.parametrize(
    "body", ['b@example.org,"open\n', 'b@example.org,"a"b"\n', f"b@example.org,{'x' * 140_000}\n"]
)
def test_the_row_that_cannot_be_read_is_named(body: str) -> None:
    with pytest.raises(InvalidInput, match=r"row 3 .*cannot be read: .*A quote may be missing"):
        rows("email,name\na@example.org,Ada\n" + body)
