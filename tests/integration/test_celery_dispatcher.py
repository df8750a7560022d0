"""Delivery by Celery's hints, over the real brokers, with a store and a sender in memory.

The worker here takes hints off the broker and runs the tasks in threads of this process; real
`celery worker` processes are in tests/e2e/test_celery.py.
"""

import os
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import timedelta
from threading import Event, Thread
from typing import Any
from uuid import uuid4

import pytest

from adapters.celery_dispatcher import (
    COALESCE_S,
    DELIVER,
    LOOK,
    MOST_HINTS,
    SWEEP,
    CelerySignal,
    HintPublisher,
    TaskRunner,
    TickScheduler,
    make_celery,
)
from adapters.clock import SystemClock
from adapters.observers import ListObserver
from adapters.thread_dispatcher import DispatcherPolicy, Signal, ThreadDispatcher
from domain.errors import StoreUnavailable
from tests.brokers import RABBITMQ, REDIS, Gate, a_queue, found, throw_away
from tests.contract.dispatcher_suite import DispatcherContract, sent
from tests.running import free_port, wait_until
from tests.world import World

BROKERS = (RABBITMQ, REDIS)
OFTEN = timedelta(seconds=0.2)


class InMemoryService:
    """What a worker process builds, on a world in memory."""

    def __init__(self, world: World, wake_signal: CelerySignal) -> None:
        self._world = world
        self.drain_s = 1.0
        self._wake_signal = wake_signal
        self._started = self._drained = False
        self.dispatcher = ThreadDispatcher(
            world.application,
            wake_signal=Signal(),
            clock=world.clock,
            locks=world.locks,
            rules=DispatcherPolicy(
                poll=timedelta(seconds=0.05), rest=timedelta(seconds=0.1), sweep=OFTEN
            ),
            observe=world.heard,
        )
        self._lock = threading.Lock()

    @property
    def awake(self) -> bool:
        return self.dispatcher.awake

    def wake(self) -> None:
        with self._lock:
            if not self._started and not self._drained:
                self._started = True
                self.dispatcher.start()
            self.dispatcher.wake()

    def anything_due(self) -> bool:
        return self._world.application.delivery.anything_due()

    def anything_to_do(self) -> bool:
        return self._world.application.delivery.anything_to_do()

    def sweep(self) -> None:
        self._world.application.maintenance.sweep()

    def hint(self) -> None:
        self._wake_signal()

    def drain(self) -> bool:
        with self._lock:
            drained, self._drained = self._drained, True
        return not drained and self.dispatcher.drain(timeout=self.drain_s)

    def close(self) -> None:
        self._wake_signal.close()


class CeleryHouse:
    """A world, its bell on a real broker, a worker that takes the hints, and beat."""

    def __init__(self, url: str, queue: str) -> None:
        self.heard = ListObserver()
        self.app = make_celery(url, queue=queue, sweep=OFTEN, observe=self.heard)
        self.app.conf.beat_schedule["look"]["schedule"] = OFTEN
        self.wake_signal = CelerySignal(lambda: HintPublisher(self.app, observe=self.heard))
        self.world = World(clock=SystemClock(), wake=self.wake_signal)
        self.world.application.membership.leave()  # who sleeps is no member
        self.service = InMemoryService(self.world, self.wake_signal)
        self.crew = TaskRunner(lambda: self.service)
        self.crew.join(self.app)
        self.taken: list[str] = []
        self._closed = Event()
        self._threads = [Thread(target=self._work), Thread(target=self._tick)]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def drain(self, *, timeout: float) -> bool:
        self.service.drain_s = timeout
        left = self.service.drain()
        self.crew.close()
        return left

    def close(self) -> None:
        self.drain(timeout=1)
        self._closed.set()
        for thread in self._threads:
            if thread.ident is not None:
                thread.join()

    def _work(self) -> None:
        with ThreadPoolExecutor(4) as threads, self.app.connection_for_read() as connection:

            def take(_: Any, message: Any) -> None:
                message.ack()
                self.taken.append(message.headers["task"])
                threads.submit(self.app.tasks[message.headers["task"]])

            queue = self.app.amqp.queues[self.app.conf.task_default_queue]
            with connection.Consumer(queue, callbacks=[take], accept=["json"]):
                while not self._closed.is_set():
                    try:
                        connection.drain_events(timeout=0.05)
                    except TimeoutError:
                        continue

    def _tick(self) -> None:
        scheduler = TickScheduler(self.app)
        while not self._closed.wait(min(0.05, scheduler.tick())):
            pass
        self.app.hints.close()


