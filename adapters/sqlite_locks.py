"""Locks that die with their process, by SQLite's own: for systems without flock(2), as Windows is.

Each lock is a small database file beside the store. Its holder has it open in exclusive mode, which
SQLite keeps by the locks of the operating system, and has written a mark into it. The system frees
the lock when the process dies; the mark stays. So a mark that can be read was left by a dead
process. A file without one is only about to be locked, or about to be removed.
"""

import os
import threading
from contextlib import suppress
from pathlib import Path
from typing import Final

import apsw

_HELD: Final = 1  # user_version: the mark
_FREE: Final = 0
_TRIES: Final = 1000  # each finds that another process has just removed the file


class SqliteLocks:
    """The Locks of processes on one machine, as files `<prefix>.<name>.lock`. Thread-safe.

    Locks belong to this object, not to a thread. A forked child must make one of its own.
    """

    def __init__(self, prefix: Path | str) -> None:
        self._prefix = Path(prefix)
        self._held: dict[str, apsw.Connection] = {}
        self._mutex = threading.Lock()

    def acquire(self, name: str) -> bool:
        """Take the lock, or answer False at once if another process holds it."""
        with self._mutex:
            if name in self._held:
                return True
            path = self._path(name)
            for _ in range(_TRIES):
                _create(path)
                try:
                    taken = _taken(path)
                except (apsw.BusyError, apsw.LockedError):
                    return False
                if taken is not None:
                    self._held[name] = taken
                    return True
            raise OSError(f"{path} cannot be locked")

    def release(self, name: str) -> None:
        """Release it. No error if it is not held."""
        with self._mutex:
            connection = self._held.pop(name, None)
            if connection is not None:
                _removed(self._path(name), connection)

    def abandoned(self, name: str) -> bool:
        """Whether a process held the lock and died. Its file stays: it is the only evidence."""
        with self._mutex:
            return name not in self._held and _marked(self._path(name))

    def _path(self, name: str) -> Path:
        return self._prefix.with_name(f"{self._prefix.name}.{name}.lock")


def _create(path: Path) -> None:
    """Make the file, for its owner alone. An existing one is not opened: closing it would drop the
    POSIX locks that this process has on it."""
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))


def _taken(path: Path) -> apsw.Connection | None:
    """A connection that holds the lock; None if the file was removed meanwhile, or cannot be used.

    BusyError or LockedError if another connection holds it.
    """
    connection = None
    try:
        before = os.stat(path)
        connection = apsw.Connection(str(path), apsw.SQLITE_OPEN_READWRITE)
        connection.pragma("locking_mode", "exclusive")  # a commit does not unlock the file
        connection.pragma("journal_mode", "memory")
        connection.pragma("synchronous", 0)  # it must survive the process, not the machine
        connection.execute("BEGIN EXCLUSIVE")
        if os.path.samestat(before, os.stat(path)):
            connection.execute(f"PRAGMA user_version = {_HELD}; COMMIT")
            taken, connection = connection, None
            return taken
    except (apsw.BusyError, apsw.LockedError):
        raise
    except (FileNotFoundError, apsw.Error):
        return None
    finally:
        if connection is not None:
            connection.close()
    return None


def _marked(path: Path) -> bool:
    """Whether the mark can be read: no process holds the lock, and it was not released."""
    connection = None
    try:
        connection = apsw.Connection(str(path), apsw.SQLITE_OPEN_READONLY)
        return bool(connection.pragma("user_version") == _HELD)
    except apsw.Error:
        return False  # held, gone, or another user's: unknown
    finally:
        if connection is not None:
            connection.close()


def _removed(path: Path, connection: apsw.Connection) -> None:
    connection.pragma("user_version", _FREE)
    try:
        path.unlink(missing_ok=True)  # while it is still locked: no other process can have taken it
    except PermissionError:  # Windows removes no open file
        connection.close()
        with suppress(PermissionError):  # another process has opened it: then it stays
            path.unlink(missing_ok=True)
        return
    connection.close()
