"""The SQLite store keeps the Store contract."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapters.fakes.clock import FakeClock
from adapters.peewee_store import SqliteStore
from application.ports.store import Store
from entrypoints.stores import OpenedStore
from tests.contract.access_suite import AccessContract
from tests.contract.migrations_suite import MigrationsContract
from tests.contract.store_suite import StoreContract
from tests.newer_version import SHIPPED


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated file to copy, which is quicker than migrating again."""
    path = tmp_path_factory.mktemp("empty") / "mail.db"
    store = SqliteStore(path, clock=FakeClock())
    store.migrate()
    store.close()
    return path


class TestSqliteStore(StoreContract, AccessContract, MigrationsContract):
    migrations = SHIPPED

    @pytest.fixture
    def store(self, clock: FakeClock, tmp_path: Path, empty: Path) -> Iterator[Store]:
        store = SqliteStore(shutil.copy(empty, tmp_path / "mail.db"), clock=clock)
        yield store
        store.close()

    @pytest.fixture
    def unmigrated(self, clock: FakeClock, tmp_path: Path) -> Iterator[OpenedStore]:
        store = SqliteStore(tmp_path / "new.db", clock=clock)
        yield store
        store.close()
