"""The child processes: they get signals, are restarted and stopped, and are never left behind."""

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from adapters.observers import ListObserver
from entrypoints.runtime.child_processes import ChildProcesses
from tests.running import ROOT, wait_until

# Writes down that it lives, and each signal; ends with the code of its second argument.
CHILD = """
    import os, signal, sys, threading
    from entrypoints.runtime.child_processes import watch_parent

    def note(word):
        with open(sys.argv[1], "a") as notes:
            notes.write(f"{word} {os.getpid()}\\n")

    def end(*_):
        note("ended")
        os._exit(int(sys.argv[2]))

    signal.signal(signal.SIGTERM, end)
    watch_parent(sys.stdin.buffer, notify=lambda: note("notified"), ended=end)
    note(f"number-{sys.argv[3]}")
    note("begun")
    threading.Event().wait()
"""


def a_command(folder: Path, exit_code: int = 0) -> list[str]:
    return [sys.executable, "-c", textwrap.dedent(CHILD), str(folder / "notes"), str(exit_code)]


def noted(folder: Path, word: str) -> set[int]:
    """The pids of those that have written this down."""
    with suppress(FileNotFoundError):
        lines = (folder / "notes").read_text().splitlines()
        return {int(line.split()[1]) for line in lines if line.startswith(word)}
    return set()


@contextmanager
def some(
    folder: Path, number: int = 2, exit_code: int = 0
) -> Iterator[tuple[ChildProcesses, ListObserver]]:
    heard = ListObserver()
    children = ChildProcesses(
        number,
        a_command(folder, exit_code),
        observe=heard,
        drain_s=10,
    )
    children.start()
    try:
        wait_until(lambda: len(noted(folder, "begun")) == number)
        yield children, heard
    finally:
        children.ask_to_stop()
        children.join()


def test_every_child_gets_the_signal(tmp_path: Path) -> None:
    with some(tmp_path) as (children, _):
        children.notify()
        wait_until(lambda: noted(tmp_path, "notified") == set(children.pids))


def test_a_signal_right_after_another_one_is_delivered_too(tmp_path: Path) -> None:
    with some(tmp_path, number=1) as (children, _):

        def heard() -> int:
            with suppress(FileNotFoundError):
                return (tmp_path / "notes").read_text().count("notified")
            return 0

        for _ in range(50):
            before = heard()
            children.notify()
            wait_until(lambda n=before: heard() > n, every=0.0002)


def test_a_killed_child_is_restarted_and_logged(tmp_path: Path) -> None:
    with some(tmp_path) as (children, heard):
        killed, other = children.pids
        os.kill(killed, signal.SIGKILL)

        wait_until(lambda: len(noted(tmp_path, "begun")) == 3)

        assert other in children.pids
        [event] = heard.events
        assert event.name == "process_ended"
        assert event.fields == {"pid": killed, "exit_code": -signal.SIGKILL}
        number_of_other = "number-2" if other in noted(tmp_path, "number-2") else "number-1"
        assert noted(tmp_path, number_of_other) == {other}


def test_each_child_gets_its_own_number(tmp_path: Path) -> None:
    with some(tmp_path) as (children, _):
        first, second = children.pids
        assert (noted(tmp_path, "number-1"), noted(tmp_path, "number-2")) == ({first}, {second})


@pytest.mark.parametrize("exit_code", [0, 1])
def test_stopping_reports_whether_a_child_left_work_undone(tmp_path: Path, exit_code: int) -> None:
    with some(tmp_path, exit_code=exit_code) as (children, heard):
        pids = set(children.pids)
        children.ask_to_stop()

        assert children.join() is bool(exit_code)

        assert noted(tmp_path, "ended") == pids
        assert not children.pids
        assert heard.events == []


def test_children_end_when_the_first_process_is_killed(tmp_path: Path) -> None:
    first = """
        import sys, threading
        from entrypoints.runtime.child_processes import ChildProcesses
        from adapters.observers import ListObserver
        children = ChildProcesses(2, sys.argv[1:], observe=ListObserver(), drain_s=1)
        children.start()
        threading.Event().wait()
    """
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(first), *a_command(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    wait_until(lambda: len(noted(tmp_path, "begun")) == 2)

    process.kill()
    process.wait()

    wait_until(lambda: noted(tmp_path, "ended") == noted(tmp_path, "begun"))
