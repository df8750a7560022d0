"""What tests of every kind share: the PostgreSQL they run on."""

import gc
from collections.abc import Generator, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from adapters.fakes.clock import FakeClock
from adapters.peewee_store import PostgresStore
from tests.missing import missing
from tests.postgres import Database, NoPostgres, Server, any_server

if TYPE_CHECKING:
    from tests.browser.chromium import Browser


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Look for no garbage meanwhile: nearly all that collecting makes is kept."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()


def pytest_collection_finish() -> None:
    """Keep the garbage collector off the collected tests: a tenth of the unit tests' time."""
    gc.freeze()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """A real server. Where there is none: an error in CI, elsewhere one line that says so."""
    with ExitStack() as stack:
        try:
            server = stack.enter_context(any_server())
        except NoPostgres as reason:
            missing(reason)
        yield server


@pytest.fixture(scope="module")
def migrated_postgres(postgres: Server) -> Iterator[Database]:
    """A database with the service's tables, for one module."""
    with postgres.database() as database:
        store = PostgresStore(database.url, clock=FakeClock())
        store.migrate()
        store.close()
        yield database


@pytest.fixture
def postgres_database(migrated_postgres: Database) -> Database:
    """The module's database, with nothing in it."""
    migrated_postgres.empty()
    return migrated_postgres


@pytest.fixture(scope="module")
def browser() -> Iterator["Browser"]:
    """A Chromium for one module. Where there is none: an error in CI, elsewhere one line."""
    from tests.browser.chromium import chromium

    with chromium() as started:
        yield started
