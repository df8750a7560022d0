"""What is counted of emails and attempts on their way through a whole service."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from adapters.fakes.sender import Fault, Rule
from application.intake.draft import Draft
from application.intake.idempotency import IdempotencyKey
from application.overview import HOURS
from domain.access import Caller, Scope
from domain.address import Address
from domain.email.status import Status
from domain.errors import Forbidden
from domain.outcome.handoff import Stage
from domain.outcome.verdict import Result
from domain.retention import RetentionPolicy
from domain.throughput import HOUR, KEPT, Hour, Totals, Via, every_hour, hour_of
from tests.builders import NOW, at
from tests.world import World

ADA, BOB = "ada@example.org", "bob@example.org"


def a_world(*rules: Rule, **service: Any) -> World:
    world = World(**service)
    world.account()
    world.play(*rules)
    return world


def totals(world: World) -> Totals:
    return world.application.metrics.figures().totals


def ended(world: World) -> Mapping[Status, int]:
    return {status: number for status, number in totals(world).ended.items() if number}


def sweep(world: World) -> None:
    world.application.membership.beat()
    world.application.maintenance.sweep()


def test_an_email_that_is_sent_was_accepted_and_sent_in_one_attempt() -> None:
    world = a_world()
    world.submit()
    world.run()

    counted = totals(world)
    assert counted.accepted == dict.fromkeys(Via, 0) | {Via.API: 1}
    assert counted.attempts == {(1, Result.SENT): 1}
    assert sum(counted.durations) == 1
    assert ended(world) == {Status.SENT: 1}


def test_an_email_that_is_tried_three_times_has_three_attempts_and_one_end() -> None:
    world = a_world(Rule(Stage.RCPT, "450 4.2.0 later", times=2))
    world.submit()
    for _ in range(3):
        world.run()
        world.clock.tick(10**4)

    assert totals(world).attempts == {(1, Result.RETRY): 2, (1, Result.SENT): 1}
    assert ended(world) == {Status.SENT: 1}


def test_an_email_that_fails_for_one_of_two_recipients_is_one_that_was_sent() -> None:
    world = a_world(Rule(Stage.RCPT, "550 5.1.1 unknown", recipient=BOB))
    world.submit(ADA, BOB)
    world.run()

    assert ended(world) == {Status.SENT: 1}


def test_an_email_that_expires_untried_has_failed_without_an_attempt() -> None:
    world = a_world()
    world.submit(expires_at=at(60))
    world.clock.tick(61)
    sweep(world)

    assert ended(world) == {Status.FAILED: 1}
    assert totals(world).attempts == {}


def test_an_email_to_nobody_but_suppressed_recipients_was_accepted_and_has_failed() -> None:
    world = a_world(Rule(Stage.RCPT, "550 5.1.1 unknown"))
    for _ in range(2):
        world.submit()
        world.run()

    assert totals(world).accepted[Via.API] == 2
    assert totals(world).attempts == {(1, Result.FAILED): 1}
    assert ended(world) == {Status.FAILED: 2}


def test_a_call_that_is_made_again_is_counted_once() -> None:
    world = a_world()
    draft = Draft(subject="Hello", text="x", to=(Address.parse(ADA),))
    key = IdempotencyKey(key="k", scope="s", digest="d")
    for _ in range(2):
        world.application.submission.submit((draft,), idempotency=key)

    assert totals(world).accepted[Via.API] == 1


def test_the_attempt_of_a_process_that_died_is_counted_once() -> None:
    world = a_world()
    world.submit()
    world.claim()
    for _ in range(2):
        world.application.delivery.recover(world.instance)

    assert totals(world).attempts == {(1, Result.WAIT): 1}


def test_an_attempt_that_others_ended_as_unknown_is_not_counted_again_as_its_result_comes() -> None:
    world = a_world()
    world.submit()
    [batch] = world.claim()
    send = world.sender.send

    def recovered_meanwhile(*args: Any, **kwargs: Any) -> Any:
        handoff = send(*args, **kwargs)
        world.application.delivery.recover(world.instance)
        return handoff

    world.sender.send = recovered_meanwhile
    world.deliver(batch)

    assert world.heard.named("result_came_late")
    assert totals(world).attempts == {(1, Result.UNKNOWN): 1}
    assert ended(world) == {Status.SENT: 1}


def test_an_outcome_that_a_person_resolves_is_an_end_and_no_attempt() -> None:
    world = a_world(Rule(Stage.DOT, Fault.ACCEPT_HANG))
    email_id = world.submit(at_most_once=True)
    world.run()
    world.application.email_changes.resolve(email_id, as_sent=True)

    assert totals(world).attempts == {(1, Result.UNKNOWN): 1}
    assert ended(world) == {Status.FAILED: 1, Status.SENT: 1}


def test_an_alert_was_written_by_the_service() -> None:
    refused = Rule(Stage.AUTH, "535 5.7.8 wrong password")
    world = World(alert_to=(Address.parse("ops@example.org"),))
    world.account("one")
    world.account("two")
    world.play(refused, account_id=1)
    world.submit(account_id=1)
    world.run()
    sweep(world)

    assert totals(world).accepted[Via.SERVICE] == 1


def test_what_retention_removes_stays_counted() -> None:
    world = a_world(retention=RetentionPolicy(rows=timedelta(days=90)))
    world.submit()
    world.run()
    before = totals(world)
    world.clock.tick(timedelta(days=100).total_seconds())
    for _ in range(2):
        sweep(world)

    assert world.store.read(lambda tx: tx.emails.page(limit=1)).emails == ()
    assert totals(world) == before


def test_an_account_that_is_removed_keeps_its_attempts() -> None:
    world = a_world()
    world.submit()
    world.run()
    world.account("second")
    for account_id in (1, 2):
        world.application.account_service.delete(account_id)

    assert totals(world).attempts == {(1, Result.SENT): 1, (2, Result.SENT): 0}


def test_hours_that_are_over_are_folded_and_forgotten_after_eight_days() -> None:
    world = a_world()
    world.submit()
    world.run()
    world.clock.tick(HOUR.total_seconds())
    sweep(world)

    def unfolded() -> int:
        return world.store.write(lambda tx: tx.throughput.fold(now=world.clock.now(), limit=9))

    assert unfolded() == 0
    assert world.application.overview.activity().hours[-2].sent == 1
    before = totals(world)
    world.clock.tick(KEPT.total_seconds())
    sweep(world)

    assert world.store.read(lambda tx: tx.throughput.hours(since=NOW - HOUR)) == []
    assert totals(world) == before


def test_a_wall_that_jumps_forward_forgets_no_hour() -> None:
    world = a_world()
    world.submit()
    world.run()
    world.clock.tick(HOUR.total_seconds())
    sweep(world)
    far = (2 * KEPT).total_seconds()
    world.clock.step(far)
    world.clock.tick(60)
    sweep(world)
    world.clock.step(-far)

    assert world.application.overview.activity().hours[-2].sent == 1


def test_one_process_folds_for_all() -> None:
    world = a_world()
    other = World(beside=world, pid=2)
    world.submit()
    world.clock.tick(HOUR.total_seconds())
    sweep(other)
    left = world.store.write(lambda tx: tx.throughput.fold(now=NOW, limit=9))
    assert left == 0  # of the hour of NOW nothing else is over

    assert world.store.write(lambda tx: tx.throughput.fold(now=NOW + HOUR, limit=9)) == 1


# -- the overview ----------------------------------------------------------------------------------


def test_the_overview_has_seven_days_of_hours_and_what_waits() -> None:
    world = a_world(Rule(Stage.RCPT, "550 5.1.1 unknown", recipient=BOB))
    world.submit(BOB)
    world.submit()
    world.run()
    world.clock.tick(HOUR.total_seconds())
    world.submit(send_at=at(10 * HOUR.total_seconds()))
    world.submit()
    world.clock.tick(60)

    activity = world.application.overview.activity()
    first = hour_of(NOW)
    assert len(activity.hours) == HOURS
    assert activity.hours[-2:] == [
        Hour(begins=first, accepted=2, sent=1, failed=1),
        Hour(begins=first + HOUR, accepted=2),
    ]
    assert activity.hours[0] == Hour(begins=first + HOUR * (2 - HOURS))
    assert (activity.waiting, activity.oldest_due) == (2, timedelta(seconds=60))


def test_hours_without_anything_are_there_and_those_before_are_not() -> None:
    known = [Hour(begins=NOW - HOUR * ago, sent=ago) for ago in (9, 2, 0)]
    assert every_hour(known, until=NOW + timedelta(minutes=59), number=4) == [
        Hour(begins=NOW - HOUR * 3),
        known[1],
        Hour(begins=NOW - HOUR),
        known[2],
    ]


@pytest.mark.parametrize(
    "caller",
    [
        Caller(scopes=frozenset({Scope.READ})),
        Caller(scopes=frozenset({Scope.ADMIN}), accounts=frozenset({1})),
    ],
)
def test_the_overview_is_for_those_who_may_see_the_figures_of_all_accounts(caller: Caller) -> None:
    with pytest.raises(Forbidden):
        a_world().application.overview.activity(caller=caller)
