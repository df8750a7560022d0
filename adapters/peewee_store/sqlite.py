"""SQLite: connections that keep their promises, and the migrations.

``synchronous`` is a setting of each connection, and one that forgets it silently falls back to the
build's default, which may lose the last commits when the power fails. So every connection reads
its pragmas back before it is used.
"""

import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from datetime import datetime
from functools import lru_cache, partial
from itertools import chain
from pathlib import Path
from typing import Any, Final

import apsw
import peewee
from playhouse.apsw_ext import APSWDatabase

from adapters.peewee_store import schema
from adapters.peewee_store.checkpoints import MOST_PAGES, Checkpoints, Unbound
from adapters.peewee_store.database_files import DatabaseFiles
from adapters.peewee_store.failures import unavailable
from adapters.peewee_store.rows import Row
from adapters.peewee_store.session import BufferingSession, Cursor, marks, values
from adapters.peewee_store.write_buffer import Change
from domain.errors import StoreUnavailable

MIGRATIONS: Final = Path(__file__).parent / "migrations"
MIGRATION_TIMEOUT_S: Final = 60.0

# SQLite itself would retry after 1, 2, 5 … 100 ms, while another process that commits all the
# time releases the lock for less than one: the two would not alternate. For the time of a few
# commits we retry every 0.1 ms (the system rounds up): two processes deliver 5 % more than with a
# retry every 0.3 ms. A longer wait, for a copy or a migration, must not use the processor.
_LOOK_AGAIN_S: Final = 0.00003
_SOON_S: Final = 0.05
_LOOK_AGAIN_LATER_S: Final = 0.001
_BEGIN_WRITE: Final = "BEGIN IMMEDIATE"
_FULL: Final = 2
_CACHE_KIB: Final = 16 * 1024  # of the writer, which uses the same pages again
_READERS_CACHE_KIB: Final = 2 * 1024  # a message is read once, and each page kept costs a third
_INCREMENTAL: Final = 2  # free pages are given back when asked for
_STATEMENTS: Final = 512  # a claim has one for each number of emails
_MOST_ROWS: Final = 32  # of one statement; there are few sizes, so that each is prepared once


class SqliteSession(BufferingSession):
    """The Session port on one connection. It is a writer's if it has *checkpoints*."""

    shared = False  # BEGIN IMMEDIATE excludes all other writers
    skip_locked = ""
    slot = None
    lost = False
    _pipelining = False

    def __init__(
        self,
        connection: apsw.Connection,
        *,
        checkpoints: Checkpoints | None,
        busy_timeout_s: float,
        files: DatabaseFiles,
    ) -> None:
        super().__init__()
        self._connection = connection
        self._files = files
        self._checkpoints = checkpoints
        self._busy_timeout_s = busy_timeout_s
        self._wrong: Exception | None = None

    def _execute(self, sql: str, parameters: Sequence[Any]) -> Cursor:
        return self._connection.execute(sql, parameters)  # type: ignore[return-value]  # _Counting

    def execute_many(self, sql: str, rows: Iterable[Row], /) -> object:
        """Run one statement for each row of parameters."""
        if self._buffer.kinds:
            self._flush()
        return self._connection.executemany(sql, rows)

    def plan_by_values(self) -> None:
        """Nothing: it has no statistics of values."""

    def plan_without_workers(self) -> None:
        """Nothing: it has none."""

    def lower(self, expression: str) -> str:
        """It knows the letters of ASCII only."""
        return f"lower({expression})"

    def among(self, ids: Sequence[int]) -> tuple[str, Sequence[Any]]:
        """A list of them."""
        return f"IN ({marks(len(ids))})", ids

    def lock(self, select: str, table: str, row_id: int) -> Cursor:
        """A plain read: a write transaction excludes all others already."""
        return self.execute_unflushed(select, (row_id,))

    def _run_now(self, change: Change, values: Row) -> None:
        self._run(change, [values])
        self.verify()

    def change(
        self, sql: str, parameters: Sequence[Any], rows: int, otherwise: Callable[[int], Exception]
    ) -> None:
        """Run the statement, and count the rows it changed."""
        self._connection.execute(sql, parameters)
        changed = self._connection.changes()
        if changed != rows:
            raise otherwise(changed)

    def insert(self, into: str, rows: Sequence[Row]) -> None:
        """Many rows with one statement: each costs a third, and other threads get their turn, which
        is waited for, once and not for every row.
        """
        self.insert_numbered(into, rows)

    def insert_numbered(self, into: str, rows: Sequence[Row]) -> Sequence[int]:
        """The ids of one statement are consecutive: no other connection writes meanwhile."""
        ids: list[int] = []
        for size in _sizes(len(rows)):
            some = rows[len(ids) : len(ids) + size]
            sql = _insert(into, columns=len(some[0]), rows=size)
            parameters = some[0] if size == 1 else tuple(chain.from_iterable(some))
            self._connection.execute(sql, parameters)
            last = self._connection.last_insert_rowid()
            ids += range(last - size + 1, last + 1)
        return ids

    def verify(self) -> None:
        """Write what is buffered; what any of it was refused for is raised here, and not in a work
        that happened to come next.
        """
        if self._buffer.kinds:
            self._flush()
        wrong, self._wrong = self._wrong, None
        if wrong is not None:
            raise wrong

    def _flush(self) -> None:
        for change, rows in self._buffer.take().items():
            self._run(change, rows)

    def _run(self, change: Change, rows: Sequence[Row]) -> None:
        if change.into is not None and len(rows) > 1:
            self.insert_numbered(change.into, rows)
            return
        before = self._connection.total_changes()
        self._connection.executemany(change.one, rows)
        if change.refusal is None:
            return
        if self._connection.total_changes() - before != len(rows):
            self._wrong = change.refusal(rows[0])

    def begin(self, *, pipelined: bool = False) -> None:
        """For a writer with the lock, at once. A reader's snapshot begins with its first read."""
        self._pipelining = pipelined
        if self._checkpoints is None:
            self.execute("BEGIN")
            return
        self._checkpoints.before_writing(self._connection)
        asked_at = time.monotonic()
        while not self._locked():
            waited = time.monotonic() - asked_at
            if waited >= self._busy_timeout_s:
                self.execute(_BEGIN_WRITE)
                return
            time.sleep(_LOOK_AGAIN_S if waited < _SOON_S else _LOOK_AGAIN_LATER_S)

    def _locked(self) -> bool:
        """Whether the lock was free and is held now."""
        try:
            self.execute(_BEGIN_WRITE)
        except apsw.BusyError:
            return False
        return True

    def commit(self) -> None:
        """Returns when it is on the disk."""
        self.execute("COMMIT")

    def rollback(self) -> None:
        """Undo all of it."""
        self._buffer.forget()
        self._wrong = None
        self._connection.execute("ROLLBACK")

    @property
    def in_transaction(self) -> bool:
        """False too after an error for which SQLite rolls back by itself, a full disk for one."""
        return self._connection.in_transaction

    def close(self) -> None:
        """Close the file."""
        if self._checkpoints is not None:
            self._checkpoints.close()
        if self._files.log_is_foreign():
            self._connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
        self._connection.close()
        self._files.closed()


