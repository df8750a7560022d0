"""Reads: each on a connection of its own for as long as it lasts, handed back for the next one."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, TypeVar

import attrs

from adapters.peewee_store.failures import translated, unavailable
from adapters.peewee_store.transaction import AtWork, SqlTransaction
from application.ports.store import Transaction
from domain.errors import StoreUnavailable

T = TypeVar("T")

MOST_IDLE: Final = 8
_NOT_IN_A_READ: Final = ("readonly database", "read-only transaction")


@attrs.frozen(kw_only=True)
class Bound:
    """At most so many reads at once; the others wait for a bounded time."""

    most: int
    timeout_s: float


class ReaderPool:
    """Runs reads, as many at once as there are callers. Keeps a few idle connections.

    They belong to no thread, so a thread that ends leaves nothing behind. With a *bound* callers
    wait for a connection: a server has so many for all its clients.
    """

    def __init__(
        self,
        connect: Callable[[], SqlTransaction],
        *,
        at_work: AtWork,
        bound: Bound | None = None,
        check: Callable[[], None] = lambda: None,
    ) -> None:
        """*check* raises StoreUnavailable where there is nothing to read; the connections stay."""
        self._connect = connect
        self._check = check
        self._at_work = at_work
        self._bound = bound
        self._places = threading.BoundedSemaphore(bound.most) if bound else None
        self._gate = threading.Lock()
        self._idle: list[SqlTransaction] = []
        self._closed = False

    def read(self, work: Callable[[Transaction], T], *, begin: bool = True) -> T:
        """Run *work*, on one snapshot if it is to *begin* one. RuntimeError if it writes, or inside
        a work.
        """
        self._at_work.refuse()
        self._check()
        if self._places is None:
            return self._read_at_last(work, begin=begin)
        with self._place():
            return self._read_at_last(work, begin=begin)

    def _read_at_last(self, work: Callable[[Transaction], T], *, begin: bool) -> T:
        try:
            return self._read(work, begin=begin)
        except _LostError:  # this finds connections that a restarted server has closed
            self._close_idle()
        try:
            return self._read(work, begin=begin)
        except _LostError as error:
            raise unavailable(error.reason) from error.reason

    def _read(self, work: Callable[[Transaction], T], *, begin: bool) -> T:
        transaction = self._lend()
        self._at_work.here = True
        try:
            if begin:
                transaction.begin()
            else:
                transaction.begin_without_snapshot()
            answer = work(transaction)
        except BaseException as error:
            told = _told(error)
            lost = transaction.session.lost
            self._take_back(transaction, broken=isinstance(told, StoreUnavailable))
            if lost:
                raise _LostError(error) from error
            if told is error:
                raise
            raise told from error
        finally:
            self._at_work.here = False
        self._take_back(transaction)
        return answer

    def close(self) -> None:
        """Close idle connections; those in use are closed when they are returned."""
        with self._gate:
            self._closed = True
        self._close_idle()

    def _close_idle(self) -> None:
        with self._gate:
            idle, self._idle = self._idle, []
        for transaction in idle:
            transaction.close()

    @contextmanager
    def _place(self) -> Iterator[None]:
        """StoreUnavailable if none is free in time."""
        assert self._places is not None
        assert self._bound is not None
        if not self._places.acquire(timeout=self._bound.timeout_s):
            raise StoreUnavailable(
                f"all {self._bound.most} connections for reading were busy"
                f" for {self._bound.timeout_s:g} s"
            )
        try:
            yield
        finally:
            self._places.release()

    def _lend(self) -> SqlTransaction:
        with self._gate:
            if self._closed:
                raise StoreUnavailable("the store is closed")
            if self._idle:
                return self._idle.pop()
        return self._connect()

    def _take_back(self, transaction: SqlTransaction, *, broken: bool = False) -> None:
        if not broken and _ended(transaction):
            with self._gate:
                if not self._closed and len(self._idle) < MOST_IDLE:
                    self._idle.append(transaction)
                    return
        transaction.close()


def _ended(transaction: SqlTransaction) -> bool:
    """Whether its read could be ended: the answer is good in any case."""
    try:
        transaction.rollback()
    except Exception:
        return False
    return True


class _LostError(Exception):
    """The connection went away under a read, which may be run again on another one."""

    def __init__(self, reason: BaseException) -> None:
        super().__init__(reason)
        self.reason = reason


def _told(error: BaseException) -> BaseException:
    told = translated(error)
    if told is not error and any(words in str(error) for words in _NOT_IN_A_READ):
        return RuntimeError("a read may not write")
    return told
