"""Every headroom keeps the contract of the Headroom port."""

from pathlib import Path

import pytest

from adapters.disk_headroom import FRESH_S, DiskHeadroom
from adapters.fakes.clock import FakeClock
from adapters.fakes.headroom import FakeHeadroom
from tests.contract.headroom_suite import Disk, HeadroomContract

TOTAL = 10**11


class DiskOfATest:
    """A disk of 100 GB as the system would report it."""

    def __init__(self) -> None:
        self._free = TOTAL
        self._clock = FakeClock()
        self.headroom = DiskHeadroom(
            Path("/data"), usage=self._usage, monotonic=self._clock.monotonic
        )

    def fill(self) -> None:
        self._set(0)

    def empty(self) -> None:
        self._set(TOTAL)

    def _set(self, free: int) -> None:
        self._free = free
        self._clock.tick(FRESH_S)

    def _usage(self, path: Path) -> tuple[int, int, int]:
        return TOTAL, TOTAL - self._free, self._free


class TestDiskHeadroom(HeadroomContract):
    @pytest.fixture
    def disk(self) -> Disk:
        return DiskOfATest()


class FakeDisk:
    """A disk that only its headroom knows."""

    def __init__(self) -> None:
        self.headroom = FakeHeadroom()

    def fill(self) -> None:
        self.headroom.on = False

    def empty(self) -> None:
        self.headroom.on = True


class TestFakeHeadroom(HeadroomContract):
    @pytest.fixture
    def disk(self) -> Disk:
        return FakeDisk()
