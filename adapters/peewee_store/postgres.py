"""PostgreSQL: connections that keep their promises, and the migrations.

A commit that was acknowledged must survive: a server that would lose it is refused. Reads see one
snapshot. Writes run in READ COMMITTED, where each statement sees what others have committed by
then: the account's row is locked before its ledger is read, claims pass over rows that others have
locked, and every change of a status is guarded by the status it was made for.
"""

import contextlib
import random
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import attrs
import peewee
import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.errors import LockNotAvailable
from psycopg.pq import TransactionStatus
from psycopg.types.numeric import Int8BinaryDumper

from adapters.peewee_store import schema
from adapters.peewee_store.failures import SerializationConflict, unavailable
from adapters.peewee_store.rows import Row
from adapters.peewee_store.session import BufferingSession, Cursor, marks, values
from adapters.peewee_store.write_buffer import Change, array, arrays, together
from domain.errors import StoreUnavailable

MIGRATIONS: Final = Path(__file__).parent / "migrations"
OLDEST: Final = 120000  # what no one maintains any more is not tried
SLOTS: Final = 64
# Every one of these flushes the commit to this server's disk before it is acknowledged.
DURABLE: Final[Mapping[str, frozenset[str]]] = {
    "fsync": frozenset({"on"}),
    "full_page_writes": frozenset({"on"}),
    "synchronous_commit": frozenset({"on", "local", "remote_write", "remote_apply"}),
}

LOCK_TIMEOUT_S: Final = 5.0
_STATEMENT_TIMEOUT_S: Final = 30.0
# A process that is stopped in the middle of a transaction must not stop the others with its locks.
_IDLE_TIMEOUT_S: Final = 10.0
_MIGRATION_TIMEOUT_S: Final = 60.0
_SHORTEST_PAUSE_S: Final = 0.1
_LONGEST_PAUSE_S: Final = 3.0
_STATEMENTS: Final = 512  # a claim has one for each number of emails

_FEW: Final = 4  # changes: as one statement they would cost more
_MIGRATING: Final = 0x656D61696C  # advisory locks: "email", and "emai" with a slot
_SLOT_CLASS: Final = 0x656D6169

_CONNECTION: Final[Mapping[str, Any]] = {
    "application_name": "email-service",
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
    "client_encoding": "utf-8",
}
_SETTINGS: Final[Mapping[str, str]] = {
    "timezone": "UTC",
    "statement_timeout": f"{_STATEMENT_TIMEOUT_S * 1000:.0f}",
    "idle_in_transaction_session_timeout": f"{_IDLE_TIMEOUT_S * 1000:.0f}",
    # Every hot statement has its index. Statistics lag behind a queue that fills in a minute, and
    # a plan made while it was empty would read a million rows.
    "enable_seqscan": "off",
    "enable_bitmapscan": "off",
    "jit": "off",
}
# What is written has one good plan whatever its values are: to look for it again and again costs
# more than to run it.
_WRITING: Final[Mapping[str, str]] = {"plan_cache_mode": "force_generic_plan"}
_READING: Final[Mapping[str, str]] = {"default_transaction_read_only": "on"}
_BEGIN_WRITE: Final = "BEGIN ISOLATION LEVEL READ COMMITTED"
_BEGIN_READ: Final = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
_SKIP_LOCKED: Final = " FOR UPDATE SKIP LOCKED"
_WAIT: Final = " FOR NO KEY UPDATE"
_WAIT_NOT: Final = " FOR NO KEY UPDATE NOWAIT"

_CHANCE: Final = random.SystemRandom()


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
        """It is prepared when it comes again."""
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
    def _hurrying(self) -> bool:
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
        """In a hurry the rows are counted when others are waited for anyway."""
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

    def begin(self, *, hurried: bool = False) -> None:
        """For a writer: with the locks that were wanted in vain the last time.

        In a hurry statements are sent one after the other without waiting for their answers: a
        group of works has many whose answers nobody needs. The first of them is this one.
        """
        self._locked = set()
        self._counted = []
        self._buffer.forget()
        self._unanswered = False
        if hurried and self._writing:
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
        with contextlib.suppress(psycopg.Error):  # of statements that will never have been
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
            TransactionStatus.ACTIVE,  # in a hurry: answers are on their way
        )

    @property
    def lost(self) -> bool:
        """Whether the server, or the network, has ended it."""
        return self._connection.closed

    def close(self) -> None:
        """Say goodbye."""
        self._connection.close()


