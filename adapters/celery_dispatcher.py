"""Celery as the signal: a hint wakes a worker, the store has the work.

A hint carries nothing, so it may be lost, repeated or late. The process that takes one wakes its
own delivery, which claims from the store and goes on until there is nothing to do. Beat sends hints
for what falls due without a caller, and has the queue swept. While the broker is away, delivery
goes on, and the next look finds what a lost hint would have announced.
"""

import mmap
import os
import signal
import time
from collections.abc import Callable
from datetime import timedelta
from threading import Event, Lock, Thread
from types import FrameType
from typing import Any, Final, Protocol

from celery import Celery, signals
from celery.beat import Scheduler
from celery.worker.consumer import Consumer

from application.ports.system import Observe
from domain.errors import StoreUnavailable
from domain.events import Event as Happened

DELIVER: Final = "email_service.deliver"
LOOK: Final = "email_service.look"
SWEEP: Final = "email_service.sweep"

LOOK_EVERY: Final = timedelta(seconds=2)
MOST_HINTS: Final = 32  # in the broker: more would add nothing
COALESCE_S: Final = 0.02  # notifications within it are one hint
TIMEOUT_S: Final = 2.0  # of each step with the broker
AGAIN_S: Final = (0.2, 0.5, 1.0, 2.0)  # delays before a broker that is away is tried again
PASS_ON_S: Final = 0.25  # if mail is still due then, another process is woken too
NOTICE_S: Final = 0.05


class Deliverer(Protocol):
    """The service as a worker process has built it for itself."""

    @property
    def awake(self) -> bool:
        """Whether it polls for mail by itself."""
        ...

    def wake(self) -> None:
        """Deliver until there is nothing to do, beside the caller."""
        ...

    def anything_due(self) -> bool:
        """Whether an email could be claimed."""
        ...

    def anything_to_do(self) -> bool:
        """Whether an email is due, or is being sent by any process."""
        ...

    def sweep(self) -> None:
        """Run one sweep."""
        ...

    def hint(self) -> None:
        """Notify another process."""
        ...

    def drain(self) -> bool:
        """Finish work in progress; True if an unknown outcome is left."""
        ...

    def close(self) -> None:
        """Close everything."""
        ...


def make_celery(broker_url: str, *, queue: str, sweep: timedelta, observe: Observe) -> Celery:
    """The Celery application: its settings and its clock, without tasks; nothing is connected."""
    app = Celery("email-service", set_as_current=False)
    app.conf.update(
        broker_url=broker_url,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_heartbeat=20,
        broker_connection_timeout=TIMEOUT_S,
        broker_transport_options=_transport_options(broker_url),
        accept_content=["json"],
        task_serializer="json",
        task_ignore_result=True,
        task_default_queue=queue,
        task_create_missing_queues=True,
        task_default_delivery_mode="transient",
        task_publish_retry=False,
        worker_prefetch_multiplier=1,
        # a delivery outlives the broker: it needs nothing of it
        worker_cancel_long_running_tasks_on_connection_loss=False,
        worker_consumer="adapters.celery_dispatcher:HintConsumer",
        beat_scheduler="adapters.celery_dispatcher:TickScheduler",
        beat_schedule={
            "look": {"task": LOOK, "schedule": LOOK_EVERY},
            "sweep": {"task": SWEEP, "schedule": sweep},
        },
    )
    app.hints = HintPublisher(app, observe=observe)
    return app


def _transport_options(broker_url: str) -> dict[str, object]:
    if not broker_url.startswith("redis"):
        return {}
    # a worker waits a second at a time for its next task, well within the timeout
    return {
        "socket_timeout": 10.0,
        "socket_connect_timeout": TIMEOUT_S,
        "socket_keepalive": True,
    }


