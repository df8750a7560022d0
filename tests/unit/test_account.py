"""The switches of an account, and what changes forgive."""

import pytest

from domain.account import AccountState, Security, check, security_of
from domain.address import is_loopback
from domain.congestion import Health
from domain.errors import InvalidInput
from tests.builders import an_account, at


@pytest.mark.parametrize(
    ("current", "switches", "wanted"),
    [
        (Security.STARTTLS, {}, Security.STARTTLS),
        (Security.STARTTLS, {"use_ssl": True}, Security.TLS),
        (Security.STARTTLS, {"use_tls": False}, Security.PLAIN),
        (Security.STARTTLS, {"use_tls": False, "use_ssl": True}, Security.TLS),
        (Security.STARTTLS, {"use_tls": True, "use_ssl": False}, Security.STARTTLS),
        (Security.STARTTLS, {"use_tls": False, "use_ssl": False}, Security.PLAIN),
        (Security.TLS, {}, Security.TLS),
        (Security.TLS, {"use_tls": True}, Security.STARTTLS),
        (Security.TLS, {"use_ssl": False}, Security.PLAIN),
        (Security.TLS, {"use_tls": False}, Security.TLS),
        (Security.PLAIN, {}, Security.PLAIN),
        (Security.PLAIN, {"use_tls": True}, Security.STARTTLS),
    ],
)
def test_the_two_switches_name_one_protection(current, switches, wanted):
    assert security_of(current, **switches) is wanted


def test_both_switches_at_once_are_refused():
    with pytest.raises(InvalidInput) as caught:
        security_of(Security.PLAIN, use_tls=True, use_ssl=True)

    assert [error.pointer for error in caught.value.errors] == ["/use_ssl"]


def test_a_password_is_not_sent_in_the_open():
    with pytest.raises(InvalidInput):
        check(an_account(security=Security.PLAIN))

    assert check(an_account(security=Security.PLAIN, host="127.0.0.1"))
    assert check(an_account(security=Security.PLAIN, username="", sealed_password=None))


@pytest.mark.parametrize("changes", [{"username": ""}, {"sealed_password": None}])
def test_a_username_and_a_password_go_together(changes):
    with pytest.raises(InvalidInput):
        check(an_account(**changes))


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


def test_a_new_limit_keeps_sessions_and_pauses():
    paused = an_account(health=Health().halted("auth_failed", now=at(0)))

    changed = paused.changed(now=at(1), display_name="Other")

    assert changed.version == paused.version
    assert changed.state(at(1)) is AccountState.PAUSED


def test_an_inactive_account_never_opens_by_itself():
    account = an_account(active=False)

    assert account.state(at(0)) is AccountState.INACTIVE
    assert account.opens_at(at(0)) is None
