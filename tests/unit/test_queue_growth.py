"""When it is told that the queue grows: histories of looks, and a whole service."""

from collections.abc import Sequence
from datetime import timedelta

import pytest

from domain.event.event import BEGINNING, EventFilter, QueueFacts, StoredEvent
from domain.event.growth import LOOKS, Growth, GrowthPolicy, look
from domain.event.types import EventType
from tests.builders import NOW, at
from tests.world import World

MINUTE = 60
POLICY = GrowthPolicy(longest=timedelta(minutes=10))


def told_in(history: Sequence[tuple[int, int]], *, every: float = MINUTE) -> list[int]:
    """The places in a *history* of (waiting, minutes that the oldest has waited) that tell it."""
    growth, told = Growth(), []
    for place, (waiting, oldest) in enumerate(history):
        now = at(place * every)
        growth, facts = look(
            growth,
            waiting=waiting,
            oldest_due=now - timedelta(minutes=oldest) if waiting else None,
            now=now,
            policy=POLICY,
        )
        if facts is not None:
            told.append(place)
    return told


@pytest.mark.parametrize(
    ("history", "told"),
    [
        pytest.param([(10 * n, n) for n in range(30)], [10], id="it grows all the time: once"),
        pytest.param([(1000, 60)] * 30, [], id="a backlog that stays"),
        pytest.param([(3000 - n, 60 + n) for n in range(30)], [], id="a newsletter that goes out"),
        pytest.param([(10 * n, 9) for n in range(30)], [], id="more comes, none waits long"),
        pytest.param([(0, 0)] * 12 + [(500, 0)] * 9, [], id="a burst that is just due"),
        pytest.param([(0, 0)] * 12 + [(500, n) for n in range(9)], [], id="a short standstill"),
        pytest.param(
            [(0, 0)] * 12 + [(500, n) for n in range(15)], [], id="a burst, and no more comes"
        ),
        pytest.param(
            [(0, 0)] * 12 + [(500 + n, n) for n in range(15)], [22], id="a burst, and more comes"
        ),
        pytest.param([(5000, 60)] + [(5000 + n, 60) for n in range(9)], [], id="nobody looked"),
    ],
)
def test_it_is_told_if_the_oldest_waits_too_long_and_more_wait_than_before(
    history: Sequence[tuple[int, int]], told: Sequence[int]
) -> None:
    assert told_in(history) == told


def test_it_is_told_again_only_after_it_was_over() -> None:
    grows = [(10 * n, n) for n in range(14)]
    hesitates = [(140, 6), (150, 12), (160, 13)]  # not over: the oldest waits too long still
    over = [(5, 1)]
    again = [(10 * n, n) for n in range(14)]

    assert told_in(grows + hesitates) == [10]
    assert told_in(grows + hesitates + over + again) == [10, 14 + 3 + 1 + 10]


def test_looks_of_before_a_long_pause_are_not_compared_with() -> None:
    growth = Growth()
    growth, _ = look(growth, waiting=1, oldest_due=NOW, now=NOW, policy=POLICY)

    later = at(86_400)
    changed, facts = look(growth, waiting=900, oldest_due=NOW, now=later, policy=POLICY)

    assert (facts, [one.at for one in changed.looks]) == (None, [later])


def test_the_looks_that_are_kept_are_few_however_often_somebody_looks() -> None:
    growth = Growth()
    for second in range(4000):
        growth, _ = look(growth, waiting=1, oldest_due=None, now=at(second), policy=POLICY)

    assert len(growth.looks) <= 2 * LOOKS + 1


def test_after_the_clock_was_set_back_it_waits_for_new_looks() -> None:
    growth = Growth()
    for minute in range(20):
        growth, _ = look(
            growth, waiting=minute, oldest_due=None, now=at(minute * MINUTE), policy=POLICY
        )

    changed, facts = look(growth, waiting=99, oldest_due=at(-9999), now=at(-60), policy=POLICY)

    assert (facts, len(changed.looks)) == (None, 1)


# -- a service -------------------------------------------------------------------------------------


def events(world: World) -> Sequence[StoredEvent]:
    wanted = EventFilter(types=(EventType.QUEUE_GROWING,))
    return world.store.read(lambda tx: tx.events.page(BEGINNING, wanted, limit=9)).events


def grow(world: World, *others: World, minutes: int) -> None:
    """Two emails a minute come, and nobody sends any."""
    for _ in range(minutes):
        for _ in range(2):
            world.submit()
        world.clock.tick(MINUTE)
        for one in (world, *others):
            one.application.membership.beat()
            one.application.maintenance.sweep()


def test_a_service_tells_it_once_whichever_of_two_processes_looks() -> None:
    world = World()
    world.account()
    other = World(beside=world, pid=2)

    grow(world, other, minutes=30)

    [event] = events(world)
    facts = event.facts
    assert isinstance(facts, QueueFacts)
    assert (facts.waiting, facts.before) == (22, 2)
    assert (event.account_id, event.email_id) == (None, None)


def test_two_processes_that_look_at_once_tell_it_once() -> None:
    world = World()
    world.account()
    other = World(beside=world, pid=2)
    for one in (world, other):
        one.application.membership.instance = None  # each believes that it is its part

    grow(world, other, minutes=30)

    assert len(events(world)) == 1


def test_mail_that_waits_for_a_paused_account_does_not_make_the_queue_grow() -> None:
    world = World()
    account = world.account()
    world.application.account_service.pause(account.id)

    grow(world, minutes=30)

    assert events(world) == []
