"""The dispatcher on real threads and real time, with a store and a sender in memory."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from threading import Event, Semaphore, Thread
from typing import Any

import pytest

from adapters.clock import SystemClock
from adapters.fakes.locks import FakeLocks
from adapters.thread_dispatcher import (
    LOOK_AGAIN_S,
    DispatcherPolicy,
    Signal,
    ThreadDispatcher,
)
from domain.account.limits import Limits
from tests.contract.dispatcher_suite import DispatcherContract, held_up, sent
from tests.running import wait_until
from tests.world import World


class ThreadHouse:
    """A world whose delivery runs by itself."""

    def __init__(self, **rules: Any) -> None:
        self.wake_signal = Signal()
        self.world = World(clock=SystemClock(), wake=self.wake_signal)
        self.dispatcher = a_dispatcher(self.world, self.wake_signal, **rules)

    def start(self) -> None:
        self.dispatcher.start()

    def drain(self, *, timeout: float) -> bool:
        return self.dispatcher.drain(timeout=timeout)


def a_dispatcher(
    world: World, wake_signal: Signal, *, locks: Any = None, **rules: Any
) -> ThreadDispatcher:
    return ThreadDispatcher(
        world.application,
        wake_signal=wake_signal,
        clock=world.clock,
        locks=locks or world.locks,
        rules=DispatcherPolicy(**{"poll": timedelta(seconds=0.05), **rules}),
        observe=world.heard,
    )


class TestThreadDispatcher(DispatcherContract):
    @contextmanager
    def opened(self) -> Iterator[ThreadHouse]:
        house = ThreadHouse()
        yield house
        house.drain(timeout=1)


def test_workers_are_added_for_a_slow_server_however_often_the_bell_rings() -> None:
    house = ThreadHouse()
    world = house.world
    account = world.account(limits=Limits(daily=None, hourly=None, max_connections=8))
    send, release, under_way = world.sender.send, Event(), Semaphore(0)

    def hang(*args: Any, **kwargs: Any) -> Any:
        under_way.release()
        release.wait(30)
        return send(*args, **kwargs)

    def ring() -> None:
        while not release.wait(0.002):
            house.wake_signal()

    world.sender.send = hang  # type: ignore[method-assign]
    ringing = Thread(target=ring, daemon=True)
    ringing.start()
    house.start()
    for _ in range(20):
        world.submit(account_id=account.id)

    try:
        assert all(under_way.acquire(timeout=10) for _ in range(8))
    finally:
        release.set()
        ringing.join()
        house.drain(timeout=1)


class CountedBell(Signal):
    """Tells how often somebody heard it."""

    heard = 0

    def wait(self, timeout: float) -> bool:
        rung = super().wait(timeout)
        self.heard += rung
        return rung


def test_while_every_worker_is_busy_new_emails_hardly_wake_the_feeder() -> None:
    house = ThreadHouse(workers=1, max_workers=1)
    wake_signal = house.dispatcher._wake_signal = CountedBell()
    world = house.world
    account = world.account()
    send, release, under_way = world.sender.send, Event(), Event()

    def hang(*args: Any, **kwargs: Any) -> Any:
        under_way.set()
        release.wait(30)
        return send(*args, **kwargs)

    world.sender.send = hang  # type: ignore[method-assign]
    for _ in range(20):
        world.submit(account_id=account.id)
    house.start()
    try:
        assert under_way.wait(10)
        before, started = wake_signal.heard, time.monotonic()
        for _ in range(400):
            wake_signal()
            release.wait(0.001)
        seconds = time.monotonic() - started

        assert wake_signal.heard - before <= 2 + seconds / LOOK_AGAIN_S
    finally:
        release.set()
        house.drain(timeout=5)


def test_the_mail_of_another_account_does_not_wait_for_the_end_of_a_backlog() -> None:
    """One worker, and a connection that could go on until another account waits for its thread."""
    house = ThreadHouse(workers=1, max_workers=1)
    world = house.world
    busy, other = world.account(name="busy"), world.account(name="other")
    send, begun = world.sender.send, Event()

    def slow(*args: Any, **kwargs: Any) -> Any:
        begun.set()
        Event().wait(0.005)
        return send(*args, **kwargs)

    world.sender.send = slow  # type: ignore[method-assign]
    backlog = [world.submit(account_id=busy.id) for _ in range(400)]
    house.start()
    try:
        assert begun.wait(10)
        late = world.submit(account_id=other.id)
        wait_until(lambda: sent(world, late), every=0.01)

        assert not sent(world, backlog[-1])
    finally:
        house.drain(timeout=10)


# -- resting ---------------------------------------------------------------------------------------


@pytest.fixture
def resting() -> Iterator[ThreadHouse]:
    house = ThreadHouse(rest=timedelta(seconds=0.1))
    house.start()
    yield house
    house.drain(timeout=1)


def members(world: World) -> list[int]:
    return list(world.store.read(lambda tx: tx.instances.beats()))


def test_it_looks_for_nothing_before_it_is_roused(resting: ThreadHouse) -> None:
    world = resting.world
    world.account()
    email_id = world.submit()  # which signals, but wakes no worker

    assert not resting.dispatcher.awake
    assert not resting.dispatcher.leading
    resting.dispatcher.wake()
    wait_until(lambda: sent(world, email_id))


def test_it_rests_when_there_is_nothing_to_do_and_is_no_member_then(resting: ThreadHouse) -> None:
    world = resting.world
    world.account()
    email_id = world.submit()
    resting.dispatcher.wake()

    wait_until(lambda: not resting.dispatcher.awake)

    assert sent(world, email_id)
    assert members(world) == []
    assert not resting.dispatcher.leading


def test_it_can_be_roused_again_and_again(resting: ThreadHouse) -> None:
    world = resting.world
    world.account()
    for _ in range(5):
        email_id = world.submit()
        resting.dispatcher.wake()
        wait_until(lambda email_id=email_id: sent(world, email_id))  # type: ignore[misc]
        wait_until(lambda: not resting.dispatcher.awake)


def test_it_stays_awake_while_an_email_is_in_other_hands_and_takes_it_from_the_dead() -> None:
    world = World(clock=SystemClock())
    world.application.membership.leave()
    world.account()
    email_id = world.submit()
    other = World(beside=world, pid=2)
    [batch] = other.claim()
    soon = timedelta(seconds=0.05)
    dispatcher = a_dispatcher(world, Signal(), rest=soon, sweep=soon)
    dispatcher.start()
    dispatcher.wake()
    wait_until(lambda: dispatcher.leading)
    stayed_awake = [dispatcher.awake for _ in range(3) if not Event().wait(0.1)]

    other.locks.die()

    wait_until(lambda: not dispatcher.awake)
    assert stayed_awake == [True, True, True]
    assert sent(world, email_id)
    assert batch.emails[0].id == email_id
    dispatcher.drain(timeout=1)


def test_a_standby_process_logs_once_that_it_waits_and_when_it_takes_over() -> None:
    locks = Locks()
    locks.held = True
    world, told = World(), []
    rules = {"elect": timedelta(seconds=0.01)}
    dispatcher = a_dispatcher(world, Signal(), locks=locks, **rules)
    dispatcher.start(tell_turn=told.append)
    try:
        wait_until(lambda: locks.asked > 5)
        assert world.heard.names.count("delivery_stands_by") == 1
        assert told == [False]
        locks.held = False
        wait_until(lambda: dispatcher.leading)
        wait_until(lambda: told == [False, True])
    finally:
        dispatcher.drain(timeout=5)


def test_a_process_that_leads_at_once_logs_nothing_of_standing_by() -> None:
    world, told = World(), []
    dispatcher = a_dispatcher(world, Signal())
    dispatcher.start(tell_turn=told.append)
    try:
        wait_until(lambda: dispatcher.leading)
        assert not told
        assert "delivery_stands_by" not in world.heard.names
    finally:
        dispatcher.drain(timeout=5)


class Locks:
    """Those of a machine on which another process holds them for as long as the test wants."""

    def __init__(self) -> None:
        self.held = False
        self.asked = 0

    def acquire(self, name: str) -> bool:
        self.asked += 1
        return not self.held

    def release(self, name: str) -> None:
        return

    def abandoned(self, name: str) -> bool:
        return False


def test_a_process_that_finds_a_leader_does_not_deliver() -> None:
    one = FakeLocks()
    two = FakeLocks(beside=one)
    world = World(clock=SystemClock())
    world.account()
    rest = timedelta(seconds=0.1)
    leader = a_dispatcher(world, Signal(), locks=one, rest=rest)
    second_world = World(beside=world, pid=2)
    second = a_dispatcher(second_world, Signal(), locks=two, rest=rest)
    leader.start()
    second.start()
    sending, go_on = held_up(world.sender)
    first = world.submit()
    leader.wake()
    sending.wait(30)

    later = world.submit()
    second.wake()

    wait_until(lambda: not second.awake)
    go_on.set()
    wait_until(lambda: sent(world, first, later))
    assert second_world.sender.accepted == []
    for each in (leader, second):
        each.drain(timeout=1)


def test_a_resting_process_keeps_no_connection_from_another_one() -> None:
    world = World(clock=SystemClock())
    world.application.membership.leave()
    one_connection = Limits(daily=None, hourly=None, max_connections=1)
    accounts = [world.account(f"account {n}", limits=one_connection) for n in range(8)]
    other_world = World(beside=world, pid=2)
    other_world.application.membership.leave()
    rest = timedelta(seconds=0.1)
    first, second = (a_dispatcher(each, Signal(), rest=rest) for each in (world, other_world))
    first.start()
    second.start()
    before = [world.submit(account_id=account.id) for account in accounts]
    first.wake()
    wait_until(lambda: sent(world, *before))
    wait_until(lambda: not first.awake)

    after = [world.submit(account_id=account.id) for account in accounts]
    second.wake()

    wait_until(lambda: sent(world, *after))
    assert (len(world.sender.accepted), len(other_world.sender.accepted)) == (8, 8)
    for each in (first, second):
        each.drain(timeout=1)
