"""E06, E10, E13: several processes on one PostgreSQL, while they and the server die.

E10 is E01 with two workers and an API on PostgreSQL; E13 brings a server of its own.
"""

import random
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

from tests.faults.harness import (
    Database,
    Load,
    Numbers,
    Sink,
    an_email,
    ended,
    judged,
    judged_load,
)
from tests.faults.limits import HOUR_S, windows_held
from tests.faults.requirements import MissingRequirement
from tests.postgres import Database as Tables
from tests.postgres import NoPostgres, PrivateServer, any_server, private_server
from tests.running import Running, wait_until

WORKER = (sys.executable, "-m", "entrypoints", "worker")


class ServerDatabase(Database):
    """What stands in the service's PostgreSQL database, read beside it."""

    def __init__(self, tables: Tables) -> None:
        super().__init__(Path())
        self.tables = tables

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        return self.tables.execute(sql)

    def has_ended(self) -> bool:
        try:
            return super().has_ended()
        except psycopg.OperationalError:  # the server is just coming back
            return False


def limits_hold_over_many_processes(
    folder: Path,
    *,
    seconds: float = 180,
    limit: int = 50,
    processes: int = 4,
    threads: int = 4,
    latency_ms: float = 20,
) -> Numbers:
    """E06: four processes of four threads share one account and its rolling limit."""
    emails = int(seconds / HOUR_S * limit)
    rounds = 0
    with a_database() as database, Sink(folder, latency_ms=latency_ms) as sink:
        services = [
            a_process(
                folder, number, database, QUEUE_WORKERS=threads, MAX_WORKERS=threads,
                ALLOW_TEST_KNOBS=1, HOUR_SECONDS=HOUR_S,
            )
            for number in range(processes)
        ]  # fmt: skip
        with ended(*services):
            for service in services:
                service.start()
            services[0].account(sink.port, hourly_limit=limit, max_connections=processes * threads)
            ports = [service.port for service in services]
            accepted: dict[str, int] = {}
            statuses: Counter[int] = Counter()
            # Who comes late to a short race finds the room taken: then it is run once more.
            while _delivering(database) < processes and rounds < 6:
                subjects = [f"e06 {rounds} {number}" for number in range(emails)]
                load = Load(ports, map(an_email, subjects)).start()
                load.join()
                accepted |= load.accepted
                statuses += load.statuses
                database.wait_for_the_end(patience=seconds + 120)
                rounds += 1
            numbers = judged(
                accepted=accepted,
                taken=sink.taken(),
                database=database,
                statuses=statuses,
                most_copies=1,
            )
            delivering = _delivering(database)
            times = [each.monotonic for each in sink.taken()]
    assert delivering == processes, f"only {delivering} of {processes} processes have delivered"
    size = {"processes × threads": f"{processes} × {threads}", "races": rounds}
    return numbers | size | windows_held(times, limit=limit)


def _delivering(database: ServerDatabase) -> int:
    """How many processes have handed anything off."""
    ((number,),) = database.rows("SELECT COUNT(DISTINCT owner) FROM attempt")
    return int(number)


def workers_are_killed(
    folder: Path,
    *,
    emails: int = 5000,
    kills: int = 20,
    connections: int = 8,
    seed: int = 1,
) -> Numbers:
    """E10: an API and two workers; the workers are killed in turn and started again.

    A worker is stopped first, so that what it has between dot and result can be counted.
    """
    chance = random.Random(seed)
    between_dot_and_result = 0
    settings = {"RETRY_SCHEDULE": "1", "SWEEP_SECONDS": "0.5", "QUEUE_WORKERS": connections}
    with a_database() as database, Sink(folder, latency_ms=20) as sink:
        api = a_process(folder, 0, database, DISPATCHER="none", **settings)
        workers = [a_process(folder, n, database, command=WORKER, **settings) for n in (1, 2)]
        with ended(api, *workers):
            api.start()
            api.account(sink.port, max_connections=connections)
            for worker in workers:
                worker.start(ready=False)
            load = Load([api.port], (an_email(f"e10 {n}") for n in range(emails))).start()
            for number in range(kills):
                goal = (number + chance.random()) * emails / (kills + 1)
                wait_until(lambda goal=goal: sink.count() >= goal, patience=300, every=0.02)
                victim = workers[number % 2]
                between_dot_and_result += killed(victim, database)
                victim.start(ready=False)
            load.join()
            database.wait_for_the_end()
            numbers = judged_load(load, sink, database, excused={"outcome_unknown"})
    assert len(load.accepted) == emails
    assert numbers["copies beyond one"] <= between_dot_and_result <= kills * connections  # type: ignore[operator]
    return numbers | {
        "kills": kills,
        "between dot and result at the kills": between_dot_and_result,
        "seed": seed,
    }


