"""E07, E09: no rolling window at the mail server ever holds more than the limit.

The windows are shortened (HOUR_SECONDS=6), the times are the mail server's own.
"""

import itertools
import math
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from adapters.clock import SystemClock
from tests.faults import requirements
from tests.faults.harness import (
    Load,
    Numbers,
    Sink,
    an_email,
    database_of,
    ended,
    judged_load,
)
from tests.faults.measures import window_maximum
from tests.running import Running, wait_until

HOUR_S = 6.0
ZONE = "Europe/Berlin"
MARGIN_S = 1.0  # that the service adds to every window


def limits_hold_while_processes_die(
    folder: Path,
    *,
    seconds: float = 180,
    limit: int = 50,
    kill_every_s: float = 20,
    latency_ms: float = 20,
    slow_seconds: float = 60,
    least_used: float = 0.95,
) -> Numbers:
    """E07: two server processes, kill -9 in turn; then the same with a slow mail server.

    A limit that is never reached would prove nothing: most of the capacity must be used.
    """
    numbers = _limited_run(
        folder / "fast", seconds=seconds, limit=limit, every_s=kill_every_s, latency_ms=latency_ms
    )
    used = float(str(numbers["of the capacity used"]).rstrip("%")) / 100
    assert used >= least_used, f"{used:.0%} of the capacity was used"
    slow = _limited_run(
        folder / "slow", seconds=slow_seconds, limit=10, every_s=kill_every_s, latency_ms=1500
    )
    return numbers | {
        "slow server, window maximum": f"{slow['window maximum']} of 10",
        "slow server, copies beyond one": slow["copies beyond one"],
    }


def _limited_run(
    folder: Path, *, seconds: float, limit: int, every_s: float, latency_ms: float
) -> Numbers:
    folder.mkdir(parents=True)
    knobs = {"ALLOW_TEST_KNOBS": 1, "HOUR_SECONDS": HOUR_S, "RETRY_SCHEDULE": "1"}
    services = [Running(folder, QUEUE_WORKERS=8, **knobs) for _ in range(2)]
    for number, service in enumerate(services):
        service.log = folder / f"service-{number}.log"
    database = database_of(services[0])
    emails = int(seconds / HOUR_S * limit)
    kills = between_dot_and_result = 0
    with Sink(folder, latency_ms=latency_ms) as sink, ended(*services):
        for service in services:
            service.start()
        services[0].account(sink.port, hourly_limit=limit, max_connections=8)
        ports = [service.port for service in services]
        load = Load(ports, (an_email(f"e07 {n}") for n in range(emails))).start()
        end = time.monotonic() + seconds
        for victim in itertools.cycle(services):
            time.sleep(max(0.0, min(every_s, end - time.monotonic())))
            if time.monotonic() >= end:
                break
            victim.kill()
            between_dot_and_result += database.committing()
            victim.start()
            kills += 1
        load.join()
        ended_early = wait_until(database.has_ended, patience=120)
        numbers = judged_load(load, sink, database, excused={"outcome_unknown"})
        times = [each.monotonic for each in sink.taken()]
    assert ended_early
    assert numbers["copies beyond one"] <= between_dot_and_result  # type: ignore[operator]
    killed = {"kills": kills, "between dot and result at the kills": between_dot_and_result}
    return numbers | killed | windows_held(times, limit=limit)


def windows_held(times: Sequence[float], *, limit: int) -> Numbers:
    """The fullest window of a run, which is within the limit, and how much of it all was used."""
    windows = 1 + (times[-1] - times[0]) / (HOUR_S + MARGIN_S)
    return {
        "limit": limit,
        "window maximum": _fullest_window(times, limit=limit),
        "of the capacity used": f"{len(times) / (windows * limit):.0%}",
    }


def _fullest_window(times: Sequence[float], *, limit: int) -> int:
    most = window_maximum(times, HOUR_S)
    assert most <= limit, f"{most} in a window of {HOUR_S} s, the limit is {limit}"
    return most


def the_clock_steps(
    folder: Path,
    *,
    emails: int = 600,
    limit: int = 50,
    between_steps_s: float = 15,
    max_age_s: float = 259_200,
) -> Numbers:
    """E09: the wall clock steps by +1 h, −1 h and +30 d during a run; monotonic time does not.

    The run begins a few seconds before the zone's next change to or from daylight saving time.
    Everything is delivered within two minutes of the last step, except for what the limit leaves.
    """
    begin_s = _seconds_to_the_next_switch(ZONE) - between_steps_s / 2
    stamp = folder / "faketime"
    stamp.write_text(f"{begin_s:+.0f}", "ascii")
    service = Running(
        folder,
        LD_PRELOAD=requirements.libfaketime(),
        FAKETIME_TIMESTAMP_FILE=stamp,
        FAKETIME_NO_CACHE=1,
        FAKETIME_DONT_FAKE_MONOTONIC=1,
        TZ=ZONE,
        ALLOW_TEST_KNOBS=1,
        HOUR_SECONDS=HOUR_S,
        RETRY_SCHEDULE="1",
        MAX_AGE_SECONDS=max_age_s,
        SWEEP_SECONDS=2,
    )
    database = database_of(service)
    with Sink(folder, latency_ms=5) as sink, ended(service):
        service.start()
        service.account(sink.port, hourly_limit=limit)
        bodies = (an_email(f"e09 {n}") for n in range(emails))
        load = Load([service.port], bodies, per_second=emails / (4 * between_steps_s)).start()
        for offset_s in (3600, 0, 30 * 24 * 3600):
            time.sleep(between_steps_s)
            stamp.write_text(f"{begin_s + offset_s:+.0f}", "ascii")
        stepped_at = time.monotonic()
        load.join()
        wait_until(database.has_ended, patience=120 + emails / limit * (HOUR_S + 1))
        after = time.monotonic() - stepped_at
        numbers = judged_load(load, sink, database, most_copies=1)
        times = [each.monotonic for each in sink.taken()]
    most = _fullest_window(times, limit=limit)
    assert after <= 120, f"{after:.0f} s from the last step to the last email"
    return numbers | {
        "steps": "+1 h, -1 h, +30 d, across a change of daylight saving time",
        "window maximum": most,
        "limit": limit,
        "all delivered after the last step, s": round(after),
    }


def _seconds_to_the_next_switch(zone: str) -> float:
    """Until the clocks of *zone* are changed."""
    now = SystemClock().now().astimezone(ZoneInfo(zone))
    later = (now.timestamp() + 3600 * hours for hours in range(366 * 24))
    for moment in later:
        if datetime.fromtimestamp(moment + 3600, now.tzinfo).utcoffset() != now.utcoffset():
            hour = math.ceil(moment / 3600) * 3600  # they are changed at a full hour
            return hour - now.timestamp()
    raise AssertionError(f"the clocks of {zone} are never changed")
