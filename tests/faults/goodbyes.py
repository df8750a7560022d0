"""E05: what a server does at RSET and QUIT changes nothing about any email."""

from itertools import product
from pathlib import Path

from tests.faults.harness import (
    Load,
    Numbers,
    Sink,
    an_email,
    database_of,
    ended,
    judged_load,
    timed,
)
from tests.faults.measures import lowest_median
from tests.running import Running, wait_until

ANSWERS = ("close", "hang", "500 5.5.1 no", "garbage")
RSET_TIMEOUT_S = 5.0


def goodbyes_go_wrong(
    folder: Path,
    *,
    emails: int = 500,
    refused: int = 3,
    rounds: int = 3,
    least_share: float = 0.8,
) -> Numbers:
    """E05: QUIT (a connection is retired after 100 messages) and RSET (after each refusal).

    Throughput must stay at 80 % of the baseline, except for a RSET that hangs: each refusal costs
    its deadline of 5 s twice. On a used connection nothing proves the refusal then, so the email is
    handed off once more, over a new one. Each run of a cell follows a baseline run of its own, and
    the median of their ratios counts: what else the machine does changes both runs of a pair.
    """
    shares: dict[str, list[float]] = {}
    totals: dict[str, int] = {"accepted": 0, "handed off": 0, "copies beyond one": 0}
    for number in range(rounds):
        for stage, answer in product(("quit", "rset"), ANSWERS):
            name = f"{stage}-{answer[:3].strip()}"
            place = folder / f"{name}-{number}"
            usual = _seconds(_run(place / "baseline", emails=emails, refused=refused))
            rule = {"stage": stage, "answer": answer}
            numbers = _run(place / "cell", rule, emails=emails, refused=refused)
            seconds = _seconds(numbers)
            if (stage, answer) == ("rset", "hang"):
                seconds -= refused * 2 * RSET_TIMEOUT_S
            shares.setdefault(name, []).append(usual / max(seconds, 0.01))
            for total in totals:
                totals[total] += int(str(numbers[total]))
    slowest, share = lowest_median(shares)
    assert share >= least_share, f"{slowest}: {share:.0%} of the throughput"
    return {
        **totals,
        "lost": 0,
        "most copies": 1,
        "cells": len(shares),
        "rounds": rounds,
        "lowest throughput of the baseline's": f"{share:.0%} ({slowest})",
    }


def _seconds(numbers: Numbers) -> float:
    return float(str(numbers["seconds"]))


def _run(folder: Path, *rules: dict[str, object], emails: int, refused: int) -> Numbers:
    folder.mkdir(parents=True)
    service = Running(folder)
    database = database_of(service)
    unknown = {"stage": "rcpt", "recipient": "nobody@example.org", "answer": "550 5.1.1 unknown"}
    bodies = [an_email(f"e05 {number}") for number in range(emails)]
    for number in range(refused):
        place = (number + 1) * emails // (refused + 1)
        bodies[place] = an_email(f"e05 {place}", recipients=["nobody@example.org"])
    with Sink(folder, latency_ms=5, rules=[unknown, *rules]) as sink, ended(service):
        service.start()
        config = service.account(sink.port, active=False)
        load = Load([service.port], bodies).start()
        load.join()
        status, answer = service.call("PUT", f"/api/smtp-configs/{config}", {"active": True})
        assert status == 200, answer
        seconds = timed(lambda: wait_until(database.has_ended, patience=240, every=0.05))
        numbers = judged_load(
            load, sink, database, excused={"recipient_refused", "suppressed"}, most_copies=1
        )
    assert database.statuses() == {"sent": emails - refused, "failed": refused}
    return numbers | {"seconds": round(seconds, 2)}
