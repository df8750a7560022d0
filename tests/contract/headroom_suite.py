"""What every Headroom must do. Subclass `HeadroomContract` and implement how the disk fills.

class TestMyHeadroom(HeadroomContract):
    @pytest.fixture
    def disk(self): ...
"""

from typing import Protocol

import pytest

from application.ports.system import Headroom


class Disk(Protocol):
    """A disk that a test fills and empties; the headroom has had time to notice."""

    @property
    def headroom(self) -> Headroom: ...

    def fill(self) -> None: ...

    def empty(self) -> None: ...


class HeadroomContract:
    """The contract of `application.ports.system.Headroom`."""

    @pytest.fixture
    def disk(self) -> Disk:
        raise NotImplementedError

    def test_there_is_room_on_an_empty_disk_and_none_on_a_full_one(self, disk: Disk) -> None:
        assert disk.headroom() is True
        disk.fill()
        assert disk.headroom() is False

    def test_room_is_noticed_again_after_the_disk_was_full(self, disk: Disk) -> None:
        disk.fill()
        assert disk.headroom() is False
        disk.empty()
        assert disk.headroom() is True
