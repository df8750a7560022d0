"""The port and the protection of an account, and what changes forgive."""

import pytest

from domain.account.account import (
    Account,
    AccountState,
    AuthMechanism,
    Security,
    check,
    default_port,
    default_security,
    security_after_move,
)
from domain.account.health import Health, Pause
from domain.address import is_loopback
from domain.errors import Conflict, InvalidInput
from tests.builders import an_account, an_address, an_oauth_client, at


@pytest.mark.parametrize(
    ("port", "wanted"),
    [
        (465, Security.TLS),
        (2465, Security.TLS),
        (25, Security.STARTTLS),
        (587, Security.STARTTLS),
        (4650, Security.STARTTLS),
    ],
)
def test_the_port_has_a_default_security(port, wanted):
    assert default_security(port) is wanted


@pytest.mark.parametrize(
    ("security", "wanted"),
    [(None, 587), (Security.STARTTLS, 587), (Security.TLS, 465), (Security.PLAIN, 587)],
)
def test_the_security_has_a_default_port(security, wanted):
    assert default_port(security) == wanted


@pytest.mark.parametrize(
    ("current", "old_port", "new_port", "wanted"),
    [
        (Security.STARTTLS, 587, 465, Security.TLS),
        (Security.TLS, 465, 587, Security.STARTTLS),
        (Security.PLAIN, 587, 465, Security.PLAIN),
        (Security.TLS, 587, 465, Security.TLS),
        (Security.STARTTLS, 465, 587, Security.STARTTLS),
        (Security.STARTTLS, 465, 2465, Security.STARTTLS),
        (Security.STARTTLS, 587, 25, Security.STARTTLS),
    ],
)
def test_a_default_security_follows_the_port_and_a_choice_stays(
    current, old_port, new_port, wanted
):
    assert security_after_move(current, old_port=old_port, new_port=new_port) is wanted


def test_a_password_without_tls_is_refused():
    with pytest.raises(InvalidInput):
        check(an_account(security=Security.PLAIN))

    assert check(an_account(security=Security.PLAIN, host="127.0.0.1"))
    assert check(an_account(security=Security.PLAIN, username="", sealed_password=None))


@pytest.mark.parametrize("changes", [{"username": ""}, {"sealed_password": None}])
def test_a_username_and_a_password_go_together(changes):
    with pytest.raises(InvalidInput):
        check(an_account(**changes))


@pytest.mark.parametrize(
    ("mechanism", "oauth"),
    [
        *((each, None) for each in AuthMechanism if each.takes_token),
        *((each, an_oauth_client()) for each in AuthMechanism if not each.takes_token),
    ],
)
def test_a_mechanism_for_tokens_and_oauth_go_together(mechanism, oauth):
    with pytest.raises(InvalidInput) as refused:
        check(an_account(auth_mechanism=mechanism, oauth=oauth))

    assert "auth_mechanism" in [error.field for error in refused.value.errors]


@pytest.mark.parametrize("mechanism", [each for each in AuthMechanism if not each.takes_token])
def test_a_mechanism_for_passwords_and_a_password_go_together(mechanism):
    assert check(an_account(auth_mechanism=mechanism))


@pytest.mark.parametrize(
    ("host", "answer"),
    [("localhost", True), ("127.0.0.1", True), ("127.9.9.9", True), ("::1", True),
     ("10.0.0.1", False), ("localhost.example.com", False), ("mail.example.com", False)],
)  # fmt: skip
def test_only_this_machine_is_loopback(host, answer):
    assert is_loopback(host) is answer


def test_new_credentials_resume_a_paused_account_and_end_its_sessions():
    paused = an_account(health=Health().halted("auth_failed", now=at(0)))

    changed = paused.changed(now=at(1), sealed_password=b"other")

    assert changed.version == paused.version + 1
    assert changed.state(at(1)) is AccountState.OPEN


MOVES = [
    {"host": "elsewhere.example.com"},
    {"port": 2525},
    {"security": Security.TLS},
    {"username": "somebody.else"},
]


@pytest.mark.parametrize("move", MOVES)
def test_another_server_or_user_without_a_password_forgets_the_one_there_was(move):
    account = an_account()

    changed = check(account.changed(now=at(1), **move))

    assert (changed.sealed_password, changed.version) == (None, account.version + 1)
    assert changed.health.pause == Pause(
        reason="password_missing",
        text="the server, the TLS mode or the username changed: send the password again",
        since=at(1),
    )
    assert changed.awaits_password
    assert changed.opens_at(at(10**6)) is None


