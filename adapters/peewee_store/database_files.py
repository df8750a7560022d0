"""Whether the files that SQLite has open are still the ones that their paths name.

SQLite goes on writing to a file that was deleted, renamed or replaced: every commit succeeds, and
nothing of it is left when the process ends. So the path is looked at before each group of writes,
and everything else ten times a second: the log (`-wal`), its index (`-shm`), and the header.

A file that was overwritten in place has the same inode. Its header shows it: the number of its
changes went back, as when a backup was copied over it, or the file became shorter without a change.

This process must not open the database with `open`: closing that descriptor would drop SQLite's
locks (howtocorrupt.html, 2.2). The header is read through SQLite's own file layer.
"""

import logging
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

import apsw
import attrs

from domain.errors import StoreUnavailable

FRESH_S: Final = 0.1
_MAGIC: Final = b"SQLite format 3\0"
_HEADER_OCTETS: Final = 100
_CHANGES: Final = slice(24, 28)  # fileformat2.html, 1.3.7
_HALF: Final = 2**31  # the number wraps: it went back if it is less than half a turn behind
_BESIDE: Final = ("-wal", "-shm")

_log = logging.getLogger(__name__)


class _Identity(NamedTuple):
    """Which file it is, whatever its name. A tuple, for two are compared at every commit."""

    device: int
    inode: int


@attrs.frozen
class _Content:
    """The header's number of changes, and what shows that somebody has written since."""

    size: int
    modified_ns: int
    changes: int

    def overwritten_by(self, later: "_Content | None") -> bool:
        """Whether the *later* content cannot have come from this one by SQLite's writes."""
        if later is None:
            return True
        ahead = (later.changes - self.changes) % 2**32
        return ahead >= _HALF or (later.size < self.size and ahead == 0)


class DatabaseFiles:
    """The files of one database as this process has opened them. Safe from many threads.

    Nothing is known, and so everything right, until the first connection is open.
    """

    def __init__(self, path: Path, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._path = path
        self._name = str(path)  # what a Path makes of itself anew at every use
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._connections = 0
        self._database: _Identity | None = None
        self._beside: dict[str, _Identity] = {}
        self._content: _Content | None = None
        self._overwritten = False
        self._looked_at: float | None = None
        self._fault: str | None = None

    @property
    def known(self) -> bool:
        """Whether this process has had the database open: it may not make a new one."""
        return self._database is not None

    def check(self) -> None:
        """Check before a read. StoreUnavailable if the files were replaced up to 0.1 s ago."""
        if self._fault is not None or self._stale():
            self._look()

    def check_now(self) -> None:
        """Check before a write. StoreUnavailable if the path now names another file, or none."""
        if self._fault is not None or self._stale() or _identity(self._name) != self._database:
            self._look()

    def opened(self) -> None:
        """Count a new connection. StoreUnavailable if it has another file than the first."""
        with self._lock:
            self._connections += 1
            if self._database is None:
                self._database = _identity(self._name)
        self._look()

    def closed(self) -> None:
        """Count a closed connection. SQLite removes the log when the last one is closed."""
        with self._lock:
            self._connections -= 1
            if not self._connections and self._fault is None:
                self._beside.clear()

    def log_is_foreign(self) -> bool:
        """Whether SQLite must not write this process's log into the file as it closes: the file or
        the log at the path is somebody else's.
        """
        with self._lock:
            if self._overwritten:
                return True
            at_path = _identity(f"{self._name}-wal")
            return at_path is not None and at_path != self._beside.get("-wal", at_path)

    def _stale(self) -> bool:
        return self._looked_at is None or self._monotonic() - self._looked_at >= FRESH_S

    def _look(self) -> None:
        with self._lock:
            if self._database is None:
                return
            fault = self._found()
            self._looked_at = self._monotonic()
            if fault is not None and self._fault is None:
                _log.error("nothing is accepted or sent: %s", fault)
            if fault is None and self._fault is not None:
                _log.warning("the database %s is back: going on", self._path)
            self._fault = fault
        if fault is not None:
            raise StoreUnavailable(f"the store is not available: {fault}")

    def _found(self) -> str | None:
        """What is wrong, and what to do about it."""
        at_path = _identity(self._name)
        if at_path != self._database:
            what = "was deleted or renamed" if at_path is None else "was replaced by another file"
            return (
                f"the database {self._path} {what} while it was in use: put the same file back"
                " (then it goes on by itself), or restart every process of this service"
            )
        for suffix in _BESIDE:
            identity = _identity(self._name + suffix)
            known = self._beside.get(suffix)
            if known is None and identity is not None and self._connections:
                self._beside[suffix] = identity
            elif known is not None and identity != known:
                return (
                    f"{self._path}{suffix} was removed or replaced while it was in use: stop every"
                    " process of this service, then start it again"
                )
        if self._overwritten or self._is_overwritten():
            self._overwritten = True
            return (
                f"the database {self._path} was overwritten while it was in use: stop every process"
                f" of this service, remove {self._path.name}-wal and {self._path.name}-shm, put"
                " the right file in place, then start it again"
            )
        return None

    def _is_overwritten(self) -> bool:
        try:
            status = self._path.stat()
        except OSError:
            return False  # it was there a moment ago: the next check decides
        content = self._content
        if content is not None and (content.size, content.modified_ns) == (
            status.st_size,
            status.st_mtime_ns,
        ):
            return False
        changes = _changes(self._path)
        now = None if changes is None else _Content(status.st_size, status.st_mtime_ns, changes)
        self._content = now
        return content is not None and content.overwritten_by(now)


def _identity(name: str) -> _Identity | None:
    try:
        status = os.stat(name)  # half the time of Path.stat, at every commit
    except OSError:
        return None
    return _Identity(status.st_dev, status.st_ino)


def _changes(path: Path) -> int | None:
    """The content of the header; None if it is no header."""
    flags = [apsw.SQLITE_OPEN_MAIN_DB | apsw.SQLITE_OPEN_READONLY, 0]
    try:
        file = apsw.VFSFile("", str(path), flags)
        try:
            header = file.xRead(_HEADER_OCTETS, 0)
        finally:
            file.xClose()
    except apsw.Error:
        return None
    if not header.startswith(_MAGIC):
        return None
    return int.from_bytes(header[_CHANGES], "big")
