"""One connection to PostgreSQL as the repositories see it: a pipeline, locks in one order. Hot."""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

import attrs
import psycopg
from psycopg.errors import LockNotAvailable
from psycopg.pq import TransactionStatus

from adapters.peewee_store.failures import SerializationConflict
from adapters.peewee_store.rows import Row
from adapters.peewee_store.session import BufferingSession, Cursor, marks, values
from adapters.peewee_store.write_buffer import Change, array, arrays, together
from domain.errors import StoreUnavailable

_FEW: Final = 4  # changes: a single statement for so few would cost more
_BEGIN_WRITE: Final = "BEGIN ISOLATION LEVEL READ COMMITTED"
_BEGIN_READ: Final = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
_SKIP_LOCKED: Final = " FOR UPDATE SKIP LOCKED"
_WAIT: Final = " FOR NO KEY UPDATE"
_WAIT_NOT: Final = " FOR NO KEY UPDATE NOWAIT"


class PostgresSession(BufferingSession):
    """The Session port on one connection."""

    shared = True

    def __init__(
        self, connection: "psycopg.Connection[Any]", *, writing: bool, slot: int | None = None
    ) -> None:
        super().__init__()
        self._connection = connection
        self._writing = writing
        self._hurry = contextlib.ExitStack()
        self._pipeline: psycopg.Pipeline | None = None
        self._unanswered = False
        self._counted: list[_Counted | _CountedTogether] = []
        self._locked: set[tuple[str, int]] = set()
        self._wanted: set[tuple[str, int]] = set()
        self.skip_locked = _SKIP_LOCKED if writing else ""
        self.slot = slot

    def _execute(self, sql: str, parameters: Sequence[Any]) -> Cursor:
        """Run it; it is prepared at its second use."""
        cursor = self._connection.cursor(binary=True)
        try:
            cursor.execute(_numbered(sql), parameters)
        except psycopg.DataError:
            if not any(isinstance(value, str) and "\0" in value for value in parameters):
                raise
            cursor.execute(_numbered(sql), _without_nul(parameters))
        if self._pipeline is None:
            return cursor
        self._unanswered = True
        return _Queued(cursor, self)

    def execute_many(self, sql: str, rows: Iterable[Row], /) -> object:
        """Send them all before the first answer is waited for."""
        if self._pipeline is not None:
            for row in rows:
                self.execute(sql, row)
            return None
        cursor = self._connection.cursor()
        rows = list(rows)
        try:
            cursor.executemany(_numbered(sql), rows)
        except psycopg.DataError:
            if not any(isinstance(value, str) and "\0" in value for row in rows for value in row):
                raise
            cursor.executemany(_numbered(sql), [_without_nul(row) for row in rows])
        return cursor

    @property
    def _pipelining(self) -> bool:
        return self._pipeline is not None

    def _flush(self) -> None:
        """All of them with one statement, unless they are so few that it would cost more."""
        kept = self._buffer.take()
        if sum(map(len, kept.values())) <= _FEW:
            for change, rows in kept.items():
                for row in rows:
                    self._run_now(change, row)
            return
        # always in one order: of the same kinds in another one another statement would be prepared
        kept = dict(sorted(kept.items(), key=lambda kind: kind[0].one))
        parameters: list[str] = []
        for change, rows in kept.items():
            parameters += arrays(change, rows)
        cursor = self._execute(together(tuple(kept)), parameters)
        if any(change.refusal is not None for change in kept):
            self._counted.append(_CountedTogether(cursor, kept))

    def _run_now(self, change: Change, values: Row) -> None:
        cursor, refusal = self._execute(change.one, values), change.refusal
        if refusal is not None:
            self._count(_Counted(cursor, 1, lambda _: refusal(values)))

    def change(
        self, sql: str, parameters: Sequence[Any], rows: int, otherwise: Callable[[int], Exception]
    ) -> None:
        """In a pipeline the rows are counted with the next results that are waited for."""
        self._count(_Counted(self._execute(sql, parameters), rows, otherwise))

    def _count(self, counted: "_Counted") -> None:
        if self._pipeline is None:
            counted.verify()
        else:
            self._counted.append(counted)

    def insert(self, into: str, rows: Sequence[Row]) -> None:
        """Send them all before the first answer is waited for."""
        if rows:
            self.execute_many(f"{into} {values(len(rows[0]))}", rows)

    def insert_numbered(self, into: str, rows: Sequence[Row]) -> Sequence[int]:
        """One statement each, for of several rows the order of their ids is not promised; all are
        sent before the first id is waited for, where there is a pipeline.
        """
        sent = [self.execute(f"{into} {values(len(row))} RETURNING id", row) for row in rows]
        return [cursor.fetchone()[0] for cursor in sent]

    def verify(self) -> None:
        """One round trip for all that was sent."""
        if self._pipeline is None:
            return
        if self._buffer.kinds:
            self._flush()
        self.await_answers()
        all_counted, self._counted = self._counted, []
        for counted in all_counted:
            counted.verify()

    def plan_by_values(self) -> None:
        """Else a statement that came five times is planned for the average value."""
        self.execute("SET LOCAL plan_cache_mode = force_custom_plan")

    def plan_without_workers(self) -> None:
        """Else the planner starts two where it counts on some thousand rows."""
        self.execute("SET LOCAL max_parallel_workers_per_gather = 0")

    def lower(self, expression: str) -> str:
        """Whatever language the database was made for."""
        return f'lower({expression} COLLATE "C")'

    def among(self, ids: Sequence[int]) -> tuple[str, Sequence[Any]]:
        """An array of them: one statement is prepared for any number.

        Not for a reader: its statements are planned by their values, again and again for an array.
        """
        if not self._writing:
            return f"IN ({marks(len(ids))})", ids
        return "= ANY(?::bigint[])", (array(ids),)

    def lock(self, select: str, table: str, row_id: int) -> Cursor:
        """Read and lock it. A row that comes after those locked already is waited for.

        One that comes before them is not: two that wait for each other would be a deadlock. Then
        the works are run again, and all rows that they wanted are locked first, in their order.
        """
        if not self._writing:
            return self._execute(select, (row_id,))
        row = (table, row_id)
        in_order = row >= max(self._locked, default=row)
        try:
            cursor = self._execute(select + (_WAIT if in_order else _WAIT_NOT), (row_id,))
            self.await_answers()
        except LockNotAvailable as error:
            if in_order:
                raise  # lock_timeout
            self._wanted = self._locked | {row}
            raise SerializationConflict(f"{table} {row_id} is locked by another process") from error
        self._locked.add(row)
        return cursor

    def await_answers(self) -> None:
        """Wait for the answers to what was sent; the first error among them is raised."""
        if self._unanswered and self._pipeline is not None:
            self._unanswered = False
            self._pipeline.sync()

    def begin(self, *, pipelined: bool = False) -> None:
        """For a writer: with the locks that were wanted in vain the last time.

        In a hurry statements are sent one after the other without waiting for their answers: a
        group of works has many whose answers are not needed. The first of them is this one.
        """
        self._locked = set()
        self._counted = []
        self._buffer.forget()
        self._unanswered = False
        if pipelined and self._writing:
            self._pipeline = self._hurry.enter_context(self._connection.pipeline())
        self._execute(_BEGIN_WRITE if self._writing else _BEGIN_READ, ())
        for table, row_id in sorted(self._wanted):
            self.lock(f"SELECT 1 FROM {table} WHERE id = ?", table, row_id)  # noqa: S608 - constants

    def commit(self) -> None:
        """Returns when it is on the disk. StoreUnavailable if that is not known."""
        self.verify()
        self._wanted = set()
        try:
            cursor = self._connection.execute("COMMIT")
            self._leave_pipeline()
        except psycopg.Error as error:
            raise StoreUnavailable(
                f"the store is not available, and whether it has written this is not known: {error}"
            ) from error
        if cursor.statusmessage != "COMMIT":
            raise StoreUnavailable("the store has given the transaction up")

    def rollback(self) -> None:
        """Undo all of it."""
        with contextlib.suppress(psycopg.Error):  # of statements that are rolled back
            self._leave_pipeline()
        self._connection.execute("ROLLBACK")

    def _leave_pipeline(self) -> None:
        self._pipeline = None
        self._hurry.close()

    @property
    def in_transaction(self) -> bool:
        """True too after an error, when nothing but a rollback is taken any more."""
        return self._connection.info.transaction_status in (
            TransactionStatus.INTRANS,
            TransactionStatus.INERROR,
            TransactionStatus.ACTIVE,  # in a pipeline: results are on their way
        )

    @property
    def lost(self) -> bool:
        """Whether the connection is closed or broken."""
        return self._connection.closed

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


