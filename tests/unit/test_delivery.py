"""Claim, hand off, settle: what the worker's use cases promise."""

from concurrent.futures import Future
from contextlib import contextmanager
from datetime import timedelta

import attrs
import pytest

from adapters.fakes.clock import FakeClock
from adapters.fakes.memory_store import MemoryStore
from adapters.fakes.sender import FakeSender, Fault, Rule, Script
from application.cluster.membership import LeasePolicy
from domain.account.account import AccountState, OnUnknown
from domain.account.congestion import CongestionPolicy
from domain.account.limits import Limits, LimitUnit, Window, WindowLengths
from domain.email.recipient import RecipientStatus
from domain.email.retry import RetryPolicy
from domain.email.status import Status
from domain.errors import StoreUnavailable
from domain.outcome.handoff import Stage
from tests.world import World

ONE_CONNECTION = Limits(daily=None, hourly=None, max_connections=1)


def used(world: World, account, window: Window = Window.HOUR) -> int:
    lengths = WindowLengths()
    return world.store.read(lambda tx: tx.ledger.used(account.id, lengths)).get(window, 0)


def attempts(world: World, email_id: int):
    return world.store.read(lambda tx: tx.attempts.of(email_id))


def test_an_email_is_handed_off_and_sent():
    world = World()
    account = world.account()
    email_id = world.submit("ada@example.org")

    world.run()

    email = world.email(email_id)
    assert (email.status, email.account_id, email.attempt_no) == (Status.SENT, account.id, 1)
    assert world.account_now(account).last_sent_at == world.clock.now()
    assert [a.result for a in attempts(world, email_id)] == ["sent"]


def test_the_from_line_of_the_account_stands_in_front_of_the_stored_message():
    world = World()
    world.account(display_name="The Sender")
    email_id = world.submit()

    world.run()

    stored = world.store.read(lambda tx: tx.emails.octets(email_id))
    [taken] = world.sender.accepted
    assert taken.octets == b"From: The Sender <sender@example.com>\r\n" + stored


def test_every_attempt_sends_the_same_octets():
    world = World()
    world.account()
    world.submit()
    world.play(Rule(Stage.DOT, Fault.ACCEPT_CLOSE, times=1))

    world.run()
    world.clock.tick(61)
    world.run()

    first, second = world.sender.accepted
    assert first.octets == second.octets


class SlowReads(MemoryStore):
    """Five seconds pass with each reading of messages."""

    def __init__(self, clock):
        super().__init__(clock=clock)
        self.tick = clock.tick

    def read_latest(self, work):
        self.tick(5)
        return super().read_latest(work)


def test_an_attempts_duration_is_measured_with_the_clock():
    clock = FakeClock()
    world = World(store=SlowReads(clock), clock=clock)
    world.account()
    email_id = world.submit()

    world.run()

    [attempt] = attempts(world, email_id)
    assert attempt.duration == timedelta(seconds=5)
    [told] = world.heard.named("email_sent")
    assert told.fields["duration_ms"] == 5000


def test_only_deferred_recipients_are_tried_again():
    world = World()
    world.account()
    email_id = world.submit("a@example.org", "b@example.org", "c@example.org")
    world.play(
        Rule(Stage.RCPT, "450 4.2.0 later", recipient="b@example.org", times=1),
        Rule(Stage.RCPT, "550 5.1.1 who", recipient="c@example.org"),
    )

    world.run()
    assert world.email(email_id).status is Status.RETRY
    world.clock.tick(61)
    world.run()

    email = world.email(email_id)
    assert world.sent_subjects() == ["a@example.org", "b@example.org"]
    assert [r.status for r in email.recipients] == [
        RecipientStatus.ACCEPTED,
        RecipientStatus.ACCEPTED,
        RecipientStatus.REJECTED,
    ]
    assert email.partial


def test_refused_credentials_pause_the_account_and_charge_nothing():
    world = World()
    account = world.account(limits=Limits(hourly=5, max_connections=1))
    ids = [world.submit() for _ in range(3)]
    world.play(Rule(Stage.AUTH, "535 5.7.8 no"))

    world.run()

    assert world.sender.attempts == 1
    assert {world.email(i).status for i in ids} == {Status.QUEUED}
    assert {world.email(i).retry_count for i in ids} == {0}
    assert used(world, account) == 0
    now = world.clock.now()
    assert world.account_now(account).state(now) is AccountState.PAUSED


