"""No email, reply or recipient can delay mail that could be sent."""

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta

import pytest

from adapters.fakes.clock import FakeClock
from adapters.fakes.sender import Fault, Rule
from application.delivery import Batch
from domain.account.account import AccountState
from domain.account.congestion import CongestionPolicy
from domain.account.limits import Limits
from domain.email.recipient import RecipientStatus, rejected
from domain.email.retry import RetryPolicy
from domain.email.settlement import POISON_CRASHES
from domain.email.status import Status
from domain.errors import NotAccepting
from domain.outcome.handoff import Problem, Stage
from tests.world import World

BAD = "bad@example.org"
ONE_CONNECTION = Limits(daily=None, hourly=None, max_connections=1)


def run_for(world: World, seconds: int, step: float = 1) -> None:
    """Deliver whatever is due, over and over, while time passes."""
    for _ in range(int(seconds / step)):
        world.run()
        world.clock.tick(step)


def batches_of(world: World) -> list[list[int]]:
    return [[email.id for email in batch.emails] for batch in world.claim(places=9)]


def state(world: World, account) -> AccountState:
    return world.account_now(account).state(world.clock.now())


# -- the second witness --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "rule",
    [
        Rule(Stage.RCPT, "421 4.3.2 busy", recipient=BAD),
        Rule(Stage.RCPT, Fault.CLOSE, recipient=BAD),
        Rule(Stage.RCPT, Fault.HANG, recipient=BAD),
        Rule(Stage.RCPT, Fault.GARBAGE, recipient=BAD),
        Rule(Stage.DATA, "451 4.3.0 queue file write error", recipient=BAD),
        Rule(Stage.DATA, Fault.CLOSE, recipient=BAD),
        Rule(Stage.DOT, "421 4.3.2 busy", recipient=BAD),
        Rule(Stage.BODY, "421 4.3.2 busy", recipient=BAD),
        Rule(Stage.RCPT, "454 4.7.0 Throttling failure", recipient=BAD),
    ],
)
def test_one_bad_recipient_delays_no_other_and_backs_off_alone(rule):
    world = World(congestion=CongestionPolicy(jitter=0))
    account = world.account(limits=ONE_CONNECTION)
    bad = world.submit(BAD)
    others = [world.submit(f"r{n}@example.org") for n in range(100)]
    world.play(rule)

    run_for(world, 2)

    assert {world.email(n).status for n in others} == {Status.SENT}
    assert state(world, account) is AccountState.OPEN
    assert world.email(bad).eligible_at > world.clock.now()


def test_a_bad_recipient_is_charged_at_the_third_time_and_fails_in_the_end():
    world = World(retry=RetryPolicy(max_retries=2, jitter=0))
    world.account(limits=ONE_CONNECTION)
    bad = world.submit(BAD)
    world.play(Rule(Stage.RCPT, "421 4.3.2 busy", recipient=BAD))
    waits = []
    for n in range(9):
        world.submit(f"r{n}@example.org")
        world.run()
        email = world.email(bad)
        if email.status is Status.FAILED:
            break
        waits.append(((email.eligible_at - world.clock.now()).total_seconds(), email.retry_count))
        world.clock.tick(waits[-1][0])

    assert waits == [(30, 0), (120, 0), (600, 1), (600, 2)]
    assert world.email(bad).reason_code == "server_busy"


def test_two_emails_with_the_same_refusal_open_the_breaker():
    world = World(congestion=CongestionPolicy(jitter=0))
    account = world.account(limits=ONE_CONNECTION)
    ids = [world.submit(f"r{n}@example.org") for n in range(9)]
    world.play(Rule(Stage.MAIL, "421 4.3.2 busy"))

    world.run()

    assert world.sender.attempts == 2
    assert state(world, account) is AccountState.UNREACHABLE
    assert {world.email(n).retry_count for n in ids} == {0}