class _Queued:
    """The cursor of a statement whose result is waited for only when it is asked for."""

    def __init__(self, cursor: "psycopg.Cursor[Any]", session: PostgresSession) -> None:
        self._cursor = cursor
        self._session = session

    @property
    def rowcount(self) -> int:
        """How many rows it has changed or found."""
        self._answered()
        return self._cursor.rowcount

    def fetchone(self) -> Any:
        """The next row."""
        self._answered()
        return self._cursor.fetchone()

    def fetchall(self) -> list[Any]:
        """All rows."""
        self._answered()
        return self._cursor.fetchall()

    def __iter__(self) -> Iterator[Any]:
        return iter(self.fetchall())

    def _answered(self) -> None:
        if self._cursor.pgresult is None:
            self._session.await_answers()


@attrs.frozen
class _Counted:
    """How many rows a statement must have changed."""

    cursor: Cursor
    rows: int
    otherwise: Callable[[int], Exception]

    def verify(self) -> None:
        changed = self.cursor.rowcount
        if changed != self.rows:
            raise self.otherwise(changed)


@attrs.frozen
class _CountedTogether:
    """How many rows several kinds of changes must have found, those that can be refused."""

    cursor: Cursor
    changes: Mapping[Change, Sequence[Row]]

    def verify(self) -> None:
        found = iter(self.cursor.fetchone())
        for change, rows in self.changes.items():
            if change.refusal is not None and next(found) != len(rows):
                raise change.refusal(rows[0])


@lru_cache(maxsize=2048)
def _numbered(sql: str) -> bytes:
    """The statement with $1, $2 … in the place of `?`."""
    first, *rest = sql.split("?")
    return (first + "".join(f"${n}{part}" for n, part in enumerate(rest, 1))).encode()


def _without_nul(parameters: Sequence[Any]) -> list[Any]:
    """A mail server's reply may hold NUL, which no text of this database can."""
    return [
        value.replace("\0", "\N{REPLACEMENT CHARACTER}") if isinstance(value, str) else value
        for value in parameters
    ]
