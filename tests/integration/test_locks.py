"""The locks of real processes: two never share a lock, and a dead one's is released.

Both kinds keep the same promises: flock, and SQLite's own for systems that have no flock.
"""

import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from adapters.file_locks import FileLocks
from adapters.no_locks import NoLocks
from adapters.sqlite_locks import SqliteLocks

HOLDER = """
import sys
from importlib import import_module
module, name = sys.argv[3:]
locks = getattr(import_module(module), name)(sys.argv[1])
print(locks.acquire(sys.argv[2]), flush=True)
sys.stdin.read()
"""


Kind = type[FileLocks] | type[SqliteLocks]


@contextmanager
def another_process(
    prefix: Path, name: str, kind: Kind
) -> Iterator[tuple[subprocess.Popen[str], bool]]:
    """A process that takes the lock and keeps it until it ends; and whether it got it."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(prefix), name, kind.__module__, kind.__name__],
        cwd=Path(__file__).parents[2],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        try:
            yield process, process.stdout.readline().strip() == "True"
        finally:
            process.kill()


@pytest.fixture(params=[FileLocks, SqliteLocks])
def kind(request: pytest.FixtureRequest) -> Kind:
    found: Kind = request.param
    return found


@pytest.fixture
def prefix(tmp_path: Path) -> Path:
    return tmp_path / "email-service.db"


def files(prefix: Path) -> list[str]:
    return sorted(path.name for path in prefix.parent.iterdir())


def test_a_killed_holder_has_abandoned_its_lock_until_it_is_taken_and_given_back(prefix, kind):
    locks = kind(prefix)
    with another_process(prefix, "instance-1", kind) as (process, _):
        assert not locks.abandoned("instance-1")
        process.kill()
        process.wait()
    assert locks.abandoned("instance-1")
    assert kind(prefix).abandoned("instance-1")  # whoever asked first may be dead by now
    locks.acquire("instance-1")
    locks.release("instance-1")
    assert files(prefix) == []
    assert not locks.abandoned("instance-1")


def test_a_released_lock_can_be_acquired_and_leaves_no_file(prefix, kind):
    first, second = kind(prefix), kind(prefix)
    assert first.acquire("dispatcher")
    first.release("dispatcher")
    assert files(prefix) == []
    assert second.acquire("dispatcher")


def test_a_program_that_is_started_does_not_inherit_the_lock(prefix, kind):
    locks = kind(prefix)
    locks.acquire("dispatcher")
    with subprocess.Popen(["sleep", "60"], close_fds=False) as child:
        try:
            locks.release("dispatcher")
            assert kind(prefix).acquire("dispatcher")
        finally:
            child.kill()


def test_a_directory_that_cannot_be_written_is_an_error_and_not_a_lock(tmp_path, kind):
    with pytest.raises(OSError, match="No such file"):
        kind(tmp_path / "missing" / "db").acquire("dispatcher")


def test_at_most_one_process_holds_the_lock_at_any_time(prefix, kind):
    inside = threading.Semaphore(1)
    entered: list[bool] = []

    def come_and_go(_: int) -> None:
        locks = kind(prefix)
        times = 0
        while times < 50:
            if locks.acquire("dispatcher"):
                times += 1
                entered.append(inside.acquire(blocking=False))
                inside.release()
                locks.release("dispatcher")

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(come_and_go, range(4)))
    assert entered == [True] * 200


def test_without_locks_everything_is_free_and_no_process_is_known_to_be_dead():
    locks = NoLocks()
    assert locks.acquire("dispatcher")
    assert not locks.abandoned("instance-1")
    locks.release("dispatcher")


def test_a_lock_that_is_about_to_be_taken_is_not_abandoned(prefix):
    prefix.with_name(f"{prefix.name}.instance-1.lock").touch()
    assert not SqliteLocks(prefix).abandoned("instance-1")
