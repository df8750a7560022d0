"""Whether the disk under the store has room left, and a reserve for when it has not.

On a full disk SQLite cannot even update a row, and a result that cannot be written is a copy too
many. So a ballast file takes room while there is plenty and gives it back when there is none.
"""

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from threading import Lock
from typing import Final, NamedTuple

MEGABYTE: Final = 10**6
FLOOR: Final = 64 * MEGABYTE
CEILING: Final = 5000 * MEGABYTE
BALLAST: Final = 16 * MEGABYTE
FRESH_S: Final = 1.0


class Usage(NamedTuple):
    """What `shutil.disk_usage` answers."""

    total: int
    used: int
    free: int


class DiskHeadroom:
    """True while there is room for the results of what is under way. Safe from many threads.

    That is 5 % of the disk, at least 64 MB (a quarter of a disk so small that this would be most
    of it) and at most 5 GB. A disk that cannot be asked has no room. The answer is kept for a
    second of the monotonic clock. With *ballast* a file of 16 MB is kept there, which is removed
    when less than that is free, and laid out again when there is room.
    """

    def __init__(
        self,
        path: Path,
        *,
        ballast: Path | None = None,
        usage: Callable[[Path], tuple[int, int, int]] = shutil.disk_usage,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._path = path
        self._ballast = ballast
        self._usage = usage
        self._monotonic = monotonic
        self._lock = Lock()
        self._asked_at: float | None = None
        self._answer = False

    def __call__(self) -> bool:
        with self._lock:
            now = self._monotonic()
            if self._asked_at is None or now - self._asked_at >= FRESH_S:
                self._answer, self._asked_at = self._ask(), now
            return self._answer

    def _ask(self) -> bool:
        try:
            usage = Usage(*self._usage(self._path))
        except OSError:
            return False
        if self._ballast is not None:
            _trim(self._ballast, usage)
        return usage.free >= _needed(usage.total)


def _trim(ballast: Path, usage: Usage) -> None:
    """Remove the reserve file, or make it."""
    try:
        if usage.free < BALLAST:
            ballast.unlink(missing_ok=True)
        elif usage.free >= _needed(usage.total) + 2 * BALLAST and not ballast.exists():
            _lay_out(ballast)
    except OSError:
        return  # another process was quicker, or the disk cannot: there is no reserve then


def _lay_out(ballast: Path) -> None:
    with ballast.open("xb") as file:
        try:
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(file.fileno(), 0, BALLAST)
            else:  # macOS and Windows
                for _ in range(0, BALLAST, MEGABYTE):
                    file.write(bytes(MEGABYTE))
        except OSError:
            file.close()
            ballast.unlink()  # it would be taken for a reserve
            raise


def _needed(total: int) -> int:
    return max(min(FLOOR, total // 4), min(total // 20, CEILING))
