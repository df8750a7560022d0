"""The WAL is moved into the file beside the commits, and comes to its end however busy they are."""

import threading
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import apsw
import pytest

from adapters.fakes.clock import FakeClock
from adapters.peewee_store import SqliteStore, sqlite
from adapters.peewee_store.checkpoints import MOST_PAGES, Checkpoints
from domain.errors import StoreUnavailable
from tests.builders import OCTETS, an_email
from tests.running import wait_until

PAGE = 4096
PAGES = 200
NAME = "store-checkpoints"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "mail.db"


@pytest.fixture
def writing(path: Path) -> Iterator[apsw.Connection]:
    """A connection that never moves anything by itself."""
    with closing(apsw.Connection(str(path))) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        connection.execute("CREATE TABLE page (octets BLOB)")
        yield connection


def beside(path: Path) -> apsw.Connection:
    return sqlite.open_connection(path, {"synchronous": 2}, 5.0)


def write(
    connection: apsw.Connection, checkpoints: Checkpoints, *, rows: int = 1, pages: int = 1
) -> None:
    """One transaction of some rows, each of about so many pages."""
    checkpoints.before_writing(connection)
    connection.execute("BEGIN IMMEDIATE")
    connection.executemany("INSERT INTO page VALUES (?)", [(bytes(PAGE * pages),)] * rows)
    connection.execute("COMMIT")


def wal_pages(path: Path) -> int:
    return Path(f"{path}-wal").stat().st_size // PAGE


def running() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == NAME]


def test_while_one_transaction_follows_another_the_wal_does_not_grow(
    path: Path, writing: apsw.Connection
) -> None:
    checkpoints = Checkpoints(partial(beside, path), pages=PAGES)
    try:
        for _ in range(20 * PAGES):
            write(writing, checkpoints)
    finally:
        checkpoints.close()

    assert wal_pages(path) < 10 * PAGES, "it started again"
    assert path.stat().st_size > 10 * PAGES * PAGE, "and what it held is in the file"


def test_rows_of_many_pages_after_small_ones_do_not_make_the_wal_grow(
    path: Path, writing: apsw.Connection
) -> None:
    """A file that is uploaded, in chunks of 64 pages: as many rows of mail have 100."""
    checkpoints = Checkpoints(partial(beside, path), pages=PAGES)
    try:
        for _ in range(5 * PAGES):
            write(writing, checkpoints)
        for _ in range(PAGES):
            write(writing, checkpoints, pages=64)
    finally:
        checkpoints.close()

    assert wal_pages(path) < 64 * PAGES // 4


def test_what_could_not_be_moved_is_moved_later(path: Path, writing: apsw.Connection) -> None:
    tries = []

    def connect() -> apsw.Connection:
        tries.append(1)
        if len(tries) < 3:
            raise StoreUnavailable("no")
        return beside(path)

    checkpoints = Checkpoints(connect, pages=PAGES)
    before = path.stat().st_size

    def moved() -> bool:
        write(writing, checkpoints, rows=100)
        return path.stat().st_size > before

    try:
        wait_until(moved, every=0)
    finally:
        checkpoints.close()

    assert len(tries) == 3


def test_an_idle_store_has_no_thread_for_it_and_a_closed_one_neither(path: Path) -> None:
    store = SqliteStore(path, clock=FakeClock())
    store.migrate()
    before = len(running())
    store.write(lambda tx: tx.emails.add(an_email(), OCTETS))
    assert len(running()) == before

    octets = OCTETS + bytes(5 * PAGE)
    store.write(lambda tx: tx.emails.add_all([(an_email(), octets)] * 1000))
    store.write(lambda tx: tx.emails.add(an_email(), OCTETS))
    assert len(running()) == before + 1

    store.close()
    assert len(running()) == before


def test_where_it_does_not_keep_up_the_commits_move_it(path: Path) -> None:
    store = SqliteStore(path, clock=FakeClock())
    store.migrate()
    (pages,) = store.write(
        lambda tx: tx.session.execute("PRAGMA wal_autocheckpoint").fetchone()  # type: ignore[attr-defined]
    )
    store.close()
    assert pages == MOST_PAGES
