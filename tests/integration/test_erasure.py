"""A person who was erased is found in no file and in no column."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import apsw
import pytest

from adapters.fakes.clock import FakeClock
from adapters.fakes.memory_store import MemoryStore
from adapters.fakes.script import Rule
from adapters.peewee_store import PostgresStore, SqliteStore
from domain.email.status import Status
from domain.errors import ContentPurged, NotFound
from domain.outcome.handoff import Stage
from domain.suppression import Suppression, SuppressionReason
from tests.erased import ADDRESS, ENCODINGS, OTHER, erase, fill, found_in, is_done, sweep
from tests.postgres import Database
from tests.world import World

NAMING = ("sent", "both", "file", "reply_to", "named", "refused", *ENCODINGS)


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    clock = FakeClock()
    store: Any
    if request.param == "memory":
        store = MemoryStore(clock=clock)
    elif request.param == "sqlite":
        store = SqliteStore(tmp_path / "mail.db", clock=clock)
    else:
        store = PostgresStore(request.getfixturevalue("postgres_database").url, clock=clock)
    with closing(store):
        store.migrate()
        yield World(store=store, clock=clock)


def columns(database: Path | Database) -> dict[str, list[bytes]]:
    """What every column of every table has, as octets."""
    if isinstance(database, Path):
        with closing(apsw.Connection(str(database))) as connection:
            return _columns(lambda sql: connection.execute(sql).fetchall(), _SQLITE)
    return _columns(database.execute, _POSTGRESQL)


_SQLITE = (
    "SELECT m.name, c.name FROM sqlite_master m, pragma_table_info(m.name) c WHERE m.type = 'table'"
)
_POSTGRESQL = (
    "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public'"
)


def _columns(execute: Any, listed: str) -> dict[str, list[bytes]]:
    found: dict[str, list[bytes]] = {}
    for table, column in execute(listed):
        rows = execute(f'SELECT "{column}" FROM "{table}"')
        found[f"{table}.{column}"] = [_octets(value) for (value,) in rows]
    return found


def _octets(value: Any) -> bytes:
    if isinstance(value, bytes | memoryview):
        return bytes(value)
    return str(value).encode()


def naming(database: Path | Database) -> set[str]:
    """The columns in which the address stands."""
    found = columns(database)
    return {name for name, values in found.items() if any(map(found_in, values))}


def files(path: Path) -> bytes:
    """The database and its log."""
    return b"".join(file.read_bytes() for file in path.parent.glob(f"{path.name}*"))


def test_what_waits_for_the_person_alone_is_cancelled(world: World) -> None:
    ids = fill(world)
    erase(world)

    assert world.email(ids["waits"]).status is Status.CANCELLED
    assert world.email(ids["retry"]).status is Status.CANCELLED
    assert world.email(ids["other_waits"]).status is Status.SCHEDULED


def test_what_waits_for_others_too_goes_to_them_alone(world: World) -> None:
    ids = fill(world)
    erasure_id = erase(world)

    waiting = world.email(ids["waits_for_both"])
    assert waiting.status is Status.SCHEDULED
    assert [str(one.address) for one in waiting.open_recipients] == [OTHER]
    assert not is_done(world, erasure_id)
    assert world.application.erasing.of(erasure_id).waiting == 1

    world.application.email_changes.cancel(ids["waits_for_both"])
    sweep(world)
    assert is_done(world, erasure_id)


def test_what_names_the_person_loses_its_message_and_its_words(world: World) -> None:
    ids = fill(world)
    erasure_id = erase(world)

    for name in NAMING:
        with pytest.raises(NotFound):
            world.store.read(lambda tx, n=ids[name]: tx.emails.octets(n))
        email = world.email(ids[name])
        assert email.subject == "(erased)", name
        assert not world.store.read(lambda tx, n=ids[name]: tx.labels.of(n))
    assert world.application.erasing.of(erasure_id).erasure.emails >= len(NAMING)


def test_what_names_others_alone_is_complete(world: World) -> None:
    ids = fill(world)
    before = world.email(ids["other"])
    octets = world.store.read(lambda tx: tx.emails.octets(ids["other"]))
    erase(world)

    assert world.email(ids["other"]) == before
    assert world.store.read(lambda tx: tx.emails.octets(ids["other"])) == octets


def test_the_person_has_one_name_in_all_emails(world: World) -> None:
    ids = fill(world)
    erase(world)

    names = {str(world.email(ids[name]).recipients[0].address) for name in ("sent", "both", "file")}
    (name,) = names
    assert name.startswith("erased-")
    assert name.endswith("@erased.invalid")
    assert str(world.email(ids["both"]).recipients[1].address) == OTHER


def test_what_was_erased_is_not_sent_again(world: World) -> None:
    ids = fill(world)
    erase(world)

    with pytest.raises(ContentPurged):
        world.application.email_changes.retry(ids["refused"])


def test_the_person_stays_suppressed(world: World) -> None:
    ids = fill(world)
    world.application.email_changes.cancel(ids["waits_for_both"])
    assert is_done(world, erase(world))

    found = world.application.suppressions.of(ADDRESS)
    assert {one.reason for one in found} >= {SuppressionReason.COMPLAINT}
    again = world.submit(str(ADDRESS))  # refused once as a dead address
    assert world.email(again).reason_code == "suppressed"


def test_a_claim_knows_who_was_erased(world: World) -> None:
    ids = fill(world)
    world.application.email_changes.cancel(ids["waits_for_both"])
    world.application.suppressions.remove(ADDRESS, force=True)
    erasure_id = erase(world)
    later = world.submit(str(ADDRESS))
    entry = Suppression(
        address=world.application.erasing.of(erasure_id).erasure.pseudonym,
        scope="*",
        reason=SuppressionReason.MANUAL,
        created_at=world.clock.now(),
    )
    world.store.write(lambda tx: tx.suppressions.put(entry))
    for account in world.store.read(lambda tx: tx.accounts.all()):
        world.application.account_service.resume(account.id)
    world.run()

    assert world.email(later).reason_code == "suppressed"


def test_whoever_is_not_suppressed_may_come_back(world: World) -> None:
    ids = fill(world)
    world.application.email_changes.cancel(ids["waits_for_both"])
    world.application.suppressions.remove(ADDRESS, force=True)
    assert is_done(world, erase(world))

    assert world.email(world.submit(str(ADDRESS))).status is Status.QUEUED


@pytest.mark.parametrize(
    "answer", [f"250 2.0.0 queued for {ADDRESS}", f"550 5.1.1 no {ADDRESS} here"]
)
def test_a_result_that_comes_after_the_erasure_brings_no_words_back(
    world: World, answer: str
) -> None:
    world.account()
    world.play(Rule(Stage.DOT, answer))
    email_id = world.submit(str(ADDRESS))
    [batch] = world.claim()
    send = world.sender.send

    def erased_meanwhile(*args: Any, **kwargs: Any) -> Any:
        handoff = send(*args, **kwargs)
        world.application.delivery.recover(world.instance)
        assert is_done(world, erase(world))
        return handoff

    world.sender.send = erased_meanwhile
    world.deliver(batch)
    assert world.application.delivery.flush(timeout=5)

    assert "result_came_late" in [event.name for event in world.heard.events]
    [attempt] = world.store.read(lambda tx: tx.attempts.of(email_id))
    assert attempt.reply is not None
    assert (attempt.reply.code, attempt.reply.text) == (int(answer[:3]), "(erased)")
    assert found_in(str(attempt).encode()) == []
    assert found_in(str(world.email(email_id)).encode()) == []


class TestSqlite:
    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        return tmp_path / "mail.db"

    @pytest.fixture
    def world(self, path: Path) -> Iterator[World]:
        clock = FakeClock()
        with closing(SqliteStore(path, clock=clock)) as store:
            store.migrate()
            yield World(store=store, clock=clock)

    def test_the_address_is_in_no_file_any_more(self, world: World, path: Path) -> None:
        ids = fill(world)
        assert found_in(files(path))
        world.application.email_changes.cancel(ids["waits_for_both"])

        assert is_done(world, erase(world))
        assert naming(path) == set()
        assert found_in(files(path)) == []


def test_the_address_is_in_no_column_of_a_server_any_more(postgres_database: Database) -> None:
    clock = FakeClock()
    with closing(PostgresStore(postgres_database.url, clock=clock)) as store:
        store.migrate()
        world = World(store=store, clock=clock)
        ids = fill(world)
        assert "recipient.address" in naming(postgres_database)
        world.application.email_changes.cancel(ids["waits_for_both"])

        assert is_done(world, erase(world))
        assert naming(postgres_database) == set()
