"""E15, E16, E17: a database that is locked, a disk that is full, and the order of the writes."""

import os
import re
import signal
import sqlite3  # noqa: TID251 - it is another process that has the file open
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import apsw
import attrs

from adapters.clock import SystemClock
from entrypoints.stores import open_store
from tests.faults import requirements
from tests.faults.harness import (
    Client,
    Database,
    Load,
    Numbers,
    Sink,
    an_email,
    database_of,
    ended,
    judged,
    judged_load,
    timed,
)
from tests.running import Running, children_of, wait_until

MEGABYTE = 10**6
FULL = 2


def the_database_is_locked(
    folder: Path,
    *,
    emails: int = 1500,
    locks: int = 5,
    held_s: float = 10,
    slowest_s: float = 6.0,
    threads: int = 4,
) -> Numbers:
    """E15: another process holds the file with BEGIN EXCLUSIVE while mail comes in and goes out."""
    service = Running(folder, RETRY_SCHEDULE="1")
    database = database_of(service)
    with Sink(folder, latency_ms=10) as sink, ended(service):
        service.start()
        service.account(sink.port)
        seconds = locks * (held_s + 3)
        load = Load(
            [service.port],
            (an_email(f"e15 {n}") for n in range(emails)),
            threads=threads,
            per_second=emails / seconds,
        ).start()
        for _ in range(locks):
            time.sleep(2)
            _hold(folder / "service.db", held_s)
        load.join()
        database.wait_for_the_end()
        numbers = judged_load(load, sink, database, most_copies=1)
    assert load.statuses[503] >= locks, "there was a lock that delayed no request"
    assert set(load.statuses) <= {201, 503}, load.statuses
    assert load.slowest_s <= slowest_s, f"an answer took {load.slowest_s:.1f} s"
    return numbers | {
        "locks": f"{locks} × {held_s:g} s",
        "503": load.statuses[503],
        "slowest answer, s": round(load.slowest_s, 1),
    }


def _hold(path: Path, seconds: float) -> None:
    with closing(sqlite3.connect(path, isolation_level=None, timeout=30)) as database:
        database.execute("BEGIN EXCLUSIVE")
        time.sleep(seconds)
        database.execute("ROLLBACK")


