"""Queries that Peewee builds once: their text is kept, their values are given each time.

To build a query costs a tenth of a millisecond and more, which is more than to run one. No model is
bound to a database: the text is what SQLite and PostgreSQL both take.
"""

from collections.abc import Callable, Iterable
from typing import Any, Final

import attrs
import peewee

from adapters.peewee_store.session import Cursor, Execute


class _BothDialects(peewee.PostgresqlDatabase):
    """The words that both databases know, with the parameters as a Session writes them."""

    param = "?"


_BOTH: Final = _BothDialects(None)


@attrs.frozen
class _Parameter:
    name: str


def given(name: str) -> peewee.Value:
    """A value of that *name*, which is given when the query is run."""
    return peewee.Value(_Parameter(name), converter=False)


def all_given(
    model: type[peewee.Model], columns: Iterable[str]
) -> dict[peewee.Field, peewee.Value]:
    """A value for each of these columns, by its name: for INSERT and UPDATE."""
    return {model._meta.combined[name]: given(name) for name in columns}


def fields(model: type[peewee.Model], columns: Iterable[str]) -> list[peewee.Field]:
    """These columns, in their order."""
    return [model._meta.combined[name] for name in columns]


def literal(text: str) -> peewee.SQL:
    """A text that stands in the query itself: a partial index is used for that very word only."""
    return peewee.SQL("'" + text.replace("'", "''") + "'")


class Prepared:
    """One query with its parameters by name."""

    def __init__(self, query: peewee.Query) -> None:
        self.sql, parameters = query.bind(_BOTH).sql()
        self._read: list[Callable[[dict[str, Any]], Any]] = list(map(_reader, parameters))

    def __call__(self, execute: Execute, **values: Any) -> Cursor:
        """Run it. KeyError if a value is missing."""
        return execute(self.sql, self.parameters(**values))

    def parameters(self, **values: Any) -> tuple[Any, ...]:
        """These values, in the order of the text."""
        return tuple([read(values) for read in self._read])


def _reader(parameter: object) -> Callable[[dict[str, Any]], Any]:
    if isinstance(parameter, _Parameter):
        name = parameter.name
        return lambda values: values[name]
    return lambda values: parameter
