"""Emails are purged while others write, what that leaves is given back, and a year is measured."""

import sqlite3  # noqa: TID251 - while no store has the file open
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

from adapters.clock import SystemClock
from adapters.fakes.locks import FakeLocks
from adapters.peewee_store.compacting import compact
from application.cluster.membership import LeasePolicy, Membership
from application.intake.draft import Draft
from application.maintenance.retention import Retention
from application.ports.store import Store, Transaction
from domain.access import LOCAL
from domain.retention import DAY, RetentionPolicy
from entrypoints.stores import open_store
from tests.benchmarks.figures import Benchmark, Figure, Reached, Scene, percentile
from tests.benchmarks.filling import Filling, fill
from tests.builders import an_address
from tests.running import free_port
from tests.world import World

T = TypeVar("T")
_MICRO: Final = 1_000_000
_DAY: Final = 24 * 3600 * _MICRO
POSTS_A_SECOND: Final = 50
LARGE: Final = 20_000
MEGABYTE: Final = 1_000_000
# What docs/operating/privacy.md computes for a thousand emails a day, in octets.
DAYS: Final = 400
DAYS_OF_MESSAGES: Final = 7
DAYS_OF_EVENTS: Final = 30
BOUND_PER_THOUSAND: Final = 380_000_000


class TimedStore:
    """A store that writes down how long each write took, in seconds, with the wait for it."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.seconds: list[float] = []

    def write(self, work: Callable[[Transaction], T]) -> T:
        begun = time.monotonic()
        try:
            return self._store.write(work)
        finally:
            self.seconds.append(time.monotonic() - begun)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


class _Unresting(SystemClock):
    """Its monotonic time jumps over each rest."""

    def __init__(self) -> None:
        self.skipped = 0.0
        super().__init__()

    def monotonic(self) -> float:
        return super().monotonic() + self.skipped


def purge(scene: Scene) -> Reached:
    """Messages and rows, as quick as it goes; then beside a client, with the rests it makes."""
    path = _ended(scene.folder, emails=scene.size(100_000, 2000), short=True)
    reached: dict[str, float | None] = {}
    with closing(open_store(f"sqlite:///{path}", clock=SystemClock())) as store:
        seconds = scene.size(30, 1)
        before = _posts(store, seconds)
        timed = TimedStore(store)
        beside = _posts(store, seconds, beside=_retention(timed, SystemClock()))
        clock = _Unresting()
        _purge(store, _retention(timed, clock), clock)
    reached["commits of the purge, p50"] = 1000 * percentile(timed.seconds, 0.5)
    reached["commits of the purge, p99"] = 1000 * percentile(timed.seconds, 0.99)
    reached["commits of the purge, longest"] = 1000 * max(timed.seconds)
    alone = percentile(before, 0.99)
    reached["POST p99 beside the purge, times what it is alone"] = percentile(beside, 0.99) / alone
    reached["POST p99 alone"] = 1000 * alone
    return reached


def purge_large(scene: Scene) -> Reached:
    """Messages and rows, without rests, and the room of both given back, while another writes."""
    path = _ended(scene.folder, emails=scene.size(LARGE, 500), short=False)
    begun = path.stat().st_size
    with closing(open_store(f"sqlite:///{path}", clock=SystemClock())) as store:
        clock = _Unresting()
        timed = TimedStore(store)
        with _writing(store) as alone:
            time.sleep(scene.size(20, 2) / 10)
        with _writing(store) as waits:
            _purge(store, _retention(timed, clock), clock)
            compact(path, tell=lambda text: None)
    size = sum(file.stat().st_size for file in path.parent.glob(f"{path.name}*"))
    return {
        "file before": begun / MEGABYTE,
        "file and log after": size / MEGABYTE,
        "commits of the purge, p50": 1000 * percentile(timed.seconds, 0.5),
        "commits of the purge, p99": 1000 * percentile(timed.seconds, 0.99),
        "commits of the purge, longest": 1000 * max(timed.seconds),
        "commits of others, p50": 1000 * percentile(waits, 0.5),
        "commits of others, p99": 1000 * percentile(waits, 0.99),
        "commits of others, longest": 1000 * max(waits),
        "commits of others alone, longest": 1000 * max(alone),
    }


def _purge(store: Store, retention: Retention, clock: _Unresting) -> None:
    """Until nothing is left that was sent."""
    while _left(store):
        retention.run()
        clock.skipped += 1000


@contextmanager
def _writing(store: Store) -> Iterator[list[float]]:
    """Meanwhile another thread writes a row again and again; how long each took, in seconds."""
    over = threading.Event()
    taken: list[float] = []
    at = SystemClock().now()

    def work() -> None:
        while not over.wait(1 / POSTS_A_SECOND):
            begun = time.monotonic()
            store.write(lambda tx: tx.audit.add(LOCAL.did("something", "for a while", at=at)))
            taken.append(time.monotonic() - begun)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield taken
    finally:
        over.set()
        thread.join()


def _retention(store: Any, clock: SystemClock) -> Retention:
    membership = Membership(
        store=store, clock=clock, locks=FakeLocks(), rules=LeasePolicy(), host="here", pid=1
    )
    policy = RetentionPolicy(sent=7 * DAY, rows=8 * DAY)
    return Retention(
        store=store, clock=clock, membership=membership, policy=policy, observe=lambda event: None
    )


def _left(store: Store) -> bool:
    return bool(store.read(lambda tx: tx.emails.counts().get("sent", 0)))  # type: ignore[call-overload]


def _posts(store: Any, seconds: float, *, beside: Retention | None = None) -> list[float]:
    """How long each acceptance took, in seconds, while *beside* works whenever it wants to."""
    world = World(store=store, clock=SystemClock())
    over = threading.Event()

    def work() -> None:
        while beside is not None and not over.wait(0.05):
            beside.run()

    thread = threading.Thread(target=work)
    thread.start()
    taken: list[float] = []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        begun = time.monotonic()
        draft = Draft(subject="Hello", html="<p>Hello</p>", to=(an_address(),))
        world.application.submission.submit((draft,))
        taken.append(time.monotonic() - begun)
        time.sleep(1 / POSTS_A_SECOND)
    over.set()
    thread.join()
    return taken


def _ended(folder: Path, *, emails: int, short: bool) -> Path:
    """A database whose emails were sent ten days ago, each with a recipient and an attempt."""
    path = folder / "purge.db"
    fill(path, Filling(emails=emails, port=free_port(), short=short))
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("PRAGMA synchronous = OFF")
        _end(database, days=10, over=1)
    return path


def _end(database: sqlite3.Connection, *, days: int, over: int) -> None:
    """All are sent, the last *days* ago, the others before that within so many days (*over*)."""
    now = SystemClock().now().timestamp() * _MICRO
    (first, number) = database.execute("SELECT MIN(id), COUNT(*) FROM email").fetchone()
    step = over * _DAY / number
    newest = now - days * _DAY
    at = f"CAST({newest} - ({first} + {number} - id) * {step} AS INTEGER)"
    database.execute("BEGIN")
    database.execute(
        "UPDATE email SET status = 'sent', live = 0, open_count = 0, attempt_no = 1,"
        f" account_id = 1, created_at = {at}, updated_at = {at}, sent_at = {at}"
    )
    database.execute(
        "UPDATE recipient SET fate = 'accepted', reply_code = 250, reply_text = 'queued as 4711'"
    )
    database.execute(
        "INSERT INTO attempt (email_id, attempt_no, account_id, account_name, owner, started_at,"
        " ended_at, duration, stage, reply_code, reply_text, result, text)"
        " SELECT id, 1, 1, 'account-0', 1, updated_at, updated_at, 1000, 'dot', 250,"
        " 'queued as 4711', 'accepted', '' FROM email"
    )
    database.execute("DELETE FROM tally")
    database.execute(
        "INSERT INTO tally (queue, status, n)"
        " SELECT queue, status, COUNT(*) FROM email GROUP BY queue, status"
    )
    database.execute("COMMIT")


def year(scene: Scene) -> Reached:
    """A tenth of 400 days of 10,000 emails a day: what retention leaves of them."""
    emails = scene.size(400_000, 4000)
    a_day = emails / DAYS
    path = scene.folder / "year.db"
    fill(path, Filling(emails=emails, port=free_port()))
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("PRAGMA synchronous = OFF")
        _end(database, days=0, over=DAYS)
        (last,) = database.execute("SELECT MAX(id) FROM email").fetchone()
        gone = last - DAYS_OF_MESSAGES * a_day
        database.execute("DELETE FROM email_body WHERE email_id <= ?", (gone,))
        database.execute("UPDATE email SET content_purged_at = 1 WHERE id <= ?", (gone,))
        database.execute(
            "INSERT INTO event (type, email_id, account_id, at, data)"
            " SELECT 'email.sent', id, 1, updated_at, ? FROM email WHERE id > ?",
            (_EVENT, last - DAYS_OF_EVENTS * a_day),
        )
    compact(path, tell=lambda text: None)
    size = path.stat().st_size
    return {
        "octets for each email of 400 days": size / emails,
        "size, of what the docs compute": size / (a_day / 1000 * BOUND_PER_THOUSAND),
    }


_EVENT: Final = (
    '{"status":"sent","reason":null,"attempt":1,"message_id":"<0123456789abcdef@example.com>",'
    '"recipients":[["ada@example.org","accepted",null,"250 queued as 4711"]],"left_out":0}'
)

BENCHMARKS: Final = (
    Benchmark(
        name="purge",
        about="100,000 emails are purged: messages, then rows; 50 POSTs a second beside it",
        figures=(
            Figure(name="commits of the purge, p50", unit="ms"),
            Figure(name="commits of the purge, p99", unit="ms"),
            Figure(name="commits of the purge, longest", unit="ms", most=50),
            Figure(name="POST p99 alone", unit="ms"),
            Figure(name="POST p99 beside the purge, times what it is alone", unit="×", most=1.5),
        ),
        run=purge,
    ),
    Benchmark(
        name="purge-large",
        about="20,000 emails of 10 kB are purged without a rest, and their room is given back",
        figures=(
            Figure(name="file before", unit="MB"),
            Figure(name="file and log after", unit="MB", most=5),
            Figure(name="commits of the purge, p50", unit="ms"),
            Figure(name="commits of the purge, p99", unit="ms"),
            Figure(name="commits of the purge, longest", unit="ms"),
            Figure(name="commits of others, p50", unit="ms"),
            Figure(name="commits of others, p99", unit="ms"),
            Figure(name="commits of others, longest", unit="ms", most=250),
            Figure(name="commits of others alone, longest", unit="ms"),
        ),
        run=purge_large,
    ),
    Benchmark(
        name="year",
        about="a tenth of 400 days of 10,000 emails a day, 10 kB each, after retention",
        figures=(
            Figure(name="octets for each email of 400 days", unit=""),
            Figure(name="size, of what the docs compute", unit="×", most=1),
        ),
        run=year,
    ),
)