class _Queued:
    """The cursor of a statement whose answer is waited for only if somebody wants to know it."""

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


class Server:
    """How one PostgreSQL database is reached. Safe from many threads.

    After a connection that could not be made the next ones fail at once for a while, longer from
    time to time and never equally long in two processes: callers learn it quickly, and a server
    that comes back is not run down.
    """

    def __init__(self, url: str, *, lock_timeout_s: float = LOCK_TIMEOUT_S) -> None:
        self._where = _parsed(url)
        self._lock_timeout_s = lock_timeout_s
        self._gate = threading.Lock()
        self._failures = 0
        self._closed_until = 0.0
        self._reason = ""

    def __repr__(self) -> str:
        where = self._where
        return f"Server({where.get('host', 'local')}, {where.get('dbname')})"

    def connect(self, *, writing: bool) -> PostgresSession:
        """A connection that is proved to be durable. StoreUnavailable if it cannot be had."""
        with self._gate:
            if time.monotonic() < self._closed_until:
                raise StoreUnavailable(f"the store is not available: {self._reason}")
        try:
            connection = self._connected(writing=writing)
        except (psycopg.Error, OSError) as error:
            self._failed(error)
            raise unavailable(error) from error
        with self._gate:
            self._failures = 0
        try:
            check(connection)
            slot = _own_slot(connection) if writing else None
        except psycopg.Error as error:
            connection.close()
            raise unavailable(error) from error
        except BaseException:
            connection.close()
            raise
        return PostgresSession(connection, writing=writing, slot=slot)

    def migrate(self, *, directory: Path = MIGRATIONS) -> Sequence[str]:
        """Apply what is pending, in one transaction under an advisory lock; the names applied.

        SchemaTooNew.
        """
        with self._database() as database, database.atomic():
            database.execute_sql(f"SELECT pg_advisory_xact_lock({_MIGRATING})")  # type: ignore[no-untyped-call]
            return schema.upgrade(database, directory)

    def pending(self, *, directory: Path = MIGRATIONS) -> Sequence[str]:
        """The names of the migrations that are to be applied; nothing is changed.

        SchemaTooNew.
        """
        with self._database() as database:
            return schema.pending(database, directory)

    def _connected(self, *, writing: bool) -> "psycopg.Connection[Any]":
        settings = {**_SETTINGS, **(_WRITING if writing else _READING)}
        settings["lock_timeout"] = f"{self._lock_timeout_s * 1000:.0f}"
        connection: psycopg.Connection[Any] = psycopg.connect(
            **self._parameters(settings),
            autocommit=True,
            cursor_factory=psycopg.RawCursor,
            prepare_threshold=1,
        )
        connection.prepared_max = _STATEMENTS
        # one type for all whole numbers: else a statement is prepared for each size of its values
        connection.adapters.register_dumper(int, Int8BinaryDumper)
        return connection

    def _database(self) -> "_Migrating":
        settings = {
            "timezone": "UTC",
            "lock_timeout": f"{_MIGRATION_TIMEOUT_S * 1000:.0f}",
            "client_min_messages": "warning",
        }
        return _Migrating(self._parameters(settings))

    def _parameters(self, settings: Mapping[str, str]) -> dict[str, Any]:
        """What the URL says goes before what we would rather have."""
        options = " ".join(f"-c {name}={value}" for name, value in settings.items())
        given = self._where.get("options", "")
        return {**_CONNECTION, **self._where, "options": f"{options} {given}".strip()}

    def _failed(self, error: BaseException) -> None:
        with self._gate:
            pause = min(_LONGEST_PAUSE_S, _SHORTEST_PAUSE_S * 2**self._failures)
            self._failures = min(self._failures + 1, 16)
            self._closed_until = time.monotonic() + pause * _CHANCE.uniform(0.5, 1.0)
            self._reason = str(error).strip()


