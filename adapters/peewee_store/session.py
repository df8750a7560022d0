"""One connection as the repositories see it, and what differs between the databases."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any, Final, Protocol

from adapters.peewee_store.rows import Row
from adapters.peewee_store.write_buffer import Change, WriteBuffer

SAVEPOINT: Final = "one_work"


class Cursor(Protocol):
    """What the drivers' cursors share."""

    @property
    def rowcount(self) -> int: ...

    def fetchone(self) -> Any: ...

    def fetchall(self) -> list[Any]: ...

    def __iter__(self) -> Iterator[Any]: ...


class Execute(Protocol):
    """Run one statement; its parameters are written `?` in every database."""

    def __call__(self, sql: str, parameters: Sequence[Any] = (), /) -> Cursor: ...


class ExecuteUnflushed(Protocol):
    """Run one statement that has nothing to do with what is buffered, except for that of these
    tables and rows: then it is run before.
    """

    def __call__(
        self,
        sql: str,
        parameters: Sequence[Any] = (),
        /,
        *,
        tables: Collection[str] = (),
        rows: Iterable[Row] = (),
    ) -> Cursor: ...


class ExecuteMany(Protocol):
    """Run one statement for each row of parameters."""

    def __call__(self, sql: str, rows: Iterable[Row], /) -> object: ...


class Session(Protocol):
    """One connection, in one transaction at a time, used by one thread at a time."""

    @property
    def execute(self) -> Execute: ...

    @property
    def execute_unflushed(self) -> ExecuteUnflushed: ...

    @property
    def execute_many(self) -> ExecuteMany: ...

    @property
    def shared(self) -> bool:
        """Whether other processes may write between two statements of a transaction."""
        ...

    @property
    def skip_locked(self) -> str:
        """The end of a SELECT of rows to be changed, so that others skip them."""
        ...

    @property
    def slot(self) -> int | None:
        """This connection's own rows of the tally; None where there is one writer at a time."""
        ...

    def plan_by_values(self) -> None:
        """Plan what follows in this transaction by the values of each statement: a status that few
        emails have is looked up in another way than one that most have.
        """
        ...

    def plan_without_workers(self) -> None:
        """Let what follows in this transaction be read by this connection alone: to start a process
        that helps takes longer than what is read here.
        """
        ...

    def lower(self, expression: str) -> str:
        """The *expression* with its ASCII letters in lower case, as the indexes have it."""
        ...

    def among(self, ids: Sequence[int]) -> tuple[str, Sequence[Any]]:
        """What follows a column that is one of *ids*, and the parameters of that."""
        ...

    def lock(self, select: str, table: str, row_id: int) -> Cursor:
        """Run *select*, one row of *table* by its id, and lock the row until the commit.

        SerializationConflict if to wait for it could be a deadlock.
        """
        ...

    def buffer(self, change: Change, values: Row) -> None:
        """Make a change of one row, with others of its kind, before the next statement is run.

        What is wrong with it is raised now, or by `verify` in a hurry.
        """
        ...

    def buffer_all(self, change: Change, rows: Sequence[Row]) -> None:
        """The same change of many rows."""
        ...

    def change(
        self, sql: str, parameters: Sequence[Any], rows: int, otherwise: Callable[[int], Exception]
    ) -> None:
        """Run a statement that must change so many rows, of which nothing is buffered.

        Else what *otherwise* makes of their number is raised: now, or by `verify` where to know it
        now costs a round trip.
        """
        ...

    def insert(self, into: str, rows: Sequence[Row]) -> None:
        """Insert *rows*, *into* being ``INSERT INTO table (columns)``."""
        ...

    def insert_numbered(self, into: str, rows: Sequence[Row]) -> Sequence[int]:
        """The same into a table that numbers its rows: their ids, in the same order."""
        ...

    def verify(self) -> None:
        """Raise the error of any statement that was run until now."""
        ...

    def begin(self, *, pipelined: bool = False) -> None:
        """Begin a transaction. If it is *pipelined*, errors may come late: with a later statement,
        or with `verify`, which is asked before the commit. Then nothing of it may be kept.
        """
        ...

    def commit(self) -> None: ...

    def rollback(self) -> None: ...

    @property
    def in_transaction(self) -> bool: ...

    @property
    def lost(self) -> bool:
        """Whether the connection is lost and must be replaced."""
        ...

    def close(self) -> None: ...


class BufferingSession(ABC):
    """What the sessions share: changes wait in ``_kept`` until a statement could see them."""

    def __init__(self) -> None:
        self._buffer = WriteBuffer()

    def execute(self, sql: str, parameters: Sequence[Any] = (), /) -> Cursor:
        """Run one statement."""
        if self._buffer.kinds:
            self._flush()
        return self._execute(sql, parameters)

    def execute_unflushed(
        self,
        sql: str,
        parameters: Sequence[Any] = (),
        /,
        *,
        tables: Collection[str] = (),
        rows: Iterable[Row] = (),
    ) -> Cursor:
        """Run one statement; what is buffered waits, except for that of these tables and rows."""
        if self._buffer.kinds and self._buffer.among(tables, rows):
            self._flush()
        return self._execute(sql, parameters)

    def buffer(self, change: Change, values: Row) -> None:
        """In a pipeline the changes of one kind are one call."""
        if not self._pipelining:
            self._run_now(change, values)
        elif not self._buffer.add(change, values):
            self._flush()
            self._buffer.add(change, values)

    def buffer_all(self, change: Change, rows: Sequence[Row]) -> None:
        """Together, unless one of them changes a row of another."""
        if not (self._pipelining and self._buffer.add_all(change, rows)):
            for values in rows:
                self.buffer(change, values)

    @property
    @abstractmethod
    def _pipelining(self) -> bool:
        """Whether errors may come late."""

    @abstractmethod
    def _run_now(self, change: Change, values: Row) -> None:
        """Make one change."""

    @abstractmethod
    def _execute(self, sql: str, parameters: Sequence[Any]) -> Cursor:
        """Run it now."""

    @abstractmethod
    def _flush(self) -> None:
        """Write all that is buffered."""


def values(columns: int, *, rows: int = 1) -> str:
    """*rows* of parameters, for INSERT."""
    return "VALUES " + ", ".join([f"({marks(columns)})"] * rows)


@lru_cache(maxsize=256)
def marks(number: int) -> str:
    """*number* parameters, for IN (...)."""
    return ",".join("?" * number)
