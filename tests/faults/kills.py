"""E01, E02, E03: a process is killed at random, at the worst moment, and asked to stop.

What is proved: an answered 201 survives, only what stood between the final dot and its result
can be copied, and a drain copies nothing.
"""

import random
import statistics
import time
from collections.abc import Sequence
from pathlib import Path

from tests.faults.harness import (
    Database,
    Load,
    Numbers,
    Sink,
    an_email,
    database_of,
    ended,
    judged,
    judged_load,
)
from tests.running import Running, wait_until


def kill_at_random(
    folder: Path,
    *,
    emails: int = 5000,
    kills: int = 20,
    connections: int = 10,
    seed: int = 1,
    restart_s: float = 5.0,
) -> Numbers:
    """E01: kill -9 at random moments of a run, and start again at once.

    The bound for copies is exact: what the database shows as `committing` right after each kill.
    """
    chance = random.Random(seed)
    service = Running(folder, RETRY_SCHEDULE="1", QUEUE_WORKERS=connections)
    database = database_of(service)
    between_dot_and_result = 0
    starts: list[float] = []
    with Sink(folder, latency_ms=50) as sink, ended(service):
        service.start()
        service.account(sink.port, max_connections=connections)
        load = Load([service.port], (an_email(f"e01 {n}") for n in range(emails))).start()
        for number in range(kills):
            goal = (number + chance.random()) * emails / (kills + 1)
            wait_until(lambda goal=goal: sink.count() >= goal, patience=300, every=0.02)
            time.sleep(chance.random() / 10)
            service.kill()
            between_dot_and_result += database.committing()
            starts.append(_first_send_after_start(service, sink))
        load.join()
        database.wait_for_the_end()
        numbers = judged_load(load, sink, database, excused={"outcome_unknown"})
    reasons = database.reasons()
    twice = {subject for subject, times in database.unknown_outcomes().items() if times == 2}
    assert len(load.accepted) == emails
    assert set(reasons.values()) <= {"outcome_unknown"}, reasons
    assert set(reasons) <= twice, "failed although it was not hit twice"
    assert database.statuses()["sent"] == emails - len(reasons)
    assert numbers["copies beyond one"] <= between_dot_and_result <= kills * connections  # type: ignore[operator]
    assert max(starts) <= restart_s, f"{max(starts):.1f} s from start to the first send"
    return numbers | {
        "kills": kills,
        "between dot and result at the kills": between_dot_and_result,
        "hit twice (outcome_unknown)": len(reasons),
        "start to first send, s": _median_and_most(starts),
        "seed": seed,
    }


def _first_send_after_start(service: Running, sink: Sink) -> float:
    started, before = time.monotonic(), sink.count()
    service.start()
    wait_until(lambda: sink.count() > before, every=0.02)
    return time.monotonic() - started


def kill_behind_the_dot(folder: Path, *, kills: int = 50) -> Numbers:
    """E02: kill -9 exactly when the mail server has taken a message and not yet answered.

    Three emails at once: one that may be sent again, one of an account that holds, and one that is
    to be sent at most once.
    """
    service = Running(folder, RETRY_SCHEDULE="0.1", SWEEP_SECONDS=1)
    database = database_of(service)
    accepted: dict[str, int] = {}
    with Sink(folder) as sink, ended(service):
        service.start()
        resending = service.account(sink.port, name="resends", on_unknown="resend_once")
        holding = service.account(sink.port, name="holds", on_unknown="hold")
        for number in range(kills):
            hang = {"stage": "dot", "answer": "accept_hang", "times": 3}
            sink.play(hang)
            before = sink.count()
            for kind, fields in (
                ("resend", {"smtp_config_id": resending}),
                ("hold", {"smtp_config_id": holding}),
                ("once", {"smtp_config_id": resending, "at_most_once": True}),
            ):
                subject = f"e02 {kind} {number}"
                accepted[subject] = service.submit(subject, **fields)
            wait_until(lambda n=before: sink.count() == n + 3, every=0.005)
            service.kill()
            sink.play()
            service.start()
            wait_until(database.has_ended, every=0.05)
        numbers = judged(
            accepted=accepted, taken=sink.taken(), database=database, statuses={}, excused=()
        )
        taken = [each.subject for each in sink.taken()]
        for subject, email_id in accepted.items():
            _, email = service.get(f"/api/emails/{email_id}")
            resent = subject.startswith("e02 resend")
            assert taken.count(subject) == (2 if resent else 1), subject
            assert email["possibly_delivered"] is True, email
            wanted = ("sent", "accepted") if resent else ("failed", "outcome_unknown")
            assert (email["status"], email["reason_code"]) == wanted, email
    return numbers | {"kills": kills, "resend_once: 2 copies": kills, "held: 1 copy": 2 * kills}


