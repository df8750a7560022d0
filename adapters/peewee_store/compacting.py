"""Giving the room of what was removed back to the file system: SQLite keeps it in the file.

A file that was made with ``auto_vacuum=INCREMENTAL`` gives its free pages back some at a time,
while the service runs. An older one must be rewritten once, with nobody else at work, which takes
room for two more of it: the new file, and the log through which it replaces the old one.
"""

import shutil
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Final

import apsw
import attrs

from adapters.peewee_store import sqlite
from adapters.peewee_store.failures import unavailable
from domain.errors import Conflict

PAGES: Final = 500  # of one commit: 20 ms
REST_S: Final = 0.02  # between two commits: for those who wait to write
PATIENCE_S: Final = 30.0
INCREMENTAL: Final = 2
LOG_PATIENCE_S: Final = 0.02  # others wait to write meanwhile


@attrs.frozen
class Compacted:
    """The size of the file and its log before and after, in octets."""

    before: int
    after: int


def free_octets(folder: Path) -> int:
    """How much room its file system has left."""
    return shutil.disk_usage(folder).free


def compact(
    path: Path, *, tell: Callable[[str], object], free: Callable[[Path], int] = free_octets
) -> Compacted:
    """Give back all free pages. *tell* hears what takes long.

    Conflict if the file must be rewritten and somebody uses it, or there is no room for that;
    StoreUnavailable.
    """
    try:
        before = _size(path)
        with closing(sqlite.open_connection(path, {}, PATIENCE_S, make=False)) as connection:
            incremental = connection.pragma("auto_vacuum") == INCREMENTAL
        if incremental:
            _give_back(path)
        else:
            _rewrite(path, before, tell=tell, free=free(path.parent))
        return Compacted(before, _size(path))
    except (apsw.Error, OSError) as error:
        raise unavailable(error) from error


def overwrite(path: Path, *, seconds: float) -> bool:
    """Give back free pages for so many *seconds*, then empty the log; whether there was a moment
    without any free page, and the log is empty.

    What was removed can be read in neither then. False for a file that must be rewritten first, see
    `compact`, and while a reader of before keeps the log. StoreUnavailable.
    """
    deadline = time.monotonic() + seconds
    try:
        with closing(sqlite.open_connection(path, {}, PATIENCE_S, make=False)) as connection:
            if connection.pragma("auto_vacuum") != INCREMENTAL:
                return False
            connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
            left = connection.pragma("freelist_count")
            while left and time.monotonic() < deadline:
                for _ in connection.execute(f"PRAGMA incremental_vacuum({PAGES})"):
                    pass
                left = connection.pragma("freelist_count")
                time.sleep(REST_S)
            if left:
                return False
            # nearly all of it without a lock; the rest is little
            connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
            connection.set_busy_timeout(round(LOG_PATIENCE_S * 1000))
            ((busy, _, _),) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            return not busy
    except apsw.BusyError:
        return False
    except (apsw.Error, OSError) as error:
        raise unavailable(error) from error


def _size(path: Path) -> int:
    """With its log, in which the latest commits stand."""
    log = path.with_name(path.name + "-wal")
    return path.stat().st_size + (log.stat().st_size if log.exists() else 0)


def _give_back(path: Path) -> None:
    """Some pages in each commit, until there is none or no commit frees any."""
    with closing(sqlite.open_connection(path, {}, PATIENCE_S, make=False)) as connection:
        left = connection.pragma("freelist_count")
        while left:
            for _ in connection.execute(f"PRAGMA incremental_vacuum({PAGES})"):
                pass
            was, left = left, connection.pragma("freelist_count")
            if left >= was:
                break
            time.sleep(REST_S)
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


def _rewrite(path: Path, size: int, *, tell: Callable[[str], object], free: int) -> None:
    if sqlite.in_use(path):
        raise Conflict(
            f"{path} was made by an earlier version and must be rewritten once: stop the service,"
            " and run this again"
        )
    needed = 2 * size
    if free < needed:
        raise Conflict(
            f"to rewrite {path} takes {needed:,} octets of free disk beside it; there are {free:,}"
        )
    tell(f"{path} is rewritten once: it takes up to {needed:,} octets of free disk for a while")
    with closing(sqlite.open_connection(path, {}, PATIENCE_S, make=False)) as connection:
        connection.pragma("auto_vacuum", INCREMENTAL)
        connection.execute("VACUUM")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
