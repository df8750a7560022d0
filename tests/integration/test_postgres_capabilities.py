"""Two processes on one PostgreSQL server: an older one joins while mail is accepted or retried."""

import threading
from collections.abc import Callable, Iterator

import attrs
import pytest

from adapters.fakes.clock import FakeClock
from adapters.peewee_store import PostgresStore
from application.ports.store import Transaction
from domain.capability import ALL, Capability
from domain.email.detail import Detail
from domain.email.lifecycle import Email
from domain.email.status import Status
from domain.errors import Conflict
from domain.mailbox import Mailbox
from tests.builders import NOW, OCTETS, an_address, an_email
from tests.postgres import Database

PATIENCE_S = 30
BLOCKED_S = 0.2  # so long nothing happens to what must wait


@pytest.fixture
def stores(postgres_database: Database) -> Iterator[list[PostgresStore]]:
    made = [PostgresStore(postgres_database.url, clock=FakeClock()) for _ in range(2)]
    yield made
    for store in made:
        store.close()


def join_without_a_from_of_its_own(tx: Transaction) -> int:
    return tx.instances.join(host="a", pid=1, now=NOW, capabilities=ALL & ~Capability.OWN_FROM)


def accept(tx: Transaction) -> Email:
    assert not tx.instances.lacks(Capability.OWN_FROM)
    email = tx.emails.add(an_email(), OCTETS)
    tx.details.add_all({email.id: Detail(sender=Mailbox(an_address()))})
    return email


def beside_the_other(
    first: Callable[[Transaction], object],
    second: Callable[[Transaction], object],
    stores: list[PostgresStore],
) -> None:
    """Run *first*, and *second* at another process before the first one has committed."""
    done, ended = threading.Event(), threading.Event()

    def work(tx: Transaction) -> None:
        first(tx)
        done.set()
        assert not ended.wait(BLOCKED_S), "the other one did not wait"

    running = stores[0].post(work)
    assert done.wait(PATIENCE_S)
    waiting = stores[1].post(second)
    waiting.add_done_callback(lambda _: ended.set())
    running.result(PATIENCE_S)
    waiting.result(PATIENCE_S)


def test_who_joins_waits_for_the_email_that_is_being_accepted(
    stores: list[PostgresStore],
) -> None:
    with pytest.raises(Conflict, match="older version"):
        beside_the_other(accept, join_without_a_from_of_its_own, stores)


def test_who_accepts_waits_for_the_process_that_is_joining(stores: list[PostgresStore]) -> None:
    with pytest.raises(AssertionError, match=r"^assert not True"):
        beside_the_other(join_without_a_from_of_its_own, accept, stores)


def test_who_retries_waits_for_the_process_that_is_joining(stores: list[PostgresStore]) -> None:
    email = stores[0].write(accept)
    failed = attrs.evolve(email, status=Status.FAILED)
    stores[0].write(lambda tx: tx.emails.save(failed, was=email))

    def retry(tx: Transaction) -> None:
        tx.emails.save(attrs.evolve(failed, status=Status.RETRY), was=failed)

    with pytest.raises(Conflict, match="older version"):
        beside_the_other(join_without_a_from_of_its_own, retry, stores)
