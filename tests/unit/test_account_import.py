"""Accounts from a file: what is planned, what is written, and what a failure leaves."""

from typing import Any

import pytest

from adapters.fakes.vault import FakeVault
from application.account_import import GROUP, Action
from application.account_inbox import InboxWish
from application.account_writer import AccountFields
from application.oauth.account_auth import OAuthWish
from domain.account.account import (
    Account,
    AccountState,
    AuthMechanism,
    OnUnknown,
    Security,
    Transport,
)
from domain.account.limits import LimitUnit
from domain.account.oauth import Flow
from domain.errors import InvalidInput, NameTaken
from domain.outcome.handoff import Stage
from tests.builders import an_address, an_oauth_client
from tests.world import World


def wish(name: str = "main", **changes: Any) -> AccountFields:
    """What a file says of an account."""
    fields: dict[str, Any] = {
        "name": name,
        "address": an_address("me@example.com"),
        "host": "smtp.example.com",
        "username": "me",
        "password": "hunter2",
        **changes,
    }
    return fields  # type: ignore[return-value] - its names and types are those


def imported(world: World, *wishes: AccountFields) -> list[Action | None]:
    """What became of each; None for one with an error."""
    use_case = world.application.account_import
    return [None if one.error else one.action for one in use_case.write(use_case.plan(wishes))]


def stored(world: World) -> dict[str, Account]:
    accounts = world.store.read(lambda tx: tx.accounts.all())
    return {account.name: account for account in accounts}


def test_a_plan_writes_nothing() -> None:
    world = World()
    [planned] = world.application.account_import.plan([wish()])

    assert (planned.action, planned.error) == (Action.CREATE, None)
    assert stored(world) == {}


def test_what_is_new_is_created_and_the_second_time_kept() -> None:
    world = World()
    assert imported(world, wish("a"), wish("b")) == [Action.CREATE, Action.CREATE]
    before = stored(world)

    assert imported(world, wish("a"), wish("b")) == [Action.KEEP, Action.KEEP]
    assert stored(world) == before
    assert FakeVault().open(before["b"].sealed_password or b"", context="account:2") == "hunter2"


def test_what_the_file_says_is_changed_and_the_rest_stays() -> None:
    world = World()
    imported(world, wish(daily=7, hourly=3))
    [planned] = world.application.account_import.plan([wish(daily=8, display_name="Shop")])

    assert [(one.field, one.before, one.after) for one in planned.differences] == [
        ("display_name", "", "Shop"),
        ("daily", 7, 8),
    ]
    assert not planned.new_password
    assert imported(world, wish(daily=8, display_name="Shop")) == [Action.CHANGE]
    assert (stored(world)["main"].limits.daily, stored(world)["main"].limits.hourly) == (8, 3)


OTHER: dict[str, Any] = {
    "address": an_address("other@example.com"),
    "display_name": "Other",
    "aliases": (an_address("alias@example.com"),),
    "host": "smtp.example.org",
    "port": 465,
    "username": "other",
    "auth": OAuthWish(client=an_oauth_client()),
    "auth_mechanism": AuthMechanism.LOGIN,
    "announce_next": True,
    "ses_headers": True,
    "allowed_octets": 25_000_000,
    "security": Security.TLS,
    "active": False,
    "daily": 1,
    "hourly": 1,
    "minute": 1,
    "unit": LimitUnit.RECIPIENTS,
    "max_connections": 7,
    "priority_reserve": 33,
    "on_unknown": OnUnknown.HOLD,
    "inbox": InboxWish(host="imap.example.org", username="other", password="secret"),
}
SAME = {"name", "password", "transport"}  # no other field goes with another transport alone


def test_every_field_that_a_file_may_have_is_looked_at() -> None:
    assert set(OTHER) | SAME == set(AccountFields.__annotations__)
    for field in OTHER.keys() - SAME:
        world = World()
        imported(world, wish())
        changed = wish(**{field: OTHER[field]})
        if field == "auth":
            changed["password"] = None
        assert imported(world, changed) == [Action.CHANGE], field


def test_another_transport_is_looked_at() -> None:
    world = World()
    by_token = wish(auth=OTHER["auth"], password=None)
    graph = {"transport": Transport.GRAPH, "host": "graph.microsoft.com", "port": 443}
    imported(world, by_token)

    [planned] = world.application.account_import.plan(
        [{**by_token, **graph, "security": Security.TLS}]  # type: ignore[typeddict-item]
    )

    assert planned.error is None
    assert "transport" in {one.field for one in planned.differences}


def by_oauth(**changes: Any) -> AccountFields:
    client = an_oauth_client(flow=Flow.CLIENT_CREDENTIALS, tenant="example.org")
    auth = OAuthWish(client=client, **{"secret": "one", **changes})
    return {**wish(), "password": None, "auth": auth}


