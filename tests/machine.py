"""How fast this machine is just now: no test fails because it is slow."""

import time
from typing import Final

USUAL_S: Final = 0.05  # what `_work` takes on the machines that the bounds were chosen on


def is_within(cpu_s: float, most: float) -> bool:
    """Whether these seconds of processor time are at most *most* on a machine of usual speed."""
    return cpu_s <= most or usual_s(cpu_s) <= most


def usual_s(cpu_s: float) -> float:
    """Seconds of processor time as they were on a machine of the usual speed, or a faster one."""
    return cpu_s * USUAL_S / max(_work(), USUAL_S)


def _work() -> float:
    """Processor time of a fixed piece of work."""
    before = time.thread_time()
    sum(number for number in range(1_000_000))
    return time.thread_time() - before