def test_a_success_in_another_process_clears_the_first_witness():
    world = World(congestion=CongestionPolicy(jitter=0))
    other = World(store=world.store, clock=world.clock, sender=world.sender, pid=2)
    account = world.account(limits=Limits(daily=None, hourly=None, max_connections=2))
    world.play(Rule(Stage.RCPT, "421 4.3.2 busy", recipient=BAD))

    world.submit("r1@example.org")
    claimed_before = other.claim()
    bad = world.submit(BAD)
    world.run()
    other.deliver(*claimed_before)

    assert world.email(bad).asides == 1
    assert world.account_now(account).health.untroubled


def test_an_outage_of_hours_is_charged_to_no_email():
    world = World()
    world.account(limits=ONE_CONNECTION)
    ids = [world.submit(f"r{n}@example.org") for n in range(20)]
    world.play(Rule(Stage.MAIL, "421 4.3.2 busy"))

    run_for(world, 4 * 3600, step=60)
    assert {(world.email(n).status, world.email(n).retry_count) for n in ids} == {
        (Status.QUEUED, 0)
    }
    world.play()
    run_for(world, 1800, step=30)

    assert {world.email(n).status for n in ids} == {Status.SENT}


def test_the_probe_of_an_open_breaker_is_never_an_email_that_opened_it():
    world = World(congestion=CongestionPolicy(jitter=0))
    world.account(limits=ONE_CONNECTION)
    bad = [world.submit(f"bad{n}@example.org", priority=1) for n in range(6)]
    good = [world.submit(f"r{n}@example.org") for n in range(50)]
    world.play(
        *(Rule(Stage.RCPT, "421 4.3.2 busy", recipient=f"bad{n}@example.org") for n in range(6))
    )

    run_for(world, 90)

    assert {world.email(n).status for n in good} == {Status.SENT}
    assert Status.SENT not in {world.email(n).status for n in bad}


def test_the_email_that_opened_a_breaker_is_its_probe_if_there_is_no_other():
    world = World(congestion=CongestionPolicy(jitter=0))
    world.account(limits=ONE_CONNECTION)
    email_id = world.submit()
    world.play(Rule(Stage.BANNER, Fault.CLOSE))
    world.run()

    world.play()
    run_for(world, 6)

    assert world.email(email_id).status is Status.SENT


def test_an_email_that_ends_every_session_is_blamed_itself():
    """The rule of a used connection lets an email go on at once: but not for ever."""
    world = World(congestion=CongestionPolicy(jitter=0))
    world.account(limits=ONE_CONNECTION)
    bad = world.submit(BAD)
    world.play(Rule(Stage.RCPT, "421 4.3.2 busy", recipient=BAD))

    for n in range(60):
        world.submit(f"r{n}@example.org")
        world.run()
        world.clock.tick(1)

    assert world.sender.attempts <= 60 + 3, "it is not tried again with every other one"
    assert world.email(bad).status is not Status.SENT


def test_occasional_refusals_never_make_a_streak():
    """Every fourth of 200 refused as spam, never two in a row, on one claimed batch."""
    world = World()
    account = world.account(limits=ONE_CONNECTION)
    world.application.delivery.scheduler.sizes.record_latency(account.id, 0.0001, of_server=0.0001)
    names = [f"spam{n}@example.org" if n % 4 == 3 else f"r{n}@example.org" for n in range(200)]
    ids = [world.submit(name) for name in names]
    world.play(
        *(
            Rule(Stage.DOT, "550 5.7.1 Message contains spam", recipient=name)
            for name in names
            if name.startswith("spam")
        )
    )

    world.run()

    assert Counter(world.email(n).status for n in ids) == {Status.SENT: 150, Status.FAILED: 50}
    assert state(world, account) is AccountState.OPEN


def test_five_spam_refusals_in_a_row_pause_the_account():
    world = World()
    account = world.account(limits=ONE_CONNECTION)
    for n in range(9):
        world.submit(f"r{n}@example.org")
    world.play(Rule(Stage.DOT, "550 5.7.1 Message contains spam"))

    world.run()

    assert state(world, account) is AccountState.PAUSED
    assert world.sender.attempts == 5


# -- mail that any account may send --------------------------------------------------------------