def test_a_paused_account_is_probed_every_hour_and_resumes_when_it_can_log_in():
    world = World()
    account = world.account()
    email_id = world.submit()
    world.play(Rule(Stage.AUTH, "535 5.7.8 no"))
    world.run()

    world.clock.tick(3600)
    world.application.maintenance.sweep()
    assert world.account_now(account).state(world.clock.now()) is AccountState.PAUSED

    world.play()
    world.clock.tick(3600)
    world.application.maintenance.sweep()
    world.run()

    assert world.email(email_id).status is Status.SENT


def test_new_credentials_resume_a_paused_account():
    world = World()
    account = world.account()
    email_id = world.submit()
    world.play(Rule(Stage.AUTH, "535 5.7.8 no"))
    world.run()

    world.play()
    world.application.account_service.update(account.id, {"password": "right"})
    world.run()

    assert world.email(email_id).status is Status.SENT


def test_a_result_of_an_old_configuration_does_not_pause_the_new_one():
    world = World()
    account = world.account()
    world.submit()
    [batch] = world.claim()
    world.application.account_service.update(account.id, {"password": "right"})
    world.play(Rule(Stage.AUTH, "535 5.7.8 no"))

    world.deliver(batch)

    assert world.account_now(account).state(world.clock.now()) is AccountState.OPEN


def test_a_gone_server_opens_the_breaker_and_a_login_then_one_email_probe_it():
    world = World(congestion=CongestionPolicy(jitter=0))
    account = world.account(limits=ONE_CONNECTION)
    ids = [world.submit() for _ in range(5)]
    world.play(Rule(Stage.BANNER, Fault.CLOSE))

    world.run()
    assert world.sender.attempts == 1
    world.clock.tick(5)
    [probe] = world.claim(places=10)
    assert probe.emails == ()
    world.play()
    world.deliver(probe)
    [batch] = world.claim(places=10)
    assert len(batch.emails) == 1
    world.deliver(batch)
    world.run()

    assert {world.email(i).status for i in ids} == {Status.SENT}
    assert world.account_now(account).health.untroubled


def test_the_limit_is_reserved_at_the_claim_and_charged_at_completion():
    world = World()
    account = world.account(limits=Limits(hourly=2, daily=None))
    for _ in range(3):
        world.submit()

    batches = world.claim(places=10)
    assert sum(len(batch.emails) for batch in batches) == 2
    assert used(world, account) == 2
    world.clock.tick(600)
    world.deliver(*batches)
    assert not world.claim()

    world.clock.tick(3599)
    assert not world.claim(), "charged from completion, not from the claim"
    world.clock.tick(3)
    assert world.claim()


def test_a_refused_email_frees_its_reservation():
    world = World()
    account = world.account(limits=Limits(hourly=1, daily=None))
    world.submit()
    world.play(Rule(Stage.RCPT, "550 5.1.1 who"))

    world.run()

    assert used(world, account) == 0


def test_an_unknown_outcome_is_charged():
    world = World()
    account = world.account(limits=Limits(hourly=5, daily=None))
    world.submit()
    world.play(Rule(Stage.DOT, Fault.ACCEPT_HANG, times=1))

    world.run()

    assert used(world, account) == 1


def test_recipients_are_counted_if_the_accounts_limit_counts_recipients():
    world = World()
    account = world.account(limits=Limits(hourly=3, daily=None, unit=LimitUnit.RECIPIENTS))
    world.submit("a@example.org", "b@example.org")
    world.submit("c@example.org", "d@example.org")

    world.run()

    assert used(world, account) == 2
    assert len(world.sender.accepted) == 1


def test_a_limit_changed_by_its_owner_holds_from_the_next_claim():
    world = World()
    account = world.account(limits=Limits(hourly=1, daily=None))
    for _ in range(3):
        world.submit()
    world.run()
    assert len(world.sender.accepted) == 1

    world.application.account_service.update(account.id, {"hourly": 2})
    world.run()

    assert len(world.sender.accepted) == 2


def test_a_full_account_does_not_delay_another_one():
    world = World()
    full = world.account("full", limits=Limits(hourly=1, daily=None))
    world.account("free")
    for _ in range(5):
        world.submit(account_id=full.id)
    other = world.submit(account_id=2)

    world.run()

    assert world.email(other).status is Status.SENT


def test_unpinned_mail_goes_to_the_account_with_the_most_room():
    world = World()
    world.account("small", limits=Limits(hourly=5, daily=None))
    large = world.account("large", limits=Limits(hourly=50, daily=None))
    email_id = world.submit()

    world.run()

    assert world.email(email_id).account_id == large.id


