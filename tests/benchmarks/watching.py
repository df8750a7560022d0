"""Benchmark of what watches the service: a scrape of its metrics, and the overview of its week.

In one process, without a server: Flask answers a client of its own. There are 200 SMTP
configurations, a day's use of their limits, a week of hours, and on PostgreSQL eight connections
that count.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

from adapters.clock import SystemClock
from adapters.peewee_store.rows import micros
from adapters.peewee_store.tables import EmailRow
from adapters.peewee_store.transaction import SqlTransaction
from application.ports.store import Store
from domain.account.limits import Limits, WindowLengths
from domain.outcome.verdict import Result
from domain.throughput import HOUR, Via
from entrypoints.stores import open_store
from tests.applications import a_client, an_application
from tests.benchmarks.figures import Benchmark, Figure, Reached, Scene, percentile
from tests.builders import an_account, an_attempt, an_email
from tests.postgres import any_server

EMAILS: Final = 1_000_000
ACCOUNTS: Final = 200
MOST_MS: Final = 20
KINDS: Final = ("sqlite", "postgresql")
SCRAPE: Final = "GET /metrics, p95"
OVERVIEW: Final = "the overview, p95"
_SLOTS: Final = 8
_LEDGER: Final = 200_000  # emails charged within a day
_RESULTS: Final = (Result.SENT, Result.RETRY, Result.WAIT, Result.FAILED)

# One email stands in the table; one in a hundred waits, each account has its share.
_WAITS: Final = "n % 100 = 0"
_VALUES: Final = {
    "id": "n",
    "status": f"CASE WHEN {_WAITS} THEN 'queued' ELSE 'sent' END",
    "live": f"CASE WHEN {_WAITS} THEN 1 ELSE 0 END",
    "queue": f"CASE WHEN {_WAITS} THEN 1 + n / 100 % {ACCOUNTS} ELSE 0 END",
    "account_id": f"1 + n % {ACCOUNTS}",
}
_FILL: Final = (
    "INSERT INTO email ({columns}) WITH RECURSIVE more(n) AS"
    " (SELECT CAST({first} + 1 AS BIGINT)"
    " UNION ALL SELECT n + 1 FROM more WHERE n < {first} + {number} - 1)"
    " SELECT {values} FROM more, email WHERE id = {first}",
    "DELETE FROM tally",
    "INSERT INTO tally (queue, status, n)"
    " SELECT queue, status, COUNT(*) FROM email GROUP BY queue, status",
    "INSERT INTO ledger (email_id, attempt_no, account_id, units, ts)"
    f" SELECT id, 1, 1 + id % {ACCOUNTS}, 1, CAST({{now}} AS BIGINT) - id % 86400 * 1000000"
    f" FROM email WHERE id <= {_LEDGER}",
)
_COUNTED_BY_ANOTHER: Final = (
    "INSERT INTO throughput (hour, what, label, account_id, place, slot, n, duration)"
    " SELECT hour, what, label, account_id, place, {slot}, n, duration FROM throughput"
    " WHERE slot = {own}"
)


def run(scene: Scene) -> Reached:
    """Both databases, one after the other."""
    number, accounts = scene.size(EMAILS, 2_000), scene.size(ACCOUNTS, 5)
    reached: dict[str, float | None] = {}
    for kind in KINDS:
        with _store(kind, scene) as store:
            fill(store, number, accounts)
            application = an_application(store=store, clock=SystemClock())
            client = a_client(application)
            rounds = scene.size(200, 3)
            reached[f"{kind}: {SCRAPE}"] = _p95(partial(client.get, "/metrics"), rounds)
            reached[f"{kind}: {OVERVIEW}"] = _p95(application.overview.activity, rounds)
    return reached


@contextmanager
def _store(kind: str, scene: Scene) -> Iterator[Store]:
    server = nullcontext() if kind == "sqlite" else any_server()
    with server as there, there.database() if there else nullcontext() as database:
        url = database.url if database else f"sqlite:///{scene.folder / 'watching.db'}"
        store = open_store(url, clock=SystemClock())
        try:
            store.migrate()
            yield store
        finally:
            store.close()


def fill(store: Store, number: int, accounts: int) -> None:
    """Make *number* emails of so many *accounts*, and a week in which they were busy."""
    now = SystemClock().now()
    store.write(lambda tx: _fill_queue(tx, number, accounts, now=now))
    for hours in reversed(range(7 * 24)):
        busy = accounts if hours < 2 else 1  # each account is in the totals, and in this hour
        store.write(lambda tx, at=now - HOUR * hours, busy=busy: _count(tx, busy, at=at))
        while store.write(lambda tx: tx.throughput.fold(now=now, limit=500)):
            pass
    while store.write(lambda tx: tx.ledger.fold(WindowLengths(), limit=500)):
        pass
    store.write(_count_by_others)


def _fill_queue(tx: Any, number: int, accounts: int, *, now: datetime) -> None:
    assert isinstance(tx, SqlTransaction)
    limits = Limits(daily=10_000, hourly=1000, minute=60)
    for account in range(accounts):
        tx.accounts.add(an_account(name=f"account-{account}", limits=limits))
    made = now - timedelta(hours=1)
    email = an_email(created_at=made, updated_at=made, eligible_at=made, account_id=1)
    first = tx.emails.add(email, b"").id
    session = tx.session
    if session.shared:
        session.execute("SET LOCAL statement_timeout = 0")
    columns = [field.column_name for field in EmailRow._meta.sorted_fields]
    for text in _FILL:
        session.execute(
            text.format(
                first=first,
                number=number,
                now=micros(now),
                columns=", ".join(columns),
                values=", ".join(_VALUES.get(column, column) for column in columns),
            )
        )
    if session.shared:
        session.execute("ANALYZE")


def _count(tx: Any, accounts: int, *, at: datetime) -> None:
    tx.throughput.accept(an_email(created_at=at), via=Via.API)
    for account_id in range(1, accounts + 1):
        for place, result in enumerate(_RESULTS):
            took = timedelta(seconds=0.04 * 3**place)
            attempt = an_attempt(account_id=account_id, ended_at=at, duration=took, result=result)
            tx.throughput.attempt(attempt)


def _count_by_others(tx: Any) -> None:
    own = tx.session.slot
    if own is not None:
        for slot in range(100, 99 + _SLOTS):
            tx.session.execute(_COUNTED_BY_ANOTHER.format(slot=slot, own=own))


def _p95(ask: Callable[[], object], rounds: int) -> float:
    """Milliseconds."""
    times = []
    for _ in range(rounds):
        started = time.perf_counter()
        ask()
        times.append(time.perf_counter() - started)
    return percentile(times, 0.95) * 1000


BENCHMARKS: Final = (
    Benchmark(
        name="metrics",
        about=f"what a scrape and the overview cost among {EMAILS:,} emails of {ACCOUNTS} SMTP"
        " configurations; in one process",
        figures=tuple(
            Figure(name=f"{kind}: {what}", unit="ms", most=most)
            for kind in KINDS
            for what, most in ((SCRAPE, MOST_MS), (OVERVIEW, None))
        ),
        run=run,
    ),
)
