"""What every Locks must do. Subclass `LocksContract`; start and kill its processes.

class TestMyLocks(LocksContract):
    @pytest.fixture
    def machine(self, tmp_path): ...
"""

from collections.abc import Iterator
from typing import Protocol

import pytest

from application.ports.cluster import Locks


class Machine(Protocol):
    """Where processes are begun, and killed without a chance to clean up."""

    def process(self) -> Locks: ...

    def kill(self, process: Locks) -> None: ...


class LocksContract:
    """The contract of `application.ports.cluster.Locks`."""

    @pytest.fixture
    def machine(self) -> Iterator[Machine]:
        raise NotImplementedError

    def test_one_process_at_a_time_holds_a_lock(self, machine: Machine) -> None:
        first, second = machine.process(), machine.process()

        assert first.acquire("dispatcher")
        assert not second.acquire("dispatcher")
        assert second.acquire("another")
        assert not first.acquire("another")

    def test_the_holder_may_ask_again(self, machine: Machine) -> None:
        process = machine.process()

        assert process.acquire("dispatcher")
        assert process.acquire("dispatcher")

    def test_a_released_lock_can_be_acquired(self, machine: Machine) -> None:
        first, second = machine.process(), machine.process()
        first.acquire("dispatcher")
        first.release("dispatcher")

        assert second.acquire("dispatcher")
        assert not first.acquire("dispatcher")

    def test_releasing_a_lock_that_is_not_held_is_no_error_and_frees_no_other(
        self, machine: Machine
    ) -> None:
        first, second = machine.process(), machine.process()
        first.acquire("dispatcher")
        second.release("dispatcher")
        second.release("never taken")

        assert not second.acquire("dispatcher")

    def test_a_killed_process_frees_its_lock_at_once(self, machine: Machine) -> None:
        first, second = machine.process(), machine.process()
        first.acquire("dispatcher")
        machine.kill(first)

        assert second.acquire("dispatcher")
        assert not second.abandoned("dispatcher")

    def test_a_killed_holder_has_abandoned_its_lock_until_it_is_taken_and_given_back(
        self, machine: Machine
    ) -> None:
        first, second, third = (machine.process() for _ in range(3))
        first.acquire("instance-1")
        assert not second.abandoned("instance-1")
        machine.kill(first)

        assert second.abandoned("instance-1")
        assert second.abandoned("instance-1")
        assert third.abandoned("instance-1")  # whoever asked first may be dead by now
        second.acquire("instance-1")
        second.release("instance-1")
        assert not third.abandoned("instance-1")

    def test_an_abandoned_lock_that_is_taken_again_is_held_again(self, machine: Machine) -> None:
        first, second, third = (machine.process() for _ in range(3))
        first.acquire("instance-1")
        machine.kill(first)

        assert second.acquire("instance-1")
        assert not third.acquire("instance-1")
        assert not third.abandoned("instance-1")

    def test_a_lock_that_was_never_taken_or_was_given_back_is_not_abandoned(
        self, machine: Machine
    ) -> None:
        first, second = machine.process(), machine.process()
        first.acquire("instance-1")
        first.release("instance-1")
        machine.kill(first)

        assert not second.abandoned("instance-1")
        assert not second.abandoned("instance-2")

    def test_a_lock_of_this_process_is_not_abandoned(self, machine: Machine) -> None:
        process = machine.process()
        process.acquire("instance-1")

        assert not process.abandoned("instance-1")
