"""Benchmark of the feed: a page of 500 of millions of events, as GET /api/events writes it.

In one process, without HTTP: what is read, and the JSON of it. Pages begin at places all over the
feed; each event is of an email with a tag and a pair of metadata.
"""

import gc
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any, Final

from adapters.clock import SystemClock
from adapters.peewee_store.transaction import SqlTransaction
from application.ports.store import Store
from domain.email.labels import labels
from domain.email.recipient import RecipientStatus
from domain.email.status import Status
from domain.event.event import BEGINNING, Position
from domain.event.types import EventType
from domain.outcome.handoff import Reply
from entrypoints.http.events.handlers import page_of
from entrypoints.stores import open_store
from entrypoints.wiring.service import COLLECT_EVERY
from tests.benchmarks.figures import Benchmark, Figure, Reached, Scene, percentile
from tests.builders import a_recipient, an_account, an_email
from tests.postgres import any_server
from tests.world import World

EVENTS: Final = 5_000_000  # without --emails
EMAILS: Final = 2_000  # with labels; the events are of these in turn
AT_ONCE: Final = 250_000  # events of one transaction
LIMIT: Final = 500
MOST_MS: Final = 10
KINDS: Final = ("sqlite", "postgresql")
_SEED: Final = 20
_COPY: Final = (
    "INSERT INTO event (type, email_id, account_id, key_id, at, data)"
    " WITH RECURSIVE more(n) AS"
    " (SELECT CAST(1 AS BIGINT) UNION ALL SELECT n + 1 FROM more WHERE n < {number})"
    " SELECT type, 1 + n % {emails}, account_id, key_id, at + n, data FROM more, event"
    " WHERE event.id = {first}"
)


def run(scene: Scene) -> Reached:
    """Both databases, one after the other."""
    number = scene.emails or scene.size(EVENTS, 3_000)
    reached: dict[str, float | None] = {}
    for kind in KINDS:
        with _store(kind, scene) as store:
            fill(store, number)
            world = World(store=store, clock=SystemClock())
            with _collected_as_in_the_service():
                times = _times(world, scene.size(300, 3))
            reached[f"{kind}: a page of {LIMIT} events"] = percentile(times, 0.99)
            reached[f"{kind}: a page of {LIMIT} events, p50"] = percentile(times, 0.5)
    return reached


@contextmanager
def _store(kind: str, scene: Scene) -> Iterator[Store]:
    server = nullcontext() if kind == "sqlite" else any_server()
    with server as there, there.database() if there else nullcontext() as database:
        url = database.url if database else f"sqlite:///{scene.folder / 'feed.db'}"
        store = open_store(url, clock=SystemClock())
        try:
            store.migrate()
            yield store
        finally:
            store.close()


def fill(store: Store, number: int) -> None:
    """Make *number* events of emails that were sent."""
    sent = an_email(
        status=Status.SENT,
        reason_code="accepted",
        attempt_no=1,
        account_id=1,
        recipients=(
            a_recipient(
                status=RecipientStatus.ACCEPTED,
                reason="accepted",
                reply=Reply(250, "2.0.0 Ok: queued as 4F0C8B0E1D"),
            ),
        ),
    )

    def first(tx: Any) -> int:
        tx.accounts.add(an_account())
        added = tx.emails.add_all([(sent, b"")] * EMAILS)
        tx.labels.add_all(
            {email.id: labels(["welcome"], {"order": f"{email.id}"}) for email in added}
        )
        tx.events.tell_email(EventType.EMAIL_SENT, added[0])
        return int(tx.session.execute("SELECT MAX(id) FROM event").fetchone()[0])

    def more(tx: Any) -> None:
        assert isinstance(tx, SqlTransaction)
        if tx.session.shared:
            tx.session.execute("SET LOCAL statement_timeout = 0")
        tx.session.execute(text)

    event_id = store.write(first)
    for done in range(0, number, AT_ONCE):
        size = min(AT_ONCE, number - done)
        text = _COPY.format(number=size, emails=EMAILS, first=event_id)
        store.write(more)
    store.write(lambda tx: tx.session.execute("ANALYZE"))  # type: ignore[attr-defined]


@contextmanager
def _collected_as_in_the_service() -> Iterator[None]:
    before = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECT_EVERY)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


def _times(world: World, rounds: int) -> list[float]:
    """Milliseconds of each page, from places that are drawn."""
    feed = world.application.event_feed
    drawn = random.Random(_SEED)
    highest = world.store.read(
        lambda tx: int(tx.session.execute("SELECT MAX(id) FROM event").fetchone()[0])
    )
    times = []
    for _ in range(rounds):
        place = drawn.randrange(max(1, highest - LIMIT))
        after = Position(BEGINNING.commit, place) if place else BEGINNING
        started = time.perf_counter()
        page = feed.page(after, limit=LIMIT)
        page_of(page.events)
        times.append((time.perf_counter() - started) * 1000)
        assert len(page.events) == LIMIT or rounds < 10
    return times


BENCHMARKS: Final = (
    Benchmark(
        name="feed",
        about=f"a page of {LIMIT} events from anywhere in the feed, p99; in one process, among"
        f" {EVENTS:,} events or --emails",
        figures=tuple(
            Figure(name=f"{kind}: a page of {LIMIT} events{which}", unit="ms", most=most)
            for kind in KINDS
            for which, most in (("", MOST_MS), (", p50", None))
        ),
        run=run,
    ),
)