def asked_to_stop(
    folder: Path,
    *,
    emails: int = 5000,
    stops: int = 20,
    connections: int = 40,
    latency_ms: float = 500,
    drain_s: float = 5,
    slack_s: float = 2.0,
    posts_per_second: float = 60,
) -> Numbers:
    """E03: SIGTERM in the middle of slow dialogues, and start again.

    Clients go on posting meanwhile, a little faster than mail can go out.
    """
    service = Running(folder, DRAIN_SECONDS=drain_s, QUEUE_WORKERS=connections)
    database = database_of(service)
    exit_codes: list[int] = []
    slowest = 0.0
    with Sink(folder, latency_ms=latency_ms) as sink, ended(service):
        service.start()
        service.account(sink.port, max_connections=connections)
        bodies = (an_email(f"e03 {n}") for n in range(emails))
        load = Load([service.port], bodies, per_second=posts_per_second).start()
        for number in range(stops):
            goal = (number + 0.5) * emails / (stops + 1)
            wait_until(lambda goal=goal: sink.count() >= goal, patience=300)
            started = time.monotonic()
            exit_codes.append(service.stop())
            slowest = max(slowest, time.monotonic() - started)
            assert "sending" not in database.statuses()
            service.start()
        load.join()
        database.wait_for_the_end()
        numbers = judged_load(load, sink, database, most_copies=1)
    assert database.statuses() == {"sent": emails}
    assert set(exit_codes) == {0}, exit_codes
    assert load.statuses[503] + load.statuses[0] > 0, "no request came while it stopped"
    assert slowest <= drain_s + slack_s, f"{slowest:.1f} s to stop"
    return numbers | {
        "stops": stops,
        "exit codes": "all 0",
        "slowest stop, s": round(slowest, 1),
        "503 while draining": load.statuses[503],
        "refused or cut off": load.statuses[0],
    }


def kill_at_the_start(
    folder: Path,
    *,
    kills: int = 40,
    connections: int = 1,
    latest_s: float = 0.02,
    restart_s: float = 5.0,
    seed: int = 1,
) -> Numbers:
    """START: kill -9 just as a process takes over, and start again at once, with one connection.

    The moment is up to *latest_s* after the first commit of the recovery. Whatever the killed one
    left (a row, a lock, half a recovery), the next one must not share the only connection with it.
    """
    chance = random.Random(seed)
    service = Running(folder, QUEUE_WORKERS=1, RETRY_SCHEDULE="1")
    database = database_of(service)
    accepted: dict[str, int] = {}
    waits: list[float] = []
    held_up: list[float] = []
    with Sink(folder, latency_ms=20) as sink, ended(service):
        service.start()
        service.account(sink.port, max_connections=connections)
        between_dot_and_result = 0
        for number in range(kills):
            for name in (f"start {number} a", f"start {number} b"):
                accepted[name] = service.submit(name)
            service.kill()
            between_dot_and_result += database.committing()
            with database.watched() as has_changed:
                service.start(ready=False)
                wait_until(has_changed, every=0.0003)
            time.sleep(chance.random() * latest_s)
            service.kill()
            between_dot_and_result += database.committing()
            name = f"start {number} last"
            started, before = time.monotonic(), sink.count()
            service.start()
            ready = time.monotonic()
            accepted[name] = service.submit(name)
            wait_until(lambda n=before: sink.count() > n, patience=300, every=0.01)
            waits.append(time.monotonic() - started)
            held_up.append(time.monotonic() - ready)
            wait_until(database.has_ended, every=0.02)
        numbers = judged(
            accepted=accepted,
            taken=sink.taken(),
            database=database,
            statuses={},
            excused={"outcome_unknown"},
        )
    assert numbers["copies beyond one"] <= between_dot_and_result  # type: ignore[operator]
    # how long a program takes to start is the machine's affair; a share left behind costs a lease
    assert max(held_up) <= restart_s, f"{max(held_up):.1f} s from ready to the first send"
    return numbers | {
        "kills": 2 * kills,
        "connections": connections,
        "between dot and result at the kills": between_dot_and_result,
        "start to first send, s": _median_and_most(waits),
        "ready to first send, s": _median_and_most(held_up),
        "seed": seed,
    }


def killed_in_one_dialogue(
    folder: Path, *, emails: int = 200, kills: int = 5, connections: int = 4, latency_ms: float = 20
) -> Numbers:
    """POISON: the process dies again and again while one email is in its dialogue.

    That one is given up as what kills it; whoever was only claimed with it is sent.
    """
    service = Running(folder, RETRY_SCHEDULE="0.1", QUEUE_WORKERS=connections)
    database = database_of(service)
    hang = {"stage": "rcpt", "answer": "hang", "recipient": "poison@example.org"}
    with Sink(folder, latency_ms=latency_ms, rules=[hang]) as sink, ended(service):
        service.start()
        config = service.account(sink.port, max_connections=connections)
        service.post(f"/api/smtp-configs/{config}/pause")
        accepted = {
            f"poison {number}": service.submit(
                f"poison {number}",
                recipients=["poison@example.org" if number == 3 else f"r{number}@example.org"],
            )
            for number in range(emails)
        }
        poison = accepted["poison 3"]
        service.post(f"/api/smtp-configs/{config}/resume")
        for number in range(kills):
            wait_until(lambda n=number: _begun(database, poison) > n, every=0.005)
            service.kill()
            service.start()
        wait_until(lambda: database.reasons().get("poison 3") == "poison")
        database.wait_for_the_end()
        numbers = judged(
            accepted={subject: n for subject, n in accepted.items() if n != poison},
            taken=sink.taken(),
            database=database,
            statuses={},
            excused={"poison"},
        )
    assert database.statuses() == {"sent": emails - 1, "failed": 1}, database.reasons()
    return numbers | {"kills": kills, "given up as poison": 1, "neighbours given up": 0}


def _begun(database: Database, email_id: int) -> int:
    """How many attempts of it have begun."""
    ((number,),) = database.rows(f"SELECT COUNT(*) FROM attempt WHERE email_id = {email_id}")
    return int(number)


def _median_and_most(seconds: Sequence[float]) -> str:
    return f"median {statistics.median(seconds):.1f}, most {max(seconds):.1f}"
