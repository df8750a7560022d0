"""The threads that answer requests: reads take turns, nothing else waits for one."""

import threading
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from entrypoints.tasks import Tasks

PATIENCE = 20.0


class Asked:
    """A connection with one request; what it does meanwhile is the test's."""

    def __init__(
        self, method: str, work: Callable[[], object] = lambda: None, *, error: object = None
    ) -> None:
        self.requests: list[Any] = [SimpleNamespace(command=method, error=error)]
        self._work = work
        self.begun = threading.Event()
        self.done = threading.Event()
        self.cancelled = False

    def service(self) -> None:
        self.begun.set()
        try:
            self._work()
        finally:
            self.done.set()

    def cancel(self) -> None:
        self.cancelled = True


class Held:
    """Requests that are answered when the test says so."""

    def __init__(self) -> None:
        self.go = threading.Event()

    def asked(self, method: str) -> Asked:
        return Asked(method, lambda: self.go.wait(PATIENCE))


@pytest.fixture
def threads() -> Iterator[Callable[..., Tasks]]:
    made = []

    def make(number: int, *, reads: int | None) -> Tasks:
        tasks = Tasks(reads=reads)
        tasks.set_thread_count(number)
        made.append(tasks)
        return tasks

    yield make
    for tasks in made:
        tasks.shutdown(timeout=PATIENCE)


def test_no_more_than_so_many_read_at_a_time(threads):
    tasks, held = threads(8, reads=2), Held()
    reads = [held.asked("GET") for _ in range(5)]

    for read in reads:
        tasks.add_task(read)

    assert all(read.begun.wait(PATIENCE) for read in reads[:2])
    assert tasks.waiting == 3
    assert not any(read.begun.is_set() for read in reads[2:])
    held.go.set()
    assert all(read.done.wait(PATIENCE) for read in reads)


def test_reads_are_answered_in_the_order_of_their_arrival(threads):
    tasks, held = threads(8, reads=1), Held()
    order: list[int] = []
    first = held.asked("GET")
    later = [Asked("HEAD", lambda number=number: order.append(number)) for number in range(20)]

    for read in (first, *later):
        tasks.add_task(read)
    held.go.set()

    assert all(read.done.wait(PATIENCE) for read in later)
    assert order == list(range(20))


@pytest.mark.parametrize(
    "other",
    [Asked("POST"), Asked("DELETE"), Asked("GET", error=ValueError())],
    ids=["what writes", "what deletes", "what is refused unread"],
)
def test_everything_else_needs_no_turn(threads, other):
    tasks, held = threads(3, reads=2), Held()
    reads = [held.asked("GET") for _ in range(3)]
    for read in reads:
        tasks.add_task(read)

    tasks.add_task(other)

    assert other.done.wait(PATIENCE)
    assert not reads[2].begun.is_set()
    held.go.set()


def test_a_read_that_came_first_is_not_passed_over_for_what_writes(threads):
    tasks, held = threads(1, reads=1), Held()
    order: list[str] = []
    tasks.add_task(held.asked("POST"))
    waiting = [Asked(method, lambda m=method: order.append(m)) for method in ("GET", "POST", "GET")]

    for request in waiting:
        tasks.add_task(request)
    held.go.set()

    assert waiting[2].done.wait(PATIENCE)
    assert order == ["GET", "POST", "GET"]


def test_without_a_bound_all_threads_read(threads):
    tasks, held = threads(4, reads=None), Held()
    reads = [held.asked("GET") for _ in range(4)]

    for read in reads:
        tasks.add_task(read)

    assert all(read.begun.wait(PATIENCE) for read in reads)
    held.go.set()


def test_a_turn_is_lent_beside_one_that_does_not_end_and_taken_back(threads):
    tasks, stuck, held = threads(8, reads=1), Held(), Held()
    hangs = stuck.asked("GET")
    tasks.add_task(hangs)
    waits = held.asked("GET")
    tasks.add_task(waits)

    while not waits.begun.wait(0.001):
        tasks.look()
    behind = held.asked("GET")
    tasks.add_task(behind)
    stuck.go.set()
    assert hangs.done.wait(PATIENCE)

    # the turn that ended was owed: all threads but that of the other read are free for this
    together = threading.Barrier(7)
    writes = [Asked("POST", lambda: together.wait(PATIENCE)) for _ in range(7)]
    for write in writes:
        tasks.add_task(write)
    assert all(write.done.wait(PATIENCE) for write in writes)
    assert not together.broken
    assert tasks.waiting == 1
    held.go.set()
    assert behind.done.wait(PATIENCE)


def test_no_turn_is_lent_while_turns_are_passed_on(threads):
    tasks = threads(8, reads=1)
    first, then = Held(), Held()
    tasks.add_task(first.asked("GET"))
    second, third = then.asked("GET"), Asked("GET")
    tasks.add_task(second)
    tasks.look()
    first.go.set()
    assert second.begun.wait(PATIENCE)
    tasks.add_task(third)

    tasks.look()  # it sees that a turn was passed on since, however long ago it last looked

    assert tasks.waiting == 1
    then.go.set()
    assert third.done.wait(PATIENCE)


def test_a_request_that_fails_ends_neither_its_thread_nor_its_turn(threads, caplog):
    tasks = threads(1, reads=1)

    def fail() -> None:
        raise ValueError("a bug")

    for _ in range(3):
        tasks.add_task(Asked("GET", fail))
    tasks.add_task(good := Asked("GET"))

    assert good.done.wait(PATIENCE)
    assert [record.message for record in caplog.records] == ["a request could not be answered"] * 3


def test_at_the_end_what_is_under_way_may_end_and_the_rest_is_cancelled(threads):
    tasks, held = threads(2, reads=1), Held()
    under_way = held.asked("GET")
    tasks.add_task(under_way)
    assert under_way.begun.wait(PATIENCE)
    tasks.add_task(waits := Asked("GET"))
    waits.cancel = held.go.set  # type: ignore[method-assign]

    tasks.shutdown(timeout=PATIENCE)

    assert under_way.done.is_set()
    assert not waits.begun.is_set()
    assert held.go.is_set()


def test_each_thread_is_begun_before_it_answers():
    begun = threading.Semaphore(0)
    tasks = Tasks(begin=begun.release)
    tasks.set_thread_count(3)

    assert all(begun.acquire(timeout=PATIENCE) for _ in range(3))
    tasks.shutdown(timeout=PATIENCE)


def test_many_at_once_are_all_answered_and_never_too_many_of_them_read(threads):
    tasks, lock = threads(8, reads=2), threading.Lock()
    reading, most, served = 0, 0, 0

    def read() -> None:
        nonlocal reading, most
        with lock:
            reading += 1
            most = max(most, reading)
        sum(range(200))
        with lock:
            reading -= 1

    def write() -> None:
        nonlocal served
        with lock:
            served += 1

    asked = [Asked("POST", write) if n % 3 else Asked("GET", read) for n in range(1200)]
    clients = [
        threading.Thread(target=lambda part=asked[n::4]: [tasks.add_task(one) for one in part])
        for n in range(4)
    ]
    for client in clients:
        client.start()

    assert all(one.done.wait(PATIENCE) for one in asked)
    assert served == 800
    assert most <= 2
