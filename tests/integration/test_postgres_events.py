"""Events in PostgreSQL, where works commit in another order than that of their ids."""

from collections.abc import Iterator, Sequence
from contextlib import closing

import psycopg
import pytest

from adapters.fakes.clock import FakeClock
from adapters.peewee_store import PostgresStore
from application.ports.store import Store
from domain.event.event import BEGINNING, EventFilter, EventPage, Position
from domain.event.types import EventType
from tests.builders import an_email
from tests.postgres import Database
from tests.running import wait_until

SENT = EventType.EMAIL_SENT
_INSERT = (
    "INSERT INTO event (type, email_id, at, data) VALUES ('email.sent', %s, 0, "
    '\'{"status":"sent","reason":null,"attempt":1,"message_id":"m","recipients":[],"left_out":0}\')'
)


@pytest.fixture
def store(postgres_database: Database) -> Iterator[Store]:
    with closing(PostgresStore(postgres_database.url, clock=FakeClock())) as store:
        yield store


def tell(store: Store, email_id: int) -> None:
    store.write(lambda tx: tx.events.tell_email(SENT, an_email(id=email_id)))


def read(store: Store, after: Position, asked: EventFilter = EventFilter()) -> EventPage:  # noqa: B008
    return store.read(lambda tx: tx.events.page(after, asked, limit=100))


def read_until(
    store: Store,
    after: Position,
    emails: Sequence[int],
    asked: EventFilter = EventFilter(),  # noqa: B008
) -> EventPage:
    """The page once it has so many events: any older transaction of the server holds them back."""
    wait_until(lambda: len(read(store, after, asked).events) >= len(emails))
    page = read(store, after, asked)
    assert emails_of(page) == list(emails)
    return page


def emails_of(page: EventPage) -> list[int | None]:
    return [event.email_id for event in page.events]


@pytest.mark.parametrize("asked", [EventFilter(), EventFilter(types=(SENT,))])
def test_a_reader_gets_each_event_once_although_the_first_id_is_committed_last(
    store: Store, postgres_database: Database, asked: EventFilter
) -> None:
    tell(store, 1)
    read_until(store, BEGINNING, [1])
    with psycopg.connect(postgres_database.url) as a:
        a.execute(_INSERT, (2,))  # has its id and its transaction, and is not committed
        tell(store, 3)  # b: a later id, committed first
        first = read(store, BEGINNING, asked)
        a.commit()
    second = read_until(store, first.next, [2, 3], asked)
    third = read(store, second.next, asked)

    assert [emails_of(page) for page in (first, second, third)] == [[1], [2, 3], []]


def test_a_reader_gets_each_event_once_although_the_later_id_has_the_older_transaction(
    store: Store, postgres_database: Database
) -> None:
    with psycopg.connect(postgres_database.url) as a:
        a.execute("SELECT txid_current()")  # its transaction is the older one
        tell(store, 1)
        a.execute(_INSERT, (2,))  # its event has the later id
        first = read(store, BEGINNING)
        a.commit()
    second = read_until(store, first.next, [2, 1])
    tell(store, 3)
    third = read_until(store, second.next, [3])

    assert [emails_of(page) for page in (first, second, third)] == [[], [2, 1], [3]]


def test_it_is_told_since_when_the_transaction_of_another_program_holds_events_back(
    store: Store, postgres_database: Database
) -> None:
    with psycopg.connect(postgres_database.url) as a:
        a.execute("SELECT txid_current()")
        tell(store, 1)
        held = [
            store.read(lambda tx: tx.events.oldest_behind(BEGINNING, asked))  # noqa: B023
            for asked in (EventFilter(), EventFilter(types=(SENT,)))
        ]
        shown = read(store, BEGINNING)
        a.commit()

    assert emails_of(shown) == []
    assert held == [an_email().updated_at] * 2


def test_an_event_of_an_email_is_looked_up_by_its_index_and_pages_by_their_order(
    store: Store, postgres_database: Database
) -> None:
    tell(store, 1)
    with psycopg.connect(postgres_database.url) as connection:
        connection.execute("SET enable_seqscan = off")
        connection.execute("SET enable_bitmapscan = off")
        for condition, index in (
            ("(tx, id) > (1, 1) ORDER BY tx, id LIMIT 500", "event_in_order"),
            ("email_id = 1 ORDER BY tx, id LIMIT 500", "event_by_email"),
        ):
            rows = connection.execute(
                f"EXPLAIN SELECT id FROM event WHERE {condition}"  # type: ignore[arg-type]
            ).fetchall()
            assert any(f"using {index}" in row[0] for row in rows), rows


def test_events_that_were_restored_on_another_server_are_read_and_come_first(
    postgres_database: Database,
) -> None:
    with closing(PostgresStore(postgres_database.url, clock=FakeClock())) as store:
        for email_id in (1, 2):
            tell(store, email_id)
        old = read_until(store, BEGINNING, [1, 2])
        # as if the server that wrote the second one had had many more transactions
        postgres_database.execute("UPDATE event SET tx = 1000000000000 WHERE email_id = 2")
        assert emails_of(read(store, BEGINNING)) == [1]
        store.migrate()
        tell(store, 3)

        read_until(store, BEGINNING, [1, 2, 3])
        read_until(store, old.next, [3])
