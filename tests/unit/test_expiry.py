"""An email is not sent after its client's expires_at."""

from datetime import timedelta

import pytest

from domain.account.limits import Limits
from domain.email.recipient import EXPIRED, RecipientStatus
from domain.email.retry import RetryPolicy
from domain.email.status import Status
from domain.errors import InvalidInput
from tests.builders import NOW, at
from tests.world import World

BATCHES = Limits(daily=None, hourly=None, max_connections=1)


def test_an_email_expires_when_its_client_says_but_not_later_than_any() -> None:
    policy = RetryPolicy(max_age=timedelta(hours=1))

    assert policy.expires_at(NOW, None) == at(3600)
    assert policy.expires_at(NOW, at(60)) == at(60)
    assert policy.expires_at(NOW, at(9999)) == at(3600)


@pytest.mark.parametrize(("send_at", "expires_at"), [(None, 0), (None, -1), (10, 10), (10, 5)])
def test_it_must_expire_in_the_future_and_after_it_is_due(
    send_at: int | None, expires_at: int
) -> None:
    world = World()
    world.account()
    with pytest.raises(InvalidInput) as caught:
        world.submit(send_at=None if send_at is None else at(send_at), expires_at=at(expires_at))

    assert [error.field for error in caught.value.errors] == ["expires_at"]


def test_what_waits_too_long_fails_with_the_sweep() -> None:
    world = World()
    world.account()
    email_id = world.submit(expires_at=at(60))
    world.clock.tick(61)
    world.application.maintenance.sweep()

    email = world.email(email_id)
    assert (email.status, email.reason_code) == (Status.FAILED, EXPIRED)
    assert world.sender.accepted == []


def test_what_is_claimed_too_late_fails_untried_and_frees_what_was_reserved() -> None:
    world = World()
    account = world.account(limits=Limits(daily=5, hourly=5))
    email_id = world.submit(expires_at=at(60))
    [batch] = world.claim()
    world.clock.tick(61)
    world.deliver(batch)

    email = world.email(email_id)
    assert (email.status, email.reason_code) == (Status.FAILED, EXPIRED)
    assert [each.status for each in email.recipients] == [RecipientStatus.REJECTED]
    assert world.sender.accepted == []
    assert world.store.read(lambda tx: tx.attempts.of(email_id)) == []
    used = world.application.account_queries.account(account.id).used
    assert set(used.values()) == {0}
    assert "email_expired" in [event.name for event in world.heard.events]


def test_the_others_of_its_batch_are_sent() -> None:
    world = World()
    world.account(limits=BATCHES)
    ids = [world.submit(expires_at=at(60) if n == 1 else None) for n in range(3)]
    world.clock.tick(61)
    world.run()

    assert [world.email(n).status for n in ids] == [Status.SENT, Status.FAILED, Status.SENT]


def test_until_then_it_is_sent() -> None:
    world = World()
    world.account()
    email_id = world.submit(expires_at=at(60))
    world.clock.tick(59)
    world.run()

    assert world.email(email_id).status is Status.SENT


def test_a_wall_that_jumps_forward_expires_nothing() -> None:
    world = World()
    world.account()
    email_id = world.submit(expires_at=at(60))
    world.clock.step(3600)
    world.run()

    assert world.email(email_id).status is Status.SENT
