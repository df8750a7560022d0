"""The forecast of a batch: how many of it go now, and when the last is due."""

from datetime import timedelta
from typing import Any

import attrs
import pytest

from application.intake.draft import Draft
from domain.account.limits import Limits, LimitUnit, Window, WindowLengths
from domain.email.forecast import Forecast
from domain.errors import InvalidInput
from tests.builders import an_address
from tests.world import World

NEWSLETTER = Limits(hourly=50, daily=None, priority_reserve=10)


def drafts(number: int, **changes: Any) -> list[Draft]:
    draft = Draft(subject="Hello", html="<p>Hello</p>", to=(an_address(),))
    return [attrs.evolve(draft, **changes) for _ in range(number)]


def told(world: World, number: int, **changes: Any) -> Forecast:
    return world.application.submission.submit(
        drafts(number, **changes), with_forecast=True
    ).forecast


def last_hand_off(world: World) -> Any:
    """When the last email was handed off, delivering as the clock goes on."""
    while world.store.read(lambda tx: tx.emails.waiting()).waiting:
        world.run()
        world.clock.tick(60)
    page = world.store.read(lambda tx: tx.emails.page(limit=500))
    return max(world.email(row.id).sent_at for row in page.emails)


def test_emails_within_the_limits_go_now():
    world = World()
    world.account(limits=NEWSLETTER)
    assert told(world, 20) == Forecast(go_now=20, last_due_at=world.clock.now())


def test_the_reserve_is_not_for_a_newsletter():
    world = World()
    world.account(limits=NEWSLETTER)
    assert told(world, 500).go_now == 45
    world.run()
    assert len(world.sender.accepted) == 45


def test_an_urgent_email_behind_a_full_batch_goes_out_at_once():
    world = World()
    world.account(limits=NEWSLETTER)
    told(world, 500)
    world.run()
    urgent = world.submit("urgent@example.org", priority=1)
    world.run()
    assert world.email(urgent).sent_at == world.clock.now()


@pytest.mark.parametrize("number", [1, 45, 46, 91, 136])
def test_the_last_is_due_when_it_is_handed_off(number):
    world = World()
    world.account(limits=NEWSLETTER)
    due = told(world, number).last_due_at
    assert timedelta(0) <= last_hand_off(world) - due <= timedelta(minutes=number // 45 + 1)


@pytest.mark.parametrize(("before", "go_now"), [(10, 35), (44, 1), (45, 0), (100, 0)])
def test_mail_that_waited_before_is_sent_first(before, go_now):
    world = World()
    world.account(limits=NEWSLETTER)
    told(world, before)
    outlook = told(world, 60)
    assert outlook.go_now == go_now
    difference = last_hand_off(world) - outlook.last_due_at
    assert timedelta(0) <= difference <= timedelta(minutes=5)


def test_mail_sent_before_counts_against_the_limits():
    world = World()
    world.account(limits=NEWSLETTER)
    told(world, 30)
    world.run()
    world.clock.tick(600)
    outlook = told(world, 20)
    assert outlook.go_now == 15
    ago = timedelta(seconds=600)
    assert outlook.last_due_at == world.clock.now() - ago + WindowLengths().of(Window.HOUR)


def test_urgent_emails_of_a_batch_may_use_the_reserve():
    world = World()
    world.account(limits=NEWSLETTER)
    assert told(world, 60, priority=1).go_now == 50


def test_the_strictest_window_decides_the_forecast():
    world = World()
    world.account(limits=Limits(hourly=50, daily=60, minute=5))
    assert told(world, 100).go_now == 5
    assert told(world, 1).last_due_at > world.clock.now() + timedelta(hours=23)


def test_without_limits_there_is_no_forecast():
    world = World()
    world.account()
    assert told(world, 3) == Forecast()


def test_a_configuration_that_sends_nothing_has_no_time_in_its_forecast():
    world = World()
    world.account(limits=NEWSLETTER, active=False)
    assert told(world, 3, account_id=1) == Forecast(go_now=0)


def test_mail_for_any_configuration_goes_by_all_that_have_room():
    world = World()
    first = world.account("first", limits=NEWSLETTER)
    second = world.account("second", limits=NEWSLETTER)
    assert told(world, 3) == Forecast(go_now=3, last_due_at=world.clock.now())
    named = [*drafts(50, account_id=first.id), *drafts(60, account_id=second.id)]
    accepted = world.application.submission.submit(named, with_forecast=True)
    # the three that name none go by either, before these
    assert accepted.forecast.go_now == 87


def test_scheduled_emails_do_not_go_now_and_are_due_when_they_are():
    world = World()
    world.account(limits=NEWSLETTER)
    later = world.clock.now() + timedelta(days=3)
    assert told(world, 3, send_at=later) == Forecast(go_now=0, last_due_at=later)


def test_recipients_are_counted_where_the_limits_count_them():
    world = World()
    world.account(limits=attrs.evolve(NEWSLETTER, unit=LimitUnit.RECIPIENTS))
    to = tuple(an_address(f"{n}@example.org") for n in range(10))
    assert told(world, 10, to=to).go_now == 4
    after = told(world, 1, to=to)
    assert after.go_now == 0
    assert after.last_due_at == world.clock.now() + 2 * WindowLengths().of(Window.HOUR)


def test_a_normal_email_may_not_need_the_reserve_and_an_urgent_one_may():
    world = World()
    world.account(limits=attrs.evolve(NEWSLETTER, unit=LimitUnit.RECIPIENTS))
    to = tuple(an_address(f"{n}@example.org") for n in range(46))
    with pytest.raises(InvalidInput, match="45"):
        told(world, 1, to=to, account_id=1)
    assert told(world, 1, to=to, account_id=1, priority=2).go_now == 1


def test_normal_mail_that_only_the_reserve_could_send_causes_no_busy_loop():
    world = World()
    world.account(limits=NEWSLETTER)
    told(world, 60)
    world.run()
    due = world.application.delivery.due(world.instance)
    assert due is not None
    assert due >= world.clock.now() + timedelta(minutes=59)
    assert not world.application.delivery.anything_due()
    world.submit(priority=2)
    assert world.application.delivery.due(world.instance) <= world.clock.now()
    assert world.application.delivery.anything_due()
