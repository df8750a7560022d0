"""CPU affinity: which processor is chosen, and when the process moves to another one."""

import os
import subprocess
import sys
import threading
from collections.abc import Mapping, Set
from contextlib import suppress

import attrs

from entrypoints.runtime.cpu_affinity import (
    CpuAffinity,
    LinuxProcessors,
    _busy_s,
    use_batch_scheduling,
)
from tests.running import ROOT


@attrs.define
class Machine:
    """Processors with a given use."""

    number: int = 2
    busy: dict[int, float] = attrs.field(factory=dict)
    own: float = 0.0
    confined: list[int] = attrs.field(factory=list)
    threads: list[frozenset[int]] = attrs.field(factory=list)

    def allowed(self) -> frozenset[int]:
        return frozenset(range(self.number))

    def busy_s(self) -> Mapping[int, float]:
        return {n: self.busy.get(n, 0.0) for n in range(self.number)}

    def own_s(self) -> float:
        return self.own

    def confine(self, processor: int, *, before: int | None) -> None:
        self.confined.append(processor)

    def allow(self, processors: Set[int]) -> None:
        self.threads.append(frozenset(processors))

    def works(self, seconds: float, *, own: float = 0.0) -> None:
        """The processor we stand on has worked for so long, a part of it for us."""
        here = self.confined[-1]
        self.busy[here] = self.busy.get(here, 0.0) + seconds
        self.own += own


def test_it_binds_to_one_of_the_allowed_processors():
    machine = Machine(number=4)
    CpuAffinity(machine).choose(4711)
    [here] = machine.confined
    assert here in range(4)


def test_processes_with_consecutive_numbers_bind_to_different_processors():
    machine = Machine(number=4)
    for turn in range(4711, 4715):
        CpuAffinity(machine).choose(turn)
    assert sorted(machine.confined) == [0, 1, 2, 3]


def test_with_one_processor_the_affinity_is_left_alone():
    machine = Machine(number=1)
    one = CpuAffinity(machine)
    one.start(0)
    one.look()
    assert machine.confined == []


def test_it_moves_away_from_a_busy_processor():
    machine = Machine()
    one = CpuAffinity(machine)
    one.choose(0)
    machine.works(1000.0, own=0.0)
    one.look()
    first, second = machine.confined
    assert {first, second} == {0, 1}


def test_its_own_load_does_not_make_it_move():
    machine = Machine()
    one = CpuAffinity(machine)
    one.choose(0)
    machine.works(1000.0, own=1000.0)
    one.look()
    assert len(machine.confined) == 1


def test_it_stays_where_another_processor_is_used_as_much():
    machine = Machine()
    one = CpuAffinity(machine)
    one.choose(0)
    for n in range(2):
        machine.busy[n] = 1000.0
    one.look()
    assert len(machine.confined) == 1


def test_the_systems_figures_are_read_by_processor():
    text = [
        "cpu  9 9 9 9 9 9 9 9",
        "cpu0 100 0 50 900 20 1 2 3 0 0",
        "cpu1 10 0 5 7 0 0 0",
        "intr 1",
    ]
    ticks = os.sysconf("SC_CLK_TCK")
    assert _busy_s(text) == {0: 156 / ticks, 1: 15 / ticks}


def test_every_thread_of_a_real_process_is_bound_including_later_ones():
    before = os.sched_getaffinity(0)
    waiting, seen = threading.Event(), []
    thread = threading.Thread(target=waiting.wait, daemon=True)
    thread.start()
    here = max(before)
    try:
        LinuxProcessors().confine(here, before=None)
        assert thread.native_id is not None
        seen.append(os.sched_getaffinity(thread.native_id))
        later = threading.Thread(target=lambda: seen.append(os.sched_getaffinity(0)))
        later.start()
        later.join()
    finally:
        for task in os.listdir("/proc/self/task"):
            with suppress(ProcessLookupError):  # a thread of another test has ended meanwhile
                os.sched_setaffinity(int(task), before)
        waiting.set()
    assert seen == [{here}, {here}]


def test_a_real_thread_that_was_begun_unbound_stays_so_when_the_others_move():
    code = """
import os, threading
from entrypoints.runtime.cpu_affinity import LinuxProcessors, CpuAffinity
system, one = LinuxProcessors(), CpuAffinity()
allowed = os.sched_getaffinity(0)
one.choose(0)
(here,) = os.sched_getaffinity(0)
free = threading.Thread(target=threading.Event().wait, daemon=True)
with one.unbound():
    free.start()
there = min(allowed - {here}, default=here)
system.confine(there, before=here)
print(os.sched_getaffinity(0) == {there}, os.sched_getaffinity(free.native_id) == allowed)
"""
    told = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert told.stdout.split() == ["True", "True"]


# -- what it begins --------------------------------------------------------------------------------


def test_an_unbound_thread_may_set_its_own_affinity():
    machine = Machine(number=4)
    one = CpuAffinity(machine)
    one.choose(0)
    with one.unbound():
        assert machine.threads == [frozenset(range(4))]
    assert machine.threads[1:] == [frozenset(machine.confined)]


def test_before_it_is_bound_nothing_has_to_be_unbound():
    machine = Machine()
    with CpuAffinity(machine).unbound():
        pass
    assert machine.threads == []


def test_a_child_of_a_bound_process_may_use_all_processors():
    code = """
import os, subprocess, sys
from entrypoints.runtime.cpu_affinity import CpuAffinity
one = CpuAffinity()
before = os.sched_getaffinity(0)
one.choose(0)
ask = [sys.executable, "-c", "import os; print(sorted(os.sched_getaffinity(0)))"]
with one.unbound():
    told = subprocess.run(ask, capture_output=True, text=True).stdout.strip()
assert told == str(sorted(before)), told
assert len(os.sched_getaffinity(0)) == 1
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr


# -- who goes first --------------------------------------------------------------------------------


def policies_of_threads(*begun_with: int) -> list[int]:
    """What each thread that gives way is scheduled by, if it is begun with this policy."""
    found = []

    def run(policy: int) -> None:
        os.sched_setscheduler(0, policy, os.sched_param(0))
        use_batch_scheduling()
        found.append(os.sched_getscheduler(0))

    for policy in begun_with:
        thread = threading.Thread(target=run, args=(policy,))
        thread.start()
        thread.join()
    return found


def test_only_the_threads_that_ask_for_it_run_under_sched_batch():
    assert policies_of_threads(os.SCHED_OTHER) == [os.SCHED_BATCH]
    assert os.sched_getscheduler(0) == os.SCHED_OTHER


def test_a_scheduling_policy_set_from_outside_is_kept():
    assert policies_of_threads(os.SCHED_IDLE) == [os.SCHED_IDLE]
