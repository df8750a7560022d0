"""Group commit: one thread writes, many works share a commit, and each gets its result after it.

An fsync costs the same for one work as for two hundred. While one is under way the next works
gather, and a little longer while several ask at once, so that the busier the store is, the less
each costs; an idle one does not wait.
"""

import logging
import random
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from queue import SimpleQueue
from typing import Any, Final, TypeVar

import attrs

from adapters.peewee_store.failures import (
    SerializationConflict,
    is_serialization_conflict,
    translated,
    unavailable,
)
from adapters.peewee_store.transaction import AtWork, SqlTransaction
from application.ports.store import Transaction
from domain.errors import Conflict, StaleAttempt, StoreUnavailable

T = TypeVar("T")
Work = Callable[[Transaction], Any]

MOST_WORKS: Final = 200
# While several callers wait a commit is delayed by so long, so that more works share it: 16 clients
# that POST need a fifth fewer commits.
COALESCE_S: Final = 0.0005
MOST_TRIES: Final = 6  # of a group that conflicts with other processes
PAUSE_S: Final = 0.01
_CHANCE: Final = random.SystemRandom()

_log = logging.getLogger(__name__)


class _Job:
    """A work and the Future of its answer."""

    def __init__(self, work: Work) -> None:
        self.work = work
        self.future: Future[Any] = Future()

    def admit(self) -> bool:
        """Whether it is to be run; False if it was cancelled."""
        return self.future.set_running_or_notify_cancel()

    def tell(self, answer: Any) -> None:
        """The answer, which may be a _Failure. Whatever a callback does here, the next one must get
        its answer.
        """
        try:
            if isinstance(answer, _Failure):
                self.future.set_exception(answer.error)
            else:
                self.future.set_result(answer)
        except BaseException:
            _log.exception("a callback of a posted work failed")


class GroupWriter:
    """Runs works one after the other on a connection of its own; its thread starts with the first.

    A work that raises takes back only what it wrote itself. If the connection or the commit fails,
    every work of the group gets StoreUnavailable, nothing of them was written, and the next group
    finds a new connection. Nothing ends the thread but `close`.

    Where other processes write too, a group that one of them came between, or whose connection was
    lost before the commit, is run again; and a work is run again before its Conflict or
    StaleAttempt is believed. Only there may a commit have been made although it failed: its answer
    was lost.
    """

    def __init__(
        self,
        connect: Callable[[], SqlTransaction],
        *,
        at_work: AtWork,
        check: Callable[[], None] = lambda: None,
    ) -> None:
        """*check* raises StoreUnavailable where nothing may be written; the connection stays."""
        self._connect = connect
        self._check = check
        self._at_work = at_work
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._gate = threading.Lock()
        self._thread: threading.Thread | None = None
        self._closed = False
        self._transaction: SqlTransaction | None = None
        self._in_demand = False
        self._closing = threading.Event()

    def post(self, work: Callable[[Transaction], T]) -> "Future[T]":
        """Queue *work*; its answer comes once it is durable. RuntimeError inside a work.

        Callbacks of the Future run on the writer's thread: every other work waits for them.
        """
        job = _Job(work)
        self._put(job)
        return job.future

    def write(self, work: Callable[[Transaction], T]) -> T:
        """Post *work* and wait for its answer. RuntimeError inside a work or a callback."""
        if threading.current_thread() is self._thread:
            raise RuntimeError("neither a work nor a callback may wait for its own store")
        return self.post(work).result()

    def close(self) -> None:
        """Finish what was posted, then let go of the connection. May be called twice."""
        with self._gate:
            if not self._closed and self._thread is not None:
                self._jobs.put(None)
            self._closed = True
        self._closing.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()

    def _put(self, job: _Job) -> None:
        self._at_work.refuse()
        with self._gate:
            if not self._closed:
                self._start()
                self._jobs.put(job)
                return
        job.tell(_Failure(StoreUnavailable("the store is closed")))

    def _start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        ended = False
        while not ended:
            group, ended = self._take()
            if group:
                self._serve(group)
        self._disconnect()

    def _take(self) -> tuple[Sequence[_Job], bool]:
        """Wait for a job and take all that are queued; and whether the writer is to end."""
        group: list[_Job] = []
        job = self._jobs.get()
        if self._in_demand:
            self._closing.wait(COALESCE_S)
        for _ in range(min(self._jobs.qsize(), MOST_WORKS - 1)):
            if job is None:
                break
            _admit(job, group)
            job = self._jobs.get()
        if job is not None:
            _admit(job, group)
        self._in_demand = len(group) > 1
        return group, job is None

    def _serve(self, group: Sequence[_Job]) -> None:
        try:
            self._check()
        except StoreUnavailable as error:
            for job in group:
                job.tell(_Failure(unavailable(error)))
            return
        self._at_work.here = True
        try:
            answers = self._commit_at_last(group)
        except _NotBegunError as error:
            self._disconnect()
            # jobs that were queued meanwhile have waited too: they do not wait again for the lock
            group = [*group, *self._queued()]
            answers = [_Failure(unavailable(error.reason)) for _ in group]
        except BaseException as error:
            self._disconnect()
            answers = [_Failure(unavailable(error)) for _ in group]
        finally:
            self._at_work.here = False
        for job, answer in zip(group, answers, strict=True):
            job.tell(answer)

    def _commit_at_last(self, group: Sequence[_Job]) -> Sequence[Any]:
        """Like _commit, repeated if it conflicts with another process."""
        for attempt in range(1, MOST_TRIES):
            try:
                return self._commit(group)
            except Exception as error:
                if not is_serialization_conflict(error):
                    raise
                self._undo()
            time.sleep(_CHANCE.uniform(0, PAUSE_S * attempt))
        return self._commit(group)

    def _commit(self, group: Sequence[_Job]) -> Sequence[Any]:
        """The works' answers, once they are durable. Any error means that none of them is."""
        transaction = self._begun(pipelined=True)
        answers = _together(group, transaction)
        if answers is None:
            try:
                transaction.rollback()
                transaction.begin()
            except Exception as error:
                _raise_if_to_be_run_again(error, transaction)
                raise
            if len(group) == 1 and not transaction.session.shared:
                return [_alone(group[0], transaction)]
            answers = [_among_others(job, transaction) for job in group]
            transaction.verify()
        transaction.commit()
        return answers

    def _begun(self, *, pipelined: bool) -> SqlTransaction:
        try:
            transaction = self._transaction
            if transaction is not None:
                try:
                    transaction.begin(pipelined=pipelined)
                except Exception:
                    if not transaction.session.lost:
                        raise
                    self._disconnect()  # the server was restarted: a new connection may work
            if self._transaction is None:
                self._transaction = transaction = self._connect()
                transaction.begin(pipelined=pipelined)
            assert transaction is not None
        except BaseException as error:
            if is_serialization_conflict(error):
                raise
            raise _NotBegunError(error) from error
        return transaction

    def _undo(self) -> None:
        """Roll back; on a lost connection that has been done."""
        try:
            if self._transaction is not None:
                self._transaction.rollback()
        except Exception:
            self._disconnect()

    def _queued(self) -> Sequence[_Job]:
        """The jobs queued now; a request to end stays in the queue."""
        found: list[_Job] = []
        for _ in range(self._jobs.qsize()):
            job = self._jobs.get()
            if job is None:
                self._jobs.put(None)
                break
            _admit(job, found)
        return found

    def _disconnect(self) -> None:
        transaction, self._transaction = self._transaction, None
        if transaction is not None:
            with suppress(Exception):  # it may be broken, which is why it is thrown away
                transaction.rollback()
            with suppress(Exception):
                transaction.close()


