"""What is signed at the hand-off, and what happens where it cannot be."""

import hashlib
import re
from base64 import b64encode
from typing import Any

import pytest

from adapters.fakes.clock import FakeClock
from adapters.fakes.memory_store import MemoryStore
from adapters.fakes.sender import Fault, Rule
from adapters.fakes.vault import FakeVault
from domain.account.account import AccountState
from domain.account.limits import Limits
from domain.email.status import Status
from domain.message.attachment import Attachment
from domain.message.dkim import BodyHash
from domain.outcome.handoff import Stage
from tests.builders import an_address
from tests.world import World


def signing(world: World, *, active: bool = True, **account: Any) -> World:
    """With an account that has keys."""
    added = world.account(**account)
    keys = world.application.dkim_keys
    pair = keys.create(added.id)
    keys.switch(added.id, pair.selector, active=active)
    return world


def signatures(octets: bytes) -> int:
    head = octets.partition(b"\r\n\r\n")[0]
    return sum(line.startswith(b"DKIM-Signature: ") for line in head.split(b"\r\n"))


def test_both_signatures_stand_in_front_of_the_from_line() -> None:
    world = signing(World())
    email_id = world.submit()

    world.run()

    [taken] = world.sender.accepted
    stored = world.store.read(lambda tx: tx.emails.octets(email_id))
    signed = taken.octets.removesuffix(b"From: Sender <sender@example.com>\r\n" + stored)
    assert signed.count(b"DKIM-Signature: v=1; a=") == signatures(taken.octets) == 2
    assert b"a=rsa-sha256" in signed
    assert b"a=ed25519-sha256" in signed
    assert b"From:" not in signed


def test_large_parts_are_signed_as_they_are_handed_over() -> None:
    world = signing(World())
    file = Attachment(filename="a", content_type="a/b", octets=bytes(range(256)) * 2000)
    world.submit(attachments=(file,))

    world.run()

    [taken] = world.sender.accepted
    head, _, body = taken.octets.partition(b"\r\n\r\n")
    body_hash = BodyHash()
    body_hash.add(body)
    assert re.sub(rb"\s", b"", head).count(b"bh=" + b64encode(body_hash.digest())) == 2


def test_nothing_is_signed_before_the_owner_says_so_nor_afterwards() -> None:
    world = signing(World(), active=False)
    keys = world.application.dkim_keys
    [pair] = keys.of(1)

    for step in (
        lambda: None,
        lambda: keys.switch(1, pair.selector, active=True),
        lambda: keys.switch(1, pair.selector, active=False),
        lambda: keys.switch(1, pair.selector, active=True),
        lambda: keys.delete(1, pair.selector),
    ):
        step()
        world.submit()
        world.run()

    assert [signatures(taken.octets) for taken in world.sender.accepted] == [0, 2, 0, 2, 0]


def test_case_13_a_copy_after_an_unknown_outcome_is_equal_signatures_included() -> None:
    world = signing(World())
    world.submit()
    world.play(Rule(Stage.DOT, Fault.ACCEPT_CLOSE, times=1))

    world.run()
    world.clock.tick(61)
    world.run()

    first, second = [hashlib.sha256(taken.octets) for taken in world.sender.accepted]
    assert first.hexdigest() == second.hexdigest()
    assert signatures(world.sender.accepted[0].octets) == 2


def test_mail_of_another_domain_is_not_signed() -> None:
    world = signing(World())
    world.application.account_service.update(1, {"address": an_address("me@example.net")})
    world.submit()

    world.run()

    assert [signatures(taken.octets) for taken in world.sender.accepted] == [0]


# -- keys that do not open -------------------------------------------------------------------------


def with_another_secret_key() -> World:
    """An account that signs, in a process whose vault does not open its keys; mail waits."""
    first = signing(World(vault=FakeVault("the first secret key")))
    world = World(beside=first, vault=FakeVault("quite another"), pid=2)
    world.submit()
    world.submit()
    world.run()
    return world


def test_a_key_that_does_not_open_pauses_its_account_and_charges_nothing() -> None:
    world = with_another_secret_key()

    account = world.store.read(lambda tx: tx.accounts.get(1))
    pause = account.health.pause
    assert account.state(world.clock.now()) is AccountState.PAUSED
    assert pause is not None
    assert (pause.reason, pause.until) == ("dkim_key_unreadable", None)
    assert "SECRET_KEY" in pause.text
    for email_id in (1, 2):
        email = world.email(email_id)
        assert (email.status, email.retry_count) == (Status.QUEUED, 0)
    assert world.sender.attempts == 0


def test_no_login_ends_that_pause_but_its_owner_does() -> None:
    world = with_another_secret_key()

    world.clock.tick(10 * 3600)
    world.application.maintenance.sweep()
    world.run()
    assert world.sender.accepted == []

    again = World(beside=world, vault=FakeVault("the first secret key"), pid=3)
    again.application.account_service.resume(1)
    again.run()
    assert [signatures(taken.octets) for taken in again.sender.accepted] == [2, 2]


@pytest.mark.parametrize("cure", ["switch", "delete"])
def test_without_the_keys_the_account_goes_on(cure: str) -> None:
    world = with_another_secret_key()
    keys = world.application.dkim_keys
    [pair] = keys.of(1)

    if cure == "switch":
        keys.switch(1, pair.selector, active=False)
    else:
        keys.delete(1, pair.selector)
    world.run()

    assert [signatures(taken.octets) for taken in world.sender.accepted] == [0, 0]


def test_a_change_of_the_keys_ends_no_other_pause() -> None:
    world = signing(World())
    world.application.account_service.pause(1)
    [pair] = world.application.dkim_keys.of(1)

    world.application.dkim_keys.switch(1, pair.selector, active=False)

    account = world.store.read(lambda tx: tx.accounts.get(1))
    assert account.state(world.clock.now()) is AccountState.PAUSED


# -- what it costs ---------------------------------------------------------------------------------


class CountingStore(MemoryStore):
    """How often messages and keys were read."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__(clock=clock)
        self.reads = 0

    def read_latest(self, work: Any) -> Any:
        self.reads += 1
        return super().read_latest(work)


@pytest.mark.parametrize(("active", "reads"), [(False, 1), (True, 2)])
def test_keys_are_read_once_for_a_batch_and_not_at_all_if_it_is_not_signed(
    active: bool, reads: int
) -> None:
    clock = FakeClock()
    store = CountingStore(clock)
    one_connection = Limits(daily=None, hourly=None, max_connections=1)
    world = signing(World(store=store, clock=clock), active=active, limits=one_connection)
    world.submit()
    world.run()  # before the first result a batch is one email
    for _ in range(5):
        world.submit()
    [batch] = world.claim()
    assert len(batch.emails) > 1
    before = store.reads

    world.deliver(batch)

    assert store.reads - before == reads