@contextmanager
def a_house(variable: str) -> Iterator[CeleryHouse]:
    url = found(variable)
    with a_queue(url) as queue:
        house = CeleryHouse(url, queue)
        try:
            yield house
        finally:
            house.close()


class TestRabbitMq(DispatcherContract):
    @contextmanager
    def opened(self) -> Iterator[CeleryHouse]:
        with a_house(RABBITMQ) as house:
            yield house


class TestRedis(DispatcherContract):
    @contextmanager
    def opened(self) -> Iterator[CeleryHouse]:
        with a_house(REDIS) as house:
            yield house


@pytest.fixture(params=BROKERS)
def house(request: pytest.FixtureRequest) -> Iterator[CeleryHouse]:
    with a_house(request.param) as house:
        yield house


def waiting(house: CeleryHouse) -> int:
    """How many hints are in the broker."""
    with house.app.connection_for_read() as connection:
        name = house.app.conf.task_default_queue
        declared = connection.default_channel.queue_declare(name, durable=True, auto_delete=False)
        return int(declared.message_count)


def test_a_hint_carries_nothing(house: CeleryHouse) -> None:
    house.wake_signal()
    wait_until(lambda: waiting(house) == 1)

    with house.app.connection_for_read() as connection:
        queue = house.app.amqp.queues[house.app.conf.task_default_queue]
        message = queue(connection.default_channel).get(no_ack=True)

    arguments, options, _ = message.payload
    assert (message.headers["task"], arguments, options) == (DELIVER, [], {})
    assert (message.headers["eta"], message.headers["expires"]) == (None, None)
    assert not message.properties.get("priority")


def test_hints_that_no_worker_takes_do_not_pile_up(house: CeleryHouse) -> None:
    line = HintPublisher(house.app, observe=house.heard)
    for _ in range(MOST_HINTS + 200):
        assert line.send(DELIVER)
    line.close()

    wait_until(lambda: waiting(house) >= MOST_HINTS)
    # RabbitMQ counts what was sent a moment ago a moment later
    assert waiting(house) <= MOST_HINTS + 10


def test_many_rings_are_few_hints(house: CeleryHouse) -> None:
    started = time.monotonic()
    for _ in range(2000):
        house.wake_signal()
    ringing_s = time.monotonic() - started
    wait_until(lambda: waiting(house))
    house.wake_signal.close()

    assert waiting(house) <= 3 + ringing_s / COALESCE_S


def test_a_hint_after_the_queue_was_thrown_away_arrives(house: CeleryHouse) -> None:
    line = HintPublisher(house.app, observe=house.heard)
    line.send(DELIVER)
    throw_away(house.app.conf.broker_url, house.app.conf.task_default_queue)

    assert line.send(DELIVER)

    wait_until(lambda: waiting(house) == 1)
    line.close()


def test_what_is_sent_twice_is_delivered_once(house: CeleryHouse) -> None:
    house.world.account()
    ids = [house.world.submit() for _ in range(10)]
    line = HintPublisher(house.app, observe=house.heard)
    for _ in range(10):
        line.send(DELIVER)
        line.send(SWEEP)
        line.send(LOOK)
    line.close()
    house.start()

    wait_until(lambda: sent(house.world, *ids))
    wait_until(lambda: house.taken.count(DELIVER) >= 2)

    wait_until(lambda: not house.service.awake)
    assert len(house.world.sender.accepted) == 10


def test_a_sleeping_process_is_no_member(house: CeleryHouse) -> None:
    house.world.account()
    house.start()
    email_id = house.world.submit()
    wait_until(lambda: sent(house.world, email_id))

    wait_until(lambda: not house.service.awake)

    assert house.world.store.read(lambda tx: dict(tx.instances.beats())) == {}


def test_a_late_hint_wakes_no_worker(house: CeleryHouse) -> None:
    """Hints gather while a process delivers: each of them would keep it up once more."""
    house.world.account()
    line = HintPublisher(house.app, observe=house.heard)
    for _ in range(10):
        line.send(DELIVER)
    line.close()
    house.start()

    wait_until(lambda: house.taken.count(DELIVER) >= 10)
    house.drain(timeout=1)

    assert "delivery_started" not in house.world.heard.names


class DeliversWithoutAStore:
    """It has been roused, its database is away, and it goes on until it passes its hint on."""

    awake = False

    def wake(self) -> None:
        self.awake = True

    def anything_due(self) -> bool:
        raise StoreUnavailable("the server is starting up")

    anything_to_do = anything_due

    def hint(self) -> None:
        self.awake = False

    def sweep(self) -> None: ...

    def drain(self) -> bool:
        return False

    def close(self) -> None: ...


