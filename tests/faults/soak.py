"""SOAK: one account, one connection, one thread, for minutes: is there a second without a hand-off?

One of each means that nothing hides a pause: whatever holds the only claim up stops everything. A
disk or a machine that stops for a moment stops the service too, so both are watched beside it, and
a pause counts as a stall only for what it is longer than theirs.
"""

import os
import statistics
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import attrs

from tests.faults.harness import Client, Numbers, Sink, an_email, database_of, ended, judged
from tests.running import Running

BATCH = 250
SHARE_OF_A_SECOND = 0.05


def one_of_each(
    folder: Path,
    *,
    seconds: float = 300,
    longest_s: float = 1.0,
    latency_ms: float = 0,
    depth: int = 2000,
) -> Numbers:
    """SOAK: mail is always due, and some of it leaves in every second.

    The queue is kept at *depth* emails at least; it never runs empty while it is judged.
    """
    service = Running(folder, QUEUE_WORKERS=1, MAX_WORKERS=1)
    database = database_of(service)
    accepted: dict[str, int] = {}
    statuses: Counter[int] = Counter()
    least_left = depth
    with Sink(folder, latency_ms=latency_ms) as sink, ended(service):
        service.start()
        service.account(sink.port, max_connections=1)
        client = Client(service.port)
        with _watched_machine(folder) as breaths:
            _fill(client, accepted, statuses, upto=2 * depth)
            begin = time.monotonic()
            while time.monotonic() < begin + seconds:
                left = len(accepted) - sink.count()
                least_left = min(least_left, left)
                if left < 2 * depth:
                    _fill(client, accepted, statuses, upto=len(accepted) + BATCH)
                else:
                    time.sleep(SHARE_OF_A_SECOND)
            end = time.monotonic()
        client.close()
        database.wait_for_the_end()
        taken = sink.taken()
        numbers = judged(
            accepted=accepted,
            taken=taken,
            database=database,
            statuses=statuses,
            most_copies=1,
        )
        assert service.stop() == 0
    times = [each.monotonic for each in taken if begin <= each.monotonic < end]
    rates = _by_second(times, begin=begin, seconds=int(seconds))
    (folder / "rates.csv").write_text("".join(f"{n},{rate}\n" for n, rate in enumerate(rates)))
    pauses = [(after - before, before) for before, after in pairwise([begin, *times, end])]
    stalls = [pause - _excused(breaths, at, at + pause) for pause, at in pauses]
    assert least_left > 0, "the queue ran empty: nothing can be said"
    assert max(stalls) <= longest_s, (
        f"nothing was handed off for {max(stalls):.1f} s although mail was due; by second: {rates}"
    )
    return numbers | {
        "for, s": seconds,
        "least that was due": least_left,
        "by second": f"least {min(rates)}, median {statistics.median(rates):.0f}, "
        f"most {max(rates)}",
        "longest pause, s": round(max(pauses)[0], 2),
        "slowest fdatasync beside it, s": round(max(breath.took for breath in breaths), 2),
    }


def _fill(client: Client, accepted: dict[str, int], statuses: Counter[int], *, upto: int) -> None:
    """Submit in batches until so many are accepted."""
    while len(accepted) < upto:
        subjects = [f"soak {len(accepted) + n}" for n in range(BATCH)]
        body = {"emails": [an_email(subject) for subject in subjects]}
        answer = client.post("/api/emails/batch", body, key=subjects[0].replace(" ", "-"))
        statuses[answer.status] += 1
        if answer.status == 201:
            accepted.update(zip(subjects, answer.body["email_ids"], strict=True))
        else:
            assert answer.status in (0, 503), answer
            time.sleep(SHARE_OF_A_SECOND)


def _by_second(times: Sequence[float], *, begin: float, seconds: int) -> list[int]:
    counts = Counter(int(moment - begin) for moment in times)
    return [counts[second] for second in range(seconds)]


@attrs.frozen
class Breath:
    """How long a moment's sleep and an fdatasync took together, beyond the sleep."""

    began: float
    took: float


@contextmanager
def _watched_machine(folder: Path) -> Iterator[list[Breath]]:
    """Syncs a small file of the same disk twenty times a second: what it waits, everybody waits."""
    breaths: list[Breath] = []
    stopping = threading.Event()

    def breathe() -> None:
        with (folder / "breath").open("wb", buffering=0) as file:
            while not stopping.is_set():
                began = time.monotonic()
                time.sleep(SHARE_OF_A_SECOND)
                file.write(b"breath")
                os.fdatasync(file.fileno())
                breaths.append(Breath(began, time.monotonic() - began - SHARE_OF_A_SECOND))

    thread = threading.Thread(target=breathe, daemon=True)
    thread.start()
    try:
        yield breaths
    finally:
        stopping.set()
        thread.join()


def _excused(breaths: Sequence[Breath], begin: float, end: float) -> float:
    """The longest of those that the machine took within this time."""
    within = (b.took for b in breaths if b.began < end and b.began + b.took >= begin)
    return max(within, default=0.0)
