"""Who unsubscribes gets no mail of the topic any more, whenever it was accepted."""

import email as mail
from datetime import timedelta
from typing import Any

import pytest

from adapters.fakes.clock import FakeClock
from adapters.fakes.memory_store import MemoryStore
from adapters.fakes.sender import Fault, Rule
from application.delivery import Batch
from application.delivery.recovery import SHUTDOWN
from domain.account.limits import Window, WindowLengths
from domain.email.lifecycle import Email
from domain.email.recipient import RecipientStatus
from domain.email.retry import RetryPolicy
from domain.email.status import TERMINAL, Status
from domain.email.withdrawal import is_withdrawn, suppress, withdraw
from domain.errors import Conflict, IllegalTransition, NotFound, StoreUnavailable
from domain.outcome.handoff import Stage
from domain.suppression import EVERYTHING, Suppression, SuppressionReason
from tests.builders import NOW, a_recipient, an_email, at
from tests.world import World

NINE_DAYS_ON = NOW + timedelta(days=9)

ADA, GRACE = "ada@example.org", "grace@example.org"


def a_world(**parts: Any) -> World:
    world = World(public_url="https://mail.example.com", **parts)
    world.account()
    return world


def token(world: World, email_id: int) -> str:
    """That of the link in this email."""
    octets = world.store.read(lambda tx: tx.emails.octets(email_id))
    link = mail.message_from_bytes(octets)["List-Unsubscribe"]
    return str(link).strip("<>").rpartition("/")[2]


def unsubscribe(world: World, email_id: int) -> None:
    world.application.unsubscribe.unsubscribe(token(world, email_id))


def listed(world: World, address: str = ADA) -> list[Suppression]:
    return list(world.store.read(lambda tx: tx.suppressions.of([address])))


def outcome(world: World, email_id: int) -> tuple[Status, str | None, RecipientStatus]:
    email = world.email(email_id)
    return email.status, email.reason_code, email.recipients[0].status


SUPPRESSED = (Status.FAILED, "suppressed", RecipientStatus.SUPPRESSED)


def units(world: World) -> int:
    used = world.store.read(lambda tx: tx.ledger.used(1, WindowLengths()))
    return sum(used.get(window, 0) for window in Window)


# -- what is accepted ------------------------------------------------------------------------------


def test_later_mail_of_the_topic_is_accepted_and_ends_as_suppressed():
    world = a_world()
    unsubscribe(world, world.submit(ADA, topic="news"))

    later = world.submit(ADA, topic="news")

    assert outcome(world, later) == SUPPRESSED
    assert world.run() == 0
    assert (world.sender.accepted, units(world)) == ([], 0)
    assert [event.email_id for event in world.heard.named("email_suppressed")] == [1, later]


def test_the_case_of_the_address_does_not_matter():
    world = a_world()
    unsubscribe(world, world.submit("Ada@Example.org", topic="news"))

    assert outcome(world, world.submit("aDA@example.ORG", topic="news")) == SUPPRESSED


def test_other_topics_other_people_and_mail_without_a_topic_go_on():
    world = a_world()
    unsubscribe(world, world.submit(ADA, topic="news"))

    others = [world.submit(ADA, topic="offers"), world.submit(GRACE, topic="news"), world.submit()]

    world.run()
    assert [world.email(other).status for other in others] == [Status.SENT] * 3


def test_scheduled_mail_is_suppressed_when_it_is_accepted_too():
    world = a_world()
    unsubscribe(world, world.submit(ADA, topic="news"))

    assert outcome(world, world.submit(ADA, topic="news", send_at=at(3600))) == SUPPRESSED


@pytest.mark.parametrize(("scope", "ended"), [(EVERYTHING, True), ("account:1", False)])
def test_a_suppression_of_all_mail_holds_for_mail_with_a_topic(scope, ended):
    world = a_world()
    suppression = Suppression(
        address=ADA, scope=scope, reason=SuppressionReason.MANUAL, created_at=NOW
    )
    world.store.write(lambda tx: tx.suppressions.put(suppression))

    unpinned, pinned = world.submit(topic="news"), world.submit(topic="news", account_id=1)

    assert (outcome(world, unpinned) == SUPPRESSED) is ended
    assert outcome(world, pinned) == SUPPRESSED


