"""What the suppression list costs an email at acceptance: one look-up of an address that is not on
it, among a million that are. In one process, without a commit: processor time.
"""

import random
import time
from typing import Any, Final

from adapters.clock import SystemClock
from adapters.peewee_store.transaction import SqlTransaction
from application.intake.prepared import Prepared
from application.intake.suppressing import suppress_unwanted
from application.ports.store import Store
from domain.suppression import SuppressionReason
from entrypoints.stores import open_store
from tests.benchmarks.figures import Benchmark, Figure, Reached, Scene
from tests.builders import a_recipient, an_email

ENTRIES: Final = 1_000_000
MOST_US: Final = 20
_SEED: Final = 20
_FILL: Final = (
    "INSERT INTO suppression (address, scope, reason, created_at)"
    " WITH RECURSIVE more(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM more WHERE n < ?)"
    " SELECT 'person-' || n || '@example.org', '*', ?, n FROM more"
)


def run(scene: Scene) -> Reached:
    """A look-up beside an empty list, then beside a long one."""
    store = open_store(f"sqlite:///{scene.folder / 'suppressions.db'}", clock=SystemClock())
    try:
        store.migrate()
        rounds = scene.size(20_000, 20)
        empty = _look_up_us(store, rounds)
        store.write(lambda tx: _fill(tx, scene.size(ENTRIES, 100)))
        full = _look_up_us(store, rounds)
    finally:
        store.close()
    return {
        "a look-up of one recipient, no entries": empty,
        f"a look-up of one recipient, {ENTRIES:,} entries": full,
    }


def _fill(tx: Any, number: int) -> None:
    assert isinstance(tx, SqlTransaction)
    tx.session.execute(_FILL, (number, SuppressionReason.HARD_BOUNCE.value))


def _look_up_us(store: Store, rounds: int) -> float:
    """Microseconds of the processor for an email whose recipient is not on the list."""
    drawn = random.Random(_SEED)
    emails = [
        an_email(recipients=(a_recipient(f"person-{drawn.randrange(ENTRIES)}@example.com"),))
        for _ in range(rounds)
    ]

    def work(tx: Any) -> float:
        begun = time.thread_time()
        for email in emails:
            suppress_unwanted(tx, [Prepared(email, b"")], secret=None)
        return time.thread_time() - begun

    return store.read(work) * 1e6 / rounds


BENCHMARKS: Final = (
    Benchmark(
        name="suppressions",
        about="whether the recipient of an email is on the suppression list, as acceptance asks",
        figures=(
            Figure(name="a look-up of one recipient, no entries", unit="µs"),
            Figure(
                name=f"a look-up of one recipient, {ENTRIES:,} entries", unit="µs", most=MOST_US
            ),
        ),
        run=run,
    ),
)