def test_the_same_secret_of_oauth_is_kept_and_another_one_is_written() -> None:
    world = World()
    assert imported(world, by_oauth()) == [Action.CREATE]
    version = stored(world)["main"].version

    assert imported(
        world,
        by_oauth(),
    ) == [Action.KEEP]
    [planned] = world.application.account_import.plan([by_oauth(secret="two")])
    assert (planned.action, planned.differences, planned.new_secret) == (Action.CHANGE, (), True)
    assert imported(world, by_oauth(secret="two")) == [Action.CHANGE]
    assert imported(world, by_oauth(secret="two")) == [Action.KEEP]
    assert stored(world)["main"].version == version + 1


def test_a_change_beside_the_same_secret_of_oauth_ends_no_connections() -> None:
    world = World()
    imported(world, by_oauth())
    version = stored(world)["main"].version

    assert imported(world, {**by_oauth(), "daily": 9}) == [Action.CHANGE]
    assert stored(world)["main"].version == version


def test_an_account_that_the_file_does_not_name_stays() -> None:
    world = World()
    imported(world, wish("a"), wish("b"))
    imported(world, wish("b"))

    assert sorted(stored(world)) == ["a", "b"]


def test_the_same_password_forgives_nothing_and_another_one_does() -> None:
    world = World()
    imported(world, wish())
    world.application.account_service.pause(1)
    imported(world, wish(daily=9))
    assert stored(world)["main"].state(world.clock.now()) is AccountState.PAUSED

    [planned] = world.application.account_import.plan([wish(password="another")])
    assert (planned.action, planned.differences, planned.new_password) == (Action.CHANGE, (), True)
    assert "another" not in repr(planned)
    imported(world, wish(password="another"))
    assert stored(world)["main"].state(world.clock.now()) is AccountState.OPEN


def test_the_same_password_goes_along_to_another_server() -> None:
    world = World()
    imported(world, wish())
    imported(world, wish(host="smtp.example.org"))

    account = stored(world)["main"]
    assert (account.host, account.awaits_password) == ("smtp.example.org", False)
    assert FakeVault().open(account.sealed_password or b"", context="account:1") == "hunter2"


def test_a_password_that_cannot_be_read_is_written_anew() -> None:
    world = World()
    imported(world, wish())
    account = stored(world)["main"]
    sealed = FakeVault().seal("hunter2", context="account:99")
    world.store.write(
        lambda tx: tx.accounts.save(account.changed(now=world.clock.now(), sealed_password=sealed))
    )

    assert imported(world, wish()) == [Action.CHANGE]


def test_every_account_that_cannot_be_is_told_and_the_others_are_planned() -> None:
    world = World()
    plan = world.application.account_import.plan(
        [wish("a", password=None), wish("b"), wish("c"), wish("c"), wish("d", port=465)]
    )

    assert [one.error is not None for one in plan] == [True, False, True, True, False]
    assert "given together" in str(plan[0].error)
    assert "more than once" in str(plan[2].error)


def test_one_that_fails_when_it_is_written_keeps_no_other_from_being_written() -> None:
    world = World()
    use_case = world.application.account_import
    plan = use_case.plan([wish(f"account {n}") for n in range(GROUP + 20)])
    world.application.account_service.create(wish("account 5"))  # meanwhile, by somebody else

    came_out = use_case.write(plan)

    failed = [one for one in came_out if one.error]
    assert [(one.name, type(one.error)) for one in failed] == [("account 5", NameTaken)]
    assert len(stored(world)) == GROUP + 20
    assert {one.account_id for one in came_out if not one.error} == {
        account.id for account in stored(world).values() if account.name != "account 5"
    }


def test_each_account_that_is_written_is_in_the_audit_and_in_the_log() -> None:
    world = World()
    imported(world, wish("a"), wish("b"))
    imported(world, wish("a", daily=1))

    entries = world.store.read(lambda tx: tx.audit.latest(limit=9))
    assert [entry.action for entry in reversed(entries)] == [
        "account_created",
        "account_created",
        "account_updated",
    ]
    names = [event.name for event in world.heard.events if event.name.startswith("account_")]
    assert names == ["account_created", "account_created", "account_updated"]


def test_an_account_is_tried_out_before_it_is_stored() -> None:
    world = World()
    verification = world.application.account_import.try_out(wish())

    assert verification.failed is None
    assert [step.stage for step in verification.steps][-1] is Stage.RCPT
    assert stored(world) == {}


def test_an_account_that_cannot_be_is_not_tried_out() -> None:
    with pytest.raises(InvalidInput, match="given together"):
        World().application.account_import.try_out(wish(password=None))
