"""use_tls and use_ssl, the API's two names of one protection."""

import pytest

from domain.account.account import Security
from domain.errors import InvalidInput
from entrypoints.http.smtp_configs.switches import Switches


@pytest.mark.parametrize(
    ("current", "switches", "wanted"),
    [
        (Security.STARTTLS, {"use_ssl": True}, Security.TLS),
        (Security.STARTTLS, {"use_ssl": False}, Security.STARTTLS),
        (Security.STARTTLS, {"use_tls": True}, Security.STARTTLS),
        (Security.STARTTLS, {"use_tls": False}, Security.PLAIN),
        (Security.STARTTLS, {"use_tls": False, "use_ssl": True}, Security.TLS),
        (Security.STARTTLS, {"use_tls": True, "use_ssl": False}, Security.STARTTLS),
        (Security.STARTTLS, {"use_tls": False, "use_ssl": False}, Security.PLAIN),
        (Security.TLS, {"use_tls": True}, Security.STARTTLS),
        (Security.TLS, {"use_tls": False}, Security.TLS),
        (Security.TLS, {"use_ssl": True}, Security.TLS),
        (Security.TLS, {"use_ssl": False}, Security.PLAIN),
        (Security.TLS, {"use_tls": True, "use_ssl": False}, Security.STARTTLS),
        (Security.PLAIN, {"use_tls": True}, Security.STARTTLS),
        (Security.PLAIN, {"use_tls": False}, Security.PLAIN),
        (Security.PLAIN, {"use_ssl": True}, Security.TLS),
        (Security.PLAIN, {"use_ssl": False}, Security.PLAIN),
    ],
)
def test_a_switch_that_is_left_out_keeps_its_meaning(current, switches, wanted):
    assert Switches(**switches).of_existing(current) is wanted


@pytest.mark.parametrize(
    ("port", "switches", "wanted"),
    [
        (465, {"use_tls": True}, Security.STARTTLS),
        (465, {"use_tls": False}, Security.TLS),
        (465, {"use_ssl": False}, Security.STARTTLS),
        (465, {"use_tls": False, "use_ssl": False}, Security.PLAIN),
        (587, {"use_ssl": True}, Security.TLS),
        (587, {"use_tls": False}, Security.PLAIN),
        (None, {"use_ssl": True}, Security.TLS),
        (None, {"use_ssl": False}, Security.STARTTLS),
        (None, {"use_tls": True}, Security.STARTTLS),
        (None, {"use_tls": False}, Security.PLAIN),
    ],
)
def test_a_switch_that_a_new_one_leaves_out_has_the_default_of_its_port(port, switches, wanted):
    assert Switches(**switches).of_new(port) is wanted


@pytest.mark.parametrize(
    "ask",
    [
        lambda switches: switches.of_existing(Security.PLAIN),
        lambda switches: switches.of_new(465),
        lambda switches: switches.of_new(None),
    ],
)
def test_both_switches_at_once_are_refused(ask):
    with pytest.raises(InvalidInput) as caught:
        ask(Switches(use_tls=True, use_ssl=True))

    assert [error.field for error in caught.value.errors] == ["/use_ssl"]


def test_only_a_request_without_both_leaves_them_out():
    assert Switches().left_out
    assert not Switches(use_tls=False).left_out
    assert not Switches(use_ssl=False).left_out
