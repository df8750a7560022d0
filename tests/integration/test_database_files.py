"""A database that is deleted, replaced or overwritten under a store: nothing is written to nowhere.

The service is told the same over HTTP in tests/e2e/test_database_gone.py.
"""

import logging
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import apsw
import pytest

from adapters.fakes.clock import FakeClock
from adapters.peewee_store import SqliteStore
from adapters.peewee_store.database_files import FRESH_S, DatabaseFiles
from domain.errors import StoreUnavailable
from tests.builders import OCTETS, an_email
from tests.running import wait_until

Harm = Callable[[Path], object]


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


def _replaced_by_a_copy(path: Path) -> None:
    copy = _beside(path, ".copy")
    shutil.copy(path, copy)
    copy.replace(path)


def _overwritten_by_an_older_copy(path: Path) -> None:
    """As `cp backup.db mail.db` does it: the inode stays."""
    shutil.copyfile(_beside(path, ".backup"), path)


def _halved(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def _log_made_anew(path: Path) -> None:
    log = _beside(path, "-wal")
    log.rename(_beside(path, "-wal.old"))
    log.touch()


HARMS: dict[str, Harm] = {
    "deleted": Path.unlink,
    "renamed": lambda path: path.rename(_beside(path, ".old")),
    "replaced by a copy": _replaced_by_a_copy,
    "its folder removed": lambda path: shutil.rmtree(path.parent),
    "its folder renamed": lambda path: path.parent.rename(path.parent.with_name("elsewhere")),
    "its log removed": lambda path: _beside(path, "-wal").unlink(),
    "its log made anew": _log_made_anew,
    "its index removed": lambda path: _beside(path, "-shm").unlink(),
    "emptied": lambda path: os.truncate(path, 0),
    "halved": _halved,
    "overwritten by an older copy": _overwritten_by_an_older_copy,
    "overwritten by something else": lambda path: path.write_bytes(b"\0" * 2_000_000),
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    return folder / "mail.db"


@pytest.fixture
def store(path: Path) -> Iterator[SqliteStore]:
    """With a backup beside it that is older than its own first email."""
    with closing(SqliteStore(path, clock=FakeClock())) as store:
        store.migrate()
        shutil.copyfile(path, _beside(path, ".backup"))
        for _ in range(40):
            add(store)
        _move_log_into(path)
        add(store)
        store.ping()
        yield store


def add(store: SqliteStore) -> int:
    return store.write(lambda tx: tx.emails.add(an_email(subject="x" * 900), OCTETS * 20)).id


def _move_log_into(path: Path) -> None:
    with closing(apsw.Connection(str(path))) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


def unavailable(call: Callable[[], object]) -> bool:
    try:
        call()
    except StoreUnavailable:
        return True
    return False


@pytest.mark.parametrize("harm", HARMS)
def test_nothing_is_written_or_read_once_the_database_is(
    harm: str, path: Path, store: SqliteStore
) -> None:
    HARMS[harm](path)

    wait_until(lambda: unavailable(store.ping), patience=1.0, every=FRESH_S / 4)
    assert unavailable(lambda: add(store))
    assert unavailable(lambda: store.read(lambda tx: tx.emails.counts()))
    assert unavailable(lambda: store.read_latest(lambda tx: tx.emails.counts()))


@pytest.mark.parametrize("harm", ["deleted", "renamed", "replaced by a copy"])
def test_not_one_write_goes_to_a_database_that_was(
    harm: str, path: Path, store: SqliteStore
) -> None:
    HARMS[harm](path)
    with pytest.raises(StoreUnavailable, match="while it was in use"):
        add(store)


def test_the_same_file_back_at_its_path_goes_on(path: Path, store: SqliteStore) -> None:
    away = _beside(path, ".away")
    path.rename(away)
    assert unavailable(lambda: add(store))
    away.rename(path)

    assert add(store) == 42
    store.ping()


def test_another_file_in_its_place_is_never_taken_up(path: Path, store: SqliteStore) -> None:
    _replaced_by_a_copy(path)
    assert unavailable(lambda: add(store))
    assert unavailable(lambda: add(store))
    assert unavailable(store.ping)


def test_no_new_file_is_made_where_the_database_was(path: Path, store: SqliteStore) -> None:
    path.unlink()
    assert unavailable(lambda: add(store))
    assert unavailable(store.ping)
    assert not path.exists()


def test_it_is_logged_once_what_happened_and_what_to_do(
    path: Path, store: SqliteStore, caplog: pytest.LogCaptureFixture
) -> None:
    away = _beside(path, ".away")
    with caplog.at_level(logging.WARNING):
        path.rename(away)
        for _ in range(3):
            assert unavailable(lambda: add(store))
        away.rename(path)
        add(store)
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == 2
    assert "was deleted or renamed" in told[0]
    assert "restart" in told[0]
    assert "is back" in told[1]


def test_what_was_committed_is_in_the_file_after_its_log_was_removed(
    path: Path, store: SqliteStore
) -> None:
    ids = [add(store) for _ in range(3)]
    _beside(path, "-wal").unlink()
    wait_until(lambda: unavailable(store.ping), patience=1.0, every=FRESH_S / 4)
    store.close()

    with closing(SqliteStore(path, clock=FakeClock())) as again:
        assert [again.read(lambda tx, i=i: tx.emails.get(i)).id for i in ids] == ids


def test_a_backup_that_was_copied_over_it_is_not_written_to(path: Path, store: SqliteStore) -> None:
    _overwritten_by_an_older_copy(path)
    wait_until(lambda: unavailable(store.ping), patience=1.0, every=FRESH_S / 4)
    store.close()
    assert path.read_bytes() == _beside(path, ".backup").read_bytes()


def test_what_sqlite_itself_does_to_the_files_is_no_fault(path: Path, store: SqliteStore) -> None:
    with closing(apsw.Connection(str(path))) as other:
        other.set_busy_timeout(5000)
        for statement in (
            "PRAGMA wal_checkpoint(TRUNCATE)",
            "DELETE FROM email_body",
            "VACUUM",
            "PRAGMA wal_checkpoint(TRUNCATE)",
        ):
            size = path.stat().st_size
            other.execute(statement).fetchall()
            look_again(store)
            add(store)
        assert path.stat().st_size < size


def look_again(store: SqliteStore) -> None:
    """What the store knows of its files is then younger than this call."""
    begun = time.monotonic()
    wait_until(lambda: (store.ping(), time.monotonic() - begun > FRESH_S)[1], every=FRESH_S / 4)
    store.ping()


def test_two_processes_find_the_database_gone(path: Path, store: SqliteStore) -> None:
    program = f"""
import sys
from adapters.peewee_store import SqliteStore
from adapters.clock import SystemClock
from domain.errors import StoreUnavailable
store = SqliteStore({str(path)!r}, clock=SystemClock())
store.ping()
print("open", flush=True)
sys.stdin.readline()
try:
    store.write(lambda tx: tx.instances.join(host="x", pid=1, now=SystemClock().now()))
except StoreUnavailable:
    print("refused", flush=True)
"""
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdin is not None
        assert other.stdout.readline() == "open\n"
        path.unlink()
        other.stdin.write("\n")
        other.stdin.flush()
        assert other.stdout.readline() == "refused\n"
    assert unavailable(lambda: add(store))


def test_a_reader_looks_at_the_files_ten_times_a_second_at_most(path: Path) -> None:
    now = [0.0]
    path.write_bytes(b"")
    files = DatabaseFiles(path, monotonic=lambda: now[0])
    files.opened()
    path.unlink()
    now[0] = FRESH_S * 0.9
    files.check()
    now[0] = FRESH_S
    with pytest.raises(StoreUnavailable):
        files.check()
