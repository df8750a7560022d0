"""Delivery by threads: a feeder claims, a bounded priority queue hands over, workers hand off.

The store is the queue; what is in memory here is at most one claimed batch for each worker. The
feeder looks when it is notified, when something falls due, and at every poll in any case, so that a
lost notice costs a moment and never an email. How many workers there are follows the servers: while
mail is due, no worker is free and the processor is not the limit, another one is started.

Where something else does the looking (Celery), it rests: when there is nothing to do for anybody
it leaves the members and its leader's lock to others, and looks again only when it is woken. So
whoever is a member is looking, and no connection of an account belongs to a process that sleeps.
"""

import itertools
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from queue import Empty, PriorityQueue
from threading import Condition, Event, Lock, Thread
from typing import Final

import attrs

from application import Application
from application.delivery import Batch
from application.ports.cluster import Locks
from application.ports.system import Clock, Observe
from domain.errors import StoreUnavailable
from domain.events import Event as Happened

LOOK_AGAIN_S: Final = 0.02  # so long a claimable email waits before another worker is considered
SLEEP_S: Final = 3600.0  # the longest wait; the signal ends it
IDLE_S: Final = 30.0  # an extra worker ends after so long without work
BUSY_SHARE: Final = 0.85  # of one processor: above it more threads gain nothing


def leaders(number: int) -> Sequence[str]:
    """The locks of so many processes that deliver at once: each of them holds one."""
    return ("dispatcher", *(f"dispatcher-{n}" for n in range(2, number + 1)))


class Signal:
    """Wakes the feeder. Notifications are not counted: one pass serves them all."""

    def __init__(self) -> None:
        self._condition = Condition()
        self._notified = False

    def __call__(self) -> None:
        with self._condition:
            self._notified = True
            self._condition.notify_all()

    def wait(self, timeout: float) -> bool:
        """Wait until notified, at most *timeout* seconds; whether it was notified."""
        with self._condition:
            notified = self._condition.wait_for(lambda: self._notified, timeout)
            self._notified = False
            return notified


@attrs.frozen(kw_only=True)
class DispatcherPolicy:
    """How many threads, and how often to look."""

    workers: int = 2
    max_workers: int = 200
    poll: timedelta = timedelta(seconds=0.2)
    sweep: timedelta = timedelta(seconds=30)
    elect: timedelta = timedelta(seconds=1)
    rest: timedelta | None = None  # after so long without work it stops polling until it is woken
    leaders: int = 1  # how many processes may deliver at once, where locks decide


@attrs.define(order=True)
class _Place:
    """A batch in the queue: the most urgent first, then the one that was claimed first."""

    priority: int
    sequence: int
    batch: Batch = attrs.field(order=False)


