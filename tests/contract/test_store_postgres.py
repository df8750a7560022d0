"""The PostgreSQL store keeps the Store contract."""

from collections.abc import Iterator

import pytest

from adapters.fakes.clock import FakeClock
from adapters.peewee_store import PostgresStore
from application.ports.store import Store
from entrypoints.stores import OpenedStore
from tests.contract.access_suite import AccessContract
from tests.contract.migrations_suite import MigrationsContract
from tests.contract.store_suite import StoreContract
from tests.newer_version import SHIPPED
from tests.postgres import Database, Server


class TestPostgresStore(StoreContract, AccessContract, MigrationsContract):
    migrations = SHIPPED

    @pytest.fixture
    def store(self, clock: FakeClock, postgres_database: Database) -> Iterator[Store]:
        store = PostgresStore(postgres_database.url, clock=clock)
        yield store
        store.close()

    @pytest.fixture
    def unmigrated(self, clock: FakeClock, postgres: Server) -> Iterator[OpenedStore]:
        with postgres.database() as database:
            store = PostgresStore(database.url, clock=clock)
            yield store
            store.close()
