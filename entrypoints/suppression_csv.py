"""The suppression list as CSV (RFC 4180), for the API and the command.

A spreadsheet takes a cell that begins with one of ``= + - @`` for a formula, and an address may
begin so. Such a cell gets an apostrophe before it, and so does one that begins with an apostrophe
itself; reading takes it away again.
"""

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Final, TypeVar

from application.suppressions import Entry
from domain.errors import FieldError, InvalidInput
from domain.suppression import EVERYTHING, Suppression, SuppressionReason, check_scope
from entrypoints.addresses import email_address
from entrypoints.csv_cells import bare, guarded
from entrypoints.ids import id_of

T = TypeVar("T")

COLUMNS: Final = ("address", "scope", "reason", "created_at", "expires_at", "email_id")
HEADER: Final = ",".join(COLUMNS) + "\r\n"
MOST_ROWS: Final = 100_000
MOST_ERRORS: Final = 20
LONGEST_LINE: Final = 2_000


class _LineTooLong(Exception):
    """It is not read, so that a file without ends of lines takes no memory for nothing."""


def written(suppressions: Iterable[Suppression]) -> str:
    """One line each, without the header."""
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\r\n")
    for one in suppressions:
        lines.writerow(
            [
                guarded(one.address),
                guarded(one.scope),
                one.reason.value,
                _time(one.created_at),
                "" if one.expires_at is None else _time(one.expires_at),
                "" if one.email_id is None else one.email_id,
            ]
        )
    return text.getvalue()


def read(file: Iterable[str], *, now: datetime, most: int = MOST_ROWS) -> Sequence[Entry]:
    """The entries of a file: with a header that names some of the columns, or one address a line.

    At most *most* of them. InvalidInput with the line of everything that is wrong, up to a number.
    `created_at` is not read: an entry is made when it is imported.
    """
    entries: list[Entry] = []
    errors: list[FieldError] = []
    rows = csv.reader(_bounded(file), strict=True)
    columns: Sequence[str] | None = None
    try:
        for row in rows:
            if not any(row):
                continue
            if columns is None:
                columns = _columns(row)
                if columns == row:
                    continue
            if len(entries) + len(errors) >= most:
                raise ValueError(f"there are more than {most} entries: split the file")
            try:
                entries.append(_entry(columns, row, now=now))
            except (ValueError, InvalidInput) as error:
                errors.append(FieldError(f"line {rows.line_num}", str(error)))
                if len(errors) == MOST_ERRORS:
                    break
    except _LineTooLong:
        message = f"must have at most {LONGEST_LINE} characters"
        errors.append(FieldError(f"line {rows.line_num + 1}", message))
    except (ValueError, csv.Error) as error:
        errors.append(FieldError(f"line {rows.line_num or 1}", str(error)))
    if errors:
        raise InvalidInput(*errors)
    return entries


def _bounded(file: Iterable[str]) -> Iterator[str]:
    for number, line in enumerate(file):
        if len(line) > LONGEST_LINE:
            raise _LineTooLong
        yield line.removeprefix("\ufeff") if number == 0 else line


def _columns(row: Sequence[str]) -> Sequence[str]:
    if "address" not in row:
        if len(row) == 1:
            return ("address",)
        raise ValueError(f"the header must name the column address, among {', '.join(COLUMNS)}")
    for name in row:
        if name not in COLUMNS or row.count(name) > 1:
            raise ValueError(f"{name!r} is no column, or stands twice: {', '.join(COLUMNS)}")
    return row


def _entry(columns: Sequence[str], row: Sequence[str], *, now: datetime) -> Entry:
    if len(row) != len(columns):
        raise ValueError(f"has {len(row)} cells, not {len(columns)}")
    cells = dict(zip(columns, map(bare, row), strict=True))
    address = _of("address", email_address, cells["address"])
    scope = cells.get("scope") or EVERYTHING
    check_scope(scope)
    reason = cells.get("reason") or SuppressionReason.MANUAL
    ends, email_id = cells.get("expires_at"), cells.get("email_id")
    entry = Entry(
        address=address,
        scope=scope,
        reason=_of("reason", SuppressionReason, reason),
        expires_at=_of("expires_at", _moment, ends) if ends else None,
        email_id=_of("email_id", _id, email_id) if email_id else None,
    )
    entry.suppression(now=now).check(now=now)
    return entry


def _of(name: str, parse: Callable[[str], T], text: str) -> T:
    try:
        return parse(text)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None


def _moment(text: str) -> datetime:
    when = datetime.fromisoformat(text)
    if when.tzinfo is None:
        raise ValueError("must have an offset, as in 2026-01-31T09:30:00Z")
    return when.astimezone(UTC)


def _id(text: str) -> int:
    found = id_of(text)
    if found is None:
        raise ValueError("must be the id of an email")
    return found


def _time(when: datetime) -> str:
    return when.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"
