"""Room on the disk: 5 % of it, at least 64 MB, at most 5 GB."""

from pathlib import Path

import pytest

from adapters.disk_headroom import DiskHeadroom
from adapters.fakes.clock import FakeClock

MB, GB = 10**6, 10**9


class Disk:
    """A disk of a size, with so much free."""

    def __init__(self, total: int, free: int) -> None:
        self.total = total
        self.free = free
        self.asked = 0

    def __call__(self, path: Path) -> tuple[int, int, int]:
        self.asked += 1
        return self.total, self.total - self.free, self.free


def room(disk: Disk) -> bool:
    return DiskHeadroom(Path("/data"), usage=disk, monotonic=FakeClock().monotonic)()


@pytest.mark.parametrize(
    ("total", "needed"),
    [
        (100 * GB, 5 * GB),
        (20 * GB, 1 * GB),
        (4000 * GB, 5 * GB),  # 5 % would be 200 GB
        (1 * GB, 64 * MB),  # 5 % would be 50 MB
        (64 * MB, 16 * MB),  # 64 MB would be all of it
    ],
)
def test_there_is_room_down_to_the_bound_and_not_below(total, needed):
    assert room(Disk(total, free=needed))
    assert not room(Disk(total, free=needed - 1))


def test_ballast_is_laid_out_while_there_is_room_and_thrown_off_when_there_is_none(tmp_path):
    clock, disk, ballast = FakeClock(), Disk(100 * GB, free=50 * GB), tmp_path / "ballast"
    headroom = DiskHeadroom(tmp_path, ballast=ballast, usage=disk, monotonic=clock.monotonic)

    assert headroom()
    assert ballast.stat().st_size == 16 * MB
    disk.free = 1 * MB
    clock.tick(1)
    assert not headroom()
    assert not ballast.exists()
    disk.free = 50 * GB
    clock.tick(1)
    assert headroom()
    assert ballast.exists()


def test_a_disk_that_cannot_be_asked_has_no_room(tmp_path):
    assert not DiskHeadroom(tmp_path / "gone")()


def test_this_machines_disk_can_be_asked(tmp_path):
    assert DiskHeadroom(tmp_path)() in (True, False)


def test_the_answer_is_kept_for_a_second():
    clock, disk = FakeClock(), Disk(100 * GB, free=50 * GB)
    headroom = DiskHeadroom(Path("/data"), usage=disk, monotonic=clock.monotonic)
    assert headroom()
    disk.free = 0
    clock.tick(0.9)
    assert headroom()
    clock.tick(0.1)
    assert not headroom()
    assert disk.asked == 2
