"""The sender over smtplib: what its contract cannot know, and where it must fail closed."""

import base64
import logging
import os
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import attrs
import pytest

from adapters.clock import SystemClock
from adapters.fakes.sender import Fault, Rule, Script
from adapters.fernet_vault import FernetVault
from adapters.smtp_sender import SmtpSender
from adapters.smtplib_sender import SmtplibSender
from application.ports.oauth import NoTokens
from domain.account.account import AuthMechanism, Security
from domain.account.network import NetworkPolicy
from domain.outcome.handoff import Handoff, Parcel, Problem, Stage
from entrypoints.settings import Settings
from entrypoints.wiring.ports import smtp_sender_of
from tests.builders import an_envelope
from tests.contract.sender_suite import (
    LARGE,
    MESSAGE,
    PASSWORD_MECHANISMS,
    TOKENS,
    VAULT,
    Permission,
)
from tests.integration.smtp_sending import RunningClock, a_resolver, short_timeouts
from tests.integration.smtp_sending import a_line as a_line_with
from tests.integration.test_smtp_sender_tls import (
    STRANGER,
    EncryptedContract,
    a_certificate,
    stage_of_tls,
)
from tests.integration.test_smtp_sender_tls import a_safe_line as a_safe_line_with
from tests.smtp_server import SessionLimit

PASSWORD = "pl4nted-p4ssword-0123456789"
ENCRYPTED = (Security.STARTTLS, Security.TLS)


def an_smtplib_sender(**changes: Any) -> SmtplibSender:
    """The sender, with a resolver and timeouts for servers on this machine."""
    defaults: dict[str, Any] = {
        "vault": VAULT,
        "tokens": TOKENS,
        "clock": SystemClock(),
        "resolver": a_resolver(),
        "ehlo_hostname": "client.example.com",
        "timeouts": short_timeouts(),
    }
    return SmtplibSender(**{**defaults, **changes})


a_line = partial(a_line_with, make=an_smtplib_sender)
a_safe_line = partial(a_safe_line_with, make=an_smtplib_sender)


class TestSmtplibSenderOverStartTls(EncryptedContract):
    make = staticmethod(an_smtplib_sender)
    security = Security.STARTTLS


class TestSmtplibSenderOverTls(EncryptedContract):
    make = staticmethod(an_smtplib_sender)
    security = Security.TLS


# --- where it connects to, and to whom


def test_t_ssrf_1_an_address_the_policy_forbids_is_never_connected_to() -> None:
    with a_line(resolver=a_resolver(allow=lambda _: False)) as line:
        handoff = line.send()
        assert line.server.connections == 0
    assert (handoff.stage, handoff.problem) == (Stage.RESOLVE, Problem.BLOCKED)


def test_the_second_address_is_tried_if_the_first_refuses() -> None:
    with a_line() as line:
        # localhost is ::1 and 127.0.0.1 on most machines; the server listens on the second only
        assert line.send(account=attrs.evolve(line.account, host="localhost")).accepted


@pytest.mark.parametrize("security", ENCRYPTED)
@pytest.mark.parametrize(
    "certificate",
    [lambda: a_certificate(issuer=STRANGER), lambda: a_certificate("mail.example.com")],
    ids=["of a stranger", "for another name"],
)
def test_t_tls_a_bad_certificate_sees_no_password(
    security: Security, certificate: Callable[[], Any]
) -> None:
    with a_safe_line(security, certificate=certificate()) as line:
        handoff = line.send()
        assert not line.heard(b"AUTH")
    assert (handoff.stage, handoff.problem) == (stage_of_tls(security), Problem.CERTIFICATE)


def test_t_tls_a_stripped_starttls_never_leads_to_a_plain_connection() -> None:
    with a_safe_line(Security.STARTTLS, script=Script(starttls=False)) as line:
        handoff = line.send()
        assert line.server.commands == [b"EHLO client.example.com"]
    assert (handoff.stage, handoff.problem) == (Stage.STARTTLS, Problem.NOT_OFFERED)


def test_t_stls_replies_injected_before_the_handshake_end_the_dialogue() -> None:
    with a_safe_line(Security.STARTTLS, Rule(Stage.STARTTLS, Fault.EXTRA)) as line:
        handoff = line.send()
        assert line.server.commands == [b"EHLO client.example.com", b"STARTTLS"]
    assert (handoff.stage, handoff.problem) == (Stage.STARTTLS, Problem.NOT_OFFERED)


# --- secrets