def test_unpinned_mail_moves_to_an_account_that_can_send():
    world = World()
    broken = world.account("broken", limits=Limits(hourly=500, daily=None))
    well = world.account("well", limits=Limits(hourly=5, daily=None))
    email_id = world.submit()
    world.play(Rule(Stage.AUTH, "535 5.7.8 no"), account_id=broken.id)

    world.run()

    email = world.email(email_id)
    assert (email.status, email.account_id) == (Status.SENT, well.id)
    assert [a.account_name for a in attempts(world, email_id)] == ["broken", "well"]


@pytest.mark.parametrize(
    "rule",
    [
        Rule(Stage.DOT, Fault.ACCEPT_HANG, times=1),
        Rule(Stage.RCPT, "450 4.2.0 later", recipient="b@example.org", times=1),
    ],
)
def test_mail_stays_with_its_account_after_a_final_dot(rule):
    world = World()
    first = world.account("first", limits=Limits(hourly=500, daily=None))
    world.account("second", limits=Limits(hourly=5, daily=None))
    email_id = world.submit("a@example.org", "b@example.org")
    world.play(rule, account_id=first.id)
    world.run()
    world.application.account_service.pause(first.id)
    world.clock.tick(3600)

    world.run()
    assert world.email(email_id).status is Status.RETRY
    world.application.account_service.resume(first.id)
    world.run()

    one, other = world.sender.accepted
    assert one.octets == other.octets


def test_pinned_mail_waits_for_its_account():
    world = World()
    inactive = world.account("inactive", active=False)
    world.account("active")
    email_id = world.submit(account_id=inactive.id)

    world.run()
    assert world.email(email_id).status is Status.QUEUED

    world.application.account_service.update(inactive.id, {"active": True})
    world.run()
    assert world.email(email_id).status is Status.SENT


def test_the_most_urgent_goes_first():
    world = World(fairness_every=0)
    world.account()
    for priority in (5, 3, 1, 4, 2):
        world.submit(f"p{priority}@example.org", priority=priority)

    world.run()

    assert world.sent_subjects() == [f"p{priority}@example.org" for priority in (1, 2, 3, 4, 5)]


def test_one_place_in_ten_goes_to_the_longest_due():
    world = World()
    world.account()
    world.submit("old@example.org", priority=5)
    world.clock.tick(1)
    for n in range(30):
        world.submit(f"p{n}@example.org", priority=1)

    world.run()

    assert world.sent_subjects().index("old@example.org") <= 10


def test_no_process_holds_more_connections_than_the_account_allows():
    world = World()
    account = world.account(limits=Limits(daily=None, hourly=None, max_connections=3))
    for _ in range(50):
        world.submit()

    batches = world.claim(places=10)

    assert [batch.account.id for batch in batches] == [account.id] * 3
    assert not world.claim(places=10)


def test_every_account_gets_a_connection_before_any_gets_two():
    world = World()
    for name in "abc":
        account = world.account(name)
        for _ in range(9):
            world.submit(account_id=account.id)

    batches = world.claim(places=4)

    assert {batch.account.name for batch in batches} == {"a", "b", "c"}


def test_a_stale_holder_sends_nothing():
    world = World()
    world.account()
    email_id = world.submit()
    [batch] = world.claim()
    world.application.delivery.recover(world.instance)

    world.deliver(batch)

    assert not world.sender.accepted
    assert world.heard.named("attempt_lost")
    assert world.email(email_id).status is Status.QUEUED


def test_a_crash_before_the_mark_is_not_charged():
    world = World()
    account = world.account(limits=Limits(hourly=5, daily=None))
    email_id = world.submit()
    world.claim()

    world.application.delivery.recover(world.instance)

    email = world.email(email_id)
    assert (email.status, email.retry_count, used(world, account)) == (Status.QUEUED, 0, 0)
    assert not email.possibly_delivered


def mark(world: World, email_id: int) -> None:
    email = world.email(email_id)
    assert world.store.write(
        lambda tx: tx.emails.mark_committing(
            [(email_id, email.attempt_no)], instance=world.instance
        )
    )


def test_a_crash_after_the_mark_is_unknown_and_charged():
    world = World()
    account = world.account(limits=Limits(hourly=5, daily=None))
    email_id = world.submit()
    world.claim()
    mark(world, email_id)

    world.application.delivery.recover(world.instance)

    email = world.email(email_id)
    assert (email.status, email.possibly_delivered) == (Status.RETRY, True)
    assert used(world, account) == 1


