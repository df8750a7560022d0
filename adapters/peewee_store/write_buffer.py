"""Changes of one row each whose outcome is not read at once: buffered, and written together.

A group of works settles many emails in the same few ways. Whoever only wants it done hands a change
to the session, which runs all of one kind with one statement before anything is read, executed or
committed. Changes of different rows may come in any order; the same row is never buffered twice.
"""

# ruff: noqa: S608 - the texts are made of constants; every value is a parameter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

import attrs
import peewee

from adapters.peewee_store.rows import Row

_TYPES: Final = {
    peewee.BigAutoField: "bigint",
    peewee.BigIntegerField: "bigint",
    peewee.IntegerField: "integer",
    peewee.TextField: "text",
}
Refusal = Callable[[Row], Exception]


@attrs.frozen(eq=False)
class Change:
    """A kind of change of one row; its parameters are one for each of ``columns``."""

    one: str  # the statement for one row
    many: str  # PostgreSQL's for any number of them: an array for each column, then `found_by`
    table: str
    columns: tuple[str, ...]
    row: slice  # where in its parameters the row's key stands
    into: str | None = None  # of an insertion: what comes before the rows
    found_by: int | None = None  # the column by whose index the rows are found, whatever
    # the planner believes of a table that was empty
    refusal: Refusal | None = None  # what is wrong if the row is not there; else nothing is


def insertion(model: type[peewee.Model], columns: Sequence[str], *, key: int) -> Change:
    """Insert a row that the first *key* of *columns* identify."""
    table = model._meta.table_name
    names = ", ".join(columns)
    into = f"INSERT INTO {table} ({names})"
    return Change(
        one=f"{into} VALUES ({', '.join('?' * len(columns))})",
        many=f"{into} SELECT * FROM {_unnested(model, columns)}",
        table=table,
        columns=tuple(columns),
        row=slice(key),
        into=into,
    )


def update(
    model: type[peewee.Model],
    columns: Sequence[str],
    where: Sequence[str],
    *,
    key: int,
    refusal: Refusal | None = None,
) -> Change:
    """Write *columns* of the row that the first *key* of *where* identify, if all of it is so."""
    table = model._meta.table_name
    number = len(columns)
    written = ", ".join(f"{name} = new.c{n}" for n, name in enumerate(columns))
    return Change(
        one=f"UPDATE {table} SET {', '.join(f'{name} = ?' for name in columns)}{_where(where)}",
        many=(
            f"UPDATE {table} SET {written} FROM {_unnested(model, (*columns, *where))}"
            f" {_joined(model, where, number)}"
        ),
        table=table,
        columns=(*columns, *where),
        row=slice(number, number + key),
        found_by=number,
        refusal=refusal,
    )


def removal(model: type[peewee.Model], where: Sequence[str], *, only: str) -> Change:
    """Delete the row that *where* identifies, *only* if that is so."""
    table = model._meta.table_name
    return Change(
        one=f"DELETE FROM {table}{_where(where)} AND {only}",
        many=(
            f"DELETE FROM {table} USING {_unnested(model, where)}"
            f" {_joined(model, where, 0)} AND {table}.{only}"
        ),
        table=table,
        columns=tuple(where),
        row=slice(len(where)),
        found_by=0,
    )


class WriteBuffer:
    """Changes of different rows, by their kind."""

    def __init__(self) -> None:
        self.kinds: dict[Change, list[Row]] = {}
        self._tables: set[str] = set()
        self._rows: set[Row] = set()

    def among(self, tables: Collection[str], rows: Iterable[Row]) -> bool:
        """Whether any of it is of these tables, or of these rows: (table, key)."""
        return not (self._tables.isdisjoint(tables) and self._rows.isdisjoint(rows))

    def add(self, change: Change, values: Row) -> bool:
        """Buffer it; False if its row has a change that must be run before."""
        rows = self._rows
        number = len(rows)
        rows.add((change.table, *values[change.row]))
        if len(rows) == number:
            return False
        kept = self.kinds.get(change)
        if kept is None:
            self.kinds[change] = [values]
            self._tables.add(change.table)
        else:
            kept.append(values)
        return True

    def add_all(self, change: Change, rows: Sequence[Row]) -> bool:
        """Buffer all of them; False, and buffer none, if that is not possible."""
        table, key = change.table, change.row
        places = {(table, *values[key]) for values in rows}
        if len(places) < len(rows) or not self._rows.isdisjoint(places):
            return False
        self._rows |= places
        self._tables.add(table)
        self.kinds.setdefault(change, []).extend(rows)
        return True

    def take(self) -> Mapping[Change, Sequence[Row]]:
        """Take all that is buffered, to be run now."""
        kinds, self.kinds = self.kinds, {}
        self._tables.clear()
        self._rows.clear()
        return kinds

    def forget(self) -> None:
        """Discard all that is buffered."""
        self.take()


@lru_cache(maxsize=256)
def together(changes: tuple[Change, ...]) -> str:
    """All these changes as one statement of PostgreSQL's.

    It returns how many rows the changes that can be refused have found.
    """
    parts, told = [], []
    for n, change in enumerate(changes):
        counted = change.refusal is not None
        parts.append(f"k{n} AS ({change.many}{' RETURNING 1' if counted else ''})")
        if counted:
            told.append(f"(SELECT COUNT(*) FROM k{n})")
    return f"WITH {', '.join(parts)} SELECT {', '.join(told) or '1'}"


def arrays(change: Change, rows: Sequence[Row]) -> list[str]:
    """The parameters of many rows: arrays, as PostgreSQL writes them."""
    columns = [array(column) for column in zip(*rows, strict=True)]
    return columns if change.found_by is None else [*columns, columns[change.found_by]]


def array(values: Iterable[Any]) -> str:
    """These values as PostgreSQL writes an array of them."""
    return "{" + ",".join(map(_element, values)) + "}"


def _element(value: Any) -> str:
    if isinstance(value, str):
        return _quoted(value)
    return "NULL" if value is None else str(value)


@lru_cache(maxsize=64)  # the names of statuses, and the replies of most servers
def _quoted(text: str) -> str:
    return '"' + text.replace("\\", r"\\").replace('"', r"\"") + '"'


def _where(names: Sequence[str]) -> str:
    return " WHERE " + " AND ".join(f"{name} = ?" for name in names)


def _unnested(model: type[peewee.Model], columns: Sequence[str]) -> str:
    given = ", ".join(_array_of(model, name) for name in columns)
    return f"UNNEST({given}) AS new ({', '.join(f'c{n}' for n in range(len(columns)))})"


def _joined(model: type[peewee.Model], where: Sequence[str], first: int) -> str:
    table = model._meta.table_name
    named = " AND ".join(f"{table}.{name} = new.c{n}" for n, name in enumerate(where, first))
    return f"WHERE {table}.{where[0]} = ANY({_array_of(model, where[0])}) AND {named}"


def _array_of(model: type[peewee.Model], column: str) -> str:
    return f"?::{_TYPES[type(model._meta.combined[column])]}[]"
