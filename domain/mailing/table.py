"""A table of text (RFC 4180, and what spreadsheets make of it): a header and numbered rows."""

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Final

import attrs

from domain.errors import FieldError, InvalidInput

DELIMITERS: Final = (",", ";", "\t", "|")
MOST_COLUMNS: Final = 500
# Excel writes and reads this line before the header, and does not count it
_SAYS_DELIMITER: Final = re.compile(r"sep=(.)\s*", re.IGNORECASE)
_QUOTED: Final = re.compile(r'"[^"]*"?')


@attrs.frozen
class Row:
    """The cells of a row without blanks around them; *number* is that in a spreadsheet."""

    number: int
    cells: tuple[str, ...]


@attrs.frozen(kw_only=True)
class Table:
    """The names of the columns, and the rows below them, to be read once. Empty rows are left out.

    Reading rows raises InvalidInput where the file is no table any more.
    """

    header: tuple[str, ...]
    rows: Iterator[Row]
    delimiter: str


def read_table(lines: Iterable[str], *, delimiter: str | None = None) -> Table:
    """The table in *lines*, each with its end. *delimiter* None is found out. InvalidInput."""
    following = iter(lines)
    first = next(following, "")
    said = _SAYS_DELIMITER.fullmatch(first)
    if said:
        delimiter = delimiter or said[1]
        first = next(following, "")
    blank = [first]
    while not blank[-1].strip():
        line = next(following, None)
        if line is None:
            raise _refused("the file is empty: it must have a header and a row for each recipient")
        blank.append(line)
    delimiter = delimiter or delimiter_of(blank[-1])
    rows = _rows(chain(blank, following), delimiter)
    header = next(rows)
    _check_header(header)
    return Table(header=header.cells, rows=_below(rows, len(header.cells)), delimiter=delimiter)


def delimiter_of(header: str) -> str:
    """What stands most often between the names of the columns; a comma for one column."""
    bare = _QUOTED.sub("", header)
    return max(DELIMITERS, key=bare.count)


def _rows(lines: Iterable[str], delimiter: str) -> Iterator[Row]:
    number = 0
    reader = csv.reader(lines, delimiter=delimiter, strict=True, skipinitialspace=True)
    try:
        for number, cells in enumerate(reader, 1):
            stripped = tuple([cell.strip() for cell in cells])
            if any(stripped):
                yield Row(number, stripped)
    except csv.Error as error:
        message = f"row {number + 1} (line {reader.line_num}) cannot be read: {error}"
        raise _refused(f"{message}. A quote may be missing, or one too many") from None


def _below(rows: Iterable[Row], width: int) -> Iterator[Row]:
    """The rows without the empty cells that stand behind the last column."""
    for row in rows:
        cells = row.cells
        if len(cells) > width and not any(cells[width:]):
            yield Row(row.number, cells[:width])
        else:
            yield row


def _check_header(header: Row) -> None:
    names = header.cells
    if any("@" in name for name in names):
        raise _refused(
            f"row {header.number} has an address where the names of the columns must stand"
        )
    if len(names) > MOST_COLUMNS:
        raise _refused(f"there are more than {MOST_COLUMNS} columns")
    twice = _first_twice([name for name in names if name])
    if twice is not None:
        raise _refused(f"the column {twice!r} stands twice")


def _first_twice(names: Sequence[str]) -> str | None:
    return next((name for place, name in enumerate(names) if name in names[:place]), None)


def _refused(message: str) -> InvalidInput:
    return InvalidInput(FieldError("", message))