class _NotBegunError(Exception):
    """The lock or the connection could not be got: nothing was run."""

    def __init__(self, reason: BaseException) -> None:
        super().__init__(reason)
        self.reason = reason


@attrs.frozen
class _Failure:
    """What a work raised, on its way to the caller."""

    error: BaseException


def _admit(job: _Job, group: list[_Job]) -> None:
    if job.admit():
        group.append(job)


def _alone(job: _Job, transaction: SqlTransaction) -> Any:
    try:
        answer = job.work(transaction)
    except BaseException as error:
        transaction.rollback()
        return _Failure(translated(error))
    transaction.verify()
    transaction.commit()
    return answer


def _together(group: Sequence[_Job], transaction: SqlTransaction) -> Sequence[Any] | None:
    """The works' answers, or None if one of them raised: then each is run again, undone alone.

    Works hardly ever raise, and a savepoint costs as much as a write.
    """
    answers = []
    for job in group:
        try:
            answers.append(job.work(transaction))
        except BaseException as error:
            _raise_if_to_be_run_again(error, transaction)
            return None
        if not transaction.session.in_transaction:
            raise StoreUnavailable("the engine gave the transaction up")
    try:
        transaction.verify()
    except Exception as error:
        _raise_if_to_be_run_again(error, transaction)
        return None
    return answers


def _among_others(job: _Job, transaction: SqlTransaction) -> Any:
    answer = _alone_undone(job, transaction)
    if (
        isinstance(answer, _Failure)
        and isinstance(answer.error, (Conflict, StaleAttempt))
        and transaction.session.shared
    ):
        # another process may have come between what it read and what it wrote
        return _alone_undone(job, transaction)
    return answer


def _alone_undone(job: _Job, transaction: SqlTransaction) -> Any:
    transaction.save_point()
    try:
        answer = job.work(transaction)
    except BaseException as error:
        _raise_if_to_be_run_again(error, transaction)
        if not transaction.session.in_transaction:
            raise  # the engine rolled the transaction back, and the savepoint with it
        transaction.undo()
        return _Failure(translated(error))
    transaction.release()
    return answer


def _raise_if_to_be_run_again(error: BaseException, transaction: SqlTransaction) -> None:
    """Raise a SerializationConflict if this error means that the whole group must be run again."""
    if is_serialization_conflict(error):
        raise error
    if transaction.session.lost:
        raise SerializationConflict(f"the connection was lost: {error}") from error
