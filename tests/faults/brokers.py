"""E12: Celery's broker is killed and comes back empty, forgets everything, repeats everything,
and the workers are killed.

What is proved: the broker holds nothing that matters. Redis is a private one, so that no other is
emptied.
"""

import random
import threading
import time
from pathlib import Path
from typing import Final

import redis

from tests.celery_running import CeleryTrio, celery_running
from tests.faults.harness import (
    Load,
    Numbers,
    Sink,
    an_email,
    database_of,
    judged,
    until_the_next,
)
from tests.faults.private_brokers import PrivateRedis
from tests.running import wait_until

QUEUE: Final = "email-service"


class Doubler:
    """Moves every task's message from database 0 to database 1, twice: an exact copy each."""

    def __init__(self, server: PrivateRedis) -> None:
        self._server = server
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.doubled = 0

    def __enter__(self) -> "Doubler":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                with self._server.client(0) as source, self._server.client(1) as target:
                    self._move(source, target)
            except redis.RedisError:
                self._stopping.wait(0.05)

    def _move(self, source: "redis.Redis", target: "redis.Redis") -> None:
        while not self._stopping.is_set():
            message = source.rpop(QUEUE)
            if message is None:
                self._stopping.wait(0.01)
            else:
                target.lpush(QUEUE, message, message)
                self.doubled += 1


def the_broker_fails(
    folder: Path,
    *,
    emails: int = 5000,
    kills: int = 8,
    restarts: int = 6,
    flushes: int = 6,
    connections: int = 8,
    sweep_s: float = 2.0,
    resumes_s: float | None = None,
    seed: int = 1,
) -> Numbers:
    """Faults in random order in one run; then mail that is posted while there is no broker.

    The bound for copies is exact: what the database shows as `committing` right after each kill.
    """
    allowed_s = sweep_s + 5.0 if resumes_s is None else resumes_s
    chance = random.Random(seed)
    faults = ["kill"] * kills + ["restart"] * restarts + ["flush"] * flushes
    chance.shuffle(faults)
    between_dot_and_result = 0
    resumed: dict[str, float] = {}
    with PrivateRedis(folder) as server, Doubler(server) as doubler, Sink(
        folder, latency_ms=20
    ) as sink:  # fmt: skip
        trio = CeleryTrio(
            folder,
            broker_url=server.url(0),
            app="tests.faults.twice",
            TAKE_FROM=server.url(1),
            RETRY_SCHEDULE="1",
            SWEEP_SECONDS=sweep_s,
            QUEUE_WORKERS=connections,
        )
        database = database_of(trio.api)
        with celery_running(trio):
            trio.api.account(sink.port, max_connections=connections)
            load = Load([trio.api.port], (an_email(f"e12 {n}") for n in range(emails))).start()
            for number, fault in enumerate(faults):
                goal = (number + chance.random()) * emails / (len(faults) + 1)
                wait_until(lambda goal=goal: sink.count() >= goal, patience=300, every=0.02)
                if fault == "kill":
                    trio.worker.kill()
                    between_dot_and_result += database.committing()
                    trio.worker.start(ready=False)
                elif fault == "restart":
                    server.kill()
                    time.sleep(chance.random())
                    server.start()
                else:
                    server.flush()
                resumed[fault] = max(resumed.get(fault, 0.0), until_the_next(sink, of=emails))
            load.join()
            database.wait_for_the_end(patience=300)
            resumed["no broker when posted"] = _posted_without_a_broker(trio, server, sink)
            database.wait_for_the_end()
            late = dict.fromkeys(LATE, 0)
            numbers = judged(
                accepted=load.accepted | late,
                taken=sink.taken(),
                database=database,
                statuses=load.statuses,
                excused={"outcome_unknown"},
            )
            exit_codes = trio.stop()
    reasons = set(database.reasons().values())
    assert len(load.accepted) == emails
    assert reasons <= {"outcome_unknown"}, reasons
    assert numbers["copies beyond one"] <= between_dot_and_result <= kills * connections  # type: ignore[operator]
    assert max(resumed.values()) <= allowed_s, resumed
    assert exit_codes == [0, 0, 0], exit_codes
    assert doubler.doubled
    return numbers | {
        "kills of all worker processes": kills,
        "restarts of the broker": restarts,
        "FLUSHALL": flushes,
        "task messages, each twice": doubler.doubled,
        "between dot and result at the kills": between_dot_and_result,
        "hit twice (outcome_unknown)": len(database.reasons()),
        **{f"slowest resumption, {fault}, s": round(s, 1) for fault, s in resumed.items()},
        "seed": seed,
    }


LATE: Final = tuple(f"e12 late {number}" for number in range(20))


def _posted_without_a_broker(trio: CeleryTrio, server: PrivateRedis, sink: Sink) -> float:
    """The workers sleep, the broker is away, mail is accepted; how long after its return it goes.

    The process that accepted it is killed meanwhile: no hint of it is left anywhere.
    """
    wait_until(lambda: _asleep(trio))
    time.sleep(0.5)  # it looks once more when it has left
    server.kill()
    for subject in LATE:
        trio.api.submit(subject)
    trio.api.kill()
    server.start()
    resumed_s = until_the_next(sink)
    trio.api.start()
    return resumed_s


def _asleep(trio: CeleryTrio) -> bool:
    """Whether no process is a member."""
    return not database_of(trio.api).rows("SELECT 1 FROM instance LIMIT 1")
