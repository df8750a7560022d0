"""Anyone can see why an email waits."""

from datetime import timedelta

import pytest

from adapters.fakes.sender import Fault, Rule
from domain.account.limits import Limits, Window
from domain.email.gates import next_attempt_at, waiting_reason
from domain.outcome.handoff import Stage
from tests.world import World


def reason(world: World, email_id: int) -> str | None:
    return waiting_reason(world.application.queries.email(email_id).gates)


def opens(world: World, email_id: int):
    view = world.application.queries.email(email_id)
    return next_attempt_at(view.gates, now=view.now)


def test_an_email_that_is_due_waits_in_line():
    world = World()
    world.account()
    email_id = world.submit()

    assert reason(world, email_id) == "in_line"
    assert opens(world, email_id) == world.clock.now()


def test_an_email_that_was_sent_waits_for_nothing():
    world = World()
    world.account()
    email_id = world.submit()
    world.run()

    assert (reason(world, email_id), opens(world, email_id)) == (None, None)


def test_scheduled_and_deferred_emails_wait_for_their_time():
    world = World()
    world.account()
    later = world.clock.now() + timedelta(hours=1)
    scheduled, deferred = world.submit(send_at=later), world.submit()
    world.play(Rule(Stage.DOT, "451 4.3.0 later"))
    world.run()

    assert (reason(world, scheduled), opens(world, scheduled)) == ("scheduled", later)
    assert reason(world, deferred) == "retry_delay"
    assert opens(world, deferred) == world.clock.now() + timedelta(minutes=1)


def test_mail_of_an_inactive_account_waits_without_an_end():
    world = World()
    world.account(active=False)
    email_id = world.submit(account_id=1)

    assert (reason(world, email_id), opens(world, email_id)) == ("account_inactive", None)


def test_a_full_account_reports_when_room_returns():
    world = World()
    world.account(limits=Limits(hourly=1, daily=None))
    world.submit()
    email_id = world.submit()
    world.run()

    assert reason(world, email_id) == "hour_limit"
    assert opens(world, email_id) == world.clock.now() + timedelta(hours=1, seconds=1)


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (Rule(Stage.AUTH, "535 5.7.8 no"), "account_paused"),
        (Rule(Stage.MAIL, "451 4.3.0 try later"), "server_busy"),
        (Rule(Stage.BANNER, Fault.CLOSE), "server_unreachable"),
    ],
)
def test_a_pause_of_the_account_is_shown_with_its_reason(rule, expected):
    world = World()
    world.account()
    for name in ("first", "second"):
        world.submit(f"{name}@example.org")
    email_id = world.submit()
    world.play(rule)
    world.run()

    assert reason(world, email_id) == expected


def test_an_account_shows_what_is_used_and_what_was_sent():
    world = World()
    account = world.account(limits=Limits(hourly=5, daily=10))
    world.submit()
    world.run()
    world.submit()
    world.claim()

    view = world.application.account_queries.account(account.id)

    assert (view.used[Window.HOUR], view.sent[Window.HOUR], view.sent[Window.DAY]) == (2, 1, 1)
    assert view.in_flight == 1


def test_the_newest_come_first_page_by_page():
    world = World()
    world.account()
    ids = [world.submit() for _ in range(5)]
    queries = world.application.queries

    first = queries.emails(limit=2)
    second = queries.emails(limit=2, before=first.next_before)
    third = queries.emails(limit=2, before=second.next_before)

    seen = [email.id for page in (first, second, third) for email in page.emails]
    assert seen == ids[::-1]
    assert third.next_before is None