@pytest.mark.parametrize("move", MOVES)
def test_another_server_or_user_with_a_password_is_open(move):
    changed = check(an_account().changed(now=at(1), sealed_password=b"other", **move))

    assert changed.sealed_password == b"other"
    assert changed.state(at(1)) is AccountState.OPEN


def test_the_same_server_and_user_again_keep_the_password_and_the_pause():
    account = an_account(health=Health().halted("auth_failed", now=at(0)))
    same = {name: getattr(account, name) for name in ("host", "port", "security", "username")}

    assert account.changed(now=account.updated_at, **same) == account


def test_changing_a_relay_without_login_never_misses_a_password():
    relay = an_account(username="", sealed_password=None)

    changed = check(relay.changed(now=at(1), host="elsewhere.example.com"))

    assert changed.state(at(1)) is AccountState.OPEN


def test_without_its_username_an_account_is_a_relay():
    changed = check(an_account().changed(now=at(1), username=""))

    assert (changed.sealed_password, changed.awaits_password) == (None, False)
    assert changed.state(at(1)) is AccountState.OPEN


def test_a_username_is_not_added_without_a_password():
    relay = an_account(username="", sealed_password=None)

    with pytest.raises(InvalidInput):
        check(relay.changed(now=at(1), username="me"))


@pytest.fixture
def forgetful() -> Account:
    """An account whose password was forgotten."""
    return an_account().changed(now=at(1), host="elsewhere.example.com")


@pytest.mark.parametrize("changes", [{"display_name": "Other"}, *MOVES[1:], {"host": "third.de"}])
def test_a_missing_password_pauses_the_account_until_it_is_set(forgetful, changes):
    changed = check(forgetful.changed(now=at(2), **changes))

    assert changed.awaits_password
    assert changed.state(at(2)) is AccountState.PAUSED


def test_setting_the_password_ends_the_pause_for_a_missing_one(forgetful):
    cured = check(forgetful.changed(now=at(2), sealed_password=b"new"))

    assert (cured.state(at(2)), cured.awaits_password) == (AccountState.OPEN, False)
    assert cured.version == forgetful.version + 1


def test_removing_the_username_ends_the_pause_for_a_missing_password(forgetful):
    cured = check(forgetful.changed(now=at(2), username=""))

    assert cured.state(at(2)) is AccountState.OPEN


@pytest.mark.parametrize("account", [an_account(), an_account().changed(now=at(1), port=25)])
def test_setting_no_password_is_refused(account):
    with pytest.raises(InvalidInput):
        check(account.changed(now=at(2), sealed_password=None))


def test_an_account_without_its_password_cannot_be_resumed(forgetful):
    with pytest.raises(Conflict, match="'main' has no password"):
        forgetful.resumed()


def test_a_manual_pause_does_not_hide_a_missing_password(forgetful):
    assert forgetful.paused_by_hand(now=at(2)) == forgetful


def test_a_new_limit_keeps_sessions_and_pauses():
    paused = an_account(health=Health().halted("auth_failed", now=at(0)))

    changed = paused.changed(now=at(1), display_name="Other")

    assert changed.version == paused.version
    assert changed.state(at(1)) is AccountState.PAUSED


def test_an_inactive_account_never_becomes_active_by_itself():
    account = an_account(active=False)

    assert account.state(at(0)) is AccountState.INACTIVE
    assert account.opens_at(at(0)) is None


@pytest.mark.parametrize(
    ("sender", "allowed"),
    [
        ("sender@example.com", True),
        ("Sender@Example.COM", True),
        ("billing@example.com", True),
        ("BILLING@example.com", True),
        ("anything@news.example.com", True),
        ("*@news.example.com", True),
        ("other@example.com", False),
        ("*@example.com", False),
        ("billing@news.example.org", False),
        ("a@sub.news.example.com", False),
        ("a@xnews.example.com", False),
    ],
)
def test_an_account_may_send_as_its_address_and_its_aliases(sender, allowed):
    aliases = (an_address("Billing@example.com"), an_address("*@news.example.com"))
    assert an_account(aliases=aliases).may_send_as(an_address(sender)) == allowed


def test_an_account_has_100_aliases_at_most():
    aliases = tuple(an_address(f"a{n}@example.com") for n in range(101))
    assert check(an_account(aliases=aliases[:100]))
    with pytest.raises(InvalidInput, match="aliases: must have at most 100"):
        check(an_account(aliases=aliases))
