"""Checkpoints beside the commits: what was committed moves from the WAL into the database file.

By itself SQLite does it within a commit, and everybody who waits for that commit waits until
thousands of pages are written and flushed. Here a thread moves them while commits go on. What those
append meanwhile is little, and the writer moves it before its next transaction: the WAL begins anew
only once all of it was moved, so of a store that is always busy it would grow for ever.
"""

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from queue import SimpleQueue
from typing import Final

import apsw

from domain.errors import StoreUnavailable

# 16 MB: at the 4 MB that SQLite would take, 10 kB emails paid for a second fsync in every other
# commit.
PAGES: Final = 4000
# From here on SQLite tries within each commit, in case the thread does not keep up.
MOST_PAGES: Final = 4 * PAGES
_EARLIEST: Final = 8  # the share of a move that is written before the next one, at the least
Unbound = Callable[[], AbstractContextManager[None]]  # what is begun inside may run anywhere
_MOVE: Final = "PRAGMA wal_checkpoint(PASSIVE)"  # waits for no reader or writer


class Checkpoints:
    """For one connection that writes. *connect* opens another one to the same file; each move is of
    about so many *pages*. Its thread is begun *unbound*: it is hardly ever in the interpreter.

    Its thread starts when there is something to move for the first time. What fails is tried again
    later, as SQLite itself does: nothing is lost by it, the WAL only becomes longer.
    """

    def __init__(
        self,
        connect: Callable[[], apsw.Connection],
        *,
        pages: int = PAGES,
        unbound: Unbound = nullcontext,
    ) -> None:
        self._connect = connect
        self._unbound = unbound
        self._pages = pages
        self._after = pages  # of its own, since the last time
        self._written_before = 0
        self._asked: SimpleQueue[bool] = SimpleQueue()  # to move, or to end
        self._checkpointing = False
        self._moved = False
        self._thread: threading.Thread | None = None

    def before_writing(self, connection: apsw.Connection) -> None:
        """Called by the writer between two transactions."""
        if self._checkpointing:
            return
        if self._moved:
            self._moved = False
            with suppress(apsw.Error):
                connection.execute(_MOVE).fetchone()
            self._written_before = _pages_written(connection)
        elif _pages_written(connection) - self._written_before >= self._after:
            self._written_before = _pages_written(connection)
            self._checkpointing = True
            self._start()
            self._asked.put(True)

    def close(self) -> None:
        """End the thread after its current checkpoint."""
        if self._thread is not None:
            self._asked.put(False)
            self._thread.join()

    def _start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="store-checkpoints", daemon=True)
            with self._unbound():
                self._thread.start()

    def _run(self) -> None:
        connection: apsw.Connection | None = None
        while self._asked.get():
            with suppress(StoreUnavailable, apsw.Error):
                connection = connection or self._connect()
                self._move(connection)
            self._checkpointing = False
        if connection is not None:
            connection.close()

    def _move(self, connection: apsw.Connection) -> None:
        ((busy, pages, _),) = connection.execute(_MOVE)
        if busy or pages <= 0:  # another process does or did it
            return
        # others write too, and more is written until this thread runs
        earlier = self._after * self._pages // pages
        self._after = min(max(earlier, self._pages // _EARLIEST), self._pages)
        self._moved = True


def _pages_written(connection: apsw.Connection) -> int:
    """How many pages it has written to the WAL: a row may be one of many, or many of them one."""
    return connection.status(apsw.SQLITE_DBSTATUS_CACHE_WRITE)[0]