def test_one_unpinned_email_pauses_no_account():
    world = World(congestion=CongestionPolicy(jitter=0))
    accounts = [world.account(name) for name in "abc"]
    world.submit(BAD)
    world.play(Rule(Stage.RCPT, "421 4.3.2 busy", recipient=BAD))

    run_for(world, 29)

    assert world.sender.attempts == 1
    assert {state(world, account) for account in accounts} == {AccountState.OPEN}


def test_a_refused_email_moves_to_a_second_account_only_after_a_success_there():
    world = World(congestion=CongestionPolicy(jitter=0))
    first, second = world.account("first"), world.account("second")
    bad = world.submit(BAD)
    world.play(Rule(Stage.RCPT, "421 4.3.2 busy", recipient=BAD), account_id=first.id)
    world.play(account_id=second.id)
    world.run()
    assert world.email(bad).account_id == first.id
    world.application.account_service.pause(first.id)

    world.clock.tick(31)
    world.run()
    assert world.email(bad).status is Status.QUEUED

    world.submit(account_id=second.id)
    world.run()
    assert (world.email(bad).status, world.email(bad).account_id) == (Status.SENT, second.id)


def test_unpinned_mail_beside_dead_accounts_is_sent_by_the_healthy_ones():
    world = World()
    for name in "abc":
        dead = world.account(f"dead {name}", limits=Limits(daily=None, hourly=None))
        world.play(Rule(Stage.CONNECT, Problem.TIMEOUT), account_id=dead.id)
    for name in "ab":
        world.account(f"well {name}", limits=Limits(daily=None, hourly=5000))
    ids = [world.submit(f"r{n}@example.org") for n in range(300)]

    run_for(world, 20)

    emails = [world.email(n) for n in ids]
    assert {email.status for email in emails} == {Status.SENT}
    tried = Counter(email.attempt_no for email in emails)
    assert sum(number for attempts, number in tried.items() if attempts > 1) <= 6


def test_a_dead_account_is_probed_by_a_login_and_not_by_an_email():
    world = World(congestion=CongestionPolicy(jitter=0))
    account = world.account(limits=ONE_CONNECTION)
    email_id = world.submit()
    world.play(Rule(Stage.CONNECT, Problem.TIMEOUT))

    run_for(world, 3600, step=5)

    assert world.sender.attempts == 1
    assert world.email(email_id).attempt_no == 1
    assert len(world.heard.named("account_probed")) >= 5
    assert world.account_now(account).health.breaker.failures >= 5


def test_a_server_without_waiting_mail_is_not_probed():
    world = World(congestion=CongestionPolicy(jitter=0))
    world.account(limits=ONE_CONNECTION)
    email_id = world.submit()
    world.play(Rule(Stage.CONNECT, Problem.TIMEOUT))
    world.run()
    world.application.email_changes.cancel(email_id)

    run_for(world, 60)

    assert not world.heard.named("account_probed")


@pytest.mark.parametrize("limits", [Limits(daily=None, hourly=None), Limits(daily=None, hourly=50)])
@pytest.mark.parametrize(("accounts", "emails"), [(10, 185), (4, 140), (3, 37)])
def test_unpinned_mail_is_spread_evenly_over_equal_accounts(limits, accounts, emails):
    world = World()
    for n in range(accounts):
        made = world.account(f"account {n}", limits=limits)
        if n % 2:  # of some it is known that they are fast
            world.application.delivery.scheduler.sizes.record_latency(
                made.id, 0.0001, of_server=0.0001
            )
    ids = [world.submit(f"r{n}@example.org") for n in range(emails)]

    world.run()

    given = Counter(world.email(n).account_id for n in ids)
    assert {world.email(n).status for n in ids} == {Status.SENT}
    assert max(given.values()) - min(given.get(n + 1, 0) for n in range(accounts)) <= 3, given


# -- crashes -------------------------------------------------------------------------------------


def crash(world: World) -> World:
    """The process dies and another one takes over; what it knew is forgotten."""
    follower = World(beside=world)
    world.locks.die()
    follower.application.maintenance.recover()
    return follower


