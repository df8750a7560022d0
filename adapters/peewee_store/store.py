"""The Store port on SQLite and on PostgreSQL."""

import os
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Future
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import ClassVar, Final, Self, TypeVar
from urllib.parse import unquote, urlsplit

import attrs

from adapters.peewee_store import sqlite
from adapters.peewee_store.checkpoints import Unbound
from adapters.peewee_store.compacting import overwrite
from adapters.peewee_store.database_files import DatabaseFiles
from adapters.peewee_store.readers import Bound, ReaderPool
from adapters.peewee_store.transaction import AtWork, SqlTransaction
from adapters.peewee_store.writer import GroupWriter
from application.ports.store import Transaction
from application.ports.system import Clock
from domain.event.types import ALL_EVENTS, EventType

T = TypeVar("T")

BUSY_TIMEOUT_S: Final = 5.0
MOST_READERS: Final = 8
# unquoted, libpq would take a part of a password with `@` or `/` for the host
_POSTGRESQL_URL: Final = re.compile(r"postgresql://([^\s/@]*@)?[^\s/@]*/[^\s/?@]+(\?[^\s=]+=\S*)?")


class SqlStore(ABC):
    """What the stores share: one writer that commits for everybody, and readers.

    Nothing is opened and no thread started before the first use, so a process may build it, migrate
    and then fork.
    """

    def __init__(self) -> None:
        self._connections = self._new_connections()
        self._opened = False

    def read(self, work: Callable[[Transaction], T]) -> T:
        """Run *work* on one snapshot, on a connection that cannot write (RuntimeError)."""
        return self._here().readers.read(work)

    def read_latest(self, work: Callable[[Transaction], T]) -> T:
        """Run *work* on a connection that cannot write, in no transaction."""
        return self._here().readers.read(work, begin=False)

    def write(self, work: Callable[[Transaction], T]) -> T:
        """Run *work* in the next group commit."""
        return self._here().writer.write(work)

    def post(self, work: Callable[[Transaction], T]) -> "Future[T]":
        """Queue *work* for the next group commit."""
        return self._here().writer.post(work)

    def ping(self) -> None:
        """StoreUnavailable if it cannot be read or has no tables."""
        self.read(lambda tx: tx.instances.beats())

    def close(self) -> None:
        """Drain what was posted and close every connection; never a parent's."""
        if self._connections.pid == os.getpid():
            self._connections.close()

    @property
    @abstractmethod
    def path(self) -> Path | None:
        """Where the file lies; None if it is a server that holds the database."""

    @abstractmethod
    def in_use(self) -> bool:
        """Whether another process has its file open, be it idle. Ask before the first use only.

        False for a server: it has other ways to know who is at work.
        """

    @abstractmethod
    def migrate(self) -> Sequence[str]:
        """Bring the schema up to date; the names of the migrations that were applied.

        All of them or none, under a lock: of two processes the second finds nothing to do.
        StoreUnavailable if the lock is not to be had; SchemaTooNew if the schema is one that a
        newer version has made for newer programs only.
        """

    @abstractmethod
    def pending(self) -> Sequence[str]:
        """The names of the migrations that `migrate` would apply; nothing is changed.

        SchemaTooNew.
        """

    @abstractmethod
    def scrub(self, seconds: float) -> bool:
        """The Scrub port."""

    @abstractmethod
    def _connect(self, *, writing: bool) -> SqlTransaction: ...

    @abstractmethod
    def _after_a_fork(self) -> None:
        """This process is a child of the one that opened the store."""

    _bound: ClassVar[Bound | None] = None

    def _here(self) -> "_Connections":
        """This process's connections."""
        if self._connections.pid != os.getpid():
            if self._opened:
                self._after_a_fork()
            self._connections = self._new_connections()
        return self._connections

    def _new_connections(self) -> "_Connections":
        at_work = AtWork()
        return _Connections(
            writer=GroupWriter(
                partial(self._open, writing=True), at_work=at_work, check=self._check_to_write
            ),
            readers=ReaderPool(
                partial(self._open, writing=False),
                at_work=at_work,
                bound=self._bound,
                check=self._check_to_read,
            ),
        )

    @abstractmethod
    def _check_to_write(self) -> None:
        """StoreUnavailable if what this process has open is not the database any more."""

    @abstractmethod
    def _check_to_read(self) -> None:
        """The same before a read."""

    def _open(self, *, writing: bool) -> SqlTransaction:
        self._opened = True
        return self._connect(writing=writing)


