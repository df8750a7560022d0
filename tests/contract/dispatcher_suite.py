"""What every dispatcher does: one suite for all, on real threads and real time.

A dispatcher that someone else writes proves itself by subclassing `DispatcherContract` and saying
how one delivers the mail of a `World`.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from datetime import timedelta
from threading import Event, Thread
from typing import Any, Protocol

import pytest

from adapters.fakes.sender import FakeSender
from domain.account.limits import Limits
from domain.email.status import Status
from domain.errors import StoreUnavailable
from tests.running import wait_until
from tests.world import World

FREE = Limits(daily=None, hourly=None, max_connections=2)


class House(Protocol):
    """A world whose delivery runs by itself once it was started."""

    world: World

    def start(self) -> None:
        """Begin to deliver."""
        ...

    def drain(self, *, timeout: float) -> bool:
        """Stop; True if an unknown outcome is left."""
        ...


class Murder(BaseException):
    """Ends a thread, whatever it catches."""


def sent(world: World, *ids: int) -> bool:
    return all(world.email(email_id).status is Status.SENT for email_id in ids)


def held_up(sender: FakeSender) -> tuple[Event, Event]:
    """Every hand-off waits: events that report that one has begun, and that let them continue."""
    under_way, go_on = Event(), Event()
    send = sender.send

    def slow(*args: Any, **kwargs: Any) -> Any:
        under_way.set()
        go_on.wait(30)
        return send(*args, **kwargs)

    sender.send = slow  # type: ignore[method-assign]
    return under_way, go_on


class DispatcherContract:
    """Subclass it and implement how a house is opened; it is drained when the context ends."""

    def opened(self) -> AbstractContextManager[House]:
        raise NotImplementedError

    @pytest.fixture
    def house(self) -> Iterator[House]:
        with self.opened() as house:
            yield house

    def test_a_submitted_email_is_sent(self, house: House) -> None:
        house.world.account()
        house.start()
        ids = [house.world.submit() for _ in range(20)]

        wait_until(lambda: sent(house.world, *ids))

    def test_mail_that_waited_before_the_start_is_sent(self, house: House) -> None:
        house.world.account()
        ids = [house.world.submit() for _ in range(3)]
        house.start()

        wait_until(lambda: sent(house.world, *ids))

    def test_a_lost_signal_delays_mail_and_loses_none(self, house: House) -> None:
        house.world.account()
        house.start()
        first = house.world.submit()
        wait_until(lambda: sent(house.world, first))
        deaf = World(beside=house.world, wake=lambda: None)

        email_id = deaf.submit()

        wait_until(lambda: sent(house.world, email_id))

    def test_scheduled_mail_goes_when_it_is_due(self, house: House) -> None:
        house.world.account()
        house.start()
        due = house.world.clock.now() + timedelta(seconds=0.3)
        email_id = house.world.submit(send_at=due)

        wait_until(lambda: sent(house.world, email_id))

        sent_at = house.world.email(email_id).sent_at
        assert sent_at is not None
        assert sent_at >= due

    def test_an_account_that_hangs_delays_no_other_account(self, house: House) -> None:
        world = house.world
        hanging = [world.account(f"hanging {n}", limits=FREE) for n in range(4)]
        well = world.account("well", limits=FREE)
        release = Event()
        send = world.sender.send

        def hang(account: Any, *args: Any, **kwargs: Any) -> Any:
            if account.id != well.id:
                release.wait(30)
            return send(account, *args, **kwargs)

        world.sender.send = hang  # type: ignore[method-assign]
        house.start()
        for account in hanging:
            for _ in range(10):
                world.submit(account_id=account.id)
        ids = [world.submit(account_id=well.id) for _ in range(20)]

        try:
            wait_until(lambda: sent(world, *ids), patience=20)
        finally:
            release.set()

    @pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
    def test_a_worker_that_dies_is_replaced_and_its_email_goes_back(self, house: House) -> None:
        world = house.world
        world.account()
        send = world.sender.send
        murders = iter([True, True, True])

        def murder(*args: Any, **kwargs: Any) -> Any:
            if next(murders, False):
                raise Murder
            return send(*args, **kwargs)

        world.sender.send = murder  # type: ignore[method-assign]
        house.start()
        ids = [world.submit() for _ in range(5)]

        wait_until(lambda: sent(world, *ids))

        assert len(world.heard.named("worker_died")) == 3
        assert all(world.email(email_id).retry_count == 0 for email_id in ids)

    def test_it_continues_after_the_store_was_unavailable(self, house: House) -> None:
        world = house.world
        world.account()
        house.start()
        write, down = world.store.write, Event()

        def sometimes(work: Any) -> Any:
            if down.is_set():
                raise StoreUnavailable("away")
            return write(work)

        email_id = world.submit()
        wait_until(lambda: sent(world, email_id))
        world.store.write = sometimes
        read, world.store.read = world.store.read, sometimes
        down.set()
        wait_until(lambda: world.heard.named("store_unavailable"))
        down.clear()
        world.store.read = read
        email_id = world.submit()

        wait_until(lambda: sent(world, email_id))

    def test_a_drain_finishes_the_current_dialogue_and_releases_the_rest(
        self, house: House
    ) -> None:
        world = house.world
        world.account(limits=Limits(daily=None, hourly=None, max_connections=1))
        under_way, go_on = held_up(world.sender)
        ids = [world.submit() for _ in range(3)]
        house.start()
        under_way.wait(30)
        left: list[bool] = []
        drain = Thread(target=lambda: left.append(house.drain(timeout=20)))
        drain.start()
        go_on.set()
        drain.join()

        statuses = sorted(world.email(email_id).status for email_id in ids)
        assert left == [False]
        assert statuses == [Status.QUEUED, Status.QUEUED, Status.SENT]

    def test_a_dialogue_after_the_final_dot_at_the_end_of_the_drain_is_unknown(
        self, house: House
    ) -> None:
        world = house.world
        world.account()
        marked, never = Event(), Event()

        def silent(account: Any, envelope: Any, octets: Any, *, before_dot: Any) -> Any:
            assert before_dot()
            marked.set()
            never.wait(30)

        world.sender.send = silent  # type: ignore[assignment,method-assign]
        email_id = world.submit()
        house.start()
        marked.wait(30)

        assert house.drain(timeout=0.2) is True

        email = world.email(email_id)
        assert (email.status, email.possibly_delivered) == (Status.RETRY, True)
        never.set()
