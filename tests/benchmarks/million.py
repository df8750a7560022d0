"""Benchmarks with a million emails waiting: what must not grow with the backlog."""

import sqlite3  # noqa: TID251 - while no store has the file open
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Final

from adapters.clock import SystemClock
from adapters.peewee_store import SqliteStore
from application.ports.store import Transaction
from entrypoints.stores import open_store
from tests.benchmarks.client import volley
from tests.benchmarks.figures import Benchmark, Figure, Reached, Scene, percentile
from tests.benchmarks.filling import Filling, fill
from tests.benchmarks.serving import service
from tests.benchmarks.sink import sink
from tests.running import Running, free_port, wait_until
from tests.world import World

ROUNDS: Final = 60


class _NotKept(Exception):
    """Undoes a work that was only measured."""


def claim(scene: Scene) -> Reached:
    """The claim itself, and with attempts, reservations and commit around it."""
    few = scene.folder / "few.db"
    fill(few, Filling(emails=1000, port=free_port(), short=True, not_yet_due=100))
    little = _claim_times(few)
    much = _claim_times(_million(scene))
    return {
        "claim of 50 at 1,000,000": much[0],
        "claim of 50, times what it is at 1,000": much[0] / little[0],
        "claim of 50 with attempts, reservations, commit": much[1],
    }


def _million(scene: Scene) -> Path:
    """The database that all runs share; each of them takes a few thousand of its emails."""
    path = scene.shared / "million.db"
    if not path.exists():
        number = scene.size(1_000_000, 5000)
        fill(
            path,
            Filling(
                emails=number, port=free_port(), accounts=4, short=True, not_yet_due=number // 10
            ),
        )
    return path


def _claim_times(path: Path) -> tuple[float, float | None]:
    """Milliseconds, medians: the repository's claim, and the use case as a whole."""
    clock = SystemClock()
    store = open_store(f"sqlite:///{path}", clock=clock)
    world = World(store=store, clock=clock)
    try:
        alone = [_time_claim(store, world) for _ in range(ROUNDS)]
        whole = _time_use_case(world)
        world.application.membership.leave()
    finally:
        store.close()
    return percentile(alone, 0.5) * 1000, percentile(whole, 0.5) * 1000 if whole else None


def _time_claim(store: SqliteStore, world: World) -> float:
    seconds = 0.0

    def work(tx: Transaction) -> None:
        nonlocal seconds
        account = tx.accounts.lock(1)
        started = time.perf_counter()
        taken = tx.emails.claim(
            account,
            limit=45,
            units=10**9,
            urgent_units=10**9,
            now=world.clock.now(),
            instance=world.instance,
            fair=5,
        )
        seconds = time.perf_counter() - started
        assert len(taken) == 50
        raise _NotKept

    try:
        store.write(work)
    except _NotKept:
        return seconds
    raise AssertionError("the work was kept")


def _time_use_case(world: World) -> Sequence[float]:
    """Whole claims; what they took is handed to a sender that does nothing."""
    delivery = world.application.delivery
    times = []
    for _ in range(14):
        world.application.membership.beat()
        started = time.perf_counter()
        batches = delivery.claim(world.instance, places=1)
        seconds = time.perf_counter() - started
        taken = sum(len(batch.emails) for batch in batches)
        if taken >= 10:  # how many follows the server's pace
            times.append(seconds * 50 / taken)
        for batch in batches:
            delivery.deliver(batch, stopping=lambda: False)
    assert delivery.flush(timeout=30)
    return times


def memory(scene: Scene) -> Reached:
    """A service that hands off and answers with a million waiting; how soon it does."""
    path = _million(scene)
    log = scene.folder / "dots"
    with sink(log=log) as target:
        with closing(sqlite3.connect(path, isolation_level=None)) as database:
            database.execute("UPDATE account SET port = ?", (target.port,))
        started = time.monotonic()
        with service(scene, DATABASE_URL=f"sqlite:///{path}") as running:
            moments = wait_until(lambda: list(target.dots().values()))
            volley(running.url, number=200, clients=4, method="GET", path="/api/emails?limit=100")
            time.sleep(scene.size(5, 1))
            resident = peak_mb(running)
    return {
        "memory with 1,000,000 waiting": resident,
        "start to first hand-off": min(moments) - started,
    }


def peak_mb(running: Running) -> float:
    """The most memory that the service has had, in MB."""
    assert running.process is not None
    status = Path(f"/proc/{running.process.pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def reads(scene: Scene) -> Reached:
    """Four clients that look; nothing is delivered."""
    path = _million(scene)
    _charge_a_day(path, emails=scene.size(100_000, 500))
    number = scene.size(300, 20)
    reached: dict[str, float | None] = {}
    with service(scene, DATABASE_URL=f"sqlite:///{path}", DISPATCHER="none") as running:
        for name, asked in _READS.items():
            volley(running.url, number=20, clients=4, method="GET", path=asked)
            done = volley(running.url, number=number, clients=4, method="GET", path=asked)
            assert set(done.statuses) == {"200"}, f"{asked}: {done.statuses}"
            reached[name] = percentile(done.times, 0.99) * 1000
    return reached


def _charge_a_day(path: Path, *, emails: int) -> None:
    """Each account has sent so many in the last day, evenly: what the counts add up."""
    now = round(SystemClock().now().timestamp() * 1_000_000)
    step = 86_400_000_000 // emails
    first = 10**12  # behind the ids of all emails
    charge = (
        "INSERT INTO ledger (email_id, attempt_no, account_id, units, ts) VALUES (?, ?, ?, 1, ?)"
    )
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("DELETE FROM ledger WHERE email_id >= ?", (first,))
        accounts = [number for (number,) in database.execute("SELECT id FROM account")]
        for account_id in accounts:
            rows = ((first + n, account_id, account_id, now - n * step) for n in range(emails))
            database.executemany(charge, rows)


_READS: Final = {
    "GET /api/emails/1, p99": "/api/emails/1",
    "GET /api/emails/status/queued, p99": "/api/emails/status/queued?limit=50",
    "GET /api/smtp-configs with its counts, p99": "/api/smtp-configs",
}

BENCHMARKS: Final = (
    Benchmark(
        name="claim",
        about="60 claims of 50 with 1,000,000 waiting, 100,000 of them not yet due",
        figures=(
            Figure(name="claim of 50 at 1,000,000", unit="ms", most=0.5),
            Figure(name="claim of 50, times what it is at 1,000", unit="×", most=2),
            Figure(name="claim of 50 with attempts, reservations, commit", unit="ms"),
        ),
        run=claim,
    ),
    Benchmark(
        name="memory",
        about="API and delivery in one process, 1,000,000 waiting",
        figures=(
            Figure(name="memory with 1,000,000 waiting", unit="MB", most=150),
            Figure(name="start to first hand-off", unit="s", most=3),
        ),
        run=memory,
    ),
    Benchmark(
        name="reads",
        about="300 GETs of each kind by 4 clients, 1,000,000 waiting, 100,000 a day sent by each of"
        " 4 accounts",
        figures=tuple(Figure(name=name, unit="ms", most=20) for name in _READS),
        run=reads,
    ),
)