def the_server_crashes(
    folder: Path,
    *,
    emails: int = 5000,
    restarts: int = 10,
    per_second: float = 60,
    connections: int = 8,
    seed: int = 1,
) -> Numbers:
    """E13: PostgreSQL crashes and comes back, and ends connections at random in between.

    The processes live on: what they could not write down is written when the server is back.
    """
    chance = random.Random(seed)
    ends = 0
    pause_s = emails / per_second / (restarts + 1)
    with server_of_our_own() as server, server.database() as tables:
        database = ServerDatabase(tables)
        services = [
            a_process(folder, number, database, RETRY_SCHEDULE="1", SWEEP_SECONDS="1")
            for number in range(2)
        ]
        with Sink(folder, latency_ms=20) as sink, ended(*services):
            for service in services:
                service.start()
            services[0].account(sink.port, max_connections=connections)
            ports = [service.port for service in services]
            bodies = (an_email(f"e13 {n}") for n in range(emails))
            load = Load(ports, bodies, per_second=per_second).start()
            for _ in range(restarts):
                for _ in range(3):
                    time.sleep(pause_s / 3 * chance.random())
                    ends += tables.terminate()
                time.sleep(pause_s / 3 * chance.random())
                server.restart()
            load.join()
            database.wait_for_the_end()
            numbers = judged_load(load, sink, database, excused={"outcome_unknown"})
            exit_codes = [service.stop() for service in services]
    assert len(load.accepted) == emails
    assert set(load.statuses) <= {0, 201, 503}, load.statuses
    assert numbers["copies beyond one"] <= restarts * connections  # type: ignore[operator]
    assert set(exit_codes) == {0}, exit_codes
    return numbers | {
        "crashes": restarts,
        "connections ended": ends,
        "HTTP 503": load.statuses[503],
        "slowest answer, s": round(load.slowest_s, 1),
        "seed": seed,
    }


def killed(victim: Running, database: ServerDatabase) -> int:
    """kill -9; how many of its emails stood between the final dot and their result."""
    victim.freeze()
    time.sleep(0.1)  # what it has sent to the server ends there by itself
    pids = ", ".join(map(str, victim.pids()))
    ((number,),) = database.rows(
        "SELECT COUNT(*) FROM email JOIN instance ON instance.id = email.owner"
        f" WHERE phase = 'committing' AND instance.pid IN ({pids})"
    )
    victim.kill()
    return int(number)


@contextmanager
def server_of_our_own() -> Iterator[PrivateServer]:
    """A PostgreSQL that may be crashed."""
    try:
        with private_server() as server:
            yield server
    except NoPostgres as missing:
        raise MissingRequirement(f"{missing}: apt-get install postgresql") from missing


def a_process(
    folder: Path,
    number: int,
    database: ServerDatabase,
    *,
    command: Sequence[str] | None = None,
    **settings: object,
) -> Running:
    settings = {"DATABASE_URL": database.tables.url, **settings}
    process = Running(folder, command=command, **settings)
    process.log = folder / f"service-{number}.log"
    return process


@contextmanager
def a_database() -> Iterator[ServerDatabase]:
    try:
        with any_server() as server, server.database() as tables:
            yield ServerDatabase(tables)
    except NoPostgres as missing:
        raise MissingRequirement(str(missing)) from missing
