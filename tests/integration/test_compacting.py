"""The room of what was removed is given back, and what was removed is readable nowhere."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import apsw
import pytest

from adapters.fakes.clock import FakeClock
from adapters.peewee_store import SqliteStore, sqlite
from adapters.peewee_store.compacting import INCREMENTAL, compact
from application.ports.store import Store
from domain.email.status import Status
from domain.errors import Conflict
from tests.builders import NOW, an_email, at

SECRET = b"the words that nobody may read any more "
EMAILS = 400


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "mail.db"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    with closing(SqliteStore(path, clock=FakeClock())) as store:
        store.migrate()
        yield store


def fill_and_purge(store: Store) -> None:
    """Emails whose messages were removed."""
    message = SECRET * 300
    for _ in range(EMAILS // 100):
        ended = [(an_email(size=len(message)), message)] * 100
        for email in store.write(lambda tx, ended=ended: tx.emails.add_all(ended)):
            sent = email.changed(status=Status.SENT, updated_at=NOW)
            store.write(lambda tx, sent=sent, email=email: tx.emails.save(sent, was=email))
    purged = 1
    while purged:
        purged = store.write(
            lambda tx: tx.retention.purge_content(
                Status.SENT, ended_before=at(1), limit=500, octets=10**9, now=at(2)
            )
        )


def octets_of(path: Path) -> bytes:
    return b"".join(file.read_bytes() for file in path.parent.glob(f"{path.name}*"))


def silent(_: str) -> None:
    pass


def test_a_new_file_gives_its_room_back_while_it_is_used(store: Store, path: Path) -> None:
    fill_and_purge(store)

    done = compact(path, tell=silent)

    assert done.before > 4_000_000
    assert done.after < done.before / 10
    assert store.read(lambda tx: tx.emails.counts())[Status.SENT] == EMAILS
    assert store.write(lambda tx: tx.emails.add(an_email(), b"x")).id == EMAILS + 1
    assert SECRET not in octets_of(path)


def old_file(path: Path) -> None:
    """A file as earlier versions made it: with the room of what was removed."""
    with closing(SqliteStore(path, clock=FakeClock())) as store:
        store.migrate()
        fill_and_purge(store)
    with closing(apsw.Connection(str(path))) as connection:
        connection.pragma("journal_mode", "delete")
        connection.pragma("auto_vacuum", 0)
        connection.execute("VACUUM")
        connection.execute("CREATE TABLE big (octets BLOB)")
        connection.execute("INSERT INTO big VALUES (zeroblob(5000000))")
        connection.execute("DROP TABLE big")
        assert connection.pragma("auto_vacuum") == 0


def test_an_older_file_is_rewritten_once(path: Path) -> None:
    old_file(path)
    told: list[str] = []

    done = compact(path, tell=told.append)

    assert done.after < done.before / 10
    assert len(told) == 1
    with closing(apsw.Connection(str(path))) as connection:
        assert connection.pragma("auto_vacuum") == INCREMENTAL
        assert connection.pragma("integrity_check") == "ok"
    assert compact(path, tell=told.append).after == done.after
    assert len(told) == 1
    with closing(SqliteStore(path, clock=FakeClock())) as store:
        assert store.migrate() == []
        assert store.read(lambda tx: tx.emails.counts())[Status.SENT] == EMAILS


def test_an_older_file_is_not_rewritten_while_it_is_used(path: Path) -> None:
    old_file(path)
    with closing(SqliteStore(path, clock=FakeClock())) as store:
        store.ping()
        with pytest.raises(Conflict, match="stop the service"):
            compact(path, tell=silent)


def test_an_older_file_is_not_rewritten_without_the_room(path: Path) -> None:
    old_file(path)

    with pytest.raises(Conflict, match="there are 9"):
        compact(path, tell=silent, free=lambda folder: 9)


def test_what_is_deleted_is_overwritten(store: Store, path: Path) -> None:
    connection = sqlite.open_connection(path, {}, 5.0)
    with closing(connection):
        assert connection.pragma("secure_delete") == 2
        assert connection.pragma("auto_vacuum") == INCREMENTAL
