"""A connection continues with its account's mail for a turn, and delays no other account."""

from concurrent.futures import Future

import attrs
import pytest

from adapters.fakes.clock import FakeClock
from adapters.fakes.memory_store import MemoryStore
from adapters.fakes.sender import Rule
from application.cluster.connection_share import share
from application.delivery import TURN_SECONDS, Batch
from application.delivery.batch_size import A_FEW_SECONDS
from domain.account.limits import Limits
from domain.email.status import Status
from domain.errors import StoreUnavailable
from domain.outcome.handoff import Stage
from tests.world import World

ONE_CONNECTION = Limits(daily=None, hourly=None, max_connections=1)


@attrs.define
class Worker:
    """Delivers a batch as a dispatcher's thread does, and records what it was asked to hold."""

    world: World
    held: list[Batch] = attrs.field(factory=list)
    stopping: bool = False
    others_wait: bool = True

    def deliver(self, batch: Batch) -> None:
        self.world.application.delivery.deliver(
            batch,
            stopping=lambda: self.stopping,
            on_claimed=self.held.append,
            should_yield=lambda: self.others_wait,
        )


def a_batch(world: World, emails: int = 5, **changes: object) -> Batch:
    """One email is claimed, the others wait."""
    world.account(limits=changes.pop("limits", ONE_CONNECTION))
    for _ in range(emails):
        world.submit()
    [batch] = world.claim()
    assert len(batch.emails) == 1
    return batch


def statuses(world: World, emails: int = 5) -> list[Status]:
    return [world.email(number).status for number in range(1, emails + 1)]


def test_a_connection_continues_with_mail_of_its_account():
    world = World()
    Worker(world).deliver(a_batch(world))
    assert statuses(world) == [Status.SENT] * 5


def test_without_a_claim_listener_the_turn_ends_with_the_batch():
    world = World()
    world.deliver(a_batch(world))
    assert statuses(world) == [Status.SENT, *[Status.QUEUED] * 4]


def test_claimed_emails_are_reported_together_with_the_email_in_flight():
    world = World()
    worker = Worker(world)
    batch = a_batch(world)
    worker.deliver(batch)
    told = [email.id for email in worker.held[0].emails]
    assert told[0] == batch.emails[0].id
    assert sorted({email.id for held in worker.held for email in held.emails}) == [1, 2, 3, 4, 5]


def so_slow(world: World, seconds: float) -> None:
    """Each email takes so long from now on."""
    send = world.sender.send

    def slow(*args, **kwargs):
        world.clock.tick(seconds)
        return send(*args, **kwargs)

    world.sender.send = slow


def test_after_its_turn_a_connection_yields_to_other_accounts():
    world = World()
    batch = a_batch(world)
    so_slow(world, TURN_SECONDS / 1.5)  # one is claimed at a time
    Worker(world).deliver(batch)
    assert statuses(world).count(Status.SENT) == 3, "two claims within the turn, none after it"
    assert world.claim(), "its connection is free again"


def test_a_turn_does_not_end_while_no_other_account_waits():
    world = World()
    batch = a_batch(world)
    so_slow(world, TURN_SECONDS / 2)
    Worker(world, others_wait=False).deliver(batch)
    assert statuses(world) == [Status.SENT] * 5


def test_an_urgent_email_that_comes_meanwhile_is_the_next_one():
    world = World()
    batch = a_batch(world)
    send = world.sender.send
    urgent = []

    def meanwhile(*args, **kwargs):
        world.clock.tick(A_FEW_SECONDS / 1.5)  # so long an email takes: one is claimed at a time
        if not urgent:
            urgent.append(world.submit("urgent@example.org", priority=1))
        return send(*args, **kwargs)

    world.sender.send = meanwhile
    Worker(world, others_wait=False).deliver(batch)
    assert world.sent_subjects().index("urgent@example.org") <= 2


def test_limits_hold_for_emails_claimed_during_a_turn():
    world = World()
    batch = a_batch(world, limits=Limits(hourly=3, daily=None, max_connections=1))
    Worker(world).deliver(batch)
    assert statuses(world).count(Status.SENT) == 3
    assert len(world.sender.accepted) == 3


@pytest.mark.parametrize("field", ["password", "active"])
def test_after_a_change_of_the_account_the_old_connection_claims_no_more(field):
    world = World()
    batch = a_batch(world)
    change = {"password": "another"} if field == "password" else {"active": False}
    world.application.account_service.update(batch.account.id, change)
    Worker(world).deliver(batch)
    assert statuses(world) == [Status.SENT, *[Status.QUEUED] * 4]


def test_emails_claimed_during_a_turn_go_back_uncharged_when_the_account_is_paused():
    world = World()
    batch = a_batch(world)
    world.play(Rule(Stage.AUTH, "535 5.7.8 no", times=1))
    Worker(world).deliver(batch)
    assert Status.SENDING not in statuses(world)
    assert [world.email(number).retry_count for number in range(1, 6)] == [0] * 5
    assert not world.sender.accepted


def test_while_the_disk_is_low_nothing_more_is_claimed():
    world = World()
    batch = a_batch(world)
    world.headroom.on = False
    Worker(world).deliver(batch)
    assert statuses(world) == [Status.SENT, *[Status.QUEUED] * 4]


def test_a_stop_puts_back_emails_claimed_during_the_turn():
    world = World()
    batch = a_batch(world)
    worker = Worker(world)
    send = world.sender.send

    def stopped(*args, **kwargs):
        worker.stopping = True
        return send(*args, **kwargs)

    world.sender.send = stopped
    worker.deliver(batch)
    assert statuses(world) == [Status.SENT, *[Status.QUEUED] * 4]
    assert len(world.sender.accepted) == 1


