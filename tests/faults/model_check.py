"""E27: the random histories of the queue, as many as one asks for, on both stores."""

import os
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

from hypothesis import HealthCheck, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.faults.harness import Numbers
from tests.faults.queue_machine import QueueInMemory, QueueMachine, QueueOnSqlite


def histories_follow_the_model(
    folder: Path,
    *,
    seeds: int = 100,
    histories: int = 50,
    steps: int = 100,
    sqlite_histories: int = 5,
) -> Numbers:
    """E27: with a crash at any commit, every step leaves what the model predicts, in any history.

    Seeds run side by side, a process for each processor. A seed is about as many steps as its
    histories have, less what the search ends early.
    """
    check = partial(_histories_of, histories=histories, sqlite_histories=sqlite_histories)
    found = [0, 0, 0, 0]
    with ProcessPoolExecutor(
        min(seeds, len(os.sched_getaffinity(0))), mp_context=get_context("spawn")
    ) as processes:
        for counts in processes.map(partial(check, steps=steps), range(seeds)):
            found = [sum(pair) for pair in zip(found, counts, strict=True)]
    return {
        "seeds": seeds,
        "histories in memory": found[0],
        "steps in memory": found[1],
        "histories on SQLite": found[2],
        "steps on SQLite": found[3],
        "steps a seed": (found[1] + found[3]) // seeds,
        "steps that broke an invariant": 0,
    }


def _histories_of(
    number: int, *, histories: int, sqlite_histories: int, steps: int
) -> tuple[int, int, int, int]:
    """One seed on both stores: histories and steps of each."""
    counts: list[int] = []
    for machine, each in ((QueueInMemory, histories), (QueueOnSqlite, sqlite_histories)):
        before = machine.histories, machine.steps
        try:
            _run(machine, number=number, histories=each, steps=steps)
        except BaseException as error:
            error.add_note(f"{machine.__name__}, seed {number}")
            raise
        counts += [machine.histories - before[0], machine.steps - before[1]]
    in_memory, on_sqlite = counts[:2], counts[2:]
    return (in_memory[0], in_memory[1], on_sqlite[0], on_sqlite[1])


def _run(machine: type[QueueMachine], *, number: int, histories: int, steps: int) -> None:
    print_nothing = settings(
        max_examples=histories,
        stateful_step_count=steps,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(seed(number)(machine), settings=print_nothing)
