"""Every kind of locks keeps the contract of the Locks port; real ones in real processes."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Self

import pytest

from adapters.fakes.locks import FakeLocks
from adapters.file_locks import FileLocks
from adapters.sqlite_locks import SqliteLocks
from application.ports.cluster import Locks
from tests.contract.locks_suite import LocksContract, Machine

# answers one line for each line it is given: a method and its argument
_PROCESS = """
import sys
from importlib import import_module
prefix, module, kind = sys.argv[1:]
locks = getattr(import_module(module), kind)(prefix)
for line in sys.stdin:
    method, name = line.rstrip("\\n").split(" ", 1)
    print(getattr(locks, method)(name), flush=True)
"""


class AnotherProcess:
    """The Locks of a process of its own."""

    def __init__(self, prefix: Path, kind: type) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", _PROCESS, str(prefix), kind.__module__, kind.__name__],
            cwd=Path(__file__).parents[2],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.kill()

    def kill(self) -> None:
        with self._process:
            self._process.kill()

    def acquire(self, name: str) -> bool:
        return self._ask("acquire", name) == "True"

    def release(self, name: str) -> None:
        self._ask("release", name)

    def abandoned(self, name: str) -> bool:
        return self._ask("abandoned", name) == "True"

    def _ask(self, method: str, name: str) -> str:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{method} {name}\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert answer, "the process has died"
        return answer.strip()


class RealMachine:
    """Processes that share the files of one folder."""

    def __init__(self, prefix: Path, kind: type, begun: ExitStack) -> None:
        self._prefix = prefix
        self._kind = kind
        self._begun = begun

    def process(self) -> Locks:
        return self._begun.enter_context(AnotherProcess(self._prefix, self._kind))

    def kill(self, process: Locks) -> None:
        assert isinstance(process, AnotherProcess)
        process.kill()


class TestFileLocks(LocksContract):
    @pytest.fixture
    def machine(self, tmp_path: Path) -> Iterator[Machine]:
        with ExitStack() as begun:
            yield RealMachine(tmp_path / "mail.db", FileLocks, begun)


class TestSqliteLocks(LocksContract):
    @pytest.fixture
    def machine(self, tmp_path: Path) -> Iterator[Machine]:
        with ExitStack() as begun:
            yield RealMachine(tmp_path / "mail.db", SqliteLocks, begun)


class OneTest:
    """Processes that a test only imagines."""

    def __init__(self) -> None:
        self._first = FakeLocks()

    def process(self) -> Locks:
        return FakeLocks(beside=self._first)

    def kill(self, process: Locks) -> None:
        assert isinstance(process, FakeLocks)
        process.die()


class TestFakeLocks(LocksContract):
    @pytest.fixture
    def machine(self) -> Machine:
        return OneTest()
