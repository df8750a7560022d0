"""Two processes on one PostgreSQL server: who unsubscribes while mail is accepted or claimed."""

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from adapters.fakes.clock import FakeClock
from adapters.fakes.entropy import FakeEntropy
from adapters.fakes.vault import FakeVault
from adapters.observers import ListObserver
from adapters.peewee_store import PostgresStore
from application.ports.store import Transaction
from application.pseudonyms import Pseudonyms
from application.suppressions import Entry, Suppressions
from domain.address import Address
from domain.email.status import Status
from domain.event.alert import AlertRecord
from domain.suppression import Subscription, Suppression, unsubscribed
from tests.builders import NOW, OCTETS, an_account, an_email, at, no_limits
from tests.postgres import Database

NEWS = Subscription("ada@example.org", "news")
PATIENCE_S = 30
BLOCKED_S = 0.2  # so long nothing happens to what must wait


@pytest.fixture
def stores(postgres_database: Database) -> Iterator[list[PostgresStore]]:
    made = [PostgresStore(postgres_database.url, clock=FakeClock()) for _ in range(2)]
    made[0].write(lambda tx: tx.accounts.add(an_account(limits=no_limits())))
    yield made
    for store in made:
        store.close()


def unsubscribe(tx: Transaction) -> Sequence[tuple[int, Status]]:
    tx.suppressions.put(unsubscribed(NEWS, now=NOW))
    return [(number, tx.emails.get(number).status) for number in tx.topics.lock_open(NEWS)]


def accept(tx: Transaction) -> int:
    email_id = tx.emails.add(an_email(), OCTETS).id
    tx.topics.add_all({email_id: NEWS})
    return email_id


def test_who_unsubscribes_finds_the_email_that_was_being_accepted(
    stores: list[PostgresStore],
) -> None:
    looked, ended = threading.Event(), threading.Event()

    def work(tx: Transaction) -> int:
        assert tx.suppressions.of([NEWS.address]) == []
        looked.set()
        assert not ended.wait(BLOCKED_S), "the list has changed under a work that has read it"
        return accept(tx)

    accepting = stores[0].post(work)
    assert looked.wait(PATIENCE_S)
    unsubscribing = stores[1].post(unsubscribe)
    unsubscribing.add_done_callback(lambda _: ended.set())

    email_id = accepting.result(PATIENCE_S)
    assert unsubscribing.result(PATIENCE_S) == [(email_id, Status.QUEUED)]


def test_who_accepts_finds_the_suppression_that_was_being_stored(
    stores: list[PostgresStore],
) -> None:
    put, ended = threading.Event(), threading.Event()

    def work(tx: Transaction) -> Sequence[tuple[int, Status]]:
        found = unsubscribe(tx)
        put.set()
        assert not ended.wait(BLOCKED_S), "the list was read before it was committed"
        return found

    def ask(tx: Transaction) -> Sequence[Suppression]:
        return tx.suppressions.of([NEWS.address])

    unsubscribing = stores[0].post(work)
    assert put.wait(PATIENCE_S)
    asking = stores[1].post(ask)
    asking.add_done_callback(lambda _: ended.set())

    assert unsubscribing.result(PATIENCE_S) == []
    assert asking.result(PATIENCE_S) == [unsubscribed(NEWS, now=NOW)]


def test_who_unsubscribes_waits_for_a_claim_and_sees_that_the_email_is_being_sent(
    stores: list[PostgresStore],
) -> None:
    email_id = stores[0].write(accept)
    claimed, ended = threading.Event(), threading.Event()

    def claim(tx: Transaction) -> int:
        account = tx.accounts.all()[0]
        taken = tx.emails.claim(account, limit=1, units=9, urgent_units=9, now=at(1), instance=1)
        claimed.set()
        assert not ended.wait(BLOCKED_S), "the email was read while it was being claimed"
        return len(taken)

    claiming = stores[0].post(claim)
    assert claimed.wait(PATIENCE_S)
    unsubscribing = stores[1].post(unsubscribe)
    unsubscribing.add_done_callback(lambda _: ended.set())

    assert claiming.result(PATIENCE_S) == 1
    assert unsubscribing.result(PATIENCE_S) == [(email_id, Status.SENDING)]


