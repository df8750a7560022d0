"""Benchmark of searching emails: by what nobody has, somebody has and everybody has, and combined.

In one process, without HTTP: a page of 100 with its recipients and tags, as the use case gives it.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from datetime import timedelta
from functools import partial
from typing import Any, Final

from adapters.clock import SystemClock
from adapters.peewee_store.transaction import SqlTransaction
from application.ports.store import Store
from domain.address import Address
from domain.email.listing import Search
from domain.email.status import Status
from entrypoints.stores import open_store
from tests.benchmarks.figures import Benchmark, Figure, Reached, Scene, percentile
from tests.builders import an_account, an_email
from tests.postgres import any_server
from tests.world import World

EMAILS: Final = 100_000  # without --emails
LIMIT: Final = 100
MOST_MS: Final = 20
KINDS: Final = ("sqlite", "postgresql")
_SECOND: Final = 1_000_000  # microseconds
_ASKED: Final = ("recipient", "tag", "metadata", "combination")

# One email stands in the table; of 1,000 one is failed, of 1,000 each has a tag, of 100,000 a
# recipient, each has an order number, and all have a tag, a recipient and a pair.
_MORE: Final = (
    "WITH RECURSIVE more(n) AS"
    " (SELECT CAST({first} + 1 AS BIGINT)"
    " UNION ALL SELECT n + 1 FROM more WHERE n < {first} + {number} - 1)"
)
_FILL: Final = (
    "INSERT INTO email ({columns}) {more} SELECT {values} FROM more, email WHERE id = {first}",
    "DELETE FROM recipient",
    "INSERT INTO recipient (email_id, position, address, kind, fate) SELECT id, 0,"
    " 'R' || (id % 100000) || '@example.org', 'to', 'accepted' FROM email",
    "INSERT INTO recipient (email_id, position, address, kind, fate) SELECT id, 1,"
    " 'everybody@example.org', 'cc', 'accepted' FROM email",
    "INSERT INTO email_tag (tag, email_id, position) SELECT 'all', id, 0 FROM email",
    "INSERT INTO email_tag (tag, email_id, position) SELECT 't' || (id % 1000), id, 1 FROM email",
    "INSERT INTO email_tag (tag, email_id, position)"
    " SELECT CASE WHEN id % 2 = 0 THEN 'even' ELSE 'odd' END, id, 2 FROM email",
    "INSERT INTO email_metadata (name, value, email_id) SELECT 'order', '' || id, id FROM email",
    "INSERT INTO email_metadata (name, value, email_id) SELECT 'kind', 'all', id FROM email",
)
_VALUES: Final = {
    "id": "n",
    "subject": "'Invoice ' || n || ' of your order'",
    "status": "CASE WHEN n % 1000 = 0 THEN 'failed' ELSE 'sent' END",
    "live": "0",
    "account_id": "1 + n % 4",
    "created_at": f"created_at + n * {_SECOND}",
}
_SCAN: Final = (
    "SELECT COUNT(*) FROM email JOIN recipient ON email_id = id"
    " WHERE lower(address || '') = 'r7@example.org'"
)


def run(scene: Scene) -> Reached:
    """Both databases, one after the other."""
    number = scene.emails or scene.size(EMAILS, 3_000)
    reached: dict[str, float | None] = {}
    for kind in KINDS:
        with _store(kind, scene) as store:
            fill(store, number)
            world = World(store=store, clock=SystemClock())
            for name, searches in _searches(number).items():
                reached[f"{kind}: by {name}"] = _p99(world, searches, scene.size(40, 2))
            reached[f"{kind}: a list without a search"] = _p99(world, [{}], scene.size(200, 2))
            reached[f"{kind}: a recipient without an index"] = _scan(store)
    return reached


@contextmanager
def _store(kind: str, scene: Scene) -> Iterator[Store]:
    server = nullcontext() if kind == "sqlite" else any_server()
    with server as there, there.database() if there else nullcontext() as database:
        url = database.url if database else f"sqlite:///{scene.folder / 'search.db'}"
        store = open_store(url, clock=SystemClock())
        try:
            store.migrate()
            yield store
        finally:
            store.close()


def fill(store: Store, number: int) -> None:
    """Make *number* emails, with labels and recipients as the searches want them."""
    now = SystemClock().now() - timedelta(days=400)
    email = an_email(created_at=now, updated_at=now, eligible_at=now, account_id=1)

    def work(tx: Any) -> None:
        assert isinstance(tx, SqlTransaction)
        tx.accounts.add(an_account())
        first = tx.emails.add(email, b"").id
        session = tx.session
        if session.shared:
            session.execute("SET LOCAL statement_timeout = 0")
        columns = [column.column_name for column in _email_columns()]
        for text in _FILL:
            session.execute(
                text.format(
                    more=_MORE.format(first=first, number=number),
                    first=first,
                    columns=", ".join(columns),
                    values=", ".join(_VALUES.get(column, column) for column in columns),
                )
            )
        if session.shared:
            session.execute("ANALYZE")

    store.write(work)


def _email_columns() -> Sequence[Any]:
    from adapters.peewee_store.tables import EmailRow

    return list(EmailRow._meta.sorted_fields)


def _searches(number: int) -> Mapping[str, Sequence[dict[str, Any]]]:
    """What is asked, each kind by what nobody, few and all emails have."""
    newest = SystemClock().now() - timedelta(days=400) + timedelta(seconds=number)
    to = partial(Address, domain="example.org")
    everybody, everything = to("everybody"), ("kind", "all")
    search = {
        "recipient": [Search(recipient=to(name)) for name in ("nobody", "r7", "R99", "everybody")],
        "tag": [Search(tag=tag) for tag in ("nobody", "t7", "all", "even")],
        "metadata": [
            Search(metadata=(pair,)) for pair in (("order", "0"), ("order", "77"), everything)
        ],
        "combination": [
            Search(tag="all", recipient=everybody, metadata=(everything,)),
            Search(tag="even", recipient=everybody, subject="invoice"),
            Search(tag="even", recipient=to("r7")),  # nobody has both, and both are many
            Search(tag="even", subject="Nothing that stands there"),
            Search(subject="invoice 77"),
            Search(subject="INVOICE"),
            Search(tag="odd", metadata=(("order", "2"),)),
            Search(since=newest - timedelta(seconds=number // 2), tag="all"),
            Search(until=newest - timedelta(seconds=number // 2), subject="Invoice 1"),
            Search(since=newest - timedelta(seconds=9), recipient=everybody),
        ],
    }
    asked: dict[str, list[dict[str, Any]]] = {
        name: [{"search": each} for each in some] for name, some in search.items()
    }
    asked["combination"] += [
        {"search": Search(tag="all"), "status": Status.FAILED},
        {"search": Search(tag="odd"), "status": Status.FAILED},  # none has both
        {"search": Search(recipient=everybody), "status": Status.SENDING},
        {"search": Search(metadata=(everything,)), "status": Status.SENT, "account_id": 3},
        {"search": Search(tag="t8"), "account_id": 2},
    ]
    return asked


def _p99(world: World, searches: Sequence[dict[str, Any]], rounds: int) -> float:
    """Milliseconds of the slowest of these questions: each is asked so often."""
    ask: Callable[..., Any] = partial(world.application.queries.emails, limit=LIMIT)
    worst = 0.0
    for which in searches:
        times = []
        for _ in range(rounds):
            started = time.perf_counter()
            ask(**which)
            times.append(time.perf_counter() - started)
        worst = max(worst, percentile(times, 0.99))
    return worst * 1000


def _scan(store: Store) -> float:
    started = time.perf_counter()
    store.read(lambda tx: tx.session.execute(_SCAN).fetchone())  # type: ignore[attr-defined]
    return (time.perf_counter() - started) * 1000


BENCHMARKS: Final = (
    Benchmark(
        name="search",
        about="a page of 100 of what is searched for, p99 of the slowest question; in one process,"
        f" among {EMAILS:,} emails or --emails",
        figures=tuple(
            Figure(
                name=f"{kind}: {name}", unit="ms", most=MOST_MS if name.startswith("by") else None
            )
            for kind in KINDS
            for name in (
                *(f"by {name}" for name in _ASKED),
                "a list without a search",
                "a recipient without an index",
            )
        ),
        run=run,
    ),
)