class ThreadDispatcher:
    """Runs delivery in this process while it holds one of the leaders' locks. Start once, drain
    once.
    """

    def __init__(
        self,
        application: Application,
        *,
        wake_signal: Signal,
        clock: Clock,
        locks: Locks,
        rules: DispatcherPolicy,
        observe: Observe,
        begin_worker: Callable[[], object] = lambda: None,
    ) -> None:
        """*begin_worker* is called by each worker's thread before it does anything."""
        self._begin_worker = begin_worker
        self._delivery = application.delivery
        self._membership = application.membership
        self._maintenance = application.maintenance
        self._wake_signal = wake_signal
        self._clock = clock
        self._locks = locks
        self._rules = rules
        self._observe = observe
        self._queue: PriorityQueue[_Place] = PriorityQueue()
        self._sequence = itertools.count()
        self._stopping = Event()
        self._leading = Event()
        self._leaders = leaders(rules.leaders)
        self._lock_held = self._leaders[0]
        self._awake = Event()
        self._freed = Event()  # a worker is free, or the feeder need not wait for one
        self._woken = False
        self._worked_at = clock.monotonic()
        self._workers: list[_Worker] = []
        self._outstanding = 0  # batches claimed and not finished
        self._think_at: float | None = (
            None  # when another worker is considered, unless one becomes free
        )
        self._should_yield = False  # something is due, and no worker was free to take it
        self._lock = Lock()
        self._threads: list[Thread] = []
        self._cpu = _CpuShare()
        self._standing_by = False
        self._tell_turn: Callable[[bool], object] = lambda delivers: None
        if rules.rest is None:
            self._awake.set()

    @property
    def leading(self) -> bool:
        """Whether this process delivers; another one may hold the lock."""
        return self._leading.is_set()

    @property
    def awake(self) -> bool:
        """Whether it polls by itself."""
        return self._awake.is_set()

    def wake(self) -> None:
        """Deliver now, until nothing is left to do; finds all that was stored before."""
        with self._lock:
            self._woken = True
            self._awake.set()
        self._wake_signal()

    def start(self, *, tell_turn: Callable[[bool], object] = lambda delivers: None) -> None:
        """Start to deliver, or stand by until the process that delivers ends.

        *tell_turn* is called with False when this one stands by, and with True when it takes over.
        """
        self._tell_turn = tell_turn
        for target, name in ((self._feed, "feeder"), (self._sweep, "sweeper")):
            thread = Thread(target=target, name=name, daemon=True)
            thread.start()
            self._threads.append(thread)

    def drain(self, *, timeout: float) -> bool:
        """Stop: claim nothing more; work in progress may finish within *timeout* seconds.

        Then dialogues that have not passed the final dot are dropped and their emails put back;
        those that have are unknown. True if an unknown outcome or an unwritten result is left.
        """
        deadline = self._clock.monotonic() + timeout
        self._stopping.set()
        self._freed.set()
        self._wake_signal()
        for thread in self._threads:
            thread.join(max(0.0, deadline - self._clock.monotonic()))
        self._return_queued()
        self._join_workers(deadline)
        self._delivery.abort()
        self._join_workers(self._clock.monotonic() + 2.0)
        unknown = False
        for worker in self._workers:
            if worker.batch is not None and worker.is_alive():
                unknown |= self._abandon(worker.batch)
        flushed = self._flush(timeout=max(2.0, deadline - self._clock.monotonic()))
        self._leave()
        self._delivery.close_sessions()
        self._awake.clear()
        return unknown or not flushed

    # -- the feeder ---------------------------------------------------------------------------

    def _feed(self) -> None:
        while not self._stopping.is_set():
            try:
                if not self._awake.is_set():
                    self._wake_signal.wait(SLEEP_S)
                elif self._lead():
                    self._look()
                elif self._rules.rest is not None:
                    self._sleep()  # the leader polls, and polls once more before it goes idle
                else:
                    self._stand_by()
                    self._wake_signal.wait(self._rules.elect.total_seconds())
            except StoreUnavailable as error:
                self._tell("store_unavailable", error)
                self._stopping.wait(0.5)
                self._delivery.retry_writes()
            except Exception as error:  # a bug must not end the feeder
                self._tell("feeder_failed", error)
                self._stopping.wait(1.0)

    def _lead(self) -> bool:
        self._woken = False
        if not self._leading.is_set() and self._may_lead():
            self._maintenance.recover()
            self._worked_at = self._clock.monotonic()
            self._leading.set()
            self._observe(Happened(name="delivery_started"))
            if self._standing_by:
                self._standing_by = False
                self._tell_turn(True)
        return self._leading.is_set()

    def _stand_by(self) -> None:
        """Report once that this process does not deliver, for an operator who wonders why."""
        if self._standing_by:
            return
        self._standing_by = True
        text = "another process delivers from this database: this one takes over when it ends"
        self._observe(Happened(name="delivery_stands_by", fields={"text": text}))
        self._tell_turn(False)

    def _may_lead(self) -> bool:
        for name in self._leaders:
            if self._locks.acquire(name):
                self._lock_held = name
                return True
        return False

    def _look(self) -> None:
        instance = self._membership.beat()
        self._delivery.retry_writes()
        self._delivery.deal_out()
        self._mend()
        self._freed.clear()
        places = self._free_places()
        if places <= 0:
            self._wait_for_a_worker(instance)
            return
        self._think_at, self._should_yield = None, False
        due = self._delivery.due(instance)
        if due is not None and due <= self._clock.now():
            batches = self._delivery.claim(instance, places=places)
            self._hand_over(batches)
            if batches:
                self._worked_at = self._clock.monotonic()
                return
            # mail is due and nothing was claimed: another process was quicker, or a limit is full
            self._stopping.wait(LOOK_AGAIN_S)
            due = None
        if self._may_rest():
            self._rest()
        else:
            self._wake_signal.wait(self._until(due))

    def _may_rest(self) -> bool:
        rest = self._rules.rest
        if rest is None or self._clock.monotonic() - self._worked_at < rest.total_seconds():
            return False
        with self._lock:
            idle = not self._outstanding
        return idle and self._delivery.flush(timeout=0) and not self._delivery.anything_to_do()

    def _rest(self) -> None:
        """Give up the lead, then poll once more: mail may have come while this process led."""
        self._woken = False
        self._leading.clear()
        self._leave()
        self._observe(Happened(name="delivery_rests"))
        if not self._delivery.anything_to_do():
            self._sleep()

    def _sleep(self) -> None:
        with self._lock:
            if not self._woken:
                self._awake.clear()

    def _wait_for_a_worker(self, instance: int) -> None:
        """Wait for a free worker; the signal also comes for every new email, so the time decides.

        While all waiting threads wait for a connection of their own account, it is asked as
        seldom as when there is nothing to do. Once it is about to decide, only a free worker
        wakes it: a thousand emails a second would be as many switches for nothing.
        """
        now = self._clock.monotonic()
        if self._think_at is None:
            self._think_at = now + LOOK_AGAIN_S
        left = self._think_at - now
        if left > LOOK_AGAIN_S:
            if self._wake_signal.wait(left):
                self._think_at = min(self._think_at, self._clock.monotonic() + LOOK_AGAIN_S)
            return
        if left > 0:
            self._freed.wait(left)
            return
        self._grow(instance)
        pause = LOOK_AGAIN_S if self._should_yield else self._rules.poll.total_seconds()
        self._think_at = self._clock.monotonic() + pause

    def _until(self, due: datetime | None) -> float:
        poll = self._rules.poll.total_seconds()
        if due is None:
            return poll
        return min(poll, max(0.001, (due - self._clock.now()).total_seconds()))

    def _hand_over(self, batches: Sequence[Batch]) -> None:
        with self._lock:
            self._outstanding += len(batches)
        for batch in batches:
            self._queue.put(_Place(batch.priority, next(self._sequence), batch))

    def _free_places(self) -> int:
        with self._lock:
            return len(self._workers) - self._outstanding

    def _grow(self, instance: int) -> None:
        """Add a worker, or a quarter more, if mail is due and the workers mostly wait."""
        room = self._rules.max_workers - len(self._workers)
        busy = self._cpu.share() > BUSY_SHARE
        due = self._delivery.due(instance)
        self._should_yield = due is not None and due <= self._clock.now()
        if busy or not self._should_yield:
            return
        for _ in range(min(room, max(1, len(self._workers) // 4))):
            self._hire()

    def _mend(self) -> None:
        """Replace workers that died; their emails go back, or are unknown after the mark."""
        for worker in [worker for worker in self._workers if not worker.is_alive()]:
            self._workers.remove(worker)
            if worker.batch is not None:
                self._tell_died(worker)
                self._abandon(worker.batch)
                self.finished()
        while self._free_places() < 0 or len(self._workers) < self._rules.workers:
            self._hire()

    def _hire(self) -> None:
        worker = _Worker(self._queue, self, begin=self._begin_worker)
        self._workers.append(worker)
        worker.start()

    # -- a worker's part ----------------------------------------------------------------------

    def deliver(self, worker: "_Worker", batch: Batch) -> None:
        try:
            self._delivery.deliver(
                batch,
                stopping=self._stopping.is_set,
                on_claimed=worker.on_claimed,
                should_yield=lambda: self._should_yield,
            )
        except Exception as error:  # a bug in one batch must not end the worker
            self._tell("worker_failed", error)
            self._abandon(worker.batch or batch)

    def claim_next(self) -> Batch | None:
        """A batch that a free worker claims itself, without the feeder."""
        instance = self._membership.instance
        if self._stopping.is_set() or instance is None or not self._queue.empty():
            return None
        try:
            batches = self._delivery.claim(instance, places=1, round_robin=self._should_yield)
            return next(iter(batches), None)
        except Exception as error:  # the feeder polls again; a worker must not end by it
            self._tell("claim_failed", error)
            return None

    def finished(self) -> None:
        with self._lock:
            self._outstanding -= 1
        self._worked_at = self._clock.monotonic()
        self._freed.set()
        self._wake_signal()

    def may_leave(self) -> bool:
        return self._stopping.is_set() or len(self._workers) > self._rules.workers

    def _abandon(self, batch: Batch) -> bool:
        """Settle what a batch left, from its rows; whether an outcome is unknown."""
        return self._delivery.abandon(batch)

    # -- the sweeper --------------------------------------------------------------------------

    def _sweep(self) -> None:
        while not self._stopping.is_set():
            if self._leading.is_set():
                try:
                    self._maintenance.sweep()
                except StoreUnavailable as error:
                    self._tell("store_unavailable", error)
                except Exception as error:  # a bug must not end the sweeper
                    self._tell("sweep_failed", error)
            self._stopping.wait(self._rules.sweep.total_seconds() if self.leading else 0.2)

    # -- the end ------------------------------------------------------------------------------

    def _return_queued(self) -> None:
        while True:
            try:
                self._delivery.return_place(self._queue.get_nowait().batch)
            except Empty:
                return

    def _join_workers(self, deadline: float) -> None:
        for worker in self._workers:
            while worker.is_alive() and worker.busy:
                if self._clock.monotonic() >= deadline:
                    return
                worker.join(0.02)

    def _flush(self, *, timeout: float) -> bool:
        deadline = self._clock.monotonic() + timeout
        while not self._delivery.flush(timeout=0.2):
            if self._clock.monotonic() >= deadline:
                return False
            self._delivery.retry_writes()
        return True

    def _leave(self) -> None:
        try:
            self._membership.leave()
        except StoreUnavailable as error:
            self._tell("store_unavailable", error)
        self._delivery.drop_sessions()
        self._locks.release(self._lock_held)

    def _tell(self, name: str, error: Exception) -> None:
        fields = {"error": type(error).__name__, "text": str(error)}
        self._observe(Happened(name=name, fields=fields))

    def _tell_died(self, worker: "_Worker") -> None:
        self._observe(Happened(name="worker_died", fields={"worker": worker.name}))


class _Worker(Thread):
    """Takes batches from the queue, then claims for itself; ``batch`` is what it holds now."""

    def __init__(
        self,
        queue: "PriorityQueue[_Place]",
        dispatcher: ThreadDispatcher,
        *,
        begin: Callable[[], object],
    ) -> None:
        super().__init__(name="delivery", daemon=True)
        self._begin = begin
        self._queue = queue
        self._dispatcher = dispatcher
        self.batch: Batch | None = None
        self.busy = False

    def on_claimed(self, batch: Batch) -> None:
        """Note what the worker holds, in case its thread dies."""
        self.batch = batch

    def run(self) -> None:
        self._begin()
        while True:
            try:
                place = self._queue.get(timeout=IDLE_S)
            except Empty:
                if self._dispatcher.may_leave():
                    return
                continue
            self.busy, self.batch = True, place.batch
            while self.batch is not None:
                self._dispatcher.deliver(self, self.batch)
                self.batch = None
                self.batch = self._dispatcher.claim_next()
            self._dispatcher.finished()
            self.busy = False


class _CpuShare:
    """The share of one processor that this process has used since the last call."""

    def __init__(self) -> None:
        self._wall = time.monotonic()
        self._cpu = time.process_time()

    def share(self) -> float:
        """From 0 to the number of processors."""
        wall, cpu = time.monotonic(), time.process_time()
        share = (cpu - self._cpu) / max(1e-6, wall - self._wall)
        self._wall, self._cpu = wall, cpu
        return share
