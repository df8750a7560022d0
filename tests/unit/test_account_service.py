"""What an owner may count on."""

import pytest

from adapters.fakes.vault import FakeVault
from domain.account.account import AccountState, Security
from domain.email.status import Status
from domain.errors import Conflict, InvalidInput, NameTaken, NotFound
from domain.outcome.handoff import Problem
from tests.builders import an_address, credentials
from tests.world import World

FIELDS = {
    "name": "main",
    "address": an_address("me@example.com"),
    "host": "smtp.example.com",
    "port": 587,
}


def create(world: World, **fields: object) -> int:
    return world.application.account_service.create({**FIELDS, **fields})


def stored(world: World, account_id: int):
    return world.store.read(lambda tx: tx.accounts.get(account_id))


def test_a_new_account_has_the_published_defaults():
    world = World()
    account = stored(world, create(world))

    assert (account.id, account.security, account.active) == (1, Security.STARTTLS, True)
    assert (account.limits.daily, account.limits.hourly) == (500, 50)
    assert not account.authenticates


@pytest.mark.parametrize(
    ("fields", "port", "security"),
    [
        ({}, 587, Security.STARTTLS),
        ({"port": 465}, 465, Security.TLS),
        ({"security": Security.TLS}, 465, Security.TLS),
        ({"security": Security.PLAIN}, 587, Security.PLAIN),
        ({"port": 465, "security": Security.STARTTLS}, 465, Security.STARTTLS),
    ],
)
def test_the_port_and_the_security_of_a_new_account_follow_each_other(fields, port, security):
    world = World()
    rest = {name: value for name, value in FIELDS.items() if name != "port"}
    account_id = world.application.account_service.create({**rest, **fields})

    account = stored(world, account_id)
    assert (account.port, account.security, account.version) == (port, security, 1)


def test_changes_may_depend_on_the_account_as_it_stands():
    world = World()
    account_id = create(world, display_name="Shop")

    world.application.account_service.update(
        account_id, lambda account: {"display_name": f"{account.display_name} of Ada"}
    )

    assert stored(world, account_id).display_name == "Shop of Ada"


def test_a_password_is_sealed_for_its_own_row():
    world = World()
    account = stored(world, create(world, username="me", password="hunter2"))

    assert FakeVault().open(account.sealed_password, context="account:1") == "hunter2"
    assert "hunter2" not in repr(account)


def test_no_limit_is_not_the_default_limit():
    world = World()

    assert stored(world, create(world, daily=None)).limits.daily is None


def test_a_name_is_given_once():
    world = World()
    create(world)
    with pytest.raises(NameTaken):
        create(world)
    other = create(world, name="other")
    with pytest.raises(NameTaken):
        world.application.account_service.update(other, {"name": "main"})


def test_what_is_refused_leaves_nothing_behind():
    world = World()

    with pytest.raises(InvalidInput):
        create(world, username="me")

    assert world.application.account_queries.accounts() == []


def test_an_update_changes_what_it_names_and_nothing_else():
    world = World()
    account_id = create(world, username="me", password="one", hourly=7)
    before = stored(world, account_id)

    world.application.account_service.update(account_id, {"active": False, "daily": 1000})

    after = stored(world, account_id)
    assert (after.active, after.limits.daily, after.limits.hourly) == (False, 1000, 7)
    assert (after.sealed_password, after.version) == (before.sealed_password, before.version)


def test_a_forgotten_password_is_in_the_audit_once():
    world = World()
    account_id = create(world, username="me", password="one")
    account_service = world.application.account_service

    account_service.update(account_id, {"host": "elsewhere.example.com"})
    account_service.update(account_id, {"daily": 7})

    later, forgot, _ = world.store.read(lambda tx: tx.audit.latest(limit=3))
    assert dict(forgot.detail) == {"name": "main", "fields": "host", "password": "forgotten"}
    assert dict(later.detail) == {"name": "main", "fields": "daily"}


def test_a_claim_from_before_takes_the_old_password_to_the_old_server_alone():
    world = World()
    account_id = create(world, username="me", password="one")
    world.submit()
    world.submit()
    [batch] = world.claim()

    world.application.account_service.update(account_id, {"host": "elsewhere.example.com"})
    world.deliver(batch)

    assert batch.account.host == "smtp.example.com"
    assert FakeVault().open(batch.account.sealed_password, context="account:1") == "one"
    after = stored(world, account_id)
    assert after.awaits_password
    assert world.claim() == ()


def test_an_account_without_its_password_sends_nothing_until_it_comes():
    world = World()
    account_id = create(world, username="me", password="one")
    account_service = world.application.account_service
    account_service.update(account_id, {"port": 2525})
    email_id = world.submit()

    world.clock.tick(10**5)
    world.application.maintenance.sweep()
    world.run()
    assert world.email(email_id).status is Status.QUEUED
    with pytest.raises(Conflict):
        account_service.resume(account_id)
    failed = account_service.verify(account_id).failed
    assert failed is not None
    assert failed.problem is Problem.NO_PASSWORD

    account_service.update(account_id, {"password": "two"})
    world.run()
    assert world.email(email_id).status is Status.SENT


def test_an_update_of_nothing_there_is_not_found():
    with pytest.raises(NotFound):
        World().application.account_service.update(1, {"active": False})


def test_an_account_that_mail_waits_on_is_not_deleted():
    world = World()
    account_id = create(world, active=False)
    email_id = world.submit(account_id=account_id)

    with pytest.raises(Conflict, match="1 emails wait"):
        world.application.account_service.delete(account_id)
    world.application.email_changes.cancel(email_id)
    world.application.account_service.delete(account_id)

    with pytest.raises(NotFound):
        stored(world, account_id)
    assert world.email(email_id).status is Status.CANCELLED


def test_the_last_account_that_could_take_waiting_mail_is_not_deleted():
    world = World()
    account_id = create(world)
    world.submit()

    with pytest.raises(Conflict, match="1 emails wait"):
        world.application.account_service.delete(account_id)
    create(world, name="other")
    world.application.account_service.delete(account_id)


def test_an_account_paused_by_hand_hands_nothing_off_until_it_is_resumed():
    world = World()
    account = world.account()
    email_id = world.submit()
    account_service = world.application.account_service

    paused = account_service.pause(account.id)
    assert paused.state(world.clock.now()) is AccountState.PAUSED
    world.run()
    assert world.email(email_id).status is Status.QUEUED

    account_service.resume(account.id)
    world.run()
    assert world.email(email_id).status is Status.SENT


def test_a_pause_by_hand_is_not_ended_by_a_probe():
    world = World()
    account = world.account()
    world.application.account_service.pause(account.id)

    world.clock.tick(10**5)
    world.application.maintenance.sweep()

    assert world.account_now(account).state(world.clock.now()) is AccountState.PAUSED


def test_with_an_account_its_secrets_and_tokens_go():
    world = World()
    account_id = create(world)
    world.store.write(lambda tx: tx.credentials.save(credentials(account_id)))

    world.application.account_service.delete(account_id)

    assert world.store.read(lambda tx: tx.credentials.all()) == []