def fast(world: World, account) -> None:
    world.application.delivery.scheduler.sizes.record_latency(account.id, 0.0001, of_server=0.0001)


class Killed(BaseException):
    """The process is gone."""


def kills(world: World, *recipients: str) -> None:
    """In the dialogue of these the process dies."""
    send = world.sender.send

    def deadly(account, envelope, *args, **kwargs):
        if {str(address) for address in envelope.recipients} & set(recipients):
            raise Killed
        return send(account, envelope, *args, **kwargs)

    world.sender.send = deadly


def work_until_it_dies(world: World) -> bool:
    try:
        world.run()
    except Killed:
        return True
    return False


@pytest.mark.parametrize("place", [0, 7, 199])
def test_only_the_email_in_whose_dialogue_the_process_dies_is_poison(place):
    world = World()
    account = world.account(limits=Limits(daily=None, hourly=None, max_connections=2))
    ids = [world.submit(BAD if n == place else f"r{n}@example.org") for n in range(200)]
    crashes = 0
    while True:
        fast(world, account)  # fifty at once
        kills(world, BAD)
        if not work_until_it_dies(world):
            break
        crashes += 1
        world = crash(world)

    statuses = {n: world.email(n).status for n in ids}
    assert statuses.pop(ids[place]) is Status.FAILED
    assert world.email(ids[place]).reason_code == "poison"
    assert set(statuses.values()) == {Status.SENT}
    assert crashes == POISON_CRASHES


def test_a_suspect_is_claimed_alone():
    world = World()
    account = world.account(limits=ONE_CONNECTION)
    for n in range(4):
        world.submit(f"r{n}@example.org")
    fast(world, account)
    assert batches_of(world) == [[1, 2, 3, 4]]

    world = crash(world)
    world.submit("new@example.org")
    fast(world, account)

    assert batches_of(world) == [[1]]


def test_two_suspects_are_never_in_flight_together():
    world = World()
    account = world.account(limits=Limits(daily=None, hourly=None, max_connections=4))
    for n in range(2):
        world.submit(f"r{n}@example.org")
    for _ in range(2):
        assert sorted(batches_of(world)) == [[1], [2]]
        world = crash(world)
    for n in range(2):
        world.submit(f"new{n}@example.org")

    first = world.claim(places=9)
    assert sorted([email.id for email in batch.emails] for batch in first) == [[1], [3], [4]]
    world.deliver(*first)
    fast(world, account)
    assert batches_of(world) == [[2]]


def test_an_attempt_that_was_not_made_has_no_row():
    world = World()
    account = world.account(limits=ONE_CONNECTION)
    ids = [world.submit(f"r{n}@example.org") for n in range(5)]
    fast(world, account)
    world.play(Rule(Stage.AUTH, "535 5.7.8 no"))

    world.run()

    attempts = [world.store.read(lambda tx, n=n: tx.attempts.of(n)) for n in ids]
    assert [len(rows) for rows in attempts] == [1, 0, 0, 0, 0]
    assert {world.email(n).reason_code for n in ids} == {"auth_failed"}
    assert {world.email(n).error_message for n in ids} == {"535 5.7.8 no"}


@pytest.mark.parametrize("how", ["drain", "crash", "worker"])
def test_a_released_claim_leaves_no_attempt(how):
    world = World()
    account = world.account(limits=ONE_CONNECTION)
    ids = [world.submit(f"r{n}@example.org") for n in range(3)]
    fast(world, account)
    [batch] = world.claim()
    if how == "drain":
        world.application.delivery.return_place(batch)
    elif how == "crash":
        world = crash(world)
    else:
        world.application.delivery.abandon(batch)

    attempts = [world.store.read(lambda tx, n=n: tx.attempts.of(n)) for n in ids]
    # after a crash it is unknown whether the first one's dialogue had begun
    assert [len(rows) for rows in attempts] == [0 if how == "drain" else 1, 0, 0]


# -- a process that stood still ------------------------------------------------------------------