class CountingStore:
    """A store that has no tables of topics, and counts what it is asked of the list."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store
        self.asked: list[str] = []

    def __getattr__(self, name: str) -> Any:
        run = getattr(self._store, name)
        if name in ("read", "read_latest", "write", "post"):
            return lambda work: run(lambda tx: work(CountingTransaction(tx, self.asked)))
        return run


class CountingTransaction:
    def __init__(self, tx: Any, asked: list[str]) -> None:
        self._tx = tx
        self._asked = asked

    def __getattr__(self, name: str) -> Any:
        assert name not in ("topics", "details"), name
        if name == "suppressions":
            return CountedList(self._tx.suppressions, self._asked)
        return getattr(self._tx, name)


class CountedList:
    def __init__(self, suppressions: Any, asked: list[str]) -> None:
        self._suppressions = suppressions
        self._asked = asked

    def __getattr__(self, name: str) -> Any:
        self._asked.append(name)
        return getattr(self._suppressions, name)


def test_mail_without_a_topic_asks_the_list_once_and_each_claim_whether_it_has_grown():
    clock = FakeClock()
    store = CountingStore(MemoryStore(clock=clock))
    world = a_world(clock=clock, store=store)
    world.play(Rule(Stage.DOT, "451 4.7.1 later", times=1))

    email_id = world.submit(ADA, GRACE)
    assert store.asked == ["of"]
    world.run()
    clock.tick(100)
    world.run()

    assert world.email(email_id).status is Status.SENT
    assert set(store.asked[1:]) == {"additions"}


def test_a_claim_asks_for_addresses_only_of_mail_that_was_there_before_the_latest_entry():
    clock = FakeClock()
    store = CountingStore(MemoryStore(clock=clock))
    world = a_world(clock=clock, store=store)
    suppression = Suppression(
        address=GRACE, scope="account:9", reason=SuppressionReason.MANUAL, created_at=NOW
    )

    before = world.submit(ADA, send_at=at(60))
    world.store.write(lambda tx: tx.suppressions.put(suppression))
    after = world.submit(ADA)
    store.asked.clear()
    world.run()
    assert (world.email(after).status, set(store.asked)) == (Status.SENT, {"additions"})
    clock.tick(60)
    world.run()

    assert world.email(before).status is Status.SENT
    assert store.asked.count("of") == 1


# -- what waits ------------------------------------------------------------------------------------


def test_mail_that_waits_is_ended_with_the_unsubscription():
    world = a_world()
    queued = world.submit(ADA, topic="news")
    scheduled = world.submit(ADA, topic="news", send_at=at(3600))
    other = world.submit(ADA, topic="offers")

    unsubscribe(world, queued)

    assert [outcome(world, one) for one in (queued, scheduled)] == [SUPPRESSED] * 2
    assert world.email(other).status is Status.QUEUED
    [told] = world.heard.named("unsubscribed")
    assert told.fields == {"topic": "news", "emails_ended": 2}


def test_mail_that_waits_for_a_retry_is_ended_and_keeps_what_the_server_said():
    world = a_world()
    world.play(Rule(Stage.RCPT, "450 4.2.0 later"))
    email_id = world.submit(ADA, topic="news")
    world.run()
    assert world.email(email_id).status is Status.RETRY

    unsubscribe(world, email_id)

    assert outcome(world, email_id) == SUPPRESSED
    assert world.email(email_id).recipients[0].reply.code == 450


def test_what_has_ended_stays_as_it_is():
    world = a_world()
    sent = world.submit(ADA, topic="news")
    world.run()
    before = world.email(sent)

    unsubscribe(world, sent)

    assert world.email(sent) == before


# -- what is being sent ----------------------------------------------------------------------------


def sending(world: World) -> tuple[int, Batch]:
    """An email that was unsubscribed from while an attempt held it."""
    email_id = world.submit(ADA, topic="news")
    [batch] = world.claim()
    unsubscribe(world, email_id)
    assert world.email(email_id).status is Status.SENDING
    return email_id, batch


def test_what_is_being_sent_is_sent():
    world = a_world()
    email_id, batch = sending(world)

    world.deliver(batch)

    assert world.email(email_id).status is Status.SENT


def test_what_was_being_sent_is_not_tried_again():
    world = a_world()
    world.play(Rule(Stage.DOT, "451 4.7.1 later", times=1))
    email_id, batch = sending(world)
    world.deliver(batch)
    assert world.email(email_id).status is Status.RETRY

    world.clock.tick(100)
    assert world.run() == 0

    assert outcome(world, email_id) == SUPPRESSED
    assert world.sender.accepted == []
    assert [event.email_id for event in world.heard.named("email_suppressed")] == [email_id]


def test_the_sweep_ends_it_as_suppressed_too():
    world = a_world()
    world.play(Rule(Stage.DOT, "451 4.7.1 later", times=1))
    email_id, batch = sending(world)
    world.deliver(batch)

    world.application.maintenance.sweep()

    assert outcome(world, email_id) == SUPPRESSED
    assert not world.heard.named("email_expired")
    assert [event.email_id for event in world.heard.named("email_suppressed")] == [email_id]


def test_what_was_claimed_and_is_put_back_is_not_claimed_again_and_costs_no_units():
    world = a_world()
    email_id, batch = sending(world)
    world.application.delivery.return_place(batch)
    assert world.email(email_id).reason_code == SHUTDOWN.reason

    assert world.run() == 0

    assert outcome(world, email_id) == SUPPRESSED
    assert units(world) == 0
    assert world.store.read(lambda tx: tx.attempts.of(email_id)) == []


def test_others_that_are_claimed_with_it_are_sent():
    world = a_world()
    world.play(Rule(Stage.DOT, "451 4.7.1 later", times=1))
    email_id, batch = sending(world)
    world.deliver(batch)
    world.clock.tick(100)
    others = [world.submit(GRACE), world.submit(GRACE, topic="news")]

    world.run()

    assert outcome(world, email_id) == SUPPRESSED
    assert [world.email(other).status for other in others] == [Status.SENT] * 2


def test_of_a_dead_process_it_is_not_taken_over():
    world = a_world()
    email_id, _ = sending(world)
    other = World(beside=world, pid=2)
    world.locks.die()
    world.clock.tick(100)

    other.application.maintenance.sweep()
    other.run()

    assert outcome(other, email_id) == SUPPRESSED


def test_an_unknown_outcome_of_it_is_not_sent_again():
    world = a_world()
    world.play(Rule(Stage.DOT, Fault.ACCEPT_CLOSE, times=1))
    email_id, batch = sending(world)
    world.deliver(batch)

    world.clock.tick(100)
    world.run()

    assert len(world.sender.accepted) == 1
    assert world.email(email_id).status in TERMINAL


class LostAnswers(MemoryStore):
    """Commits, and says once that it is not known whether it did."""

    lose = False

    def write(self, work):
        done = super().write(work)
        if self.lose:
            self.lose = False
            raise StoreUnavailable("the answer was lost")
        return done


def test_a_claim_nobody_heard_of_is_put_back_though_its_email_was_withdrawn():
    clock = FakeClock()
    store = LostAnswers(clock=clock)
    world = a_world(clock=clock, store=store)
    email_id = world.submit(ADA, topic="news")
    recovery = world.application.delivery._recovery
    [batch] = world.claim()
    unsubscribe(world, email_id)

    recovery.put_back_if_claimed([batch])

    assert world.email(email_id).status is Status.QUEUED


# -- the link --------------------------------------------------------------------------------------


def test_to_unsubscribe_again_changes_nothing_and_is_not_told_again():
    world = a_world()
    email_id = world.submit(ADA, topic="news")
    unsubscribe(world, email_id)
    before = listed(world)
    world.clock.tick(100)

    unsubscribe(world, email_id)

    assert listed(world) == before
    assert len(before) == 1
    assert len(world.heard.named("unsubscribed")) == 1


def test_to_look_at_a_link_changes_nothing():
    world = a_world()
    email_id = world.submit(ADA, topic="news")

    found = world.application.unsubscribe.subscription(token(world, email_id))

    assert (found.address, found.topic) == (ADA, "news")
    assert listed(world) == []
    assert world.email(email_id).status is Status.QUEUED


def test_a_link_that_does_not_open_ends_nothing():
    world = a_world()
    email_id = world.submit(ADA, topic="news")

    with pytest.raises(NotFound):
        world.application.unsubscribe.unsubscribe(token(world, email_id)[:-1])

    assert listed(world) == []


def test_while_the_store_is_down_nobody_hears_that_it_was_done():
    world = a_world()
    link = token(world, world.submit(ADA, topic="news"))
    world.store.close()

    with pytest.raises(StoreUnavailable):
        world.application.unsubscribe.unsubscribe(link)


# -- again by hand ---------------------------------------------------------------------------------


def test_suppressed_mail_cannot_be_retried():
    world = a_world()
    email_id = world.submit(ADA, topic="news")
    unsubscribe(world, email_id)

    with pytest.raises(IllegalTransition):
        world.application.email_changes.retry(email_id)


def test_mail_that_failed_before_cannot_be_retried_after_an_unsubscription():
    world = a_world()
    world.play(Rule(Stage.RCPT, "550 5.7.1 spam", times=1))
    failed = world.submit(ADA, topic="news")
    world.run()
    assert world.email(failed).reason_code != "suppressed"
    unsubscribe(world, failed)

    with pytest.raises(Conflict, match="on the suppression list"):
        world.application.email_changes.retry(failed)

    assert world.email(failed).status is Status.FAILED


def test_mail_of_a_topic_that_failed_can_be_retried_otherwise():
    world = a_world()
    world.play(Rule(Stage.RCPT, "550 5.1.1 who", times=1))
    failed = world.submit(ADA, topic="news")
    world.run()

    world.application.email_changes.retry(failed)
    world.run()

    assert world.email(failed).status is Status.SENT


# -- the email alone -------------------------------------------------------------------------------


def test_an_email_that_somebody_got_is_sent_when_the_others_are_suppressed():
    reached = a_recipient(GRACE, status=RecipientStatus.ACCEPTED)
    email = an_email(status=Status.RETRY, recipients=(reached, a_recipient(ADA)))

    ended = suppress(email, now=at(1))

    assert (ended.status, ended.partial, ended.sent_at) == (Status.SENT, True, at(1))
    assert [one.status for one in ended.recipients] == [
        RecipientStatus.ACCEPTED,
        RecipientStatus.SUPPRESSED,
    ]


@pytest.mark.parametrize("status", [Status.SENT, Status.FAILED, Status.CANCELLED])
def test_an_email_that_has_ended_is_not_suppressed(status):
    with pytest.raises(IllegalTransition):
        suppress(an_email(status=status), now=at(1))


def test_an_email_is_withdrawn_whatever_the_clock_does_and_only_by_that():
    def of(**changes: Any) -> Email:
        return an_email(status=Status.SENDING, instance=1, attempt_no=1, **changes)

    assert not is_withdrawn(of())
    assert is_withdrawn(withdraw(of()))
    assert is_withdrawn(withdraw(withdraw(of())))
    assert withdraw(of()).status is Status.SENDING


def test_an_email_whose_clock_was_set_back_by_days_is_expired_and_not_suppressed():
    """Its retry may begin so long before it was accepted that its lifetime ends before that too."""
    accepted = an_email(status=Status.FAILED, created_at=NINE_DAYS_ON, updated_at=NINE_DAYS_ON)
    retried = accepted.retried(now=at(0), policy=RetryPolicy(max_age=timedelta(days=3)))

    assert retried.expires_at < retried.created_at
    assert not is_withdrawn(retried)
    assert is_withdrawn(withdraw(retried))
