"""What a fleet reaches: several workers on one PostgreSQL, and what database and broker pay for it.

python -m tests.benchmarks fleet                   1 and 4 workers of several sizes
python -m tests.benchmarks.fleet --threads 4       of one size, as often as wanted
python -m tests.benchmarks.fleet --claim 1000000   claims of 50 with a million waiting
python -m tests.benchmarks.fleet --database        emails a second for one core of PostgreSQL
python -m tests.benchmarks.fleet --broker URL      hints a second for one broker (amqp://… or redis://…)
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from threading import Semaphore, Thread
from typing import Any

import psycopg

from adapters.celery_dispatcher import DELIVER, MOST_HINTS, HintPublisher, make_celery
from adapters.clock import SystemClock
from adapters.observers import ListObserver
from adapters.peewee_store import PostgresStore
from domain.account.account import Account, Security
from domain.account.limits import Limits
from tests.benchmarks.client import an_email as an_email_of_a_client
from tests.benchmarks.client import volley
from tests.benchmarks.figures import Benchmark, Figure, Reached, Scene
from tests.benchmarks.filling import message
from tests.benchmarks.serving import processor_s_of
from tests.benchmarks.sink import sink
from tests.builders import an_account, an_email
from tests.postgres import Database, any_server
from tests.running import Running, wait_until

WORKER = (sys.executable, "-m", "entrypoints", "worker")
CLAIM = 50
FLEET = 4
# How large a worker is, in threads, and a backlog that keeps one busy for some seconds. None: as
# large as it finds useful, which is all fifty connections.
SIZES: Mapping[int | None, int] = {8: 3000, 16: 4000, None: 6000}


def fleet(scene: Scene) -> Reached:
    """One worker and four of the same size, one after the other, for each size."""
    reached: dict[str, float | None] = {}
    with any_server() as server, server.database() as database:
        _migrate(database)
        for threads, emails in SIZES.items():
            backlog = scene.size(emails, 200)
            one, four = (
                drain_rate(database, workers=workers, emails=backlog, threads=threads)
                for workers in (1, FLEET)
            )
            names = _names(threads)
            reached |= dict(zip(names, (one, four, four / one), strict=True))
    return reached


def _names(threads: int | None) -> Sequence[str]:
    size = "as it likes" if threads is None else f"of {threads} threads"
    return (
        f"1 worker {size}",
        f"{FLEET} workers {size}",
        f"{FLEET} workers {size}, times one of them",
    )


def _figures(threads: int | None) -> Sequence[Figure]:
    one, four, ratio = _names(threads)
    return (
        Figure(name=one, unit="/s"),
        Figure(name=four, unit="/s"),
        Figure(name=ratio, unit="×", least=1.7),
    )


def _migrate(database: Database) -> None:
    store = PostgresStore(database.url, clock=SystemClock())
    store.migrate()
    store.close()


def drain_rate(
    database: Database,
    *,
    workers: int,
    emails: int,
    threads: int | None = None,
    accounts: int = 25,
    latency_s: float = 0.02,
) -> float:
    """Emails a second, from a tenth of the backlog to nine tenths.

    Each worker has so many *threads*, or as many as it finds useful. The rate is read from the
    emails in the end: whoever keeps asking meanwhile takes a part of the two cores.
    """
    environ: dict[str, object] = {"DATABASE_URL": database.url, "LOG_LEVEL": "WARNING"}
    if threads is not None:
        environ |= {"QUEUE_WORKERS": threads, "MAX_WORKERS": threads}
    with sink(latency_s=latency_s) as server, ExitStack() as stack:
        fill(database, emails=emails, accounts=accounts, port=server.port)
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        for number in range(workers):
            worker = Running(folder, command=WORKER, **environ)
            worker.log = folder / f"worker-{number}.log"
            stack.callback(lambda worker=worker: worker.process and worker.kill())
            worker.start(ready=False)
        _wait_for_sent(database, emails)
    return _rate(database, emails)


def database_rate(database: Database, *, emails: int) -> float:
    """Emails a second that one core of the database accepts and sees handed off.

    By the processor time of its connections; what the server writes behind them is not in it.
    """
    with sink() as server, tempfile.TemporaryDirectory() as name:
        api = Running(Path(name), DATABASE_URL=database.url, LOG_LEVEL="WARNING", DISPATCHER="none")
        worker = Running(Path(name), command=WORKER, DATABASE_URL=database.url, LOG_LEVEL="WARNING")
        worker.log = Path(name) / "worker.log"
        try:
            api.start()
            for number in range(4):
                api.account(server.port, name=f"account-{number}")
            volley(api.url, number=emails, clients=16, body=an_email_of_a_client())
            accepted = _connections_s(database)
            worker.start(ready=False)
            _wait_for_sent(database, emails)
            used = _connections_s(database)
        finally:
            for running in (api, worker):
                if running.process is not None:
                    running.kill()
    print(f"accepting {accepted * 1e6 / emails:.0f} µs, all {used * 1e6 / emails:.0f} µs an email")
    return emails / used


def _connections_s(database: Database) -> float:
    """Processor time that PostgreSQL has spent on the connections that are open."""
    return sum(
        processor_s_of(int(folder.name))
        for folder in Path("/proc").glob("[0-9]*")
        if _title(folder).startswith("postgres:") and database.name in _title(folder)
    )


def _title(folder: Path) -> str:
    try:
        return (folder / "cmdline").read_text("utf-8", "replace")
    except OSError:  # it has ended
        return ""


def broker_rate(url: str, *, hints: int) -> float:
    """Hints a second, sent by one thread and taken by another: these two are the limit, so a broker
    takes at least so many.
    """
    heard = ListObserver()
    app = make_celery(url, queue="email-service-bench", sweep=timedelta(seconds=30), observe=heard)
    room = Semaphore(MOST_HINTS // 2)  # of what would wait for too long nothing more is sent
    taken = 0

    def take(_: object, message: Any) -> None:
        nonlocal taken
        message.ack()
        taken += 1
        room.release()

    def consume() -> None:
        queue = app.amqp.queues[app.conf.task_default_queue]
        with app.connection_for_read() as connection, connection.Consumer(
            queue, callbacks=[take], accept=["json"]
        ):  # fmt: skip
            while taken < hints:
                connection.drain_events(timeout=10)

    line = HintPublisher(app, observe=heard)
    consumer = Thread(target=consume)
    started = time.monotonic()
    for sent in range(hints):
        room.acquire()
        assert line.send(DELIVER)
        if not sent:
            consumer.start()  # the queue is there now
    consumer.join()
    line.close()
    return hints / (time.monotonic() - started)


def claim_time(database: Database, *, waiting: int, rounds: int = 40) -> list[float]:
    """Milliseconds of each claim of 50, its commit not included."""
    (account,) = fill(database, emails=waiting, accounts=1, port=1, short=True)
    store = PostgresStore(database.url, clock=SystemClock())
    taken: list[float] = []

    def work(tx: object) -> None:
        started = time.perf_counter()
        held = tx.emails.claim(  # type: ignore[attr-defined]
            account,
            limit=CLAIM,
            units=10**9,
            urgent_units=10**9,
            now=SystemClock().now(),
            instance=1,
        )
        taken.append((time.perf_counter() - started) * 1000)
        assert len(held) == CLAIM

    for _ in range(rounds):
        store.write(work)
    store.close()
    return taken[5:]  # statements are prepared and pages read by then


def fill(
    database: Database, *, emails: int, accounts: int, port: int, short: bool = False
) -> Sequence[Account]:
    """Empty it, and let so many emails of 10 KB (or *short* ones) wait."""
    database.empty()
    store = PostgresStore(database.url, clock=SystemClock())
    now = SystemClock().now() - timedelta(hours=1)
    octets = message(short=short)
    made = [
        store.write(lambda tx, n=n: tx.accounts.add(_account(n, port))) for n in range(accounts)
    ]
    template = an_email(
        size=len(octets),
        eligible_at=now,
        expires_at=now + timedelta(days=30),
        created_at=now,
        updated_at=now,
    )
    store.write(lambda tx: tx.emails.add(template, octets))
    store.close()
    for table, key in (("email", "id"), ("email_body", "email_id"), ("recipient", "email_id")):
        columns = [
            name
            for (name,) in database.execute(
                "SELECT column_name FROM information_schema.columns"
                f" WHERE table_name = '{table}' ORDER BY ordinal_position"
            )
        ]
        values = ", ".join("1 + n" if name == key else name for name in columns)
        database.execute(
            f"SET synchronous_commit = off; INSERT INTO {table} ({', '.join(columns)})"
            f" SELECT {values} FROM {table}, generate_series(1, {emails - 1}) AS n WHERE {key} = 1"
        )
    database.execute(f"ALTER TABLE email ALTER id RESTART WITH {emails + 1}")
    database.execute(f"UPDATE tally SET n = {emails}")
    return made


def _account(number: int, port: int) -> Account:
    return an_account(
        name=f"account-{number}",
        host="127.0.0.1",
        port=port,
        security=Security.PLAIN,
        username="",
        sealed_password=None,
        limits=Limits(daily=None, hourly=None, max_connections=2),
    )


def _wait_for_sent(database: Database, number: int) -> None:
    """Until so many are recorded. On one connection: each new one is a process for PostgreSQL."""
    query = "SELECT COALESCE(SUM(n), 0) FROM tally WHERE status = 'sent'"
    with psycopg.connect(database.url, autocommit=True) as looking:
        wait_until(lambda: looking.execute(query).fetchone() >= (number,), patience=300, every=0.25)


def _rate(database: Database, emails: int) -> float:
    first, last = emails // 10, emails * 9 // 10
    times = [
        micros
        for (micros,) in database.execute(
            f"SELECT sent_at FROM email ORDER BY sent_at OFFSET {first} LIMIT {last - first + 1}"
        )
    ]
    return (last - first) * 1e6 / (times[-1] - times[0])


BENCHMARKS = (
    Benchmark(
        name="fleet",
        about="a backlog on PostgreSQL, 25 accounts of 2 connections, 20 ms a reply",
        figures=tuple(figure for threads in SIZES for figure in _figures(threads)),
        run=fleet,
    ),
)


def main() -> None:
    """Print what was reached."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--workers", type=int, nargs="*", default=[1, 4])
    parser.add_argument("--emails", type=int, default=6000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--threads", type=int, help="of each worker; else as it likes")
    parser.add_argument("--claim", type=int, metavar="WAITING", help="time claims instead")
    parser.add_argument("--database", action="store_true", help="what an email costs PostgreSQL")
    parser.add_argument("--broker", metavar="URL", help="how many hints a broker takes")
    options = parser.parse_args()
    if options.broker:
        rates = [broker_rate(options.broker, hints=2000) for _ in range(options.runs)]
        print(f"hints: {_told(rates)}")
        return
    with any_server() as server, server.database() as database:
        _migrate(database)
        if options.claim:
            taken = claim_time(database, waiting=options.claim)
            print(
                f"claim of {CLAIM} with {options.claim} waiting: median"
                f" {statistics.median(taken):.2f} ms, slowest {max(taken):.2f} ms"
            )
            return
        if options.database:
            rate = database_rate(database, emails=options.emails)
            print(f"one core of PostgreSQL: {rate:.0f} emails/s")
            return
        reached: dict[int, list[float]] = {workers: [] for workers in options.workers}
        for _ in range(options.runs):  # in turns: a noisy minute is everybody's
            for workers, rates in reached.items():
                rates.append(
                    drain_rate(
                        database, workers=workers, emails=options.emails, threads=options.threads
                    )
                )
        for workers, rates in reached.items():
            print(f"workers {workers}: {_told(rates)}")


def _told(rates: Sequence[float]) -> str:
    return f"{statistics.median(rates):.0f}/s ({min(rates):.0f} to {max(rates):.0f})"


if __name__ == "__main__":
    main()