@pytest.mark.parametrize("stop", [FakeClock.tick, FakeClock.suspend])
@pytest.mark.parametrize("taken", [False, True])
def test_a_process_that_stood_still_for_a_lease_sends_no_dot(stop, taken):
    world = World()
    world.account()
    email_id = world.submit()
    [batch] = world.claim()
    mark = world.application.delivery.results.mark

    def then_it_stands_still(*args, **kwargs):
        made = mark(*args, **kwargs)
        stop(world.clock, 61)
        if taken:
            world.application.delivery.recover(world.instance)
        return made

    world.application.delivery.results.mark = then_it_stands_still
    world.application.delivery.deliver(batch, stopping=lambda: False)

    assert not world.sender.accepted
    email = world.email(email_id)
    assert email.status is (Status.RETRY if taken else Status.QUEUED)


def test_a_process_that_has_not_beaten_for_a_lease_claims_nothing():
    world = World()
    world.account()
    world.submit()
    world.clock.suspend(61)

    assert not world.application.delivery.claim(world.instance, places=1)
    assert world.claim(), "with a beat it does"


# -- time ----------------------------------------------------------------------------------------


def test_after_a_restart_with_a_clock_set_back_unscheduled_mail_goes_out():
    world = World(retry=RetryPolicy(jitter=0))
    account = world.account(limits=ONE_CONNECTION)
    world.play(Rule(Stage.DOT, "451 4.3.0 later", times=1))
    deferred = world.submit("deferred@example.org")
    world.run()
    world.application.account_service.pause(account.id)
    ids = [world.submit(f"r{n}@example.org") for n in range(450)]
    later = world.submit(send_at=world.clock.now() + timedelta(minutes=5))
    world.application.account_service.resume(account.id)

    world.clock.step(-7200)
    world = crash(world)
    world.application.maintenance.sweep()
    world.run()

    assert {world.email(n).status for n in ids} == {Status.SENT}
    assert world.email(deferred).eligible_at - world.clock.now() == timedelta(seconds=60)
    assert world.email(later).status is Status.SCHEDULED


def test_a_clock_set_back_while_the_service_runs_is_noticed_by_the_next_sweep():
    world = World()
    world.account()
    world.application.maintenance.sweep()
    email_id = world.submit()
    world.clock.step(-7200)
    assert not world.claim()

    world.application.maintenance.sweep()
    world.run()

    assert world.email(email_id).status is Status.SENT


def test_a_breaker_does_not_wait_for_a_clock_that_was_set_back():
    world = World(congestion=CongestionPolicy(jitter=0))
    world.account(limits=ONE_CONNECTION)
    email_id = world.submit()
    world.play(Rule(Stage.BANNER, Fault.CLOSE))
    world.run()
    world.play()

    world.clock.step(-7200)
    world = crash(world)
    world.application.maintenance.sweep()
    run_for(world, 6)

    assert world.email(email_id).status is Status.SENT


# -- what fails together ---------------------------------------------------------------------------


@pytest.mark.parametrize(("deaths", "paused"), [(1, False), (2, False), (3, True)])
def test_four_outcomes_lost_together_count_as_one_failure(deaths, paused):
    world = World()
    account = world.account(limits=Limits(daily=None, hourly=None, max_connections=4))
    world.play(Rule(Stage.DOT, Fault.CLOSE))
    for n in range(4 * deaths):
        world.submit(f"r{n}@example.org")

    for _ in range(deaths):
        deliver_together(world, world.claim(places=4))

    assert world.account_now(account).health.paused(world.clock.now()) is paused


def deliver_together(world: World, batches: Sequence[Batch]) -> None:
    """Each dialogue begins before the one before it has ended."""
    waiting, send = list(batches), world.sender.send

    def send_while_others_do(*args, **kwargs):
        world.clock.tick(2)  # so slow that each connection takes one
        if waiting:
            world.deliver(waiting.pop())
        return send(*args, **kwargs)

    world.sender.send = send_while_others_do
    world.deliver(waiting.pop())
    world.sender.send = send


# -- a batch and the connections that stand free ---------------------------------------------------


