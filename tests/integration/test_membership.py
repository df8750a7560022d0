"""Which process delivers: none without a lock; a dead one stays known until it is removed."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from adapters.fakes.clock import FakeClock
from adapters.fakes.memory_store import MemoryStore
from adapters.file_locks import FileLocks
from adapters.no_locks import NoLocks
from application.cluster.membership import LeasePolicy, Membership
from domain.errors import StoreUnavailable

KILLED = """
import os, signal, sys
from adapters.file_locks import FileLocks
FileLocks(sys.argv[1]).acquire(sys.argv[2])
os.kill(os.getpid(), signal.SIGKILL)
"""


class BrokenLocks(NoLocks):
    """As on a disk that cannot be written, or in a process that dies at this moment."""

    def acquire(self, name: str) -> bool:
        raise OSError("no lock")


class BrokenCommits(MemoryStore):
    """Runs every work, and then the commit fails."""

    def write(self, work: Any) -> Any:
        def failing(tx: Any) -> None:
            work(tx)
            raise StoreUnavailable("the commit failed")

        return super().write(failing)


def a_membership(store: MemoryStore, **changes: Any) -> Membership:
    defaults = {"store": store, "clock": FakeClock(), "locks": NoLocks(), "rules": LeasePolicy()}
    return Membership(**{**defaults, "host": "here", "pid": 1, **changes})


def members(store: MemoryStore) -> list[int]:
    return list(store.read(lambda tx: tx.instances.beats()))


def test_a_process_that_ends_before_it_has_its_lock_was_never_a_member() -> None:
    store = MemoryStore(clock=FakeClock())
    with pytest.raises(OSError, match="no lock"):
        a_membership(store, locks=BrokenLocks()).join()
    assert members(store) == []


def test_a_process_that_could_not_join_releases_its_lock(tmp_path: Path) -> None:
    store = BrokenCommits(clock=FakeClock())
    with pytest.raises(StoreUnavailable):
        a_membership(store, locks=FileLocks(tmp_path / "db")).join()
    assert list(tmp_path.iterdir()) == []


def test_a_dead_process_is_listed_as_dead_until_it_is_removed(tmp_path: Path) -> None:
    store = MemoryStore(clock=FakeClock())
    dead = store.write(lambda tx: tx.instances.join(host="here", pid=2, now=FakeClock().now()))
    command = [sys.executable, "-c", KILLED, str(tmp_path / "db"), f"instance-{dead}"]
    subprocess.run(command, cwd=Path(__file__).parents[2], check=False)

    a_membership(store, locks=FileLocks(tmp_path / "db")).dead()  # and dies before it buries it
    second = a_membership(store, locks=FileLocks(tmp_path / "db"))
    assert second.dead() == [dead]
    second.remove_dead(dead)

    assert members(store) == []
    assert list(tmp_path.iterdir()) == []


def test_a_process_that_leaves_releases_its_lock(tmp_path: Path) -> None:
    store = MemoryStore(clock=FakeClock())
    membership = a_membership(store, locks=FileLocks(tmp_path / "db"))
    membership.join()
    membership.leave()
    assert members(store) == []
    assert list(tmp_path.iterdir()) == []


def test_a_process_that_is_only_silent_keeps_its_lock(tmp_path: Path) -> None:
    store, clock = MemoryStore(clock=FakeClock()), FakeClock()
    silent = FileLocks(tmp_path / "db")
    instance = a_membership(store, locks=silent).join()
    watcher = a_membership(store, clock=clock, locks=FileLocks(tmp_path / "db"))
    assert watcher.dead() == []
    clock.tick(60)
    assert watcher.dead() == [instance]
    watcher.remove_dead(instance)
    assert not FileLocks(tmp_path / "db").acquire(f"instance-{instance}")