def test_two_processes_that_make_a_secret_at_once_get_the_same(
    stores: list[PostgresStore],
) -> None:
    met = threading.Barrier(2)

    def work(tx: Transaction, sealed: bytes) -> bytes:
        assert tx.secrets.find("links") is None
        met.wait(PATIENCE_S)
        return tx.secrets.add("links", sealed)

    made = [
        store.post(lambda tx, own=sealed: work(tx, own))
        for store, sealed in zip(stores, (b"one", b"two"), strict=True)
    ]

    first, second = [one.result(PATIENCE_S) for one in made]
    assert first == second
    assert stores[0].read(lambda tx: tx.secrets.find("links")) == first


def test_who_accepts_before_an_entry_is_added_is_told_to_ask_again(
    stores: list[PostgresStore],
) -> None:
    """The entry says so of an email whose work has not ended when it is added without waiting."""
    looked, put = threading.Event(), threading.Event()

    def work(tx: Transaction) -> int:
        assert tx.suppressions.of([NEWS.address]) == []
        email_id = accept(tx)
        looked.set()
        assert put.wait(PATIENCE_S), "who does not wait has waited"
        return email_id

    accepting = stores[0].post(work)
    assert looked.wait(PATIENCE_S)
    bounced = unsubscribed(NEWS, now=NOW)
    adding = stores[1].post(lambda tx: tx.suppressions.put(bounced, wait=False))
    adding.add_done_callback(lambda _: put.set())

    email_id = accepting.result(PATIENCE_S)
    assert adding.result(PATIENCE_S)
    assert stores[0].read(lambda tx: tx.suppressions.additions("*")).until >= email_id


def test_a_claim_does_not_wait_for_who_adds_an_entry(stores: list[PostgresStore]) -> None:
    put, asked = threading.Event(), threading.Event()

    def work(tx: Transaction) -> None:
        unsubscribe(tx)
        put.set()
        assert asked.wait(PATIENCE_S), "who does not wait has waited"

    unsubscribing = stores[0].post(work)
    assert put.wait(PATIENCE_S)
    asking = stores[1].post(lambda tx: tx.suppressions.of([NEWS.address], wait=False))
    asking.add_done_callback(lambda _: asked.set())

    assert asking.result(PATIENCE_S) == []
    unsubscribing.result(PATIENCE_S)


def pseudonyms_of(store: PostgresStore) -> Pseudonyms:
    return Pseudonyms(
        store=store,
        clock=FakeClock(),
        entropy=FakeEntropy(),
        vault=FakeVault(),
        observe=ListObserver(),
    )


def test_two_imports_of_the_same_addresses_in_other_orders_both_end(
    stores: list[PostgresStore],
) -> None:
    """They take the same locks; each address is told once, whichever import comes first."""
    entries = [Entry(address=Address.parse(f"r{n}@example.org")) for n in range(1500)]
    imports = [
        Suppressions(store=store, clock=FakeClock(), pseudonyms=pseudonyms_of(store))
        for store in stores
    ]
    met = threading.Barrier(2)

    def run(place: int) -> int:
        met.wait(PATIENCE_S)
        return imports[place].import_all(entries if place else entries[::-1])

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(run, (0, 1))) == [1500, 1500]

    (told,) = stores[0].read(
        lambda tx: tx.session.execute(  # type: ignore[attr-defined]
            "SELECT COUNT(*) FROM event WHERE type = 'suppression.created'"
        ).fetchone()
    )
    assert told == 1500


def test_two_processes_that_send_an_alert_at_once_store_one(stores: list[PostgresStore]) -> None:
    asked, tried = threading.Event(), threading.Event()
    record = AlertRecord(account_id=1, reason="x", event_id=1, at=NOW, email_id=1)

    def work(tx: Transaction, first: bool) -> bool:
        tx.watch.lock()
        last = tx.watch.last_alert(1, "x")
        if first:
            asked.set()
            assert not tried.wait(BLOCKED_S), "another one was asked meanwhile"
        if last is not None:
            return False
        tx.watch.put_alert(record)
        return True

    one = stores[0].post(lambda tx: work(tx, True))
    assert asked.wait(PATIENCE_S)
    other = stores[1].post(lambda tx: work(tx, False))
    other.add_done_callback(lambda _: tried.set())

    assert (one.result(PATIENCE_S), other.result(PATIENCE_S)) == (True, False)
