"""Two processes on one PostgreSQL server: one removes what is old, the other one retries it."""

import threading
from collections.abc import Callable, Iterator

import pytest

from adapters.fakes.clock import FakeClock
from adapters.peewee_store import PostgresStore
from application.ports.store import Transaction
from domain.email.lifecycle import Email
from domain.email.status import Status
from domain.errors import Conflict, NotFound, StaleAttempt
from tests.builders import NOW, OCTETS, an_email, at
from tests.postgres import Database

PATIENCE_S = 30


@pytest.fixture
def stores(postgres_database: Database) -> Iterator[list[PostgresStore]]:
    made = [PostgresStore(postgres_database.url, clock=FakeClock()) for _ in range(2)]
    yield made
    for store in made:
        store.close()


@pytest.fixture
def email(stores: list[PostgresStore]) -> Email:
    """One that has failed."""

    def work(tx: Transaction) -> Email:
        new = tx.emails.add(an_email(), OCTETS)
        failed = new.changed(status=Status.FAILED, updated_at=NOW)
        tx.emails.save(failed, was=new)
        return failed

    return stores[0].write(work)


def purge(tx: Transaction) -> int:
    return tx.retention.purge_content(
        Status.FAILED, ended_before=at(1), limit=9, octets=10**6, now=at(2)
    )


def before_the_commit(
    store: PostgresStore, work: Callable[[Transaction], object], meanwhile: Callable[[], object]
) -> None:
    """Run *work*, and *meanwhile* after it, before it commits."""
    done, commits = threading.Event(), threading.Event()

    def held(tx: Transaction) -> None:
        work(tx)
        done.set()
        assert commits.wait(PATIENCE_S)

    running = store.post(held)
    assert done.wait(PATIENCE_S)
    try:
        meanwhile()
    finally:
        commits.set()
        running.result(PATIENCE_S)


def test_a_retry_that_read_the_email_before_the_purge_committed_is_refused(
    stores: list[PostgresStore], email: Email
) -> None:
    waiting = []

    def retry() -> None:
        again = email.changed(status=Status.RETRY)
        waiting.append(stores[1].post(lambda tx: tx.emails.save(again, was=email)))

    before_the_commit(stores[0], purge, retry)

    with pytest.raises(Conflict, match="removed"):
        waiting[0].result(PATIENCE_S)
    assert stores[0].read(lambda tx: tx.emails.get(email.id)).status is Status.FAILED


def test_an_email_that_is_being_retried_keeps_its_message(
    stores: list[PostgresStore], email: Email
) -> None:
    purged = []

    def retry(tx: Transaction) -> None:
        tx.emails.save(email.changed(status=Status.RETRY), was=email)
        tx.emails.get(email.id)  # the update is not kept back any longer

    before_the_commit(stores[0], retry, lambda: purged.append(stores[1].write(purge)))

    assert purged == [0]
    assert stores[1].write(purge) == 0
    assert stores[0].read(lambda tx: tx.emails.octets(email.id)) == OCTETS


def test_a_retry_of_an_email_that_is_being_removed_finds_nothing(
    stores: list[PostgresStore], email: Email
) -> None:
    waiting = []

    def retry() -> None:
        again = email.changed(status=Status.RETRY)
        waiting.append(stores[1].post(lambda tx: tx.emails.save(again, was=email)))

    before_the_commit(
        stores[0], lambda tx: tx.retention.remove([email.id], ended_before=at(1)), retry
    )

    with pytest.raises(StaleAttempt):
        waiting[0].result(PATIENCE_S)
    with pytest.raises(NotFound):
        stores[0].read(lambda tx: tx.emails.get(email.id))
    counts = stores[0].read(lambda tx: tx.emails.counts())
    assert set(counts.values()) == {0}
