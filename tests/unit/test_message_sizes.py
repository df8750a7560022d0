"""A message that no mail server takes is refused when it is submitted; others go where they fit."""

from typing import Any

import attrs
import pytest

from adapters.fakes.sender import Script
from application.intake.draft import Draft
from domain.account.account import Account, Transport
from domain.account.graph import MOST_OCTETS
from domain.errors import MessageTooLarge
from domain.message.attachment import Attachment
from tests.builders import an_address
from tests.world import World

MEGABYTE = 1_000_000


def a_file(size: int) -> Attachment:
    return Attachment(filename="a", content_type="a/b", octets=bytes(size))


def taking(world: World, account: Account, most: int | None) -> None:
    """From now on the account's server is known to take messages of so many octets."""
    health = attrs.evolve(account.health, max_octets=most)
    world.store.write(lambda tx: tx.accounts.save_health(attrs.evolve(account, health=health)))


def a_world(*sizes: int | None) -> tuple[World, list[Account]]:
    world = World()
    accounts = [world.account(f"account {n}") for n in range(len(sizes))]
    for account, size in zip(accounts, sizes, strict=True):
        taking(world, account, size)
    return world, accounts


def submitted(world: World, size: int, **changes: Any) -> Any:
    email_id = world.submit(attachments=(a_file(size),), **changes)
    return world.email(email_id)


@pytest.mark.parametrize(("offered", "learned"), [("SIZE 5000000", 5_000_000), ("SIZE", None)])
def test_what_a_server_takes_is_learned_from_it(offered: str, learned: int | None) -> None:
    world = World()
    account = world.account()
    world.sender.play(Script(extensions=("PIPELINING", offered)))
    world.submit()
    world.run()

    assert world.account_now(account).health.max_octets == learned


def test_what_a_server_takes_is_learned_anew_when_it_changes() -> None:
    world = World()
    account = world.account()
    for offered, learned in (("SIZE 90000", 90_000), ("SIZE 50000", 50_000), ("HELP", None)):
        world.sender.retire(account.id)
        world.sender.play(Script(extensions=(offered,)))
        world.submit()
        world.run()
        assert world.account_now(account).health.max_octets == learned


def test_a_message_that_the_named_account_does_not_take_is_refused() -> None:
    world, (small, _) = a_world(MEGABYTE, None)

    with pytest.raises(MessageTooLarge) as error:
        submitted(world, MEGABYTE, account_id=small.id)

    assert error.value.code == "message_too_large"
    assert not world.store._tables.blobs


def test_case_6_20_mib_are_more_than_25_mib_in_base64() -> None:
    world, _ = a_world(25 * 1024 * 1024)
    with pytest.raises(MessageTooLarge):
        submitted(world, 20 * 1024 * 1024)

    world, _ = a_world(30 * 1024 * 1024)
    assert 0 < submitted(world, 20 * 1024 * 1024).size - 28_697_870 < 1500


@pytest.mark.parametrize(
    ("own", "told", "most"),
    [(None, None, None), (5, None, 5), (None, 7, 7), (5, 7, 5), (7, 5, 5)],
)
def test_the_smaller_of_what_the_owner_and_the_server_say_counts(
    own: int | None, told: int | None, most: int | None
) -> None:
    account = World().account(allowed_octets=own)
    health = attrs.evolve(account.health, max_octets=told)

    assert attrs.evolve(account, health=health).max_octets == most


def test_what_the_owner_allows_over_graph_is_no_more_than_graph_takes() -> None:
    account = attrs.evolve(World().account(), transport=Transport.GRAPH)

    assert attrs.evolve(account, allowed_octets=2 * MEGABYTE).max_octets == 2 * MEGABYTE
    assert attrs.evolve(account, allowed_octets=4 * MEGABYTE).max_octets == MOST_OCTETS


def test_a_message_that_the_owner_does_not_allow_is_refused_before_any_was_sent() -> None:
    world = World()
    world.account(allowed_octets=25 * 1024 * 1024)

    with pytest.raises(MessageTooLarge):
        submitted(world, 20 * 1024 * 1024)


def test_the_from_line_counts() -> None:
    world, (account,) = a_world(None)
    size = submitted(world, 1000).size
    line = len(b"From: Example Shop <shop@example.com>\r\n")
    for most, fits in ((size + line, True), (size + line - 1, False)):
        found = attrs.evolve(
            account,
            address=an_address("shop@example.com"),
            display_name="Example Shop",
            health=attrs.evolve(account.health, max_octets=most),
        )
        assert found.takes(size) is fits


def test_a_message_that_no_account_takes_is_refused() -> None:
    world, _ = a_world(MEGABYTE, 2 * MEGABYTE)
    with pytest.raises(MessageTooLarge):
        submitted(world, 2 * MEGABYTE)


def test_a_large_message_goes_where_it_fits_and_stays_there() -> None:
    world, (_, large, _) = a_world(MEGABYTE, None, MEGABYTE)

    email = submitted(world, MEGABYTE)
    world.run()

    assert (email.account_id, email.pinned) == (large.id, True)
    assert world.sender.accepted[0].account_id == large.id


def test_a_message_that_all_accounts_take_goes_by_any() -> None:
    world, _ = a_world(MEGABYTE, None)
    assert not submitted(world, 1000).pinned


def test_all_messages_of_a_call_that_are_too_large_are_named() -> None:
    world, _ = a_world(MEGABYTE)
    draft = Draft(subject="a", text="b", to=(an_address(),), attachments=(a_file(MEGABYTE),))
    with pytest.raises(MessageTooLarge) as error:
        world.application.submission.submit((draft, draft))
    assert [one.index for one in error.value.errors] == [0, 1]
