"""What the holder of an API key may hand on, and which keys must stay."""

from datetime import timedelta
from typing import Any

import attrs
import pytest

from domain.access import (
    LOCAL,
    ApiKey,
    Caller,
    Reach,
    Scope,
    check_successor,
    key_name,
    still_usable,
)
from domain.errors import Conflict, Forbidden, NotFound, Unauthorized
from tests.builders import NOW, a_key_row, at

SEND, READ, ADMIN = (frozenset({one}) for one in (Scope.SEND, Scope.READ, Scope.ADMIN))


def an_admin_key(**changes: Any) -> ApiKey:
    return a_key_row(**{"id": 1, "scopes": ADMIN, **changes})


def handed_on(by: ApiKey, *, most: int | None = 10_000, **wanted: Any) -> Reach:
    return by.hand_on(Reach(**{"scopes": SEND, **wanted}), daily_recipients=most)


def test_a_key_without_limits_hands_on_whatever_is_wanted_up_to_what_the_settings_allow() -> None:
    wanted = Reach(
        scopes=ADMIN, accounts=frozenset({3}), daily_recipients=10_000, expires_at=at(60)
    )

    assert an_admin_key().hand_on(wanted, daily_recipients=10_000) == wanted


def test_what_is_left_out_is_as_the_key_has_it() -> None:
    key = an_admin_key(accounts=frozenset({1, 2}), daily_recipients=7, expires_at=at(60))

    assert handed_on(key) == Reach(
        scopes=SEND, accounts=frozenset({1, 2}), daily_recipients=7, expires_at=at(60)
    )
    assert handed_on(an_admin_key()) == Reach(scopes=SEND)


@pytest.mark.parametrize("scopes", [READ, ADMIN, SEND | READ])
def test_a_scope_that_the_key_has_not_is_not_handed_on(scopes: frozenset[Scope]) -> None:
    with pytest.raises(Forbidden, match="scopes"):
        handed_on(a_key_row(scopes=SEND), scopes=scopes)
    assert handed_on(an_admin_key(), scopes=scopes).scopes == scopes


def test_an_account_that_is_not_the_keys_is_not_there() -> None:
    key = an_admin_key(accounts=frozenset({1, 2}))

    with pytest.raises(NotFound, match="3"):
        handed_on(key, accounts=frozenset({1, 3}))
    assert handed_on(key, accounts=frozenset({1})).accounts == {1}


def test_more_recipients_a_day_than_the_key_may_name_are_not_handed_on() -> None:
    key = an_admin_key(daily_recipients=7)

    with pytest.raises(Forbidden, match="at most its own 7 recipients"):
        handed_on(key, most=7, daily_recipients=8)
    assert handed_on(key, most=7, daily_recipients=7).daily_recipients == 7
    with pytest.raises(Forbidden, match="10000"):
        handed_on(an_admin_key(), daily_recipients=10_001)


def test_a_later_end_than_the_keys_is_not_handed_on() -> None:
    key = an_admin_key(expires_at=at(60))

    with pytest.raises(Forbidden, match="end"):
        handed_on(key, expires_at=at(60) + timedelta(microseconds=1))
    assert handed_on(key, expires_at=at(60)).expires_at == at(60)
    assert handed_on(key, expires_at=at(59)).expires_at == at(59)


def test_a_caller_whose_key_was_revoked_or_has_expired_meanwhile_changes_nothing() -> None:
    key = an_admin_key()
    caller = Caller(key_id=1)
    ended = [attrs.evolve(key, revoked_at=NOW), attrs.evolve(key, expires_at=NOW)]

    assert still_usable(caller, [key], now=NOW) == key
    assert still_usable(LOCAL, [], now=NOW) is None
    for one in ended:
        with pytest.raises(Unauthorized):
            still_usable(caller, [one], now=NOW)
    with pytest.raises(Unauthorized):
        still_usable(caller, [attrs.evolve(key, id=2)], now=NOW)


@pytest.mark.parametrize(
    "other",
    [
        {"revoked_at": NOW},
        {"expires_at": NOW},
        {"scopes": SEND | READ},
        {"accounts": frozenset({1})},
        {"id": 1},
    ],
)
def test_the_last_key_of_an_administrator_stays(other: dict[str, Any]) -> None:
    key = an_admin_key()
    another = an_admin_key(**{"id": 2, **other})

    with pytest.raises(Conflict, match="last"):
        check_successor(key, [key, another], now=NOW)


def test_a_key_may_go_if_another_one_takes_its_place_or_if_it_administers_nothing() -> None:
    every, first, both = (
        an_admin_key(id=number, accounts=accounts)
        for number, accounts in ((1, None), (2, frozenset({1})), (3, frozenset({1, 2})))
    )

    check_successor(every, [every, an_admin_key(id=4)], now=NOW)
    check_successor(first, [first, both], now=NOW)
    check_successor(both, [both, every], now=NOW)
    check_successor(a_key_row(id=5), [], now=NOW)
    check_successor(an_admin_key(expires_at=NOW), [], now=NOW)
    with pytest.raises(Conflict):
        check_successor(both, [both, first], now=NOW)


@pytest.mark.parametrize("name", ["", "  ", "a\tb", "a\0", "x" * 201])
def test_a_key_has_a_name_that_can_be_read(name: str) -> None:
    with pytest.raises(ValueError, match="1 to 200 printable"):
        key_name(name)
    assert key_name(" web ") == "web"
