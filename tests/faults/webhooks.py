"""WEBHOOK, WEBHOOK-BAD: processes that die between a result and its call, and bad receivers."""

import os
import random
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from tests.faults.harness import Database, Load, Numbers, Sink, an_email, database_of, ended
from tests.running import Running, children_of, free_port, wait_until
from tests.webhook_receiver import Call, WebhookReceiver


def killed_before_the_call(
    folder: Path, *, emails: int = 2000, kills: int = 20, seed: int = 1
) -> Numbers:
    """WEBHOOK: kill -9 between results and their calls; each event comes, with its own id.

    In turn the process that delivers is killed and the one that calls.
    An event that was called must be in the database at once: none is told before its commit.
    """
    chance = random.Random(seed)
    service = Running(folder, RETRY_SCHEDULE="1")
    database = database_of(service)
    uncommitted: list[str] = []

    def takes_its_time(call: Call) -> int:
        time.sleep(chance.random() / 50)
        return 204

    with Sink(folder, latency_ms=5) as sink, WebhookReceiver(
        takes_its_time
    ) as receiver, ended(service):  # fmt: skip
        service.start()
        body = {"url": receiver.url, "events": ["email.sent", "email.failed", "email.unknown"]}
        assert service.post("/api/webhooks", body)[0] == 201
        service.account(sink.port, max_connections=4)
        load = Load([service.port], (an_email(f"hook {n}") for n in range(emails))).start()
        for number in range(kills):
            goal = (number + chance.random()) * emails / (kills + 1)
            wait_until(lambda goal=goal: sink.count() >= goal, patience=300, every=0.02)
            time.sleep(chance.random() / 4)
            if number % 2:
                before = sum(receiver.ids.values())
                wait_until(
                    lambda n=before: sum(receiver.ids.values()) > n, patience=300, every=0.01
                )
                _kill_the_caller(service)
                continue
            service.kill()
            stored = _events(database)
            uncommitted += [name for name in receiver.ids if name not in stored]
            service.start()
        load.join()
        database.wait_for_the_end()
        events = _events(database)
        wait_until(lambda: len(receiver.ids) >= len(events), patience=300)
    told = receiver.ids
    assert set(told) == events, "an event was missed, or one was told that is not there"
    assert not uncommitted, f"told before their commit: {uncommitted}"
    return {
        "events": len(events),
        "kills": kills,
        "of these, of the process that calls": kills // 2,
        "calls beyond one": sum(told.values()) - len(told),
        "seed": seed,
    }


def _kill_the_caller(service: Running) -> None:
    """There is one, since a call has come."""
    assert service.process is not None
    parent = service.process.pid
    for pid in children_of(parent):
        os.kill(pid, signal.SIGKILL)


def bad_receivers(folder: Path, *, emails: int = 1000, each: int = 4) -> Numbers:
    """WEBHOOK-BAD: receivers that hang, drip, redirect, answer 500 or nothing at all delay neither
    email nor a good receiver.
    """
    over = threading.Event()
    service = Running(folder)
    database = database_of(service)
    with ExitStack() as stack:
        sink = stack.enter_context(Sink(folder))
        stack.enter_context(ended(service))
        hanging = stack.enter_context(WebhookReceiver(lambda call: _hang(over)))
        redirecting = stack.enter_context(WebhookReceiver(lambda call: 302))
        failing = stack.enter_context(WebhookReceiver(lambda call: 500))
        good = stack.enter_context(WebhookReceiver())
        drip = stack.enter_context(dripping(over))
        stack.callback(over.set)
        dead = f"http://127.0.0.1:{free_port()}/"
        service.start()
        bad = [hanging.url, redirecting.url, failing.url, drip, dead] * each
        for url in (*bad, good.url):
            body = {"url": url, "events": ["email.sent"]}
            assert service.post("/api/webhooks", body)[0] == 201
        service.account(sink.port, max_connections=8)
        begun = time.monotonic()
        load = Load([service.port], (an_email(f"bad {n}") for n in range(emails))).start()
        load.join()
        database.wait_for_the_end()
        sent_s = time.monotonic() - begun
        wait_until(lambda: len(good.ids) == emails, patience=max(30.0, sent_s))
        told_s = time.monotonic() - begun
        over.set()
        assert service.stop() == 0
    assert set(good.ids.values()) == {1}
    assert good.most_at_once <= 4
    assert hanging.most_at_once <= 4 * each
    return {
        "emails": emails,
        "bad receivers": len(bad),
        "all sent after, s": round(sent_s, 1),
        "all told to the good one after, s": round(told_s, 1),
    }


def _hang(over: threading.Event) -> None:
    over.wait(120)


@contextmanager
def dripping(over: threading.Event) -> Iterator[str]:
    """The URL of a server that sends an octet of its answer each half second."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        listener.settimeout(0.1)
        thread = threading.Thread(target=_drip, args=(listener, over), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"


def _drip(listener: socket.socket, over: threading.Event) -> None:
    connected: list[socket.socket] = []
    while not over.wait(0.4):
        try:
            connected.append(listener.accept()[0])
            connected[-1].send(b"HTTP/1.1 200 OK\r\nX-Drip: ")
        except TimeoutError:
            pass
        except OSError:
            break
        for each in connected:
            with suppress(OSError):
                each.send(b"a")
    for each in connected:
        each.close()


def _events(database: Database) -> set[str]:
    sql = "SELECT id FROM event WHERE type IN ('email.sent', 'email.failed', 'email.unknown')"
    rows = database.rows(sql)
    return {f"evt_{number}" for (number,) in rows}