@pytest.mark.parametrize("mechanism", PASSWORD_MECHANISMS)
@pytest.mark.parametrize("rule", [None, Rule(Stage.AUTH, f"535 5.7.8 no {PASSWORD}")])
def test_t_sec_3_no_log_line_and_no_handoff_holds_what_was_said_in_auth(
    rule: Rule | None,
    mechanism: AuthMechanism,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    sealed = VAULT.seal(PASSWORD, context="account:7")
    script = Script((rule,) if rule else (), mechanisms=(mechanism.upper(),))
    with caplog.at_level(logging.DEBUG), a_line(script=script) as line:
        account = attrs.evolve(line.account, username="user", sealed_password=sealed)
        handoff = line.send(account=account)
        assert len(line.heard(b"AUTH")) == 1
        steps = line.sender.verify(account, recipient=an_envelope().recipients[0])
    assert handoff.accepted is (rule is None)
    printed = capfd.readouterr()
    told = caplog.text + repr(handoff) + repr(steps) + printed.out + printed.err
    assert PASSWORD not in told
    assert base64.b64encode(f"\0user\0{PASSWORD}".encode()).decode() not in told
    assert base64.b64encode(PASSWORD.encode()).decode() not in told


# --- deadlines, and being stopped


@pytest.mark.parametrize("mechanism", [AuthMechanism.LOGIN, AuthMechanism.CRAM_MD5])
def test_all_answers_of_a_login_come_within_its_deadline(mechanism: AuthMechanism) -> None:
    slow = Script(latency_s=0.4, mechanisms=(mechanism.upper(),))
    with a_line(script=slow, timeouts=short_timeouts(auth=0.7)) as line:
        handoff = line.send()
    assert (handoff.stage, handoff.problem) == (Stage.AUTH, Problem.TIMEOUT)


LAST_HEARD = {Stage.EHLO: b"EHLO", Stage.RCPT: b"RCPT", Stage.BODY: b"DATA"}


@pytest.mark.parametrize("stage", LAST_HEARD)
def test_abort_stops_a_send_where_it_is(stage: Stage) -> None:
    handoffs: list[Handoff] = []
    octets = LARGE if stage is Stage.BODY else MESSAGE
    with a_line(Rule(stage, Fault.HANG)) as line:
        sending = threading.Thread(target=lambda: handoffs.append(line.send(octets=octets)))
        sending.start()
        line.server.wait_for_command(LAST_HEARD[stage])
        line.sender.abort()
        sending.join(timeout=10)
        assert not line.server.accepted
    assert [handoff.problem for handoff in handoffs] == [Problem.STOPPED]


def test_a_send_that_has_passed_the_dot_gets_its_reply_in_spite_of_abort() -> None:
    handoffs: list[Handoff] = []
    with a_line(script=Script(latency_s=0.1)) as line:
        sending = threading.Thread(target=lambda: handoffs.append(line.send()))
        sending.start()
        line.server.wait_until(taken=1)
        line.sender.abort()
        sending.join(timeout=10)
    assert [handoff.accepted for handoff in handoffs] == [True]


# --- how it is chosen


def test_the_setting_chooses_the_sender() -> None:
    def chosen(**environ: str) -> object:
        settings = Settings.from_environment(environ)
        vault = FernetVault("0123456789abcdef" * 2)
        return smtp_sender_of(
            settings,
            vault=vault,
            tokens=NoTokens(),
            clock=SystemClock(),
            network=NetworkPolicy(),
        )

    assert isinstance(chosen(), SmtpSender)
    assert isinstance(chosen(SENDER="pipelining"), SmtpSender)
    assert isinstance(chosen(SENDER="smtplib"), SmtplibSender)


# --- the idle connection


def test_one_connection_carries_the_messages_of_many_conversations() -> None:
    with a_line() as line:
        assert all(line.send().accepted for _ in range(20))
        assert line.server.connections == 1
        assert len(line.heard(b"AUTH")) == 1


def test_of_eight_refused_emails_in_a_row_each_connection_carries_four() -> None:
    with a_line(Rule(Stage.RCPT, "550 5.1.1 unknown")) as line:
        assert not any(line.send().accepted for _ in range(8))
        assert line.server.connections == 2


def test_a_new_version_of_the_account_never_uses_an_old_connection() -> None:
    with a_line() as line:
        line.send()
        assert line.send(account=attrs.evolve(line.account, version=2)).accepted
        assert line.server.connections == 2


def test_a_connection_that_has_idled_for_a_minute_is_closed() -> None:
    clock = RunningClock()
    with a_line(clock=clock) as line:
        line.send()
        clock.tick(61)
        line.sender.tend()
        line.server.wait_until(open_connections=0)
        assert line.heard(b"QUIT") == [b"QUIT"]


def test_a_connection_in_use_does_not_come_back_after_retire() -> None:
    with a_line() as line:
        with line.sender.converse(line.account) as conversation:
            conversation.send(Parcel(an_envelope(), MESSAGE), before_dot=Permission())
            line.sender.retire(line.account.id)
        line.server.wait_until(open_connections=0)


def test_a_session_that_the_server_limits_costs_no_email_anything() -> None:
    with a_line(limit=SessionLimit(messages=2)) as line:
        assert all(line.send().accepted for _ in range(7))
        assert line.server.connections == 4


def test_a_child_process_leaves_the_connection_of_its_parent_alone() -> None:
    with a_line() as line:
        line.send()
        child = os.fork()
        if not child:
            accepted = line.send().accepted
            os._exit(0 if accepted else 1)
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == 0
        assert line.send().accepted
        assert line.server.connections == 2
