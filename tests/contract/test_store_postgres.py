"""The PostgreSQL store keeps the Store contract."""

from collections.abc import Iterator

import pytest

from adapters.fakes.clock import FakeClock
from adapters.peewee_store import PostgresStore
from application.ports.store import Store
from tests.contract.access_suite import AccessContract
from tests.contract.store_suite import StoreContract
from tests.postgres import Database


class TestPostgresStore(StoreContract, AccessContract):
    @pytest.fixture
    def store(self, clock: FakeClock, postgres_database: Database) -> Iterator[Store]:
        store = PostgresStore(postgres_database.url, clock=clock)
        yield store
        store.close()