@pytest.mark.parametrize("hold", ["account", "email"])
def test_the_policy_hold_leaves_an_unknown_outcome_to_a_person(hold):
    world = World()
    world.account(on_unknown=OnUnknown.HOLD if hold == "account" else None)
    email_id = world.submit(at_most_once=hold == "email")
    world.play(Rule(Stage.DOT, Fault.ACCEPT_HANG))

    world.run()
    world.clock.tick(10**5)
    world.run()

    assert len(world.sender.accepted) == 1
    assert world.email(email_id).reason_code == "outcome_unknown"

    world.application.email_changes.resolve(email_id, as_sent=True)
    assert world.email(email_id).status is Status.SENT


def test_at_most_two_copies_of_an_email_whose_server_never_answers():
    world = World()
    world.account()
    email_id = world.submit()
    world.play(Rule(Stage.DOT, Fault.ACCEPT_HANG))

    for _ in range(10):
        world.run()
        world.clock.tick(10**4)

    assert len(world.sender.accepted) == 2
    assert world.email(email_id).status is Status.FAILED


def test_a_result_that_comes_late_prevents_the_second_copy():
    world = World()
    world.account()
    email_id = world.submit()
    [batch] = world.claim()

    def recovered_meanwhile(*args, **kwargs):
        handoff = send(*args, **kwargs)
        world.application.delivery.recover(world.instance)
        return handoff

    send = world.sender.send
    world.sender.send = recovered_meanwhile
    world.deliver(batch)
    world.clock.tick(10**4)
    world.run()

    assert len(world.sender.accepted) == 1
    assert world.email(email_id).status is Status.SENT


def test_a_dead_process_is_recognised_by_its_lock():
    world = World()
    world.account()
    email_id = world.submit()
    world.claim()
    other = World(beside=world, pid=2)

    other.application.maintenance.recover()
    assert world.email(email_id).status is Status.SENDING
    world.locks.die()
    other.application.maintenance.recover()
    other.run()

    assert world.email(email_id).status is Status.SENT


def test_a_silent_process_keeps_its_emails_for_one_lease_of_the_monotonic_clock():
    world = World(lease=LeasePolicy(lease=timedelta(seconds=60)))
    world.account(limits=Limits(daily=None, hourly=None, max_connections=1))
    email_id = world.submit()
    world.claim()
    other = World(beside=world, pid=2)

    other.application.maintenance.recover()
    world.clock.step(10**6)
    other.application.maintenance.recover()
    assert world.email(email_id).status is Status.SENDING, "a stepped clock expires nothing"

    world.clock.tick(59)
    other.application.maintenance.recover()
    assert world.email(email_id).status is Status.SENDING
    world.clock.tick(1)
    other.application.maintenance.recover()

    assert world.email(email_id).status is Status.QUEUED


def test_a_process_that_beats_keeps_its_emails():
    world = World()
    world.account()
    email_id = world.submit()
    other = World(beside=world, pid=2)
    [batch] = [*world.claim(), *other.claim()]
    holder, watcher = (world, other) if batch.instance == world.instance else (other, world)

    for _ in range(20):
        holder.application.membership.beat()
        watcher.application.maintenance.recover()
        world.clock.tick(15)

    assert world.email(email_id).status is Status.SENDING


def test_a_process_that_was_declared_dead_joins_as_a_new_instance():
    world = World()
    other = World(beside=world, pid=2)
    other.locks.die()
    world.application.maintenance.recover()
    world.clock.tick(20)

    assert other.application.membership.beat() not in (other.instance, world.instance)


def test_the_connections_of_an_account_are_shared_by_the_processes():
    world = World()
    other = World(beside=world, pid=2)
    account = world.account(limits=Limits(daily=None, hourly=None, max_connections=5))
    for _ in range(100):
        world.submit(account_id=account.id)

    claimed = [len(world.claim(places=10)), len(other.claim(places=10))]

    assert sum(claimed) == 5


def test_an_email_past_its_lifetime_fails_with_a_reason():
    world = World(retry=RetryPolicy(max_age=timedelta(hours=72)))
    world.account(active=False)
    email_id = world.submit()

    world.clock.tick(72 * 3600 - 1)
    world.application.maintenance.sweep()
    assert world.email(email_id).status is Status.QUEUED
    world.clock.tick(2)
    world.application.maintenance.sweep()

    email = world.email(email_id)
    assert (email.status, email.reason_code) == (Status.FAILED, "expired")