@lru_cache(maxsize=512)
def _sizes(number: int) -> Sequence[int]:
    """How many rows each statement takes: powers of two, the larger ones first."""
    sizes: list[int] = []
    while number:
        sizes.append(min(_MOST_ROWS, 1 << number.bit_length() - 1))
        number -= sizes[-1]
    return sizes


@lru_cache(maxsize=64)
def _insert(into: str, *, columns: int, rows: int) -> str:
    return f"{into} {values(columns, rows=rows)}"


def connect(
    path: Path, *, busy_timeout_s: float, writing: bool, unbound: Unbound, files: DatabaseFiles
) -> SqliteSession:
    """A connection that is proved to be durable, to the same files as those before.

    StoreUnavailable if it cannot be had.
    """
    files.check_now()
    pragmas = _pragmas(0 if writing else busy_timeout_s, foreign_keys=True)
    if not writing:
        pragmas |= {"query_only": 1, "cache_size": -_READERS_CACHE_KIB}
    connection = open_connection(path, pragmas, busy_timeout_s, make=not files.known)
    beside = partial(open_connection, path, pragmas, busy_timeout_s, make=False)
    session = SqliteSession(
        connection,
        checkpoints=Checkpoints(beside, unbound=unbound) if writing else None,
        busy_timeout_s=busy_timeout_s,
        files=files,
    )
    try:
        files.opened()
    except StoreUnavailable:
        session.close()
        raise
    return session


def in_use(path: Path) -> bool:
    """Whether any other connection has the file open, idle ones and other processes' too.

    SQLite leaves WAL only for whoever is alone with the file. Not while this process has it open.
    """
    try:
        _create_private(path)
        with closing(_connected(path, 0)) as connection:
            connection.pragma("journal_mode", "delete")
            connection.pragma("journal_mode", "wal")
    except (apsw.BusyError, apsw.LockedError):
        return True
    except (apsw.Error, OSError) as error:
        raise unavailable(error) from error
    return False


def migrate(path: Path, *, directory: Path = MIGRATIONS) -> Sequence[str]:
    """Apply what is pending, in one transaction under the write lock; the names applied.

    With nothing pending no writer waits: each process asks as it begins.
    SchemaTooNew.
    """
    if not pending(path, directory=directory):
        return []
    # SQLite rebuilds a table to change it: with foreign keys on that would empty its children.
    pragmas = _pragmas(MIGRATION_TIMEOUT_S, foreign_keys=False)
    with closing(SqliteSchema(open_connection(path, pragmas, MIGRATION_TIMEOUT_S))) as database:
        try:
            with database.atomic("EXCLUSIVE"):
                applied = schema.upgrade(database, directory)
                # of everything there is: a quarter of a second for a million emails
                orphan = database.pragma("foreign_key_check") if applied else None
                if orphan:
                    raise StoreUnavailable(
                        f"the migrations leave a row without its parent: {orphan}"
                    )
        except peewee.DatabaseError as error:
            raise unavailable(error) from error
    return applied


