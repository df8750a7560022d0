"""Marks and results of many connections share a work; each is answered for itself."""

from collections import deque
from concurrent.futures import Future
from threading import Thread

import pytest

from application.delivery.result_writer import CommitPermit, ResultWriter
from domain.account.limits import Limits
from domain.email.status import Phase
from domain.errors import StaleAttempt, StoreUnavailable
from tests.running import wait_until
from tests.world import World


class SlowStore:
    """Runs what was posted on request: until then others may join it."""

    def __init__(self, store):
        self.store = store
        self.jobs = deque()
        self.down = False

    def post(self, work):
        future = Future()
        self.jobs.append((work, future))
        return future

    def run(self):
        """Run what waits, or lose it."""
        for _ in range(len(self.jobs)):
            work, future = self.jobs.popleft()
            if self.down:
                future.set_exception(StoreUnavailable("the disk is gone"))
                continue
            try:
                future.set_result(self.store.write(work))
            except BaseException as error:
                future.set_exception(error)


class Notes:
    """Works that record that they ran, and the answers of their callers."""

    def __init__(self):
        self.ran = []
        self.told = {}

    def work(self, name, error=None):
        def work(tx):
            self.ran.append(name)
            if error is not None:
                raise error

        return work

    def hear(self, name):
        return lambda error: self.told.setdefault(name, error)

    def hand_in(self, writer, name, error=None):
        writer.persist(self.work(name, error), self.hear(name))


@pytest.fixture
def slow():
    return SlowStore(World().store)


@pytest.fixture
def notes():
    return Notes()


def test_results_that_come_while_one_waits_share_its_work(slow, notes):
    writer = ResultWriter(slow)
    for name in "abc":
        notes.hand_in(writer, name)
    assert len(slow.jobs) == 1
    slow.run()
    notes.hand_in(writer, "d")

    assert notes.told == {"a": None, "b": None, "c": None}
    assert len(slow.jobs) == 1
    slow.run()
    assert notes.told["d"] is None
    assert writer.wait(timeout=0)


def test_a_result_that_fails_does_not_fail_the_others(slow, notes):
    writer, stale = ResultWriter(slow), StaleAttempt("taken away")
    notes.hand_in(writer, "a")
    notes.hand_in(writer, "b", stale)
    notes.hand_in(writer, "c")
    slow.run()
    assert not notes.told
    assert not writer.wait(timeout=0)
    slow.run()

    assert notes.told == {"a": None, "b": stale, "c": None}
    assert writer.wait(timeout=0)


def test_results_wait_together_for_a_store_that_is_away(slow, notes):
    writer = ResultWriter(slow)
    slow.down = True
    for name in "ab":
        notes.hand_in(writer, name)
    slow.run()
    notes.hand_in(writer, "c")  # no work joins what the store has given up
    slow.run()
    assert not notes.told
    assert not writer.wait(timeout=0)

    slow.down = False
    writer.retry()
    slow.run()
    assert notes.told == {"a": None, "b": None, "c": None}
    assert notes.ran == ["a", "b", "c"]
    assert writer.wait(timeout=0)


def test_a_work_that_is_run_again_writes_every_result_again(slow, notes):
    writer = ResultWriter(slow)
    for name in "ab":
        notes.hand_in(writer, name)
    work, _ = slow.jobs[0]
    slow.store.write(work)
    notes.hand_in(writer, "c")
    slow.run()

    assert notes.ran == ["a", "b", "a", "b", "c"]


def claimed(world, number):
    world.account(limits=Limits(max_connections=number))
    for _ in range(number):
        world.submit()
    return [email for batch in world.claim(places=number) for email in batch.emails]


def test_each_mark_of_a_store_that_answers_at_once_is_made():
    world = World()
    [email] = claimed(world, 1)
    permit = CommitPermit(
        ResultWriter(world.store), email, instance=world.instance, clock=world.clock
    )

    assert permit()
    assert permit.made
    assert world.email(email.id).phase is Phase.COMMITTING


def test_a_mark_whose_attempt_was_taken_away_is_refused():
    world = World()
    [email] = claimed(world, 1)
    permit = CommitPermit(
        ResultWriter(world.store), email, instance=world.instance + 1, clock=world.clock
    )

    assert not permit()
    assert permit.refused
    assert world.email(email.id).phase is Phase.CLAIMED