def test_few_emails_for_a_slow_server_are_spread_over_its_connections():
    world = World()
    account = world.account(limits=Limits(daily=None, hourly=None, max_connections=4))
    for n in range(8):
        world.submit(f"r{n}@example.org")
    for _ in range(99):
        world.application.delivery.scheduler.sizes.record_latency(
            account.id, 0.024, of_server=0.024
        )

    assert sorted(len(emails) for emails in batches_of(world)) == [2, 2, 2, 2]


def test_the_rest_of_a_slow_batch_goes_to_free_connections():
    world = World()
    account = world.account(limits=Limits(daily=None, hourly=None, max_connections=4))
    ids = [world.submit(f"r{n}@example.org") for n in range(20)]
    fast(world, account)
    [batch] = world.claim()
    send = world.sender.send

    def slow(*args, **kwargs):
        world.clock.tick(2)
        return send(*args, **kwargs)

    world.sender.send = slow
    world.deliver(batch)

    statuses = [world.email(n).status for n in ids]
    assert statuses.count(Status.SENT) == 2
    assert statuses.count(Status.QUEUED) == 18
    untouched = [n for n in ids if world.email(n).status is Status.QUEUED]
    assert {world.email(n).reason_code for n in untouched} == {None}


# -- depth ---------------------------------------------------------------------------------------


def test_a_full_account_takes_no_more_pinned_mail_and_the_others_go_on():
    world = World(max_account_depth=3)
    full, other = world.account("full", active=False), world.account("other")
    for n in range(3):
        world.submit(f"r{n}@example.org", account_id=full.id)

    with pytest.raises(NotAccepting) as refused:
        world.submit(account_id=full.id)
    assert refused.value.code == "account_queue_full"
    assert world.submit(account_id=other.id)
    assert world.submit()


# -- who rejected whom -----------------------------------------------------------------------------


def test_no_recipient_is_rejected_without_a_reply_of_the_server_about_it():
    world = World(retry=RetryPolicy(max_age=timedelta(hours=1)))
    world.account(active=False)
    email_id = world.submit("a@example.org", "b@example.org")
    world.clock.tick(3601)
    world.application.maintenance.sweep()

    email = world.email(email_id)
    assert rejected(email.recipients) == ()
    assert [(r.status, r.reason) for r in email.recipients] == [
        (RecipientStatus.REJECTED, "expired")
    ] * 2


# -- a server that finds us too fast -------------------------------------------------------------


def test_a_rate_limit_reply_slows_the_account_down_and_charges_nothing():
    world = World(congestion=CongestionPolicy(jitter=0))
    account = world.account(limits=ONE_CONNECTION)
    ids = [world.submit(f"r{n}@example.org") for n in range(140)]
    fast(world, account)
    world.deliver(*world.claim())  # fifty in this minute
    assert len(world.sender.accepted) == 50
    world.play(Rule(Stage.MAIL, '451 4.7.1 Ratelimit "user" exceeded', times=2))
    world.run()

    health = world.account_now(account).health
    assert health.pace is not None
    assert int(health.pace.now(world.clock.now()) or 0) == 25
    [learned] = health.learned
    assert (learned.window.value, learned.least, learned.times) == ("minute", 50, 1)
    sent = []
    for _ in range(10):
        before = len(world.sender.accepted)
        run_for(world, 60, step=10)
        sent.append(len(world.sender.accepted) - before)
    assert sent[0] == 0, "the fifty of before count too"
    assert max(sent) <= 40, sent
    assert {world.email(n).status for n in ids} == {Status.SENT}
    assert {world.email(n).retry_count for n in ids} == {0}


def test_an_observed_quota_is_stored_with_the_number_sent_before_it():
    world = World(congestion=CongestionPolicy(jitter=0))
    account = world.account(limits=ONE_CONNECTION)
    for n in range(60):
        world.submit(f"r{n}@example.org")
    fast(world, account)
    world.deliver(*world.claim())
    world.play(Rule(Stage.MAIL, "550 5.4.5 exceeded hour limit of 50 messages", times=2))
    world.run()

    [learned] = world.account_now(account).health.learned
    assert (learned.window.value, learned.least) == ("hour", 50)