def pending(path: Path, *, directory: Path = MIGRATIONS) -> Sequence[str]:
    """The names of the migrations that are to be applied; nothing is changed, no file is made.

    SchemaTooNew.
    """
    if not path.exists():
        return sorted(step.stem for step in directory.glob("[0-9]*.py"))
    pragmas = _pragmas(MIGRATION_TIMEOUT_S, foreign_keys=True)
    with closing(SqliteSchema(open_connection(path, pragmas, 5.0))) as database:
        try:
            return schema.pending(database, directory)
        except peewee.DatabaseError as error:
            raise unavailable(error) from error


class SqliteSchema(APSWDatabase):  # type: ignore[misc]
    """A connection as the migrations know it: by the beginning of this name."""

    def __init__(self, connection: apsw.Connection) -> None:
        super().__init__(connection.filename, thread_safe=False)
        connection.convert_binding = _time_as_text
        self._open = connection
        self.connect()

    def _connect(self) -> apsw.Connection:
        return self._open


def _time_as_text(_cursor: apsw.Cursor, _number: int, value: object) -> str:
    """When a migration was applied, as Python's own driver writes a time."""
    if not isinstance(value, datetime):
        raise TypeError(f"a {type(value).__name__} cannot be written into a database")
    return str(value)


def open_connection(
    path: Path, pragmas: Mapping[str, Any], busy_timeout_s: float, *, make: bool = True
) -> apsw.Connection:
    """A connection with these pragmas, each read back. StoreUnavailable if one is refused.

    *make* a file that is not there, or refuse.
    """
    connection: apsw.Connection | None = None
    try:
        if make:
            _create_private(path)
        connection = _connected(path, busy_timeout_s)
        _set(connection, pragmas, busy_timeout_s)
    except (apsw.Error, OSError, StoreUnavailable) as error:
        if connection is not None:
            connection.close()
        raise unavailable(error) from error
    return connection


def _connected(path: Path, busy_timeout_s: float) -> apsw.Connection:
    connection = apsw.Connection(
        str(path), apsw.SQLITE_OPEN_READWRITE, statementcachesize=_STATEMENTS
    )
    connection.set_busy_timeout(round(busy_timeout_s * 1000))
    connection.cursor_factory = _Counting
    # Else a statement is made anew for each other value that an index could depend on: 100 µs for
    # the one that a claim looks ahead with.
    connection.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, 1)
    if path.stat().st_size == 0:
        # before anything else is written: WAL is. Later it would ask for a VACUUM.
        connection.pragma("auto_vacuum", _INCREMENTAL)
    # What is deleted is overwritten where that costs no further page.
    connection.pragma("secure_delete", "fast")
    return connection


class _Counting(apsw.Cursor):
    """A cursor that reports the rows it has changed, as other drivers' do."""

    __slots__ = ()

    @property
    def rowcount(self) -> int:
        """How many rows the last statement of the connection has changed."""
        return self.connection.changes()


def _pragmas(busy_timeout_s: float, *, foreign_keys: bool) -> dict[str, Any]:
    return {
        "journal_mode": "wal",
        "synchronous": _FULL,
        "foreign_keys": int(foreign_keys),
        "cache_size": -_CACHE_KIB,
        "wal_autocheckpoint": MOST_PAGES,
        # last: until then it waits while others recover or put away the file's log
        "busy_timeout": round(busy_timeout_s * 1000),
    }


def _create_private(path: Path) -> None:
    """Make the file for its owner alone; SQLite gives its -wal and -shm the same mode.

    An existing file is not even opened: closing it would drop the locks of this process.
    """
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except FileExistsError:
        return


def _set(connection: apsw.Connection, pragmas: Mapping[str, Any], busy_timeout_s: float) -> None:
    give_up_at = time.monotonic() + busy_timeout_s
    for name, wanted in pragmas.items():
        got = _set_one(connection, name, wanted, give_up_at)
        if got != wanted:
            raise StoreUnavailable(
                f"SQLite gives {name} = {got!r} for {connection.filename}, not {wanted!r}: a store"
                " without it would break its promises"
            )


def _set_one(
    connection: apsw.Connection, name: str, wanted: int | str, give_up_at: float
) -> int | str | None:
    """Set it unless it is so already, and read it back.

    Of two that turn a new file into WAL at once one is refused without waiting: it tries again.
    """
    while connection.pragma(name) != wanted:
        try:
            connection.pragma(name, wanted)
            break
        except (apsw.BusyError, apsw.LockedError):
            if time.monotonic() >= give_up_at:
                raise
            time.sleep(0.005)
    got: int | str | None = connection.pragma(name)
    return got
