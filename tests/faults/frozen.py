"""FROZEN: a process stands still between its mark and its dot, and goes on after its lease."""

import signal
import sys
import time
from pathlib import Path

from tests.faults.harness import Numbers, Sink, ended, judged
from tests.faults.servers import a_database, a_process
from tests.running import Running, wait_until

VICTIM = (sys.executable, "-m", "tests.faults.frozen_victim")
LEASE = {"LEASE_SECONDS": 2, "HEARTBEAT_SECONDS": 0.5, "SWEEP_SECONDS": 0.5}


def thawed_after_its_lease(folder: Path, *, freezes: int = 9) -> Numbers:
    """The email of a frozen process is sent by another one; the first, thawed, sends no copy."""
    accepted: dict[str, int] = {}
    with a_database() as database, Sink(folder) as sink:
        for number in range(freezes):
            where = ("mark", "permission")[number % 2]
            subject = f"frozen {number} {where}"
            victim = a_process(
                folder, 2 * number, database, command=VICTIM, MARKS=folder, WHERE=where,
                RETRY_SCHEDULE="0.1", **LEASE,
            )  # fmt: skip
            other = a_process(folder, 2 * number + 1, database, RETRY_SCHEDULE="0.1", **LEASE)
            with ended(victim, other):
                victim.start()
                if not number:
                    victim.account(sink.port)
                (folder / "freeze").touch()
                accepted[subject] = victim.submit(subject)
                wait_until(lambda victim=victim: _stands_still(victim), every=0.005)
                before = sink.count()
                other.start()
                wait_until(lambda before=before: sink.count() > before, every=0.02)
                assert victim.process is not None
                victim.process.send_signal(signal.SIGCONT)
                time.sleep(1.0)
                assert victim.stop() == 0
                wait_until(database.has_ended)  # else the end of the other one makes a copy
        database.wait_for_the_end()
        numbers = judged(
            accepted=accepted, taken=sink.taken(), database=database, statuses={}, most_copies=1
        )
    assert len(sink.taken()) == freezes
    return numbers | {"freezes": freezes, "copies of those aimed at": 0}


def _stands_still(service: Running) -> bool:
    assert service.process is not None
    status = Path(f"/proc/{service.process.pid}/stat").read_text()
    return status.rpartition(")")[2].split()[0] == "T"
