"""No mail goes to who is on the suppression list, whether put there before or after acceptance."""

from collections.abc import Sequence
from typing import Any

import pytest

from adapters.fakes.sender import Rule
from application.intake.draft import Draft
from domain.access import Caller, Scope
from domain.account.limits import Limits, LimitUnit, Window, WindowLengths
from domain.address import Address
from domain.email.recipient import RecipientStatus
from domain.email.status import Status
from domain.errors import Forbidden
from domain.outcome.handoff import Stage
from domain.suppression import (
    EVERYTHING,
    Suppression,
    SuppressionReason,
    account_scope,
    topic_scope,
)
from tests.builders import NOW, at
from tests.world import World

ADA, GRACE, ALAN = "ada@example.org", "grace@example.org", "alan@example.org"
BOUNCES = frozenset({SuppressionReason.HARD_BOUNCE})
OPEN, GONE, SENT = RecipientStatus.OPEN, RecipientStatus.SUPPRESSED, RecipientStatus.ACCEPTED


def a_world() -> World:
    world = World(public_url="https://mail.example.com")
    world.account()
    return world


def put(world: World, address: str = ADA, **changes: Any) -> None:
    fields = {"scope": EVERYTHING, "reason": SuppressionReason.MANUAL, "created_at": NOW}
    suppression = Suppression(**{"address": address, **fields, **changes})
    world.store.write(lambda tx: tx.suppressions.put(suppression))


def recipients(world: World, email_id: int) -> Sequence[RecipientStatus]:
    return [one.status for one in world.email(email_id).recipients]


def handed_off(world: World) -> list[list[str]]:
    """The recipients of each message that a server took."""
    return [[str(one) for one in taken.envelope.recipients] for taken in world.sender.accepted]


def ended(world: World, email_id: int) -> tuple[Status, str | None]:
    email = world.email(email_id)
    return email.status, email.reason_code


# -- at acceptance ---------------------------------------------------------------------------------


def test_mail_to_nobody_else_is_accepted_and_has_ended_as_suppressed():
    world = a_world()
    put(world)
    put(world, GRACE)

    email_id = world.submit(ADA, "Grace@Example.org")

    assert ended(world, email_id) == (Status.FAILED, "suppressed")
    assert recipients(world, email_id) == [GONE, GONE]
    assert world.run() == 0
    assert [event.email_id for event in world.heard.named("email_suppressed")] == [email_id]


def by_recipients() -> Limits:
    return Limits(daily=1000, hourly=None, unit=LimitUnit.RECIPIENTS)


def units(world: World) -> int:
    return world.store.read(lambda tx: tx.ledger.used(1, WindowLengths()))[Window.DAY]


def test_the_other_recipients_get_it_and_only_they_are_charged():
    world = World()
    world.account(limits=by_recipients())
    put(world)

    email_id = world.submit(ADA, GRACE, ALAN)
    assert world.email(email_id).status is Status.QUEUED
    assert recipients(world, email_id) == [GONE, OPEN, OPEN]
    world.run()

    assert world.email(email_id).status is Status.SENT
    assert world.email(email_id).partial
    assert recipients(world, email_id) == [GONE, SENT, SENT]
    assert (handed_off(world), units(world)) == ([[GRACE, ALAN]], 2)


def test_what_has_expired_holds_nothing_back():
    world = a_world()
    put(world, expires_at=at(0))

    email_id = world.submit(ADA)

    world.run()
    assert world.email(email_id).status is Status.SENT


# -- after it --------------------------------------------------------------------------------------


def test_mail_that_waits_ends_when_it_would_be_sent():
    world = a_world()
    email_id, other = world.submit(ADA), world.submit(GRACE)
    put(world)

    world.run()

    assert ended(world, email_id) == (Status.FAILED, "suppressed")
    assert recipients(world, email_id) == [GONE]
    assert world.email(other).status is Status.SENT
    assert handed_off(world) == [[GRACE]]
    assert [event.email_id for event in world.heard.named("email_suppressed")] == [email_id]


def test_of_mail_that_waits_the_other_recipients_are_charged_and_get_it():
    world = World()
    world.account(limits=by_recipients())
    email_id = world.submit(ADA, GRACE)
    put(world, GRACE)

    world.run()

    assert recipients(world, email_id) == [SENT, GONE]
    assert (handed_off(world), units(world)) == ([[ADA]], 1)


def test_the_next_attempt_leaves_out_who_was_suppressed_after_the_first_one():
    world = a_world()
    world.play(Rule(Stage.RCPT, "451 4.2.1 later", times=2))
    email_id = world.submit(ADA, GRACE)
    world.run()
    assert recipients(world, email_id) == [OPEN, OPEN]

    put(world)
    world.clock.tick(3600)
    world.run()

    assert (recipients(world, email_id), handed_off(world)) == ([GONE, SENT], [[GRACE]])


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(("topic", "status"), [("news", Status.FAILED), ("offers", Status.SENT)])
def test_a_topic_is_judged_before_and_after_acceptance(when, topic, status):
    world = a_world()
    if when == "before":
        put(world, scope=topic_scope("news"))
    email_id, without = world.submit(ADA, topic=topic), world.submit(ADA)
    if when == "after":
        put(world, scope=topic_scope("news"))

    world.run()

    assert world.email(email_id).status is status
    assert world.email(without).status is Status.SENT


# -- an account ------------------------------------------------------------------------------------


@pytest.mark.parametrize("pinned_to", [None, 1])
@pytest.mark.parametrize("when", ["before", "after"])
def test_an_account_that_may_not_write_to_it_does_not(when, pinned_to):
    world = a_world()
    if when == "before":
        put(world, scope=account_scope(1))
    email_id = world.submit(ADA, account_id=pinned_to)
    if when == "after":
        put(world, scope=account_scope(1))

    world.run()

    assert (ended(world, email_id), handed_off(world)) == ((Status.FAILED, "suppressed"), [])


def test_another_account_may_write_to_it():
    world = a_world()
    put(world, scope=account_scope(2))

    email_id = world.submit(ADA)

    world.run()
    assert world.email(email_id).status is Status.SENT


# -- all the same ----------------------------------------------------------------------------------


def submit_as(world: World, caller: Caller, **changes: Any) -> int:
    draft = Draft(subject="Hello", text="Hello", to=(Address.parse(ADA),), **changes)
    return world.application.submission.submit((draft,), caller=caller).ids[0]


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(
    ("reason", "status"),
    [
        (SuppressionReason.HARD_BOUNCE, Status.SENT),
        (SuppressionReason.COMPLAINT, Status.FAILED),
        (SuppressionReason.MANUAL, Status.FAILED),
    ],
)
def test_an_administrator_may_write_to_who_has_bounced_and_to_nobody_else(when, reason, status):
    world = a_world()
    if when == "before":
        put(world, reason=reason)
    email_id = submit_as(world, Caller(), bypassed=BOUNCES)
    if when == "after":
        put(world, reason=reason)

    world.run()

    assert world.email(email_id).status is status


def test_no_other_key_may_bypass_the_list():
    world = a_world()
    sender = Caller(key_id=1, prefix="abcd0123", scopes=frozenset({Scope.SEND}))

    with pytest.raises(Forbidden):
        submit_as(world, sender, bypassed=BOUNCES)