class _Migrating:
    """Peewee's own connection, for as long as the schema is looked at or changed."""

    def __init__(self, parameters: Mapping[str, Any]) -> None:
        self._database = peewee.PostgresqlDatabase(
            parameters["dbname"],
            prefer_psycopg3=True,
            thread_safe=False,
            **{name: value for name, value in parameters.items() if name != "dbname"},
        )

    def __enter__(self) -> peewee.PostgresqlDatabase:
        try:
            self._database.connect()
        except (peewee.DatabaseError, psycopg.Error, OSError) as error:
            raise unavailable(error) from error
        return self._database

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self._database.close()
        if isinstance(error, peewee.DatabaseError | psycopg.Error):
            raise unavailable(error) from error


def check(connection: "psycopg.Connection[Any]") -> None:
    """StoreUnavailable if this server would lose what it has acknowledged, or cannot be used."""
    version = connection.info.server_version
    if version < OLDEST:
        raise StoreUnavailable(
            f"PostgreSQL {version // 10000} is too old: {OLDEST // 10000} is needed"
        )
    names = ("server_encoding", *DURABLE)
    columns = ", ".join(f"current_setting('{name}')" for name in names)
    row = connection.execute(f"SELECT {columns}").fetchone()
    assert row is not None
    check_settings(dict(zip(names, row, strict=True)))


def check_settings(settings: Mapping[str, str]) -> None:
    """StoreUnavailable that names the setting with which the promises would not hold."""
    for name, allowed in DURABLE.items():
        if settings[name] not in allowed:
            raise StoreUnavailable(
                f"PostgreSQL runs with {name} = {settings[name]}: it would lose emails that were"
                f" accepted when it fails. Set {name} = on"
            )
    if settings["server_encoding"] != "UTF8":
        raise StoreUnavailable(
            f"the database's encoding is {settings['server_encoding']}: make one with ENCODING UTF8"
        )


def _own_slot(connection: "psycopg.Connection[Any]") -> int:
    """The first slot that nobody uses, for as long as the connection lasts; else any."""
    row = connection.execute(
        f"SELECT slot FROM generate_series(0, {SLOTS - 1}) AS slot"  # noqa: S608 - constants
        f" WHERE pg_try_advisory_lock({_SLOT_CLASS}, slot) LIMIT 1"
    ).fetchone()
    return _CHANCE.randrange(SLOTS) if row is None else int(row[0])


# libpq takes what follows the first `@` for the host, and what stands before the first `/` for the
# port, and repeats both in its errors: of a password with either, unquoted, they would tell a part.
_HOST_AND_PORT: Final = r"(?:\[[^\]\s/@]*\]|[^\s/@:\[\],]*)(?::[0-9]*)?"
_URL: Final = re.compile(
    rf"postgresql://(?:[^\s/@]*@)?{_HOST_AND_PORT}(?:,{_HOST_AND_PORT})*"
    r"(?:/[^\s/?@]*)?(?:\?(?:[A-Za-z_]+=[^&\s]*)(?:&[A-Za-z_]+=[^&\s]*)*)?"
)


def _parsed(url: str) -> dict[str, Any]:
    """The parts of the URL. ValueError, which does not repeat it: it may hold a password."""
    try:
        where = conninfo_to_dict(url) if _URL.fullmatch(url) else {}
    except (psycopg.Error, UnicodeDecodeError):
        where = {}
    if not where.get("dbname"):
        raise ValueError(
            "a PostgreSQL store is postgresql://user:password@host:port/database; special"
            " characters in the password are written as %40 and so on"
        ) from None
    return where


@lru_cache(maxsize=2048)
def _numbered(sql: str) -> bytes:
    """The statement with $1, $2 … in the place of `?`."""
    first, *rest = sql.split("?")
    return (first + "".join(f"${n}{part}" for n, part in enumerate(rest, 1))).encode()


def _without_nul(parameters: Sequence[Any]) -> list[Any]:
    """What a mail server said may hold NUL, which no text of this database can."""
    return [
        value.replace("\0", "\N{REPLACEMENT CHARACTER}") if isinstance(value, str) else value
        for value in parameters
    ]
