"""PostgreSQL: connections that keep their promises, and the migrations.

A commit that was acknowledged must survive: a server that would lose it is refused. Reads see one
snapshot. Writes run in READ COMMITTED, where each statement sees what others have committed by
then: the account's row is locked before its ledger is read, claims pass over rows that others have
locked, and every change of a status is guarded by the status it was made for.
"""

import random
import re
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import peewee
import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.types.numeric import Int8BinaryDumper

from adapters.peewee_store import schema
from adapters.peewee_store.failures import unavailable
from adapters.peewee_store.postgres_session import PostgresSession
from domain.errors import StoreUnavailable

MIGRATIONS: Final = Path(__file__).parent / "migrations"
OLDEST: Final = 120000  # older versions are not maintained and not tested
SLOTS: Final = 64
# Each of these flushes a commit to this server's disk before it is acknowledged.
DURABLE: Final[Mapping[str, frozenset[str]]] = {
    "fsync": frozenset({"on"}),
    "full_page_writes": frozenset({"on"}),
    "synchronous_commit": frozenset({"on", "local", "remote_write", "remote_apply"}),
}
LOCK_TIMEOUT_S: Final = 5.0
_STATEMENT_TIMEOUT_S: Final = 30.0
# A process that is frozen within a transaction must not block the others by its locks.
_IDLE_TIMEOUT_S: Final = 10.0
_MIGRATION_TIMEOUT_S: Final = 60.0
_SHORTEST_PAUSE_S: Final = 0.1
_LONGEST_PAUSE_S: Final = 3.0
_STATEMENTS: Final = 512  # a claim has one for each number of emails
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
# The tables of which an erasure removes something; each is committed by itself.
_VACUUM: Final = (
    "VACUUM (INDEX_CLEANUP ON) email, email_body, email_blob, email_detail, email_tag,"
    " email_metadata, email_topic, recipient, attempt, bounce, event, audit, account,"
    " account_oauth, idempotency, suppression, blob, blob_chunk, erasure,"
    " erasure_email, erasure_file"
)
_CHANCE: Final = random.SystemRandom()


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
            applied = schema.upgrade(database, directory)
            _adopt_events(database)
            return applied

    def pending(self, *, directory: Path = MIGRATIONS) -> Sequence[str]:
        """The names of the migrations that are to be applied; nothing is changed.

        SchemaTooNew.
        """
        with self._database() as database:
            return schema.pending(database, directory)

    def vacuum(self) -> bool:
        """Remove the rows that nobody sees any more. True: a table of somebody else's is passed
        over, with a warning in the server's log. StoreUnavailable.
        """
        try:
            with closing(self._connected(writing=True)) as connection:
                connection.execute("SET lock_timeout = 0")
                connection.execute("SET statement_timeout = 0")
                connection.execute(_VACUUM)
        except (psycopg.Error, OSError) as error:
            raise unavailable(error) from error
        return True

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
        """Parameters of the URL win over our defaults."""
        options = " ".join(f"-c {name}={value}" for name, value in settings.items())
        given = self._where.get("options", "")
        return {**_CONNECTION, **self._where, "options": f"{options} {given}".strip()}

    def _failed(self, error: BaseException) -> None:
        with self._gate:
            pause = min(_LONGEST_PAUSE_S, _SHORTEST_PAUSE_S * 2**self._failures)
            self._failures = min(self._failures + 1, 16)
            self._closed_until = time.monotonic() + pause * _CHANCE.uniform(0.5, 1.0)
            self._reason = str(error).strip()


# Restored on another server, events have numbers of transactions that are yet to come there: nobody
# would read them, and later ones would stand before them. They are the oldest there is.
_OF_ANOTHER_SERVER: Final = (
    "UPDATE event SET tx = 0 WHERE EXISTS"
    " (SELECT 1 FROM event WHERE tx >= txid_snapshot_xmax(txid_current_snapshot()))"
)


def _adopt_events(database: peewee.Database) -> None:
    (there,) = database.execute_sql("SELECT to_regclass('event') IS NOT NULL").fetchone()  # type: ignore[no-untyped-call]
    if there:
        database.execute_sql(_OF_ANOTHER_SERVER)  # type: ignore[no-untyped-call]


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
    """The first free slot, for as long as the connection lasts; else any."""
    row = connection.execute(
        f"SELECT slot FROM generate_series(0, {SLOTS - 1}) AS slot"  # noqa: S608 - constants
        f" WHERE pg_try_advisory_lock({_SLOT_CLASS}, slot) LIMIT 1"
    ).fetchone()
    return _CHANCE.randrange(SLOTS) if row is None else int(row[0])


# libpq takes what follows the first `@` for the host, and what stands before the first `/` for the
# port, and repeats both in its errors: they would show a part of a password with either, unquoted.
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