def test_scheduled_mail_is_not_handed_off_before_its_time():
    world = World()
    world.account()
    email_id = world.submit(send_at=world.clock.now() + timedelta(minutes=5))
    world.run()
    assert world.email(email_id).status is Status.SCHEDULED
    assert world.application.delivery.due(world.instance) == world.email(email_id).eligible_at

    world.clock.tick(300)
    world.run()

    assert world.email(email_id).status is Status.SENT


def test_shutdown_puts_back_emails_that_were_not_begun():
    world = World()
    world.account()
    ids = [world.submit() for _ in range(2)]
    batches = world.claim(places=10)

    for batch in batches:
        world.application.delivery.deliver(batch, stopping=lambda: True)

    assert {world.email(i).status for i in ids} == {Status.QUEUED}
    assert not world.sender.accepted


def test_a_worker_that_ended_leaves_its_emails_to_others():
    world = World()
    world.account()
    email_id = world.submit()
    [batch] = world.claim()

    assert world.application.delivery.abandon(batch) is False

    assert world.email(email_id).status is Status.QUEUED
    assert len(world.claim()) == 1


def test_nothing_is_claimed_while_the_disk_is_low():
    world = World()
    world.account()
    world.submit()
    world.headroom.on = False

    assert not world.claim()


def test_a_result_is_written_when_the_store_comes_back():
    world = World()
    world.account()
    email_id = world.submit()
    [batch] = world.claim()
    store = world.store
    post = store.post
    posted = []

    def only_the_mark(work):
        posted.append(work)
        if len(posted) > 1:
            raise StoreUnavailable("the disk is gone")
        return post(work)

    store.post = only_the_mark
    world.deliver(batch)
    assert world.email(email_id).status is Status.SENDING
    assert not world.application.delivery.flush(timeout=0)

    store.post = post
    world.application.delivery.retry_writes()

    assert world.email(email_id).status is Status.SENT
    assert world.application.delivery.flush(timeout=0)
    assert len(world.sender.accepted) == 1


def test_a_bug_in_one_email_is_charged_to_it_and_the_rest_goes_on():
    world = World()
    world.account()
    bad, good = world.submit("bad@example.org"), world.submit("good@example.org")
    send = world.sender.send

    def buggy(account, envelope, *args, **kwargs):
        if "bad" in str(envelope.recipients[0]):
            raise RuntimeError("a bug")
        return send(account, envelope, *args, **kwargs)

    world.sender.send = buggy
    world.run()

    assert (world.email(bad).status, world.email(bad).retry_count) == (Status.RETRY, 1)
    assert world.email(good).status is Status.SENT
    assert world.heard.named("delivery_bug")


def test_two_claims_in_one_commit_take_no_more_connections_than_there_are():
    world = World()
    world.account(limits=ONE_CONNECTION)
    for _ in range(4):
        world.submit()
    write = world.store.write
    other: list[object] = []

    def then_another(work):
        answer = write(work)
        world.store.write = write
        other.extend(world.claim())  # before the first caller hears of its commit
        return answer

    world.store.write = then_another

    assert len(world.claim()) == 1
    assert other == []


@contextmanager
def answers_lost(store):
    """What is written is committed, and no caller learns of it."""
    write = store.write

    def lost(work):
        write(work)
        raise StoreUnavailable("the line was cut during the commit")

    store.write = lost
    yield
    store.write = write


def test_a_claim_that_does_not_commit_gives_its_connection_back():
    world = World()
    world.account(limits=ONE_CONNECTION)
    world.submit()
    with answers_lost(world.store), pytest.raises(StoreUnavailable):
        world.claim()
    world.application.delivery.recover(world.instance)

    assert len(world.claim()) == 1


def test_a_claim_that_was_written_although_its_answer_was_lost_goes_back_uncharged():
    world = World()
    account = world.account(limits=Limits(daily=None, hourly=9))
    email_id = world.submit()
    with answers_lost(world.store), pytest.raises(StoreUnavailable):
        world.claim()

    email = world.email(email_id)
    assert (email.status, email.instance, email.retry_count) == (Status.QUEUED, None, 0)
    assert used(world, account) == 0
    world.run()
    assert world.email(email_id).status is Status.SENT