def test_after_a_bug_every_claimed_email_has_been_reported():
    world = World()
    batch = a_batch(world)
    worker = Worker(world)

    def bug(*args, **kwargs):
        raise SystemExit  # not even an Exception: the thread is gone

    world.sender.send = bug
    with pytest.raises(SystemExit):
        worker.deliver(batch)
    world.application.delivery.abandon(worker.held[-1])
    assert Status.SENDING not in statuses(world)


def test_without_a_store_the_turn_ends_without_an_error():
    world = World()
    batch = a_batch(world)
    post, calls = world.store.post, []

    def away(work):
        calls.append(work)
        if len(calls) == 1:
            raise StoreUnavailable("away")
        return post(work)

    world.store.post = away
    Worker(world).deliver(batch)
    assert statuses(world) == [Status.SENT, *[Status.QUEUED] * 4]


def test_a_connection_that_belongs_to_another_process_now_is_given_up():
    world = World()
    batch = a_batch(world)
    while share(1, 1, instance=world.instance, members=members(world)):
        World(beside=world)  # one more process, until it is not ours
    Worker(world).deliver(batch)
    assert statuses(world) == [Status.SENT, *[Status.QUEUED] * 4]


def members(world: World) -> list[int]:
    return list(world.store.read(lambda tx: tx.instances.beats()))


def test_a_claim_whose_commit_is_unknown_is_released_by_itself():
    world = World()
    batch = a_batch(world)
    post, calls = world.store.post, []

    def answer_lost(work):
        calls.append(work)
        future = post(work)
        if len(calls) == 1:
            future = Future()
            future.set_exception(StoreUnavailable("the line was lost with the answer"))
        return future

    world.store.post = answer_lost
    Worker(world).deliver(batch)
    assert statuses(world) == [Status.SENT, *[Status.QUEUED] * 4]
    assert world.claim(), "its connection is free again"


class SlowStore:
    """A store in memory that takes *seconds* for what is posted to it."""

    def __init__(self, clock: FakeClock) -> None:
        self.store = MemoryStore(clock=clock)
        self.seconds = 0.0
        self.tick = clock.tick

    def post(self, work):
        self.tick(self.seconds)
        return self.store.post(work)

    def __getattr__(self, name):
        return getattr(self.store, name)


def a_long_batch(world: World, emails: int = 5, *, max_connections: int = 1) -> Batch:
    """Claimed together, as those of a server whose speed is known are."""
    world.account(limits=attrs.evolve(ONE_CONNECTION, max_connections=max_connections))
    world.submit()
    world.run()
    for _ in range(emails):
        world.submit()
    batch = world.claim()[0]
    assert len(batch.emails) == emails
    return batch


def test_a_long_turn_is_not_mistaken_for_a_slow_server():
    clock = FakeClock()
    store = SlowStore(clock)
    world = World(store=store, clock=clock)
    batch = a_long_batch(world, max_connections=2)
    for _ in range(60):
        world.submit()
    began = clock.monotonic()
    store.seconds = 0.02

    Worker(world, others_wait=False).deliver(batch)

    assert clock.monotonic() - began > 1.0  # longer than one batch may take
    assert statuses(world, emails=66) == [Status.SENT] * 66
    assert {world.email(number).attempt_no for number in range(1, 67)} == {1}  # none was put back


# -- behind a server that hangs ---------------------------------------------------------------


def hanging(world: World, seconds: float, *, meanwhile) -> None:
    """The next dialogue lasts so long; *meanwhile* is called when they are over."""
    send = world.sender.send

    def hangs(*args, **kwargs):
        world.sender.send = send
        world.clock.tick(seconds)
        meanwhile()
        return send(*args, **kwargs)

    world.sender.send = hangs


@pytest.mark.parametrize(
    ("connections", "seconds", "dealt_out"),
    [(2, 0.9, False), (2, 1.1, True), (1, 9.9, False), (1, 10.1, True)],
)
def test_what_waits_behind_a_dialogue_that_hangs_is_given_to_others(
    connections, seconds, dealt_out
):
    world = World()
    batch = a_long_batch(world, max_connections=connections)
    waiting = []

    def look():
        world.application.delivery.deal_out()
        waiting.extend(n for n in range(2, 7) if world.email(n).status is Status.QUEUED)

    hanging(world, seconds, meanwhile=look)
    world.deliver(batch)

    assert waiting == ([3, 4, 5, 6] if dealt_out else [])
    world.run()
    assert statuses(world, emails=6) == [Status.SENT] * 6
    assert len(world.sender.accepted) == 6
    assert len(world.store.read(lambda tx: tx.attempts.of(6))) == 1, "it was not tried before"


def test_another_connection_hands_off_what_waited_while_the_first_hangs():
    world = World()
    batch = a_long_batch(world, max_connections=2)
    sent = []

    def look():
        world.application.delivery.deal_out()
        for other in world.claim():
            world.deliver(other)
        sent.extend(n for n in range(2, 7) if world.email(n).status is Status.SENT)

    hanging(world, 1.1, meanwhile=look)
    world.deliver(batch)

    assert sent == [3, 4, 5, 6]
    assert world.email(2).status is Status.SENT
    assert len(world.sender.accepted) == 6


def test_what_was_claimed_during_a_dialogue_that_hangs_is_given_to_others():
    world = World()
    batch = a_batch(world, emails=3, limits=attrs.evolve(ONE_CONNECTION, max_connections=2))
    waiting = []

    def look():
        world.application.delivery.deal_out()
        waiting.extend(n for n in (2, 3) if world.email(n).status is Status.QUEUED)

    hanging(world, 1.1, meanwhile=look)
    Worker(world).deliver(batch)

    assert waiting == [2, 3]
    world.run()
    assert statuses(world, emails=3) == [Status.SENT] * 3
