"""What an owner may count on who has mail signed."""

import attrs
import pytest

from adapters.fakes.vault import FakeVault
from domain.access import Caller, Scope
from domain.account.dkim_key import DkimPair
from domain.errors import Conflict, Forbidden, InvalidInput, NotFound
from domain.message.dkim import Algorithm
from tests.builders import an_address
from tests.dkim_messages import SIGNER
from tests.world import World


def pairs(world: World, account_id: int = 1) -> list[tuple[str, bool]]:
    return [(pair.selector, pair.active) for pair in world.application.dkim_keys.of(account_id)]


def create(world: World, **wish: str) -> DkimPair:
    return world.application.dkim_keys.create(1, **wish)


def test_a_new_pair_is_of_both_algorithms_and_does_not_sign() -> None:
    world = World()
    account = world.account()

    pair = create(world)

    assert [key.algorithm for key in pair.keys] == [Algorithm.RSA, Algorithm.ED25519]
    assert pair.selector == f"es1-{world.clock.now():%Y%m%d}"
    assert pairs(world) == [(pair.selector, False)]
    assert not world.account_now(account).signs


def test_the_records_name_both_keys_and_hold_what_verifies_them() -> None:
    world = World()
    world.account()

    pair = create(world, selector="mail", domain="Example.COM")

    assert [key.published.name for key in pair.keys] == [
        "mail-rsa._domainkey.example.com",
        "mail-ed25519._domainkey.example.com",
    ]
    for key in pair.keys:
        private_key = FakeVault().open(key.sealed_key, context=key.context).encode()
        assert key.published.value == SIGNER.dns_record(key.opened(private_key))
        assert "".join(key.published.strings) == key.published.value
        assert max(map(len, key.published.strings)) <= 255
    assert [len(key.published.strings) for key in pair.keys] == [2, 1]


def test_a_private_key_opens_for_its_own_place_alone() -> None:
    world = World()
    world.account()
    rsa, ed25519 = create(world, selector="a").keys
    other = create(world, selector="b").keys[0]

    assert len({key.context for key in (rsa, ed25519, other)}) == 3
    assert "PRIVATE" not in repr(rsa)


@pytest.mark.parametrize(
    ("address", "domain"), [("a@mail.example.com", "example.com"), ("a@example.com", "example.com")]
)
def test_the_domain_is_that_of_the_sender_or_one_above_it(address: str, domain: str) -> None:
    world = World()
    world.account(address=an_address(address))

    assert create(world, domain=domain).domain == domain


@pytest.mark.parametrize(
    ("wish", "field"),
    [
        ({"domain": "example.org"}, "domain"),
        ({"domain": "mail.example.com"}, "domain"),
        ({"domain": "ample.com"}, "domain"),
        ({"domain": "com"}, "domain"),
        ({"domain": "example.com."}, "domain"),
        ({"domain": "ex ample.com"}, "domain"),
        ({"selector": ""}, "selector"),
        ({"selector": "A"}, "selector"),
        ({"selector": "a.b"}, "selector"),
        ({"selector": "-a"}, "selector"),
        ({"selector": "a\n"}, "selector"),
        ({"selector": "a" * 41}, "selector"),
    ],
)
def test_what_could_never_sign_is_refused(wish: dict[str, str], field: str) -> None:
    world = World()
    world.account()

    with pytest.raises(InvalidInput) as refused:
        create(world, **wish)

    assert [error.field for error in refused.value.errors] == [field]


def test_a_selector_is_taken_once_and_there_are_five_at_most() -> None:
    world = World()
    world.account()
    create(world, selector="s1")
    with pytest.raises(Conflict, match="s1"):
        create(world, selector="s1")
    key = world.store.read(lambda tx: tx.dkim_keys.of(1))[0]
    more = [attrs.evolve(key, selector=f"s{n}") for n in range(2, 6)]
    world.store.write(lambda tx: tx.dkim_keys.add_all(more))

    with pytest.raises(Conflict, match="remove one"):
        create(world, selector="s6")


def test_of_one_domain_one_pair_signs() -> None:
    world = World()
    account = world.account()
    for selector in ("a", "b"):
        create(world, selector=selector)
    keys = world.application.dkim_keys

    assert keys.switch(1, "a", active=True).active
    assert pairs(world) == [("a", True), ("b", False)]
    assert world.account_now(account).signs
    keys.switch(1, "b", active=True)
    assert pairs(world) == [("a", False), ("b", True)]
    keys.switch(1, "b", active=False)
    assert pairs(world) == [("a", False), ("b", False)]
    assert not world.account_now(account).signs


def test_keys_go_when_they_are_removed_and_with_their_account() -> None:
    world = World()
    world.account()
    for selector in ("a", "b"):
        create(world, selector=selector)

    world.application.dkim_keys.delete(1, "a")
    assert pairs(world) == [("b", False)]
    world.application.account_service.delete(1)
    assert world.store.read(lambda tx: tx.dkim_keys.all()) == []


def test_what_is_not_there_is_not_found() -> None:
    world = World()
    keys = world.application.dkim_keys
    with pytest.raises(NotFound):
        keys.create(1)
    with pytest.raises(NotFound):
        keys.of(1)
    world.account()
    with pytest.raises(NotFound, match="selector x"):
        keys.switch(1, "x", active=True)
    with pytest.raises(NotFound, match="selector x"):
        keys.delete(1, "x")


def test_only_an_admin_of_the_account_may_change_keys_and_a_reader_may_see_them() -> None:
    world = World()
    world.account()
    create(world, selector="a")
    keys = world.application.dkim_keys
    reader = Caller(key_id=1, scopes=frozenset({Scope.READ}))
    elsewhere = Caller(key_id=1, accounts=frozenset({2}))

    assert len(keys.of(1, caller=reader)) == 1
    for caller, error in ((reader, Forbidden), (elsewhere, NotFound)):
        with pytest.raises(error):
            keys.create(1, caller=caller)
        with pytest.raises(error):
            keys.switch(1, "a", active=True, caller=caller)
        with pytest.raises(error):
            keys.delete(1, "a", caller=caller)
    with pytest.raises(NotFound):
        keys.of(1, caller=elsewhere)


def test_the_audit_and_the_events_say_who_did_what_and_no_secret() -> None:
    world = World()
    world.account()
    create(world, selector="a")
    create(world, selector="b")
    keys = world.application.dkim_keys
    keys.switch(1, "a", active=True)
    keys.switch(1, "b", active=True)
    keys.switch(1, "b", active=False)
    keys.delete(1, "b")

    entries = world.store.read(lambda tx: tx.audit.latest(limit=20))

    assert [(entry.action, entry.detail["selector"]) for entry in reversed(entries)] == [
        ("dkim_created", "a"),
        ("dkim_created", "b"),
        ("dkim_started", "a"),
        ("dkim_stopped", "a"),
        ("dkim_started", "b"),
        ("dkim_stopped", "b"),
        ("dkim_deleted", "b"),
    ]
    assert {tuple(entry.detail) for entry in entries} == {("selector", "domain")}
    assert [event.name for event in world.heard.events if event.name.startswith("dkim")] == [
        "dkim_created",
        "dkim_created",
        "dkim_started",
        "dkim_started",
        "dkim_stopped",
        "dkim_deleted",
    ]
