"""Benchmarks of the running service: the real process, the real database, a real mail server."""

import os
import sqlite3  # noqa: TID251 - it is another process that has the file open
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

import attrs

from tests.benchmarks.client import an_email, volley
from tests.benchmarks.figures import Benchmark, Figure, Reached, Scene, percentile
from tests.benchmarks.filling import Filling, fill, status_counts
from tests.benchmarks.sink import sink
from tests.running import Running, wait_until

WORKER: Final = (sys.executable, "-m", "entrypoints", "worker")
PATIENCE_S: Final = 300.0
BATCH: Final = 100
ROUND_TRIP_S: Final = 0.020


@contextmanager
def service(
    scene: Scene, *, command: tuple[str, ...] | None = None, **environ: object
) -> Iterator[Running]:
    """The service on the scene's database. It ends by SIGTERM: one that is killed stays a member
    of those that deliver until its lease is over, and the next run would share with it.
    """
    running = Running(scene.folder, command=command, **{"DRAIN_SECONDS": 1, **environ})
    running.start(ready=command is None)
    try:
        yield running
    finally:
        assert running.process is not None
        if running.process.poll() is None:
            running.stop()


def database(scene: Scene) -> "closing[sqlite3.Connection]":
    """A connection of our own, to look."""
    path = scene.folder / "service.db"
    return closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=30))


def wait_for_sent(running: Running, looking: sqlite3.Connection, number: int) -> None:
    """Until so many emails are recorded as sent. AssertionError if the service ends before."""

    def there() -> bool:
        assert running.process is not None
        assert running.process.poll() is None, running.output()
        return status_counts(looking).get("sent", 0) >= number

    wait_until(there, patience=PATIENCE_S, every=0.05)


def sent_rate(looking: sqlite3.Connection) -> float:
    """Emails a second, from the first that was accepted to the last."""
    number, first, last = looking.execute(
        "SELECT COUNT(*), MIN(sent_at), MAX(sent_at) FROM email WHERE status = 'sent'"
    ).fetchone()
    return (number - 1) * 1e6 / max(1, last - first)


def processor_s(running: Running) -> float:
    """Processor time the service has used: unlike the clock it hardly minds other processes."""
    assert running.process is not None
    return processor_s_of(running.process.pid)


