"""What a search costs has a bound: no plan reads a whole table, and no search gets dearer with the
number of emails, whatever is searched for.
"""

from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import Any

import apsw
import pytest

from adapters.clock import SystemClock
from adapters.peewee_store import PostgresStore, SqliteStore
from adapters.peewee_store.email_search import CANDIDATES
from application.ports.store import Store
from domain.address import Address
from domain.email.listing import Search
from domain.email.status import Status
from tests.benchmarks.searching import fill
from tests.builders import NOW
from tests.postgres import Database

FEW, MANY = SIZES = (3 * CANDIDATES, 12 * CANDIDATES)
EVERYBODY = Address("everybody", "example.org")
KIND = ("kind", "all")
Question = dict[str, Any]

# what nobody has, all have, and of what all or many have what nobody has together
QUESTIONS: Sequence[Question] = (
    {"search": Search(recipient=Address("nobody", "example.org"))},
    {"search": Search(recipient=EVERYBODY)},
    {"search": Search(tag="all")},
    {"search": Search(tag="all", recipient=EVERYBODY, metadata=(KIND,))},
    {"search": Search(tag="even", metadata=(("order", "7"),))},
    {"search": Search(subject="invoice")},
    {"search": Search(subject="nothing begins so")},
    {"search": Search(subject="Invoice 1 of your order that has a longer name than the index")},
    {"search": Search(subject="Invoice", tag="all"), "status": Status.FAILED},
    {"search": Search(tag="odd"), "status": Status.FAILED},
    {"search": Search(tag="odd", metadata=(KIND,), until=NOW)},
    {"search": Search(tag="all"), "status": Status.SENDING},
    {"search": Search(recipient=EVERYBODY), "account_id": 9},
    {"search": Search(recipient=EVERYBODY), "key_id": 9},
    {"search": Search(tag="all"), "among": (9, 10)},
    {"search": Search(since=NOW, until=NOW)},
    {"search": Search(queue=0)},
    {"search": Search(queue=9)},
    {"search": Search(queue=0, tag="all")},
    {"search": Search(queue=0), "status": Status.QUEUED},
)


@pytest.fixture(scope="module")
def sqlite_stores(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[int, SqliteStore]]:
    """One with FEW emails and one with MANY."""
    folder = tmp_path_factory.mktemp("search")
    stores = {number: SqliteStore(folder / f"{number}.db", clock=SystemClock()) for number in SIZES}
    try:
        for number, store in stores.items():
            store.migrate()
            fill(store, number)
        yield stores
    finally:
        for store in stores.values():
            store.close()


@pytest.mark.parametrize("question", QUESTIONS, ids=str)
def test_a_search_costs_the_same_among_four_times_as_many_emails(
    sqlite_stores: dict[int, SqliteStore], question: Question
) -> None:
    few, many = (steps(sqlite_stores[number], question) for number in SIZES)

    assert many <= 1.3 * few + 2000


@pytest.mark.parametrize("question", QUESTIONS, ids=str)
def test_no_search_goes_through_a_whole_table(
    sqlite_stores: dict[int, SqliteStore], question: Question
) -> None:
    for sql, _ in executed(sqlite_stores[FEW], question):
        for step in plan(sqlite_stores[FEW], sql):
            # a derived table, the halves of the bisection, or the few that are sending
            few = step in ("SCAN newest", "SCAN half", "SCAN CONSTANT ROW") or "email_held" in step
            assert few or not step.startswith("SCAN"), (sql, step)


@pytest.mark.parametrize("question", QUESTIONS, ids=str)
def test_postgresql_goes_along_the_same_indexes(
    filled_postgres: PostgresStore, question: Question
) -> None:
    for sql, values in executed(filled_postgres, question):
        if sql.startswith("SET"):
            continue
        lines = filled_postgres.read(
            lambda tx, sql=sql, values=values: tx.session.execute(  # type: ignore[attr-defined]
                f"EXPLAIN {sql}", values
            ).fetchall()
        )
        scans = [line for (line,) in lines if "Seq Scan" in line]
        assert scans == [], (sql, lines)


@pytest.fixture(scope="module")
def filled_postgres(migrated_postgres: Database) -> Iterator[PostgresStore]:
    with closing(PostgresStore(migrated_postgres.url, clock=SystemClock())) as store:
        store.migrate()
        fill(store, MANY)
        yield store


def steps(store: Store, question: Question) -> int:
    """How many steps SQLite's machine takes for a page."""
    total = 0

    def count(event: Any) -> None:
        nonlocal total
        total += event["stmt_status"]["SQLITE_STMTSTATUS_VM_STEP"]

    def work(tx: Any) -> None:
        connection = tx.session._connection
        connection.trace_v2(apsw.SQLITE_TRACE_PROFILE, count)
        try:
            tx.emails.page(limit=100, **question)
        finally:
            connection.trace_v2(0)

    store.read(work)
    return total


def executed(store: Store, question: Question) -> Sequence[tuple[str, Sequence[Any]]]:
    """Every statement of a page, with its values."""
    seen: list[tuple[str, Sequence[Any]]] = []

    def work(tx: Any) -> None:
        session = tx.session
        run = session.execute

        def execute(sql: str, values: Sequence[Any] = ()) -> Any:
            seen.append((sql, values))
            return run(sql, values)

        session.execute = execute
        try:
            tx.emails.page(limit=100, **question)
        finally:
            del session.execute

    store.read(work)
    assert seen
    return seen


def plan(store: Store, sql: str) -> Sequence[str]:
    """The steps that SQLite plans, whatever the values are."""
    values = (None,) * sql.count("?")
    found = store.read(
        lambda tx: tx.session.execute(  # type: ignore[attr-defined]
            f"EXPLAIN QUERY PLAN {sql}", values
        ).fetchall()
    )
    return [row[3] for row in found]
