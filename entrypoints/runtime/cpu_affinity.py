"""Keeps the process on one processor: the one that other processes use least.

The interpreter lets one thread run at a time and hands over at every socket call and at every
statement of SQLite. Where the threads stand on several processors, each hand-over wakes another
one, with cold caches; on one it is a switch. That halves the cost of an email or of a request
(docs/building/decisions, 9). Little is lost: OpenSSL and SQLite could have run beside Python. A
thread that is hardly ever in the interpreter is begun `unbound`.

The choice is looked at every few seconds, because what was idle then may be busy now. As they begin
nothing is known of that, and processes that are begun together take turns: two on one processor
would be no faster than one of them until they notice.
"""

import os
import random
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Set
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, Protocol

WORTH_IT: Final = 0.25  # of a processor: the other one must be used by so much less for a move
_NICE: Final = 10
LOOK_S: Final = (1.0, 3.0)  # a random interval, so that two processes do not keep moving together


class Processors(Protocol):
    """The machine's processors and how much they are used."""

    def allowed(self) -> frozenset[int]:
        """The processors that the process may use; empty where the system does not tell."""
        ...

    def busy_s(self) -> Mapping[int, float]:
        """Seconds that each processor was busy since the machine was started."""
        ...

    def own_s(self) -> float:
        """Seconds of processor time that this process has used."""
        ...

    def confine(self, processor: int, *, before: int | None) -> None:
        """Move the threads of this process that were bound to *before*; with None all of them."""
        ...

    def allow(self, processors: Set[int]) -> None:
        """Let the calling thread, and the threads it starts, run on any of these."""
        ...


def use_batch_scheduling() -> None:
    """Run the calling thread under SCHED_BATCH: when it wakes it preempts no other thread.

    On one processor the other one holds the interpreter's lock, so that an interruption is two
    switches for nothing. A thread that was begun with a policy of somebody's choice keeps it.
    """
    if hasattr(os, "SCHED_BATCH") and hasattr(os, "sched_setscheduler"):
        with suppress(OSError):  # a container may forbid both calls
            if os.sched_getscheduler(0) == os.SCHED_OTHER:
                os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))


def yield_to_others() -> None:
    """Give the calling thread, and those that it starts, a tenth of a processor that others want.

    Of one that is idle they get all.
    """
    if hasattr(os, "nice"):
        with suppress(OSError):
            os.nice(_NICE)


class CpuAffinity:
    """Chooses a processor with `choose`, and again from time to time once it was started."""

    def __init__(self, processors: Processors | None = None) -> None:
        self._processors = processors or LinuxProcessors()
        self._allowed: frozenset[int] = frozenset()
        self._here: int | None = None
        self._before: tuple[float, Mapping[int, float], float] | None = None
        self._stopping = threading.Event()

    def start(self, turn: int) -> None:
        """Choose a processor, and check again in a thread; nothing if there is no choice."""
        self.choose(turn)
        if self._here is not None:
            threading.Thread(target=self._run, name="one-processor", daemon=True).start()

    def stop(self) -> None:
        """Stop checking."""
        self._stopping.set()

    @contextmanager
    def unbound(self) -> Iterator[None]:
        """What this thread begins here may run on any processor, for good: a child process, which
        would have only ours, or a thread that works beside the interpreter.
        """
        if self._here is None:
            yield
            return
        self._processors.allow(self._allowed)
        try:
            yield
        finally:
            self._processors.allow({self._here})

    def choose(self, turn: int) -> None:
        """Choose a processor; consecutive values of *turn* give different ones."""
        self._allowed = self._processors.allowed()
        if len(self._allowed) > 1:
            self._move_to(sorted(self._allowed)[turn % len(self._allowed)])
            self._before = self._measured()

    def look(self) -> None:
        """Move if other processes use another processor clearly less than this one."""
        if self._here is None or self._before is None:
            return
        (then, busy_then, own_then), self._before = self._before, self._measured()
        now, busy, own = self._before
        if now <= then:
            return
        others = {
            processor: (busy[processor] - busy_then.get(processor, 0.0)) / (now - then)
            for processor in self._allowed & set(busy)
        }
        if not others or self._here not in others:
            return
        others[self._here] = max(0.0, others[self._here] - (own - own_then) / (now - then))
        best = min(others, key=lambda processor: (others[processor], processor))
        if others[self._here] - others[best] > WORTH_IT:
            self._move_to(best)

    def _run(self) -> None:
        while not self._stopping.wait(random.uniform(*LOOK_S)):  # noqa: S311 - no secret
            self.look()

    def _move_to(self, processor: int) -> None:
        self._processors.confine(processor, before=self._here)
        self._here = processor

    def _measured(self) -> tuple[float, Mapping[int, float], float]:
        return time.monotonic(), self._processors.busy_s(), self._processors.own_s()


class LinuxProcessors:
    """The processors by /proc and sched_setaffinity. On other systems it reports none."""

    def allowed(self) -> frozenset[int]:
        """As the process was started: by a container's cpuset, or by taskset."""
        if not hasattr(os, "sched_getaffinity") or not Path("/proc/stat").exists():
            return frozenset()
        return frozenset(os.sched_getaffinity(0))

    def busy_s(self) -> Mapping[int, float]:
        """User, nice, system, interrupt and stolen time."""
        return _busy_s(Path("/proc/stat").read_text("ascii").splitlines())

    def own_s(self) -> float:
        """User and system time."""
        return time.process_time()

    def confine(self, processor: int, *, before: int | None) -> None:
        """Each thread by its number: the system has no call for a whole process."""
        for task in map(int, os.listdir("/proc/self/task")):
            with suppress(OSError):  # a thread that has ended, or a system that refuses
                if before is None or os.sched_getaffinity(task) == {before}:
                    os.sched_setaffinity(task, {processor})

    def allow(self, processors: Set[int]) -> None:
        """The thread id 0 stands for the calling thread."""
        with suppress(OSError):
            os.sched_setaffinity(0, processors)


def _busy_s(lines: Iterable[str]) -> Mapping[int, float]:
    busy = {}
    ticks_a_second = os.sysconf("SC_CLK_TCK")  # what reads /proc has it
    for line in lines:
        name, *ticks = line.split()
        if name.startswith("cpu") and name != "cpu":
            user, nice, system, _idle, _iowait, irq, softirq, *rest = map(int, ticks)
            steal = rest[0] if rest else 0
            worked = user + nice + system + irq + softirq + steal
            busy[int(name[3:])] = worked / ticks_a_second
    return busy