def test_a_task_lasts_as_long_as_its_delivery_though_the_store_is_away() -> None:
    service = DeliversWithoutAStore()

    TaskRunner(lambda: service).deliver()

    assert not service.awake, "it passed its hint on, as it cannot know that nothing is due"


# -- a broker that is not well ---------------------------------------------------------------------


@pytest.mark.parametrize("variable", BROKERS)
def test_a_broker_that_is_missing_is_an_error_in_ci(variable: str) -> None:
    nowhere = {variable: f"amqp://127.0.0.1:{free_port()}", "CI": "1"}

    with pytest.raises(pytest.fail.Exception, match=f"set {variable}"):
        found(variable, nowhere)


@pytest.fixture(params=BROKERS)
def gate(request: pytest.FixtureRequest) -> Iterator[Gate]:
    with Gate(found(request.param)) as gate:
        yield gate


def an_app(url: str, heard: ListObserver) -> Any:
    return make_celery(url, queue=f"email-service-test-{uuid4().hex}", sweep=OFTEN, observe=heard)


def test_a_broker_that_accepts_and_stays_silent_delays_no_signal(gate: Gate) -> None:
    heard = ListObserver()
    app = an_app(gate.url, heard)
    wake_signal = CelerySignal(lambda: HintPublisher(app, observe=heard))

    for _ in range(1000):
        wake_signal()

    assert heard.names == [], "a thousand rings took longer than a step with the broker may take"
    wait_until(lambda: heard.names == ["broker_unreachable"])
    wake_signal.close()


def test_a_silent_broker_is_logged_once_and_gets_the_hint_when_it_is_back(
    gate: Gate,
) -> None:
    heard = ListObserver()
    app = an_app(gate.open().url, heard)
    wake_signal = CelerySignal(lambda: HintPublisher(app, observe=heard))
    name = app.conf.task_default_queue

    def waiting_now() -> int:
        with app.connection_for_read() as connection:
            declared = connection.default_channel.queue_declare(
                name, durable=True, auto_delete=False
            )
            return int(declared.message_count)

    wake_signal()
    wait_until(lambda: waiting_now() == 1)
    gate.shut()
    wake_signal()
    wait_until(lambda: heard.names == ["broker_unreachable"])

    gate.open()

    wait_until(lambda: heard.names == ["broker_unreachable", "broker_is_back"])
    wait_until(lambda: waiting_now() >= 2)
    wake_signal.close()
    throw_away(app.conf.broker_url, name)


@pytest.mark.parametrize("scheme", ["amqp", "redis"])
def test_an_absent_broker_is_logged_once(scheme: str) -> None:
    heard = ListObserver()
    port = free_port()
    line = HintPublisher(an_app(f"{scheme}://user:hunter2@127.0.0.1:{port}", heard), observe=heard)

    assert [line.send(DELIVER) for _ in range(2)] == [False, False]

    assert heard.names == ["broker_unreachable"]
    assert "hunter2" not in str(heard.events)


def test_a_bell_rings_in_a_forked_process_too(house: CeleryHouse) -> None:
    house.wake_signal()
    wait_until(lambda: waiting(house) == 1)
    child = os.fork()
    if child == 0:
        house.wake_signal()
        time.sleep(10)
        os._exit(0)
    try:
        wait_until(lambda: waiting(house) == 2)
    finally:
        os.kill(child, 9)
        os.waitpid(child, 0)


@pytest.mark.filterwarnings("ignore::celery.exceptions.CPendingDeprecationWarning")
def test_a_worker_outlives_a_redis_that_dies_when_one_hint_is_taken_and_another_awaited() -> None:
    url, heard = found(REDIS), ListObserver()
    with a_queue(url) as queue:
        with Gate(url) as gate:
            app = make_celery(gate.open().url, queue=queue, sweep=OFTEN, observe=heard)
            assert HintPublisher(app, observe=heard).send(DELIVER)
            connection = app.connection_for_read()
            taken: list[Any] = []
            app.amqp.TaskConsumer(connection.default_channel, on_message=taken.append).consume()
            app.control.mailbox.Node("worker", channel=connection.channel()).listen()
            _drain(connection)
        consumer = app.WorkController(pool="solo").consumer
        consumer.connection = connection

        consumer.on_connection_error_after_connected(ConnectionError("the broker is gone"))

    assert len(taken) == 1
    assert consumer.connection is None


def _drain(connection: Any) -> None:
    """Until nothing comes any more and the next message is asked for."""
    with suppress(TimeoutError):
        while True:
            connection.drain_events(timeout=0.2)