class SqliteStore(SqlStore):
    """Everything in one file of a local disk. Safe from many threads and processes.

    It must not fork while it is open: SQLite believes that the child holds its parent's locks, and
    commits are lost (howtocorrupt.html, 2.6). Such a child gets a RuntimeError.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        clock: Clock,
        events: Collection[EventType] = ALL_EVENTS,
        busy_timeout_s: float = BUSY_TIMEOUT_S,
        unbound: Unbound = nullcontext,
    ) -> None:
        self._path = Path(path).absolute()
        self._clock = clock
        self._events = events
        self._busy_timeout_s = busy_timeout_s
        self._unbound = unbound
        self._files = DatabaseFiles(self._path)
        super().__init__()

    @classmethod
    def at(
        cls,
        url: str,
        *,
        clock: Clock,
        events: Collection[EventType] = ALL_EVENTS,
        unbound: Unbound = nullcontext,
    ) -> Self:
        """The store in the file that *url* names. ValueError."""
        return cls(cls.file_of(url), clock=clock, events=events, unbound=unbound)

    @staticmethod
    def file_of(url: str) -> Path:
        """The file of a URL `sqlite:///relative.db` or `sqlite:////absolute.db`. ValueError."""
        parts = urlsplit(url)
        path = unquote(parts.path[1:])
        extra = parts.netloc or parts.query or parts.fragment
        if extra or not path or path.startswith(":") or path.endswith("/"):
            raise ValueError(
                "a SQLite store is sqlite:///relative.db or sqlite:////absolute.db, and nothing"
                " more"
            )
        return Path(path)

    @property
    def path(self) -> Path:
        """Where the file lies."""
        return self._path

    def scrub(self, seconds: float) -> bool:
        """Free pages are given back to the file system, and the log is emptied."""
        return overwrite(self._path, seconds=seconds)

    def in_use(self) -> bool:
        """By a lock that only a process alone with the file gets."""
        return sqlite.in_use(self._path)

    def migrate(self) -> Sequence[str]:
        """Under the exclusive lock of the file."""
        return sqlite.migrate(self._path)

    def pending(self) -> Sequence[str]:
        """All of them if there is no file."""
        return sqlite.pending(self._path)

    def _after_a_fork(self) -> None:
        raise RuntimeError(
            f"{self._path} was open when this process forked: open it after the fork"
        )

    def _check_to_write(self) -> None:
        self._files.check_now()

    def _check_to_read(self) -> None:
        self._files.check()

    def _connect(self, *, writing: bool) -> SqlTransaction:
        session = sqlite.connect(
            self._path,
            busy_timeout_s=self._busy_timeout_s,
            writing=writing,
            unbound=self._unbound,
            files=self._files,
        )
        return SqlTransaction(session, clock=self._clock, events=self._events)


class PostgresStore(SqlStore):
    """Everything in one database of a PostgreSQL server, shared by any number of processes.

    Each of them uses one connection to write and at most MOST_READERS to read. A child of a process
    that had it open gets connections of its own and leaves its parent's alone.
    """

    def __init__(
        self,
        url: str,
        *,
        clock: Clock,
        events: Collection[EventType] = ALL_EVENTS,
        lock_timeout_s: float | None = None,
    ) -> None:
        self._clock = clock
        self._events = events
        self._inherited: list[_Connections] = []
        try:
            from adapters.peewee_store.postgres import LOCK_TIMEOUT_S, Server
        except ImportError as error:
            raise ValueError(
                "a PostgreSQL store needs psycopg: pip install '.[postgres]'"
                " in the folder of its source"
            ) from error
        self._server = Server(url, lock_timeout_s=lock_timeout_s or LOCK_TIMEOUT_S)
        super().__init__()

    _bound = Bound(most=MOST_READERS, timeout_s=5.0)

    @classmethod
    def at(
        cls,
        url: str,
        *,
        clock: Clock,
        events: Collection[EventType] = ALL_EVENTS,
        unbound: Unbound = nullcontext,
    ) -> Self:
        """The store on the server that *url* names. ValueError."""
        return cls(url, clock=clock, events=events)

    @staticmethod
    def file_of(url: str) -> None:
        """None: it is a server. ValueError for a URL that libpq would read otherwise than meant."""
        if not _POSTGRESQL_URL.fullmatch(url):
            raise ValueError("a PostgreSQL store is postgresql://user:password@host:port/database")

    @property
    def path(self) -> None:
        """None: it is a server."""
        return

    def scrub(self, seconds: float) -> bool:
        """Once over the tables, however long it takes: nobody waits for it."""
        return self._server.vacuum()

    def in_use(self) -> bool:
        """False: who is at work shows it by its heartbeat."""
        return False

    def migrate(self) -> Sequence[str]:
        """Under an advisory lock."""
        return self._server.migrate()

    def pending(self) -> Sequence[str]:
        """Compared with what stands in the database."""
        return self._server.pending()

    def _after_a_fork(self) -> None:
        # kept, not closed: closing it would end the parent's session
        self._inherited.append(self._connections)

    def _check_to_write(self) -> None:
        return  # a connection to a database that was dropped fails by itself

    def _check_to_read(self) -> None:
        return

    def _connect(self, *, writing: bool) -> SqlTransaction:
        session = self._server.connect(writing=writing)
        return SqlTransaction(session, clock=self._clock, events=self._events)


@attrs.frozen(kw_only=True)
class _Connections:
    """What one process has opened."""

    writer: GroupWriter
    readers: ReaderPool
    pid: int = attrs.field(factory=os.getpid)

    def close(self) -> None:
        """The writer drains first: what was posted is still read from then on."""
        self.writer.close()
        self.readers.close()