def processor_s_of(pid: int) -> float:
    """Processor time of one process in seconds, with the kernel's for it."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


# -- handing off a backlog -----------------------------------------------------------------------


def hand_off(scene: Scene) -> Reached:
    """Several accounts on a sink that answers at once."""
    number = scene.size(20_000, 300)
    with sink() as target:
        filling = Filling(emails=number, port=target.port, accounts=4, connections=8)
        rate, cost = _drained(scene, filling, QUEUE_WORKERS=32, MAX_WORKERS=32)
    return {
        "hand-off from a backlog, loopback": rate,
        "hand-off from a backlog, processor time an email": cost,
    }


def hand_off_by_two(scene: Scene) -> Reached:
    """The same backlog, twice as long, and one more process beside the first: each with as many
    connections as one has alone, and then with as many for both of them.
    """
    reached = {}
    for name, connections in (("each 32 connections", 16), ("32 connections for both", 8)):
        emails = scene.size(40_000, 300)
        folder = scene.folder / str(connections)
        folder.mkdir()
        with sink() as target:
            filling = Filling(emails=emails, port=target.port, accounts=4, connections=connections)
            apart = attrs.evolve(scene, folder=folder)
            rate, _ = _drained(apart, filling, QUEUE_WORKERS=32, MAX_WORKERS=32, PROCESSES=2)
        reached[f"hand-off from a backlog, loopback, two processes, {name}"] = rate
    return reached


def hand_off_far(scene: Scene) -> Reached:
    """Every reply takes 20 ms, as over a network."""
    number = scene.size(10_000, 200)
    with sink(latency_s=ROUND_TRIP_S) as target:
        filling = Filling(emails=number, port=target.port, accounts=25, connections=2)
        rate, cost = _drained(scene, filling, QUEUE_WORKERS=50, MAX_WORKERS=50)
    return {
        "hand-off, 20 ms a reply, 50 connections": rate,
        "hand-off, 20 ms a reply, processor time an email": cost,
    }


def hand_off_far_announced(scene: Scene) -> Reached:
    """The same for owners who turned `announce_next` on."""
    number = scene.size(10_000, 200)
    with sink(latency_s=ROUND_TRIP_S) as target:
        filling = Filling(
            emails=number, port=target.port, accounts=25, connections=2, announce_next=True
        )
        rate, _ = _drained(scene, filling, QUEUE_WORKERS=50, MAX_WORKERS=50)
    return {"hand-off, 20 ms a reply, 50 connections, announced": rate}


def hand_off_everyday(scene: Scene) -> Reached:
    """One account as it is after its POST, and the settings as they are without any."""
    emails = scene.size(4000, 100)
    with sink() as target:
        rate, cost = _drained(scene, Filling(emails=emails, port=target.port))
    return {
        "hand-off, one account with two connections, loopback": rate,
        "hand-off, one account with two connections, processor time an email": cost,
    }


def hand_off_everyday_far(scene: Scene) -> Reached:
    """The same, every reply after 20 ms: an email takes two round trips."""
    with sink(latency_s=ROUND_TRIP_S) as target:
        filling = Filling(emails=scene.size(1000, 30), port=target.port)
        rate, _ = _drained(scene, filling)
    most = filling.connections / (2 * ROUND_TRIP_S)
    return {
        "hand-off, one account with two connections, 20 ms a reply": rate,
        "hand-off, one account with two connections, share of what two round trips allow": (
            rate / most * 100
        ),
    }


def _drained(scene: Scene, filling: Filling, **environ: object) -> tuple[float, float]:
    """Emails a second, and microseconds of processor time for each (the start is in them)."""
    fill(scene.folder / "service.db", filling)
    with service(scene, command=WORKER, **environ) as running, database(scene) as looking:
        wait_for_sent(running, looking, filling.emails)
        return sent_rate(looking), processor_s(running) * 1e6 / filling.emails


# -- accepting -----------------------------------------------------------------------------------


def post(scene: Scene) -> Reached:
    """One process that only accepts."""
    fill(scene.folder / "service.db", Filling(emails=0, port=2525))
    with service(scene, DISPATCHER="none") as running:
        volley(running.url, number=scene.size(300, 20), clients=16, body=an_email())
        before = processor_s(running)
        done = volley(running.url, number=scene.size(6000, 60), clients=16, body=an_email())
        cost = (processor_s(running) - before) * 1e6 / len(done.times)
    _expect(done.statuses, "201")
    return {
        "POST, 16 clients": done.rate,
        "POST, 16 clients, p50": percentile(done.times, 0.5) * 1000,
        "POST, 16 clients, p99": percentile(done.times, 0.99) * 1000,
        "POST, processor time a call": cost,
    }


def post_while_delivering(scene: Scene) -> Reached:
    """One process that accepts and hands off what it accepted."""
    with sink() as target:
        fill(scene.folder / "service.db", Filling(emails=0, port=target.port, accounts=4))
        with service(scene) as running, database(scene) as looking:
            volley(running.url, number=scene.size(300, 20), clients=16, body=an_email())
            started, before = time.monotonic(), status_counts(looking).get("sent", 0)
            done = volley(running.url, number=scene.size(6000, 60), clients=16, body=an_email())
            sent = status_counts(looking).get("sent", 0) - before
            seconds = time.monotonic() - started
    _expect(done.statuses, "201")
    return {
        "POST while delivery runs": done.rate,
        "POST while delivery runs, p99": percentile(done.times, 0.99) * 1000,
        "handed off meanwhile": sent / seconds,
    }


def post_batch(scene: Scene) -> Reached:
    """A hundred emails a call."""
    fill(scene.folder / "service.db", Filling(emails=0, port=2525))
    body = {"emails": [an_email() for _ in range(BATCH)], "mode": "all"}
    with service(scene, DISPATCHER="none") as running:
        path = "/api/emails/batch"
        first = volley(running.url, number=1, clients=1, path=path, body=body)
        if not {"404", "405"}.isdisjoint(first.statuses):
            return {}
        done = volley(running.url, number=scene.size(200, 4), clients=4, path=path, body=body)
    _expect(done.statuses, "201")
    return {"POST of 100 emails a call": done.rate * BATCH}


def _expect(statuses: dict[str, int], wanted: str) -> None:
    assert set(statuses) == {wanted}, f"answers were {statuses}"


# -- how soon ------------------------------------------------------------------------------------


def idle_latency(scene: Scene) -> Reached:
    """One email at a time, with nothing else to do."""
    number = scene.size(200, 5)
    log = scene.folder / "dots"
    with sink(log=log) as target:
        fill(scene.folder / "service.db", Filling(emails=0, port=target.port))
        with service(scene) as running:
            posted = {}
            for subject in (f"idle-{n}" for n in range(number + 5)):
                posted[subject] = time.monotonic()
                status, _ = running.post("/api/emails", an_email(subject))
                assert status == 201
                time.sleep(0.04)
            dots = wait_until(lambda: _all_there(target.dots(), posted))
    times = [dots[subject] - at for subject, at in list(posted.items())[5:]]
    return {
        "POST to final dot, idle, p50": percentile(times, 0.5) * 1000,
        "POST to final dot, idle, p99": percentile(times, 0.99) * 1000,
    }


def urgent(scene: Scene) -> Reached:
    """Priority 1 behind a backlog of the same account, while that is handed off."""
    log = scene.folder / "dots"
    with sink(log=log) as target:
        filling = Filling(emails=scene.size(100_000, 500), port=target.port, pinned=True)
        fill(scene.folder / "service.db", filling)
        with service(scene) as running:
            answered = {}
            for subject in (f"urgent-{n}" for n in range(scene.size(20, 3))):
                body = an_email(subject, priority=1, smtp_config_id=1)
                status, _ = running.post("/api/emails", body)
                assert status == 201
                answered[subject] = time.monotonic()
                time.sleep(0.25)
            dots = wait_until(lambda: _all_there(target.dots(), answered))
    times = [max(0.0, dots[subject] - at) for subject, at in answered.items()]
    return {
        "priority 1 behind 100,000, slowest of 20": max(times) * 1000,
        "priority 1 behind 100,000, p50": percentile(times, 0.5) * 1000,
    }


def _all_there(dots: dict[str, float], subjects: dict[str, float]) -> dict[str, float]:
    return dots if subjects.keys() <= dots.keys() else {}


BENCHMARKS: Final = (
    Benchmark(
        name="hand-off",
        about="a backlog of 20,000, 4 accounts of 8 connections, 32 threads, one process",
        figures=(
            Figure(name="hand-off from a backlog, loopback", unit="/s", least=4000),
            Figure(name="hand-off from a backlog, processor time an email", unit="µs"),
        ),
        run=hand_off,
    ),
    Benchmark(
        name="hand-off-by-two",
        about="a backlog of 40,000, 4 accounts of 16 and of 8 connections, 32 threads each,"
        " --processes 2",
        figures=tuple(
            Figure(
                name=f"hand-off from a backlog, loopback, two processes, {connections}",
                unit="/s",
                least=7000,
            )
            for connections in ("each 32 connections", "32 connections for both")
        ),
        run=hand_off_by_two,
    ),
    Benchmark(
        name="hand-off-far",
        about="a backlog of 10,000, 25 accounts of 2 connections, 50 threads, one process",
        figures=(
            Figure(name="hand-off, 20 ms a reply, 50 connections", unit="/s", least=1100),
            Figure(name="hand-off, 20 ms a reply, processor time an email", unit="µs"),
        ),
        run=hand_off_far,
    ),
    Benchmark(
        name="hand-off-far-announced",
        about="the same, with `announce_next` on",
        figures=(
            Figure(
                name="hand-off, 20 ms a reply, 50 connections, announced", unit="/s", least=2000
            ),
        ),
        run=hand_off_far_announced,
    ),
    Benchmark(
        name="everyday",
        about="a backlog of 4,000, one account with two connections, default settings",
        figures=(
            Figure(
                name="hand-off, one account with two connections, loopback", unit="/s", least=2600
            ),
            Figure(
                name="hand-off, one account with two connections, processor time an email",
                unit="µs",
            ),
        ),
        run=hand_off_everyday,
    ),
    Benchmark(
        name="everyday-far",
        about="a backlog of 1,000, one account with two connections, default settings",
        figures=(
            Figure(name="hand-off, one account with two connections, 20 ms a reply", unit="/s"),
            Figure(
                name="hand-off, one account with two connections,"
                " share of what two round trips allow",
                unit="%",
                least=90,
            ),
        ),
        run=hand_off_everyday_far,
    ),
    Benchmark(
        name="post",
        about="6,000 POSTs, one process that does not deliver",
        figures=(
            Figure(name="POST, 16 clients", unit="/s", least=1500),
            Figure(name="POST, 16 clients, p50", unit="ms"),
            Figure(name="POST, 16 clients, p99", unit="ms", most=25),
            Figure(name="POST, processor time a call", unit="µs"),
        ),
        run=post,
    ),
    Benchmark(
        name="post-delivering",
        about="6,000 POSTs, one process that hands them off at the same time",
        figures=(
            Figure(name="POST while delivery runs", unit="/s", least=1200),
            Figure(name="POST while delivery runs, p99", unit="ms"),
            Figure(name="handed off meanwhile", unit="/s"),
        ),
        run=post_while_delivering,
    ),
    Benchmark(
        name="post-batch",
        about="200 POSTs of 100 emails each, 4 clients, one process that does not deliver",
        figures=(Figure(name="POST of 100 emails a call", unit="/s", least=6000),),
        run=post_batch,
    ),
    Benchmark(
        name="latency",
        about="200 emails, one at a time, on an idle service",
        figures=(
            Figure(name="POST to final dot, idle, p50", unit="ms", most=10),
            Figure(name="POST to final dot, idle, p99", unit="ms", most=40),
        ),
        run=idle_latency,
    ),
    Benchmark(
        name="urgent",
        about="20 emails of priority 1, from their 201 to their dot, during a backlog of 100,000",
        figures=(
            Figure(name="priority 1 behind 100,000, slowest of 20", unit="ms", most=100),
            Figure(name="priority 1 behind 100,000, p50", unit="ms"),
        ),
        run=urgent,
    ),
)
