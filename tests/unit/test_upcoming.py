"""How many emails go by a time, by the forecast."""

from datetime import timedelta

import pytest

from domain.account.limits import Limits
from tests.world import World

HOUR = timedelta(hours=1)


def in_time(world: World, span: timedelta, account_id: int) -> int:
    mail = world.application.upcoming.within(span)
    return {one.account.id if one.account else 0: one for one in mail.queues}[
        account_id
    ].expected.in_time


def waits(world: World, number: int, *, account_id: int | None) -> None:
    for _ in range(number):
        world.submit(account_id=account_id)


@pytest.mark.parametrize(("hours", "expected"), [(0.5, 10), (1.5, 20), (2.5, 25), (12, 25)])
def test_as_many_go_by_then_as_the_limits_allow(hours: float, expected: int) -> None:
    world = World()
    account = world.account(limits=Limits(hourly=10, daily=None, priority_reserve=0))
    waits(world, 25, account_id=account.id)

    assert in_time(world, timedelta(hours=hours), account.id) == expected


def test_as_many_go_as_were_forecast() -> None:
    world = World()
    account = world.account(limits=Limits(hourly=10, daily=None, priority_reserve=0))
    waits(world, 45, account_id=account.id)
    forecast = in_time(world, 3 * HOUR, account.id)

    for _ in range(3 * 60):
        world.run()
        world.clock.tick(60)

    assert len(world.sender.accepted) == forecast == 30


def test_of_what_is_scheduled_only_that_counts_which_is_due_by_then() -> None:
    world = World()
    account = world.account()
    for hours in (1, 2, 5):
        world.submit(account_id=account.id, send_at=world.clock.now() + hours * HOUR)

    assert in_time(world, 3 * HOUR, account.id) == 2


def test_none_goes_that_waits_for_a_person() -> None:
    world = World()
    account = world.account()
    waits(world, 3, account_id=account.id)
    world.application.account_service.pause(account.id)

    assert in_time(world, 12 * HOUR, account.id) == 0


def test_a_queue_that_takes_days_is_counted_by_the_speed_in_the_long_run() -> None:
    world = World()
    limits = Limits(minute=1, hourly=None, daily=None, priority_reserve=0)
    account = world.account(limits=limits)
    waits(world, 1000, account_id=account.id)

    assert in_time(world, 12 * HOUR, account.id) == pytest.approx(720, abs=12)


def test_mail_for_any_account_is_counted_beside_that_of_one() -> None:
    world = World()
    limits = Limits(hourly=10, daily=None, priority_reserve=0)
    account = world.account(limits=limits)
    waits(world, 8, account_id=account.id)
    waits(world, 8, account_id=None)

    mine = in_time(world, HOUR / 2, account.id)
    shared = in_time(world, HOUR / 2, 0)

    assert mine + shared == 10