class HintPublisher:
    """A connection for hints, made when it is first needed and again after it broke.

    For one thread. No step takes much longer than TIMEOUT_S, whatever the broker does.
    """

    def __init__(self, app: Celery, *, observe: Observe) -> None:
        self._app = app
        self._queue: str = app.conf.task_default_queue
        self.observe = observe
        self._connection: Any = None
        self._producer: Any = None
        self._well = True

    def send(self, task: str) -> bool:
        """Send one hint, unless enough of them wait; False if the broker cannot be reached."""
        kept = self._producer is not None
        try:
            try:
                self._send(task)
            except Exception:  # each transport has errors of its own
                self.drop()
                if not kept:
                    raise
                self._send(task)  # it may have idled for too long
        except Exception as error:
            self.drop()
            self._tell(error)
            return False
        self._tell(None)
        return True

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.release()
            self._connection = self._producer = None

    def drop(self) -> None:
        """Drop a connection that may be broken, without telling the broker."""
        if self._connection is not None:
            self._connection.collect(socket_timeout=0.1)
            self._connection = self._producer = None

    def _send(self, task: str) -> None:
        if self._producer is None:
            self._dial()
        if self._waiting() < MOST_HINTS:
            self._app.send_task(
                task, producer=self._producer, queue=self._queue, declare=[], retry=False
            )

    def _dial(self) -> None:
        options = {"socket_timeout": TIMEOUT_S} if self._redis() else {}
        self._connection = self._app.connection_for_write(heartbeat=0, transport_options=options)
        self._connection.connect()
        # py-amqp has a timeout for connecting only, and takes a late answer for an interruption
        socket = getattr(self._connection.connection, "sock", None)
        if socket is not None:
            socket.settimeout(TIMEOUT_S)
        self._producer = self._app.amqp.Producer(self._connection, auto_declare=False)

    def _redis(self) -> bool:
        return str(self._app.conf.broker_url).startswith("redis")

    def _waiting(self) -> int:
        """The number of tasks that no worker has taken. The queue exists afterwards."""
        queue = self._app.amqp.queues[self._queue]
        declared = self._producer.channel.queue_declare(
            queue=queue.name,
            durable=queue.durable,
            exclusive=queue.exclusive,
            auto_delete=queue.auto_delete,
            arguments=queue.queue_arguments,
        )
        return int(declared.message_count)

    def _tell(self, error: Exception | None) -> None:
        """Once for each change."""
        well = error is None
        if well == self._well:
            return
        self._well = well
        if error is None:
            self.observe(Happened(name="broker_is_back"))
        else:
            fields = {"error": type(error).__name__, "text": str(error)}
            self.observe(Happened(name="broker_unreachable", fields=fields))


class CelerySignal:
    """Wakes a worker process through the broker. Calls are not counted: one hint serves them all.

    A call sets a flag and returns, so that the caller does not wait for the broker. A thread of its
    own, begun with the first notice of a process, talks to the broker. A hint that could not be
    sent is tried again: the flag stays up, there is no queue.
    """

    def __init__(self, hints: Callable[[], HintPublisher]) -> None:
        self._hints = hints
        self._begin = Lock()
        self._senders: dict[int, _HintSender] = {}  # by process: threads do not survive a fork

    def __call__(self) -> None:
        pid = os.getpid()
        sender = self._senders.get(pid)
        if sender is None:
            with self._begin:
                sender = self._senders.get(pid)
                if sender is None:
                    sender = self._senders[pid] = _HintSender(self._hints())
                    sender.start()
        sender.notified.set()

    def close(self) -> None:
        """Stop sending. Mail whose hint was not sent is found by the next poll."""
        sender = self._senders.pop(os.getpid(), None)
        if sender is not None:
            sender.closed.set()
            sender.notified.set()
            sender.join(1.0)


class _HintSender(Thread):
    """Sends a hint for whatever has been notified since the last one."""

    def __init__(self, hints: HintPublisher) -> None:
        super().__init__(name="celery-signal", daemon=True)
        self.notified = Event()
        self.closed = Event()
        self._hints = hints

    def run(self) -> None:
        failures = 0
        while True:
            self.notified.wait()
            if self.closed.is_set():
                self._hints.close()
                return
            self.notified.clear()
            if self._hints.send(DELIVER):
                failures = 0
                self.closed.wait(COALESCE_S)
            else:
                self.notified.set()
                self.closed.wait(AGAIN_S[min(failures, len(AGAIN_S) - 1)])
                failures += 1


class TickScheduler(Scheduler):  # type: ignore[misc] # Celery has no types
    """Beat's clock: it keeps no file and sends no tick into a queue without a reader. A broker that
    is away costs the ticks of that time and no traceback each."""

    @property
    def producer(self) -> None:
        """Beat would wait for the broker here."""

    def apply_async(
        self, entry: Any, producer: Any = None, advance: bool = True, **options: Any
    ) -> None:
        """Send one tick."""
        if advance:
            entry = self.reserve(entry)
        self.app.hints.send(entry.task)