def test_a_claim_that_failed_takes_no_room_from_the_next_one():
    world = World()
    world.account(limits=ONE_CONNECTION)
    email_id = world.submit()
    write, post = world.store.write, world.store.post
    posted = []

    def undone(work):
        def work_and_fail(tx):
            work(tx)
            raise StoreUnavailable("the line was cut before the commit")

        return write(work_and_fail)

    world.store.write, world.store.post = undone, lambda work: posted.append(work) or Future()
    with pytest.raises(StoreUnavailable):
        world.claim()
    world.store.write, world.store.post = write, post
    world.clock.tick(0.000001)
    [batch] = world.claim()
    [put_back] = posted
    world.store.write(put_back)

    assert world.email(email_id) == batch.emails[0]
    world.deliver(batch)
    assert world.email(email_id).status is Status.SENT


@pytest.mark.parametrize("places", [1, 2, 5])
def test_the_longest_due_get_one_place_in_ten_however_many_connections_claim(places):
    world = World()
    world.account(limits=Limits(daily=None, hourly=None, max_connections=places))
    world.application.delivery.scheduler.sizes.record_latency(1, 1.0, of_server=1.0)
    for n in range(20):
        world.submit(f"old{n}@example.org", priority=5)
    world.clock.tick(1)
    for n in range(100):
        world.submit(f"new{n}@example.org", priority=1)

    while len(world.sender.accepted) < 100:
        for _ in range(40):  # so slow a server that emails are claimed one by one
            world.application.delivery.scheduler.sizes.record_latency(1, 1.0, of_server=1.0)
        world.deliver(*world.claim(places=places))

    old = [subject for subject in world.sent_subjects()[:100] if subject.startswith("old")]
    assert len(old) == 10


def test_at_a_full_limit_the_longest_due_get_no_more_than_one_place_in_ten():
    world = World()
    world.account(limits=Limits(hourly=1, daily=None))
    for n in range(50):
        world.submit(f"old{n}@example.org", priority=5)
    world.clock.tick(1)
    for n in range(50):
        world.submit(f"new{n}@example.org", priority=1)

    for _ in range(40):
        world.run()
        world.clock.tick(3602)

    old = [subject for subject in world.sent_subjects() if subject.startswith("old")]
    assert len(world.sent_subjects()) == 40
    assert len(old) == 4


def test_a_clock_set_forward_ends_nothing_that_waits():
    world = World()
    world.account(active=False)
    email_id = world.submit()

    world.clock.step(30 * 24 * 3600)
    world.application.maintenance.sweep()
    world.application.account_service.update(1, {"active": True})
    world.run()

    assert world.email(email_id).status is Status.SENT


# -- announcing ------------------------------------------------------------------------------------


class Refusing(FakeSender):
    """Its servers break on what is announced: at the final dot with *answer*, or before it."""

    def send(self, account, envelope, octets, *, before_dot, **then):
        handoff = super().send(account, envelope, octets, before_dot=before_dot, **then)
        return attrs.evolve(handoff, announcement_refused=account.announce_next)


@pytest.mark.parametrize(
    "rules",
    [
        (),
        (Rule(Stage.DOT, Fault.CLOSE, times=1),),
        (Rule(Stage.DOT, "503 5.5.1 out of sequence", times=1),),
    ],
)
def test_a_server_that_breaks_on_an_announced_envelope_gets_no_more_of_them(rules):
    world = World(sender=Refusing(Script(rules)))
    account = world.account(announce_next=True)
    email_id = world.submit()

    world.run()
    world.clock.tick(61)
    world.run()

    now = world.account_now(account)
    assert (now.announce_next, now.state(world.clock.now())) == (False, AccountState.OPEN)
    assert (now.health.breaker.failures, now.health.streaks) == (0, ())
    assert world.email(email_id).status is Status.SENT
    assert len(world.heard.named("announcing_stopped")) == 1


def test_an_email_refused_because_of_an_announcement_is_sent_again_uncharged():
    rule = Rule(Stage.DOT, "503 5.5.1 out of sequence", times=1)
    world = World(sender=Refusing(Script((rule,))))
    account = world.account(announce_next=True)
    email_id = world.submit()

    world.run()
    world.run()

    email = world.email(email_id)
    assert (email.status, email.retry_count, used(world, account)) == (Status.SENT, 0, 1)


def test_a_change_of_the_account_during_the_handoff_prevents_the_pause():
    world = World(sender=Refusing())
    account = world.account(announce_next=True)
    world.submit()
    [batch] = world.application.delivery.claim(world.instance, places=1)
    now = world.account_now(account)
    newer = now.changed(now=world.clock.now(), host="other.example.com")
    world.store.write(lambda tx: tx.accounts.save(newer))

    world.application.delivery.deliver(batch, stopping=lambda: False)

    assert world.account_now(account).announce_next
