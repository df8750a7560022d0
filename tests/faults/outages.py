"""E28, E29: worker, broker and database are killed in one run, alone and together.

The other experiments kill one of them and trust the rest; here what recovers leans on what is just
coming back. One account of two has a limit, which must hold all the while.
"""

import random
import time
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Final

import attrs

from tests.celery_running import CeleryTrio, celery_running
from tests.faults.harness import Load, Numbers, Sink, an_email, judged, timed, until_the_next
from tests.faults.limits import HOUR_S
from tests.faults.measures import window_maximum
from tests.faults.private_brokers import PrivateBroker, PrivateRedis
from tests.faults.servers import ServerDatabase, killed, server_of_our_own
from tests.postgres import PrivateServer
from tests.running import wait_until

EVERY_KIND: Final = (
    *("worker", "broker", "database"),
    *("worker+broker", "worker+database", "broker+database", "worker+broker+database"),
)
LIMITED: Final = 10  # every tenth email goes over the account that has a limit


def everything_is_killed(
    folder: Path,
    *,
    make_broker: Callable[[Path], PrivateBroker] = PrivateRedis,
    emails: int = 5000,
    outages: Sequence[str] = 3 * EVERY_KIND,
    per_second: float = 60,
    limit: int = 30,
    connections: int = 8,
    latency_ms: float = 50,
    longest_s: float = 1.0,
    resumes_s: float = 60.0,
    drains_s: float = 120.0,
    seed: int = 1,
) -> Numbers:
    """Outages in random order at random moments of a run; a client insists on every email.

    The bound for copies is exact: what the database shows as `committing` of each killed worker.
    """
    chance = random.Random(seed)
    between_dot_and_result = 0
    resumed: dict[str, float] = {}
    with server_of_our_own() as server, server.database() as tables, make_broker(
        folder
    ) as broker, Sink(folder, latency_ms=latency_ms) as sink:  # fmt: skip
        database = ServerDatabase(tables)
        trio = CeleryTrio(
            folder,
            broker_url=broker.url(),
            workers=2,
            DATABASE_URL=tables.url,
            RETRY_SCHEDULE="1",
            SWEEP_SECONDS=1,
            QUEUE_WORKERS=connections,
            ALLOW_TEST_KNOBS=1,
            HOUR_SECONDS=HOUR_S,
        )
        killer = Killer(trio=trio, broker=broker, server=server, database=database, chance=chance)
        with celery_running(trio):
            free = trio.api.account(sink.port, name="free", max_connections=connections)
            limited = trio.api.account(
                sink.port, name="limited", max_connections=connections, hourly_limit=limit
            )
            bodies = (
                an_email(f"e28 limited {n}", smtp_config_id=limited)
                if n % LIMITED == 0
                else an_email(f"e28 {n}", smtp_config_id=free)
                for n in range(emails)
            )
            load = Load([trio.api.port], bodies, per_second=per_second).start()
            for number, outage in enumerate(chance.sample(outages, len(outages))):
                goal = (number + chance.random()) * emails / (len(outages) + 1)
                wait_until(lambda goal=goal: sink.count() >= goal, patience=300, every=0.02)
                between_dot_and_result += killer.kill(
                    outage.split("+"), away_s=chance.random() * longest_s
                )
                resumed[outage] = max(resumed.get(outage, 0.0), until_the_next(sink, of=emails))
            load.join()
            drained_s = timed(lambda: database.wait_for_the_end(patience=drains_s))
            taken = sink.taken()
            numbers = judged(
                accepted=load.accepted,
                taken=taken,
                database=database,
                statuses=load.statuses,
                excused={"outcome_unknown"},
            )
            for worker in trio.workers:
                worker.wait_until_ready()
            exit_codes = trio.stop()
        reasons, unknown = database.reasons(), database.unknown_outcomes()
        ((reserved,),) = database.rows("SELECT COUNT(*) FROM ledger WHERE ts IS NULL")
    copies = Counter(each.subject for each in taken)
    most = window_maximum((each.monotonic for each in taken if "limited" in each.subject), HOUR_S)
    assert len(load.accepted) == emails
    assert set(load.statuses) <= {201, 503}, load.statuses
    assert set(reasons.values()) <= {"outcome_unknown"}, reasons
    assert all(unknown[subject] == 2 for subject in reasons), "failed although not hit twice"
    assert not [each for each, count in copies.items() if count - 1 > unknown[each]], "no reason"
    assert numbers["copies beyond one"] <= between_dot_and_result  # type: ignore[operator]
    assert most <= limit, f"{most} in a window of {HOUR_S} s, the limit is {limit}"
    assert not reserved, f"{reserved} reservations are left"
    assert max(resumed.values()) <= resumes_s, resumed
    assert set(exit_codes) == {0}, exit_codes
    return numbers | {
        "outages": len(outages),
        **{f"kills of {kind}": count for kind, count in _kinds(outages).items()},
        "between dot and result at the kills": between_dot_and_result,
        "hit twice (outcome_unknown)": len(reasons),
        "limit": limit,
        "window maximum": most,
        "HTTP 503": load.statuses[503],
        "slowest answer, s": round(load.slowest_s, 1),
        "slowest resumption, s": round(max(resumed.values()), 1),
        "drained after the last 201, s": round(drained_s, 1),
        "seed": seed,
    }


@attrs.frozen(kw_only=True)
class Killer:
    """Takes away what an outage names, and brings it back."""

    trio: CeleryTrio
    broker: PrivateBroker
    server: PrivateServer
    database: ServerDatabase
    chance: random.Random

    def kill(self, kinds: Collection[str], *, away_s: float) -> int:
        """kill -9 in random order, and start again after *away_s*; how many emails of the worker
        stood between the final dot and their result.

        Without a database they cannot be counted: there the worker is frozen, which does no more
        than a dead one, and dies when the database is back.
        """
        worker = self.chance.choice(self.trio.workers)
        counted = 0
        for kind in self._in_any_order(kinds):
            if kind == "broker":
                self.broker.kill()
            elif kind == "database":
                self.server.kill()
            elif "database" in kinds:
                worker.freeze()
            else:
                counted += killed(worker, self.database)
            time.sleep(self.chance.random() * 0.2)
        time.sleep(away_s)
        if "database" in kinds:
            self.server.start()
            if "worker" in kinds:
                counted += killed(worker, self.database)
        for kind in self._in_any_order(set(kinds) - {"database"}):
            if kind == "broker":
                self.broker.start()
            else:
                worker.start(ready=False)
        return counted

    def _in_any_order(self, kinds: Collection[str]) -> list[str]:
        return self.chance.sample(sorted(kinds), len(kinds))


def _kinds(outages: Sequence[str]) -> Counter[str]:
    return Counter(kind for outage in outages for kind in outage.split("+"))
