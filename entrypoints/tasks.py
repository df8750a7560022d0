"""The threads that answer requests, of which only a few read at a time, first come, first served.

The interpreter's lock is not fair. A read from a file lets go of it at every row; whoever waited is
woken, finds it taken again and stands in line anew: of four clients one in forty waited ten times
as long as its answer took (docs/decisions/0016). So what only reads takes turns. What writes waits
for its commit most of the time, and shares that with whoever comes: it needs no turn.

A turn that does not end, because of a cold disk or a client who does not take his answer, holds
nobody up: another one is lent beside it.
"""

import logging
import time
from collections import deque
from collections.abc import Callable
from threading import Lock, Thread
from typing import Any, Final, Protocol

import attrs

PATIENCE_S: Final = 0.02  # so long a read waits for turns that do not end
_READING: Final = frozenset({"GET", "HEAD"})

_log = logging.getLogger("email_service.server")


class Task(Protocol):
    """A connection with a request to answer, as waitress hands it over."""

    requests: list[Any]

    def service(self) -> None:
        """Answer the first of them."""
        ...

    def cancel(self) -> None:
        """Close the connection: it will not be answered."""
        ...


@attrs.frozen(eq=False)
class _Waiting:
    """A request that waits for a thread, or for its turn."""

    number: int  # in the order of their arrival
    task: Task


@attrs.define(eq=False)
class _Worker:
    """A thread, and what it is to do."""

    task: Task | None = None
    has_turn: bool = False
    _woken: Any = attrs.field(init=False, factory=Lock)

    def __attrs_post_init__(self) -> None:
        self._woken.acquire()

    def sleep(self) -> None:
        """Until it is woken; once for each time."""
        self._woken.acquire()

    def wake(self) -> None:
        """From any thread."""
        self._woken.release()


class Tasks:
    """waitress's task dispatcher.

    At most *reads* of the threads read at a time, None for all of them; *begin* is called by each.
    """

    def __init__(
        self, *, reads: int | None = None, begin: Callable[[], object] = lambda: None
    ) -> None:
        self._reads = reads
        self._begin = begin
        self._turns = 0  # that nobody has; fewer than none while some are lent
        self._lock = Lock()
        self._reading: deque[_Waiting] = deque()
        self._writing: deque[_Waiting] = deque()
        self._idle: list[_Worker] = []
        self._threads: list[Thread] = []
        self._stopping = False
        self._arrived = 0
        self._passed = 0  # how often a turn was given to somebody
        self._seen = (-1, 0.0)  # that number as it was looked at, and when it was last another

    # -- what waitress asks for ---------------------------------------------------------------

    def set_thread_count(self, count: int) -> None:
        """Start so many threads. Once."""
        self._turns = count if self._reads is None else self._reads
        for number in range(count):
            thread = Thread(target=self._run, name=f"http-{number}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def add_task(self, task: Task) -> None:
        """Have it answered as soon as there is a thread for it, and a turn if it only reads."""
        line = self._reading if _only_reads(task) else self._writing
        with self._lock:
            self._arrived += 1
            line.append(_Waiting(self._arrived, task))
            worker = self._assign()
        if worker is not None:
            worker.wake()

    def shutdown(self, *, timeout: float) -> None:
        """Let what is under way end within *timeout* seconds; what has not begun is cancelled."""
        with self._lock:
            self._stopping = True
            idle, self._idle = self._idle, []
            left = [waiting.task for waiting in (*self._reading, *self._writing)]
            self._reading.clear()
            self._writing.clear()
        for worker in idle:
            worker.wake()
        for task in left:
            task.cancel()
        deadline = time.monotonic() + timeout
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    # -- turns --------------------------------------------------------------------------------

    @property
    def waiting(self) -> int:
        """How many reads wait."""
        return len(self._reading)

    def look(self) -> None:
        """Lend a turn if reads wait and none was given one for PATIENCE_S. To be called often."""
        now = time.monotonic()
        with self._lock:
            passed, since = self._seen
            if passed != self._passed or not self._reading:
                self._seen = (self._passed, now)
                return
            if now - since < PATIENCE_S or not self._idle:
                return
            self._seen = (self._passed + 1, now)
            worker = self._give(self._reading, has_turn=True)
        worker.wake()

    def _assign(self) -> _Worker | None:
        """The thread to be woken for what may be done next, if any; under the lock."""
        if not self._idle:
            return None
        reads = bool(self._reading) and self._turns > 0
        if reads and self._writing:
            reads = self._reading[0].number < self._writing[0].number
        if reads:
            return self._give(self._reading, has_turn=True)
        return self._give(self._writing, has_turn=False) if self._writing else None

    def _give(self, line: deque[_Waiting], *, has_turn: bool) -> _Worker:
        worker = self._idle.pop()
        worker.task = line.popleft().task
        worker.has_turn = has_turn
        self._turns -= has_turn
        self._passed += has_turn
        return worker

    # -- the threads --------------------------------------------------------------------------

    def _run(self) -> None:
        self._begin()
        me = _Worker()
        while (task := self._next(me)) is not None:
            try:
                task.service()
            except BaseException:  # the thread must outlive every bug
                _log.exception("a request could not be answered")

    def _next(self, me: _Worker) -> Task | None:
        """What to do next; None for nothing more. The turn of the last task goes to another one."""
        with self._lock:
            self._turns += me.has_turn
            me.has_turn, me.task = False, None
            if self._stopping:
                return None
            self._idle.append(me)
            worker = self._assign()
        if worker is not me:
            if worker is not None:
                worker.wake()
            me.sleep()
        return me.task


def _only_reads(task: Task) -> bool:
    request = task.requests[0]
    return request.error is None and request.command in _READING
