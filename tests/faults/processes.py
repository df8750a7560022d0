"""E11, E14: many processes on one file, and clients that repeat themselves."""

import sys
import threading
from collections import Counter
from pathlib import Path

from tests.faults.harness import (
    Client,
    Load,
    Numbers,
    Sink,
    an_email,
    database_of,
    ended,
    judged,
    judged_load,
)
from tests.running import ROOT, Running, wait_until

GUNICORN = (
    *(sys.executable, "-m", "gunicorn", "-b", "127.0.0.1:{port}"),
    *("-c", str(ROOT / "gunicorn.conf.py"), "-w"),
)
WORKER = (sys.executable, "-m", "entrypoints", "worker")
VICTIM = (sys.executable, "-m", "tests.faults.victim")


def many_processes(folder: Path, *, emails: int = 10_000, dispatchers: int = 2) -> Numbers:
    """E11: gunicorn with four workers and two more dispatchers, all on one SQLite file."""
    api = Running(folder, command=(*GUNICORN, "4", "entrypoints.wsgi:create_app()"))
    others = [Running(folder, command=WORKER) for _ in range(dispatchers)]
    for number, other in enumerate(others):
        other.log = folder / f"worker-{number}.log"
    database = database_of(api)
    with Sink(folder, latency_ms=2) as sink, ended(api, *others):
        api.start()
        for other in others:
            other.start(ready=False)
        api.account(sink.port, max_connections=4)
        load = Load([api.port], (an_email(f"e11 {n}") for n in range(emails)), threads=8).start()
        load.join()
        database.wait_for_the_end(patience=600)
        numbers = judged_load(load, sink, database, most_copies=1)
        active = [each.output().count("delivery_started") for each in (api, *others)]
        exit_codes = [each.stop() for each in (api, *others)]
    assert sum(active) == 1, f"{active} dispatchers have delivered"
    assert set(exit_codes) == {0}, exit_codes
    return numbers | {"processes": f"4 + {dispatchers}", "dispatchers that delivered": sum(active)}


def clients_repeat(folder: Path, *, threads: int = 200, kills: int = 50) -> Numbers:
    """E14: one Idempotency-Key from many threads at once; then kill -9 between commit and reply.

    Nothing is handed off before the last kill: an outcome that it made unknown would hide a copy.
    """
    service = Running(folder, command=VICTIM, MARKS=folder / "marks")
    (folder / "marks").mkdir()
    database = database_of(service)
    with Sink(folder) as sink, ended(service):
        service.start()
        account = service.account(sink.port, active=False)
        statuses, ids = _all_at_once(service, threads=threads)
        assert statuses == {201: threads}, statuses
        assert len(ids) == 1, ids
        client = Client(service.port)
        other = client.post("/api/emails", an_email("another"), key="one-key")
        client.close()
        assert (other.status, other.body["code"]) == (409, "idempotency_mismatch"), other
        accepted = {"e14 at once": ids.pop()} | {
            f"e14 die {number}": _accepted_on_the_second_try(service, f"e14 die {number}")
            for number in range(kills)
        }
        status, answer = service.call("PUT", f"/api/smtp-configs/{account}", {"active": True})
        assert status == 200, answer
        database.wait_for_the_end()
        numbers = judged(
            accepted=accepted,
            taken=sink.taken(),
            database=database,
            statuses=statuses,
            most_copies=1,
        )
        stored = dict(database.rows("SELECT subject, id FROM email"))
    assert stored == accepted, "one key made more than one email"
    assert numbers["handed off"] == len(accepted)
    return numbers | {"threads on one key": threads, "kills between commit and reply": kills}


def _all_at_once(service: Running, *, threads: int) -> tuple[Counter[int], set[int]]:
    statuses: Counter[int] = Counter()
    ids: set[int] = set()
    gate = threading.Barrier(threads)
    lock = threading.Lock()

    def one() -> None:
        client = Client(service.port)
        gate.wait()
        answer = client.post("/api/emails", an_email("e14 at once"), key="one-key")
        client.close()
        with lock:
            statuses[answer.status] += 1
            ids.add(answer.body["email_id"])

    running = [threading.Thread(target=one) for _ in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    return statuses, ids


def _accepted_on_the_second_try(service: Running, subject: str) -> int:
    """The process dies with the commit made and nothing answered; the client asks again."""
    client = Client(service.port)
    key = subject.replace(" ", "-")
    first = client.post("/api/emails", an_email(subject), key=key)
    assert first.status == 0, f"it should have died: {first}"
    assert service.process is not None
    assert service.process.wait(30) == -9
    service.start()
    second = client.post("/api/emails", an_email(subject), key=key)
    client.close()
    assert second.status == 201, second
    wait_until(lambda: service.get("/readyz")[0] == 200)
    email_id: int = second.body["email_id"]
    return email_id
