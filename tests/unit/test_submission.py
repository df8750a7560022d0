"""What a client may count on."""

from datetime import timedelta

import pytest

from application.submission import IdempotencyKey
from domain.email import Kind, Status
from domain.errors import (
    Conflict,
    IdempotencyMismatch,
    IllegalTransition,
    InvalidInput,
    NotAccepting,
    NotFound,
)
from domain.limits import Limits, LimitUnit
from tests.builders import an_address
from tests.world import World


def count(world: World) -> int:
    return sum(world.store.read(lambda tx: tx.emails.counts()).values())


def test_an_accepted_email_is_queued_and_the_dispatcher_is_woken():
    world = World()
    world.account()
    world.wakes.clear()

    email_id = world.submit()

    assert (email_id, world.email(email_id).status) == (1, Status.QUEUED)
    assert world.wakes


def test_a_recipient_named_twice_gets_one_copy():
    world = World()
    world.account()
    email_id = world.submit(
        "a@example.org", "A@EXAMPLE.org", "a@EXAMPLE.ORG", bcc=(an_address("a@example.org"),)
    )

    assert [(str(r.address), r.kind) for r in world.email(email_id).recipients] == [
        ("a@example.org", Kind.TO),
        ("A@example.org", Kind.TO),
    ]


def test_bcc_is_in_the_envelope_and_nowhere_in_the_message():
    world = World()
    world.account()
    world.submit("a@example.org", bcc=(an_address("hidden@example.org"),))

    world.run()

    [taken] = world.sender.accepted
    assert "hidden@example.org" in world.sent_subjects()
    assert b"hidden" not in taken.octets
    assert b"bcc" not in taken.octets.lower()


def test_an_email_for_later_is_scheduled():
    world = World()
    world.account()
    later = world.clock.now() + timedelta(days=30)

    email = world.email(world.submit(send_at=later))

    assert (email.status, email.eligible_at) == (Status.SCHEDULED, later)
    assert email.expires_at == later + timedelta(hours=72)


def test_a_time_in_the_past_means_now():
    world = World()
    world.account()

    email = world.email(world.submit(send_at=world.clock.now() - timedelta(days=1)))

    assert email.status is Status.QUEUED


def test_more_than_thirty_days_ahead_is_refused():
    world = World()
    world.account()

    with pytest.raises(InvalidInput, match="/send_at"):
        world.submit(send_at=world.clock.now() + timedelta(days=30, seconds=1))
    assert count(world) == 0


def test_without_any_account_nothing_is_accepted():
    with pytest.raises(Conflict, match="create one first"):
        World().submit()


def test_an_account_that_does_not_exist_is_not_found():
    world = World()
    world.account()

    with pytest.raises(NotFound):
        world.submit(account_id=7)
    assert count(world) == 0


def test_with_only_inactive_accounts_email_waits():
    world = World()
    world.account(active=False)

    assert world.email(world.submit()).status is Status.QUEUED


def test_an_email_that_could_never_fit_its_account_is_refused_at_once():
    world = World()
    account = world.account(limits=Limits(hourly=1, unit=LimitUnit.RECIPIENTS))

    with pytest.raises(InvalidInput, match="/recipients"):
        world.submit("a@example.org", "b@example.org", account_id=account.id)


def test_the_same_key_and_body_is_one_email():
    world = World()
    world.account()
    key = IdempotencyKey(key="k", scope="me", digest="d")
    draft_id = submit_with(world, key)

    assert submit_with(world, key) == draft_id
    assert count(world) == 1


def test_the_same_key_with_another_body_is_a_conflict():
    world = World()
    world.account()
    submit_with(world, IdempotencyKey(key="k", scope="me", digest="d"))

    with pytest.raises(IdempotencyMismatch):
        submit_with(world, IdempotencyKey(key="k", scope="me", digest="other"))
    assert count(world) == 1


def test_keys_of_different_callers_are_independent():
    world = World()
    world.account()
    first = submit_with(world, IdempotencyKey(key="k", scope="me", digest="d"))

    assert submit_with(world, IdempotencyKey(key="k", scope="you", digest="e")) != first


def test_a_key_is_forgotten_after_a_day():
    world = World()
    world.account()
    key = IdempotencyKey(key="k", scope="me", digest="d")
    first = submit_with(world, key)

    world.clock.tick(24 * 3600 + 1)
    world.application.upkeep.sweep()

    assert submit_with(world, key) != first


def submit_with(world: World, key: IdempotencyKey) -> int:
    from application.submission import Draft

    draft = Draft(subject="s", html="h", to=(an_address(),))
    return world.application.submission.submit(draft, idempotency=key)


def test_nothing_is_accepted_while_draining_or_while_the_disk_is_low():
    world = World()
    world.account()
    world.headroom.on = False
    with pytest.raises(NotAccepting, match="disk"):
        world.submit()

    world.headroom.on = True
    world.application.admission.drain()
    with pytest.raises(NotAccepting, match="stopping"):
        world.submit()
    assert count(world) == 0


def test_the_queue_takes_no_more_than_its_depth():
    world = World(max_queue_depth=2)
    world.account()
    world.submit()
    world.submit()

    with pytest.raises(NotAccepting):
        world.submit()
    world.run()

    assert world.submit()


def test_a_cancelled_email_is_never_handed_off():
    world = World()
    world.account()
    email_id = world.submit()

    world.application.submission.cancel(email_id)
    world.run()

    assert world.email(email_id).status is Status.CANCELLED
    assert not world.sender.accepted


def test_an_email_that_is_being_sent_cannot_be_cancelled():
    world = World()
    world.account()
    email_id = world.submit()
    world.claim()

    with pytest.raises(IllegalTransition):
        world.application.submission.cancel(email_id)
