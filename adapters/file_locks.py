"""Locks that die with their process, kill -9 included: flock(2) on small files beside the store.

A lock file is always made locked (a draft is locked first and then linked to its name), and is
removed only by whoever holds its lock. So a file that can be locked was left by a dead process, and
whoever locked a file that has lost its name meanwhile knows it by the inode and tries again.
"""

import fcntl
import os
import secrets
import threading
from pathlib import Path


class FileLocks:
    """The Locks of processes on one machine, as files `<prefix>.<name>.lock`. Thread-safe.

    Locks belong to this object, not to a thread. They do not outlive an exec, but a forked child
    would share them: make one after the fork.
    """

    def __init__(self, prefix: Path | str) -> None:
        self._prefix = Path(prefix)
        self._held: dict[str, int] = {}
        self._mutex = threading.Lock()

    def acquire(self, name: str) -> bool:
        """Take the lock, or answer False at once if another process holds it."""
        with self._mutex:
            if name in self._held:
                return True
            path = self._path(name)
            while True:
                handle = _taken(path)
                if handle is None:
                    handle = _made(path)
                if handle == _BUSY:
                    return False
                if handle is not None:
                    self._held[name] = handle
                    return True

    def release(self, name: str) -> None:
        """Release it. No error if it is not held."""
        with self._mutex:
            handle = self._held.pop(name, None)
            if handle is not None:
                _removed(self._path(name), handle)

    def abandoned(self, name: str) -> bool:
        """Whether a process held the lock and died. Its file stays: it is the only evidence."""
        with self._mutex:
            if name in self._held:
                return False
            path = self._path(name)
            try:
                handle = _taken(path)
            except PermissionError:
                return False  # a process of another user: unknown
            if handle is None or handle == _BUSY:
                return False
            os.close(handle)
            return True

    def _path(self, name: str) -> Path:
        return self._prefix.with_name(f"{self._prefix.name}.{name}.lock")


_BUSY = -1


def _made(path: Path) -> int | None:
    """A locked handle of the new file *path*; None if there is one already."""
    draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    handle = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.link(draft, path)
    except FileExistsError:
        os.close(handle)
        return None
    except BaseException:
        os.close(handle)
        raise
    finally:
        draft.unlink()
    return handle


def _taken(path: Path) -> int | None:
    """A locked handle of the file *path*, _BUSY if another one holds it, None if it is gone."""
    try:
        handle = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(handle), os.stat(path)):
            return handle
    except BlockingIOError:
        os.close(handle)
        return _BUSY
    except FileNotFoundError:
        pass
    os.close(handle)
    return None


def _removed(path: Path, handle: int) -> None:
    path.unlink(missing_ok=True)  # while it is still locked: no other process can have taken it
    os.close(handle)
