"""The examples of docs/building/adding-an-adapter.md pass the contract suites."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event

import pytest

from adapters.clock import SystemClock
from adapters.fakes.clock import FakeClock
from application.ports.store import Store
from domain.email.status import Status
from domain.errors import StoreUnavailable
from entrypoints.settings import Settings, SettingsError
from entrypoints.stores import STORES, StoreKind, file_of, open_store
from entrypoints.wiring import build, pending_migrations
from tests.builders import OCTETS, an_email, no_limits
from tests.contract.access_suite import AccessContract
from tests.contract.dispatcher_suite import DispatcherContract, sent
from tests.contract.example_dispatcher import ThreadPerBatch
from tests.contract.example_store import SnapshotStore
from tests.contract.migrations_suite import MigrationsContract
from tests.contract.store_suite import StoreContract
from tests.running import wait_until
from tests.world import World


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    """The line of `STORES` that adds the example."""
    line = StoreKind("tests.contract.example_store:SnapshotStore", "snapshot:///path")
    monkeypatch.setitem(STORES, "snapshot", line)


class TestSnapshotStore(StoreContract, AccessContract, MigrationsContract):
    @pytest.fixture
    def store(self, clock: FakeClock, tmp_path: Path, registered: None) -> Iterator[Store]:
        store = open_store(f"snapshot:///{tmp_path}/mail.pickle", clock=clock)
        yield store
        store.close()


class OneThreadPerBatch:
    """A service in memory whose mail the example delivers."""

    def __init__(self) -> None:
        hint = Event()
        self.world = World(clock=SystemClock(), wake=hint.set)
        application, observe = self.world.application, self.world.heard
        self.dispatcher = ThreadPerBatch(application, hint=hint, observe=observe)
        self.start = self.dispatcher.start
        self.drain = self.dispatcher.drain


class TestThreadPerBatch(DispatcherContract):
    @contextmanager
    def opened(self) -> Iterator[OneThreadPerBatch]:
        house = OneThreadPerBatch()
        yield house
        house.drain(timeout=1)


# -- a store is one file and one line -----------------------------------------------------------


def test_one_line_is_all_that_a_service_needs_to_run_on_another_store(
    tmp_path: Path, registered: None
) -> None:
    path = tmp_path / "mail.pickle"
    environ = {"DATABASE_URL": f"snapshot:///{path}", "SECRET_KEY": "0123456789abcdef" * 2}
    settings = Settings.from_environment(environ)
    assert settings.database_path == path
    assert pending_migrations(settings) == []

    service = build(settings)
    assert service.migrate() == []
    assert not service.anything_due()
    service.close()


def test_a_store_that_is_not_registered_is_refused_with_the_forms_of_those_that_are() -> None:
    with pytest.raises(SettingsError, match=r"sqlite:///relative/path\.db.* or postgresql://"):
        Settings.from_environment({"DATABASE_URL": "snapshot:///mail.pickle"})


def test_every_registered_class_loads_and_distinguishes_files_from_servers() -> None:
    urls = {"sqlite": "sqlite:////data/mail.db", "postgresql": "postgresql://me@db/mail"}

    assert set(urls) == set(STORES)
    assert {scheme: file_of(url) for scheme, url in urls.items()} == {
        "sqlite": Path("/data/mail.db"),
        "postgresql": None,
    }


# -- what no suite can know of a store of one file -------------------------------------------------


def test_what_was_written_is_there_when_it_is_opened_again(tmp_path: Path) -> None:
    path = tmp_path / "mail.pickle"
    first = SnapshotStore(path, clock=FakeClock())
    stored = first.write(lambda tx: tx.emails.add(an_email(), OCTETS))
    first.close()

    again = SnapshotStore(path, clock=FakeClock())
    assert again.read(lambda tx: tx.emails.get(stored.id)) == stored
    assert again.write(lambda tx: tx.emails.add(an_email(), OCTETS)).id == stored.id + 1
    again.close()


def test_only_one_process_may_have_it(tmp_path: Path) -> None:
    path = tmp_path / "mail.pickle"
    first = SnapshotStore(path, clock=FakeClock())
    with pytest.raises(StoreUnavailable, match="another process"):
        SnapshotStore(path, clock=FakeClock())
    first.close()

    SnapshotStore(path, clock=FakeClock()).close()


def test_a_write_that_cannot_be_saved_has_not_happened(tmp_path: Path) -> None:
    store = SnapshotStore(tmp_path / "mail.pickle", clock=FakeClock())
    (tmp_path / "mail.draft").mkdir()  # where the file would be written

    with pytest.raises(StoreUnavailable, match="cannot be written"):
        store.write(lambda tx: tx.emails.add(an_email(), OCTETS))

    assert store.read(lambda tx: tx.emails.page(limit=9)).emails == ()
    store.close()


# -- what the suite of dispatchers does not ask ----------------------------------------------------


def test_the_example_takes_over_what_a_dead_process_held() -> None:
    house = OneThreadPerBatch()
    house.world.account(limits=no_limits(max_connections=20))
    email_id = house.world.submit()
    dead = World(beside=house.world, pid=2)
    assert dead.claim()
    dead.locks.die()

    house.start()

    wait_until(lambda: sent(house.world, email_id))
    house.drain(timeout=1)


def test_after_its_drain_the_example_claims_nothing() -> None:
    house = OneThreadPerBatch()
    house.world.account()
    house.start()
    first = house.world.submit()
    wait_until(lambda: sent(house.world, first))

    assert house.drain(timeout=5) is False
    late = house.world.submit()

    assert house.world.email(late).status is Status.QUEUED
    assert house.world.store.read(lambda tx: tx.instances.beats()) == {}
    assert len(house.world.sender.accepted) == 1