class Unsteady:
    """Answers at once: that it is away, or with the store's answer."""

    def __init__(self, store):
        self.store = store
        self.away = True

    def post(self, work):
        if not self.away:
            return self.store.post(work)
        future = Future()
        future.set_exception(StoreUnavailable("the disk is gone"))
        return future


def test_a_mark_that_the_store_could_not_make_is_not_refused_and_the_next_one_is_made():
    world = World()
    [email] = claimed(world, 1)
    store = Unsteady(world.store)
    writer = ResultWriter(store)
    permit = CommitPermit(writer, email, instance=world.instance, clock=world.clock)
    assert not permit()
    assert not permit.refused

    store.away = False
    assert CommitPermit(writer, email, instance=world.instance, clock=world.clock)()


def test_marks_that_come_while_one_waits_share_its_work_and_get_their_own_answers():
    world = World()
    emails = claimed(world, 3)
    slow = SlowStore(world.store)
    writer = ResultWriter(slow)
    instances = [world.instance, world.instance + 1, world.instance]
    asked = [
        CommitPermit(writer, email, instance=o, clock=world.clock)
        for email, o in zip(emails, instances, strict=True)
    ]
    threads = [Thread(target=mark) for mark in asked]
    for thread, works in zip(threads, [1, 2, 3], strict=True):
        thread.start()
        wait_until(lambda works=works: len(slow.jobs) == works)
    late = Thread(
        target=CommitPermit(writer, emails[0], instance=world.instance, clock=world.clock)
    )
    late.start()
    wait_until(lambda: len(writer._next.marks) == 2)
    slow.run()
    for thread in [*threads, late]:
        thread.join()

    assert [mark.made for mark in asked] == [True, False, True]
    assert [mark.refused for mark in asked] == [False, True, False]


class ElsewhereAtOnce:
    """Runs each work on another thread before `post` returns."""

    def __init__(self, store):
        self.store = store

    def post(self, work):
        future = Future()
        thread = Thread(target=lambda: future.set_result(self.store.write(work)), daemon=True)
        thread.start()
        thread.join(5)
        assert not thread.is_alive(), "the work waits for the one who posted it"
        return future


def test_a_store_may_run_a_work_on_another_thread_before_it_answers(notes):
    world = World()
    [email] = claimed(world, 1)
    store = ElsewhereAtOnce(world.store)
    assert CommitPermit(ResultWriter(store), email, instance=world.instance, clock=world.clock)()

    writer = ResultWriter(store)
    notes.hand_in(writer, "a")
    assert notes.told == {"a": None}


def test_a_result_is_never_durable_later_than_the_next_mark_of_its_connection(notes):
    world = World()
    first, second = claimed(world, 2)
    slow = SlowStore(world.store)
    writer = ResultWriter(slow)
    other = Thread(target=CommitPermit(writer, first, instance=world.instance, clock=world.clock))
    other.start()
    wait_until(lambda: len(slow.jobs) == 1)
    notes.hand_in(writer, "before the mark")
    permit = CommitPermit(writer, second, instance=world.instance, clock=world.clock)
    asking = Thread(target=permit)
    asking.start()
    wait_until(lambda: len(writer._next.marks) == 2)

    [(work, future)] = slow.jobs
    slow.jobs.clear()
    future.set_result(slow.store.write(work))
    other.join()
    asking.join()
    assert permit.made
    assert notes.told == {"before the mark": None}


def test_a_result_that_fails_does_not_fail_the_marks(notes):
    world = World()
    [email] = claimed(world, 1)
    slow = SlowStore(world.store)
    writer, stale = ResultWriter(slow), StaleAttempt("taken away")
    notes.hand_in(writer, "stale", stale)
    permit = CommitPermit(writer, email, instance=world.instance, clock=world.clock)
    asking = Thread(target=permit)
    asking.start()
    wait_until(lambda: writer._next.marks)
    slow.run()
    slow.run()
    asking.join()

    assert permit.made
    assert notes.told == {"stale": stale}
    assert writer.wait(timeout=0)


def test_a_failing_callback_of_a_result_does_not_block_the_marks(notes):
    world = World()
    [email] = claimed(world, 1)
    slow = SlowStore(world.store)
    writer = ResultWriter(slow)

    def fail(_error):
        raise RuntimeError("nobody hears")

    writer.persist(notes.work("one"), fail)
    permit = CommitPermit(writer, email, instance=world.instance, clock=world.clock)
    asking = Thread(target=permit, daemon=True)
    asking.start()
    wait_until(lambda: writer._next.marks)
    slow.run()
    asking.join(5)

    assert permit.made
