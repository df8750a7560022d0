"""What has ended is removed some time later, a little at a time, by one process."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from adapters.fakes.clock import FakeClock
from adapters.fakes.memory_store import MemoryStore
from adapters.fakes.script import Rule
from application.maintenance import retention as retention_module
from application.maintenance.slices import LEAST, MOST, SLOW_S, Slices
from application.ports.store import Transaction
from domain.email.status import Status
from domain.errors import ContentPurged, NotFound
from domain.retention import RetentionPolicy, ended_before
from tests.builders import NOW, at
from tests.world import World

DAY = timedelta(days=1)


def swept(world: World, *, days: float = 0) -> None:
    world.clock.tick(days * DAY.total_seconds())
    world.instance = world.application.membership.beat()
    world.application.maintenance.sweep()


def test_nothing_is_older_than_an_age_before_it_counts() -> None:
    assert ended_before(DAY, now=NOW, counts_from=None) == NOW - DAY
    assert ended_before(DAY, now=NOW, counts_from=NOW - DAY) == NOW - DAY
    assert ended_before(DAY, now=NOW, counts_from=NOW - DAY / 2) is None
    assert ended_before(None, now=NOW, counts_from=None) is None


def test_each_message_is_kept_as_long_as_the_policy_says() -> None:
    world = World()
    world.account()
    sent = world.submit()
    world.run()
    cancelled = world.submit(send_at=at(3600))
    world.application.email_changes.cancel(cancelled)
    waiting = world.submit(send_at=at(29 * DAY.total_seconds()))

    def purged() -> list[bool]:
        views = [world.application.queries.email(n) for n in (sent, cancelled, waiting)]
        return [view.content_purged_at is not None for view in views]

    swept(world, days=0.9)
    assert purged() == [False, False, False]
    swept(world, days=0.2)
    assert purged() == [False, True, False]
    swept(world, days=5)
    assert purged() == [False, True, False]
    swept(world, days=1)
    assert purged() == [True, True, False]
    removed = [e.fields for e in world.heard.events if e.name == "content_removed"]
    assert removed == [{"emails": 1}, {"emails": 1}]
    world.clock.tick(23 * DAY.total_seconds())
    world.run()
    assert world.email(waiting).status is Status.SENT


def test_a_failed_email_can_be_retried_for_thirty_days_and_never_after() -> None:
    world = World()
    world.account()
    world.play(Rule("rcpt", "550 5.1.1 unknown user"))
    email_id = world.submit()
    world.run()
    swept(world, days=29.9)
    world.application.email_changes.retry(email_id)
    world.run()
    assert world.email(email_id).status is Status.FAILED

    swept(world, days=30.1)

    with pytest.raises(ContentPurged):
        world.application.email_changes.retry(email_id)
    with pytest.raises(ContentPurged):
        world.application.queries.message(email_id)
    assert world.email(email_id).status is Status.FAILED


def test_an_answer_to_an_email_without_its_message_begins_with_its_message_id() -> None:
    world = World()
    world.account()
    email_id = world.submit()
    world.run()
    swept(world, days=8)

    answer = world.submit(in_reply_to=email_id)

    octets = world.store.read(lambda tx: tx.emails.octets(answer))
    assert world.email(email_id).message_id.encode() in octets


def test_nothing_is_removed_where_the_policy_is_never() -> None:
    world = World(retention=RetentionPolicy(sent=None, cancelled=None, failed=None, rows=None))
    world.account()
    email_id = world.submit()
    world.run()

    swept(world, days=5000)

    assert list(world.application.queries.message(email_id)) != []


def test_only_the_first_of_the_processes_that_deliver_removes_anything() -> None:
    world = World()
    other = World(beside=world, pid=2)
    world.account()
    email_id = world.submit()
    world.run()
    world.clock.tick(8 * DAY.total_seconds())
    other.instance = other.application.membership.beat()
    assert (world.instance, other.instance) == (1, 2)

    other.application.maintenance.sweep()
    assert other.application.queries.email(email_id).content_purged_at is None
    world.application.maintenance.sweep()
    assert other.application.queries.email(email_id).content_purged_at is not None


class SlowStore(MemoryStore):
    """A commit takes as long as *seconds* says of what the work answered."""

    def __init__(self, clock: FakeClock, seconds: Callable[[Any], float]) -> None:
        super().__init__(clock=clock)
        self._ticks = clock
        self._seconds = seconds

    def write(self, work: Callable[[Transaction], Any]) -> Any:
        done = super().write(work)
        self._ticks.tick(self._seconds(done))
        return done


def test_slices_become_as_large_as_their_commits_stay_short() -> None:
    clock = FakeClock()
    slices = Slices(store=SlowStore(clock, lambda done: done * 0.0001), clock=clock)
    sizes = [slices.write(lambda tx: slices.size) for _ in range(50)]

    assert max(sizes[10:]) * 0.0001 <= SLOW_S * 1.3
    assert min(sizes[10:]) * 0.0001 >= SLOW_S / 4
    assert slices.longest < 0.05

    slow = Slices(store=SlowStore(clock, lambda done: 1.0), clock=clock)
    assert [slow.write(lambda tx: slow.size) for _ in range(9)][-1] == LEAST
    quick = Slices(store=SlowStore(clock, lambda done: 0), clock=clock)
    assert [quick.write(lambda tx: quick.size) for _ in range(50)][-1] == MOST


def test_one_run_takes_little_time_and_rests_a_hundred_times_as_long() -> None:
    clock = FakeClock()
    busy = False
    store = SlowStore(clock, lambda done: 0.01 if busy else 0)
    world = World(store=store, clock=clock)
    world.account()
    ids = [world.submit() for _ in range(300)]
    world.run()
    world.clock.tick(8 * DAY.total_seconds())
    world.application.membership.beat()

    def purged() -> int:
        views = [world.application.queries.email(n) for n in ids]
        return sum(view.content_purged_at is not None for view in views)

    retention = world.application.maintenance._retention
    retention._slices.size = 7
    busy = True
    begun = clock.monotonic()
    retention.run()
    took, first = clock.monotonic() - begun, purged()
    assert 0 < first < 300
    assert took <= retention_module.BUDGET_S + 0.02
    clock.tick(90 * took)
    retention.run()
    assert purged() == first
    clock.tick(30 * took)
    retention.run()
    assert purged() > first


def test_an_email_that_is_not_there_has_no_message() -> None:
    world = World()
    with pytest.raises(NotFound):
        world.application.queries.message(5)


def test_an_email_is_removed_after_four_hundred_days_and_the_audit_with_it() -> None:
    world = World()
    world.account()
    cancelled = world.submit(send_at=at(20 * DAY.total_seconds()))
    world.application.email_changes.cancel(cancelled)
    late = world.submit(send_at=at(20 * DAY.total_seconds()))
    sent = world.submit()
    world.run()

    swept(world, days=399)
    world.run()
    assert [world.email(n).status for n in (cancelled, sent)] == [Status.CANCELLED, Status.SENT]
    swept(world, days=2)

    for email_id in (cancelled, sent):
        with pytest.raises(NotFound):
            world.application.queries.email(email_id)
    assert world.email(late).status in (Status.SENT, Status.FAILED)
    assert world.store.read(lambda tx: tx.audit.latest(limit=9)) == []
    removed = [e.fields["emails"] for e in world.heard.events if e.name == "emails_removed"]
    assert sum(removed) == 2


def test_emails_are_removed_behind_those_that_ended_later_than_they_were_created() -> None:
    world = World()
    world.account()
    late = world.submit(send_at=at(29 * DAY.total_seconds()))
    many = [world.submit() for _ in range(120)]
    world.run()
    world.clock.tick(29 * DAY.total_seconds())
    world.run()
    assert world.email(late).status is Status.SENT

    swept(world, days=400 - 28.5)

    assert world.email(late).status is Status.SENT
    for email_id in many:
        with pytest.raises(NotFound):
            world.email(email_id)


def test_no_row_is_removed_where_the_policy_is_never() -> None:
    world = World(retention=RetentionPolicy(rows=None))
    world.account()
    email_id = world.submit()
    world.run()

    swept(world, days=5000)

    assert world.email(email_id).status is Status.SENT
