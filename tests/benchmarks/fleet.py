"""How fast a backlog on PostgreSQL drains with one worker and with several; what a claim costs.

python -m tests.benchmarks.fleet                   1 and 4 workers, replies after 20 ms
python -m tests.benchmarks.fleet --claim 1000000   claims of 50 with a million waiting
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

from adapters.clock import SystemClock
from adapters.peewee_store import PostgresStore
from domain.account import Account, Security
from domain.limits import Limits
from tests.benchmarks.filling import message
from tests.benchmarks.sink import sink
from tests.builders import an_account, an_email
from tests.postgres import Database, any_server
from tests.running import Running, wait_until

WORKER = (sys.executable, "-m", "entrypoints", "worker")
CLAIM = 50


def drain_rate(
    database: Database, *, workers: int, emails: int, accounts: int = 25, latency_s: float = 0.02
) -> float:
    """Emails a second, from a tenth of the backlog to nine tenths."""
    with sink(latency_s=latency_s) as server, ExitStack() as stack:
        fill(database, emails=emails, accounts=accounts, port=server.port)
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        for number in range(workers):
            worker = Running(folder, command=WORKER, DATABASE_URL=database.url, LOG_LEVEL="WARNING")
            worker.log = folder / f"worker-{number}.log"
            stack.callback(lambda worker=worker: worker.process and worker.kill())
            worker.start(ready=False)
        times = [_when_sent(database, emails * tenths // 10) for tenths in (1, 9)]
        wait_until(lambda: _sent(database) == emails, patience=60)
    return emails * 0.8 / (times[1] - times[0])


def claim_time(database: Database, *, waiting: int, rounds: int = 40) -> list[float]:
    """Milliseconds of each claim of 50, its commit not included."""
    (account,) = fill(database, emails=waiting, accounts=1, port=1, short=True)
    store = PostgresStore(database.url, clock=SystemClock())
    taken: list[float] = []

    def work(tx: object) -> None:
        started = time.perf_counter()
        held = tx.emails.claim(  # type: ignore[attr-defined]
            account, limit=CLAIM, units=10**9, urgent_units=10**9, now=SystemClock().now(), owner=1
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


def _sent(database: Database) -> int:
    ((number,),) = database.execute("SELECT COALESCE(SUM(n), 0) FROM tally WHERE status = 'sent'")
    return int(number)


def _when_sent(database: Database, number: int) -> float:
    wait_until(lambda: _sent(database) >= number, patience=300, every=0.02)
    return time.monotonic()


def main() -> None:
    """Print what was reached."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--workers", type=int, nargs="*", default=[1, 4])
    parser.add_argument("--emails", type=int, default=6000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--claim", type=int, metavar="WAITING", help="time claims instead")
    options = parser.parse_args()
    with any_server() as server, server.database() as database:
        store = PostgresStore(database.url, clock=SystemClock())
        store.migrate()
        store.close()
        if options.claim:
            taken = claim_time(database, waiting=options.claim)
            print(
                f"claim of {CLAIM} with {options.claim} waiting: median"
                f" {statistics.median(taken):.2f} ms, slowest {max(taken):.2f} ms"
            )
            return
        for workers in options.workers:
            rates = [
                drain_rate(database, workers=workers, emails=options.emails)
                for _ in range(options.runs)
            ]
            print(
                f"{workers} workers: {statistics.median(rates):.0f} emails/s"
                f" ({min(rates):.0f} to {max(rates):.0f})",
                flush=True,
            )


if __name__ == "__main__":
    main()