def the_disk_is_full(
    folder: Path, *, emails: int = 500, disk_mb: int = 64, full_s: float = 60
) -> Numbers:
    """E16: the database on a small tmpfs, filled to the last byte with mail in the queue."""
    disk = folder / "disk"
    disk.mkdir()
    with requirements.small_disk(disk, megabytes=disk_mb):
        service = Running(disk, RETRY_SCHEDULE="1")
        service.log = folder / "service.log"
        database = Database(disk / "service.db")
        with Sink(folder, latency_ms=100) as sink, ended(service):
            service.start()
            service.account(sink.port)
            load = Load([service.port], (an_email(f"e16 {n}") for n in range(emails))).start()
            load.join()
            wait_until(lambda: sink.count() >= emails // 10)
            ballast = disk / "ballast"
            _fill(ballast)
            # how full the disk is, the service asks once a second; whatever it still accepts in
            # that second is promised like anything else
            at_once = _posted_for(service, 1.1, name="e16 late")
            while_full = _posted_for(service, full_s, name="e16 refused")
            sent_before = sink.count()
            ballast.unlink()
            resumed = timed(lambda: wait_until(lambda: sink.count() > sent_before))
            late = Load([service.port], [an_email("e16 after")]).start()
            late.join()
            database.wait_for_the_end()
            numbers = judged(
                accepted={**load.accepted, **late.accepted, **at_once.accepted},
                taken=sink.taken(),
                database=database,
                statuses=load.statuses + at_once.statuses + while_full.statuses,
            )
    assert sent_before < emails, "the disk filled too late: everything was sent"
    assert set(while_full.statuses) == {503}, while_full.statuses
    assert numbers["copies beyond one"] <= 2, "more copies than workers"  # type: ignore[operator]
    assert resumed <= 60, f"{resumed:.0f} s until mail flowed again"
    return numbers | {
        "disk, MB": disk_mb,
        "full for, s": full_s,
        "answers while full": _told(while_full.statuses),
        "in the first second": _told(at_once.statuses),
        "sent when it was freed": sent_before,
        "flows again after, s": round(resumed, 1),
    }


@attrs.frozen
class Posted:
    """The answers to some emails, and the ids of those that were accepted."""

    statuses: Counter[int] = attrs.field(factory=Counter)
    accepted: dict[str, int] = attrs.field(factory=dict)


def _posted_for(service: Running, seconds: float, *, name: str) -> Posted:
    """Ten emails a second, each posted once."""
    posted = Posted()
    client = Client(service.port)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        subject = f"{name} {posted.statuses.total()}"
        answer = client.post("/api/emails", an_email(subject))
        posted.statuses[answer.status] += 1
        if answer.status == 201:
            posted.accepted[subject] = answer.body["email_id"]
        time.sleep(0.1)
    client.close()
    return posted


def _told(statuses: Counter[int]) -> str:
    return ", ".join(f"{count} × {status}" for status, count in sorted(statuses.items()))


def _fill(path: Path) -> None:
    with path.open("wb", buffering=0) as ballast:
        for size in (MEGABYTE, 4096, 1):
            try:
                while True:
                    ballast.write(b"\0" * size)
            except OSError:
                continue


def the_order_of_the_writes(folder: Path, *, posts: int = 1000) -> Numbers:
    """E17: an fdatasync of the log ends between the INSERT and the write of each "201"."""
    trace = folder / "trace"
    calls = "trace=pwrite64,fdatasync,fsync,sendto,sendmsg,write,writev"
    strace = (requirements.strace(), "-f", "-y", "-s", "24", "-e", calls, "-o", str(trace))
    serve = (sys.executable, "-m", "entrypoints", "serve")
    service = Running(folder, command=(*strace, *serve), DISPATCHER="none", LOG_LEVEL="ERROR")
    with ended(service):
        service.start()
        service.account(9)
        client = Client(service.port)
        for number in range(posts):
            assert client.post("/api/emails", an_email(f"e17 {number}")).status == 201
        client.close()
        _stop_traced(service)
    in_order, wrong = _judge_trace(trace.read_text("utf-8", "replace"))
    assert (in_order, wrong) == (posts + 1, 0), f"{in_order} in order, {wrong} not"
    connections = _levels(folder / "levels.db")
    assert set(connections) == {FULL}, connections
    return {
        "201 after its fdatasync": f"{in_order - 1}/{posts}",
        "connections with synchronous=2": f"{len(connections)}/{len(connections)}",
    }


def _stop_traced(service: Running) -> None:
    """strace ends with what it traces."""
    assert service.process is not None
    for child in children_of(service.process.pid):
        os.kill(child, signal.SIGTERM)
    service.process.wait(60)


_WAL_WRITE = re.compile(r"pwrite64\(\d+<[^>]*service\.db-wal>")
_WAL_SYNC = re.compile(r"(fdatasync|fsync)\(\d+<[^>]*service\.db-wal>")


def _judge_trace(trace: str) -> tuple[int, int]:
    """How many "201" came after write and sync of the log, and how many did not."""
    written = synced = False
    syncing: set[str] = set()
    in_order = wrong = 0
    for line in trace.splitlines():
        thread = line.split(maxsplit=1)[0]
        if _WAL_WRITE.search(line):
            written, synced = True, False
        elif _WAL_SYNC.search(line):
            if "unfinished" in line:
                syncing.add(thread)
            else:
                synced = written
        elif "resumed>" in line and thread in syncing:
            syncing.discard(thread)
            synced = written
        elif '"HTTP/1.1 201' in line:
            in_order += written and synced
            wrong += not (written and synced)
            written = synced = False
    return in_order, wrong


def _levels(path: Path) -> list[int]:
    """`PRAGMA synchronous` of every connection that a store has opened under load."""
    opened: list[apsw.Connection] = []
    apsw.connection_hooks.append(opened.append)
    try:
        store = open_store(f"sqlite:///{path}", clock=SystemClock())
        store.migrate()
        opened.clear()  # the migration's own connection is closed
        _eight_threads(lambda: store.read(lambda tx: (tx.accounts.all(), time.sleep(0.05))))
        _eight_threads(lambda: store.write(lambda tx: tx.accounts.all()))
        levels = [int(connection.pragma("synchronous")) for connection in opened]
        store.close()
    finally:
        apsw.connection_hooks.remove(opened.append)
    assert len(levels) > 2, "a writer and several readers were expected"
    return levels


def _eight_threads(action: Callable[[], object]) -> None:
    threads = [threading.Thread(target=action) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