class HintConsumer(Consumer):  # type: ignore[misc] # Celery has no types
    """A worker's side of the broker: one that dies costs a connection, never the worker."""

    def on_connection_error_after_connected(self, exc: Exception) -> None:
        """Let go of the connection; Celery makes the next one."""
        try:
            super().on_connection_error_after_connected(exc)
        except AttributeError:
            # kombu gives up the transport of a Redis that died before it has closed every channel,
            # and stumbles over that when a hint is taken and not acknowledged
            self.connection = None


class TaskRunner:
    """What the tasks do, in the main process of a Celery worker or in each of its children.

    Each process builds its service with its first task, after the fork. That a stop was asked for
    stands in memory that they share: children get no signal of a warm shutdown.
    """

    def __init__(self, open_service: Callable[[], Deliverer]) -> None:
        self._open_service = open_service
        self._asked_to_stop = mmap.mmap(-1, 1)
        self._main = os.getpid()
        self._opening = Lock()
        self._service: Deliverer | None = None
        self._delivering = False
        self._terminated = False

    def join(self, app: Celery) -> None:
        """Register the tasks of *app*, and listen to the signals of Celery's processes."""
        for name, run in ((DELIVER, self.deliver), (LOOK, self.look), (SWEEP, self.sweep)):
            app.task(run, name=name, shared=False, ignore_result=True, max_retries=0)

        def look_first(**_: object) -> None:
            """Not wait for beat: what a dead worker left is found as soon as there is another."""
            hints = HintPublisher(app, observe=app.hints.observe)
            hints.send(SWEEP)
            hints.close()

        signals.worker_ready.connect(look_first, weak=False)
        signals.worker_shutting_down.connect(self._hear_stop, weak=False)
        signals.worker_process_init.connect(self._hear_fork, weak=False)
        signals.worker_process_shutdown.connect(self._hear_end, weak=False)
        signals.worker_shutdown.connect(self._hear_end, weak=False)

    def deliver(self) -> None:
        """Deliver in this process until there is nothing to do, or a stop is asked for."""
        if self._stopping():
            return
        service = self._opened()
        already = service.awake
        if not already and not _maybe(service.anything_to_do):
            return  # the process that delivers does the work of the hints that gather meanwhile
        service.wake()
        if already:
            return  # the task that woke it handles this
        self._delivering = True
        try:
            self._see_to(service)
        finally:
            self._delivering = False
        if self._terminated:
            _end_by_sigterm()

    def look(self) -> None:
        """Notify if something is due: it was scheduled or put off, or its hint was lost."""
        service = self._opened()
        if not self._stopping() and not service.awake and service.anything_due():
            service.hint()

    def sweep(self) -> None:
        """Run one sweep, and notify if there is work for a worker."""
        service = self._opened()
        if self._stopping():
            return
        service.sweep()
        if not service.awake and service.anything_to_do():
            service.hint()

    def close(self) -> None:
        """Drain this process's delivery and close everything."""
        service, self._service = self._service, None
        if service is not None:
            service.drain()
            service.close()

    def _see_to(self, service: Deliverer) -> None:
        pass_on_at = time.monotonic() + PASS_ON_S
        passed_on = False
        while service.awake:
            if self._stopping():
                service.drain()
                return
            if not passed_on and time.monotonic() >= pass_on_at:
                passed_on = True
                if _maybe(service.anything_due):
                    service.hint()
            time.sleep(NOTICE_S)

    def _opened(self) -> Deliverer:
        with self._opening:
            if self._service is None:
                self._service = self._open_service()
            return self._service

    def _stopping(self) -> bool:
        orphaned = self._is_child() and os.getppid() != self._main
        return self._terminated or orphaned or self._asked_to_stop[0] != 0

    def _is_child(self) -> bool:
        return os.getpid() != self._main

    def _hear_stop(self, **_: object) -> None:
        self._asked_to_stop[0] = 1  # in a signal's handler: nothing more may be done here

    def _hear_fork(self, **_: object) -> None:
        if self._is_child():
            signal.signal(signal.SIGTERM, self._hear_sigterm)

    def _hear_sigterm(self, number: int, frame: FrameType | None) -> None:
        # A supervisor may signal the whole process group: work in progress finishes first.
        self._terminated = True
        if not self._delivering:
            _end_by_sigterm()

    def _hear_end(self, **_: object) -> None:
        self.close()


def _maybe(anything: Callable[[], bool]) -> bool:
    """True too if the store does not answer: delivery waits for it, a hint would be lost."""
    try:
        return anything()
    except StoreUnavailable:
        return True


def _end_by_sigterm() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGTERM)
