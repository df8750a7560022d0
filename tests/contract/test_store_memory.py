"""The memory store keeps the Store contract."""

from collections.abc import Iterator

import pytest

from adapters.fakes.clock import FakeClock
from adapters.fakes.memory_store import MemoryStore
from application.ports.store import Store
from tests.contract.access_suite import AccessContract
from tests.contract.migrations_suite import MigrationsContract
from tests.contract.store_suite import StoreContract


class TestMemoryStore(StoreContract, AccessContract, MigrationsContract):
    @pytest.fixture
    def store(self, clock: FakeClock) -> Iterator[Store]:
        store = MemoryStore(clock=clock)
        yield store
        store.close()
