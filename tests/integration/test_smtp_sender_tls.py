"""Over TLS and STARTTLS the sender keeps its contract, and fails closed where it must."""

import ssl
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Final

import attrs
import pytest
import trustme

from adapters.fakes.sender import Answer, FakeSender, Fault, Rule, Script
from application.ports.sender import Sender
from domain.account.account import Security
from domain.outcome.handoff import Handoff, Problem, Reply, Stage
from tests.builders import an_envelope
from tests.contract.sender_suite import (
    MESSAGE,
    PROBLEMS,
    Permission,
    Played,
    SenderContract,
    an_account_at,
    plain,
)
from tests.contract.test_sender_smtp import timeouts_for
from tests.integration.smtp_sending import Line, a_sender, short_timeouts
from tests.smtp_server import SmtpServer

AUTHORITY: Final = trustme.CA()
STRANGER: Final = trustme.CA()
ENCRYPTED: Final = (Security.STARTTLS, Security.TLS)


def a_certificate(
    *names: str, issuer: trustme.CA = AUTHORITY, not_after: datetime | None = None
) -> ssl.SSLContext:
    """What a server shows: a certificate for localhost unless other names are given."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    issuer.issue_cert(*names or ("localhost",), not_after=not_after).configure_cert(context)
    return context


def trusting() -> ssl.SSLContext:
    """The sender's context: it trusts our authority and nobody else."""
    context = ssl.create_default_context()
    AUTHORITY.configure_trust(context)
    return context


def stage_of_tls(security: Security) -> Stage:
    return Stage.TLS if security is Security.TLS else Stage.STARTTLS


@contextmanager
def a_safe_line(
    security: Security,
    *rules: Rule,
    script: Script | None = None,
    certificate: ssl.SSLContext | None = None,
    make: Callable[..., Sender] = a_sender,
    **changes: Any,
) -> Iterator[Line]:
    """A sender that trusts our authority, on an encrypted line to a server."""
    sender = make(**{"ssl_context": trusting, **changes})
    with SmtpServer(
        script or Script(rules),
        tls=certificate or a_certificate(),
        implicit_tls=security is Security.TLS,
    ) as server:
        try:
            yield Line(sender, server, an_account_at("localhost", server.port, security=security))
        finally:
            sender.close()


class EncryptedContract(SenderContract):
    make = staticmethod(a_sender)

    @contextmanager
    def playing(self, script: Script) -> Iterator[Played]:
        timeouts = timeouts_for(script)
        with a_safe_line(self.security, script=script, make=self.make, timeouts=timeouts) as line:
            yield Played(
                line.sender,
                line.account,
                lambda: [(taken.recipients, taken.octets) for taken in line.server.accepted],
            )


class TestSmtpSenderOverStartTls(EncryptedContract):
    security = Security.STARTTLS


class TestSmtpSenderOverTls(EncryptedContract):
    security = Security.TLS


@pytest.mark.parametrize("security", ENCRYPTED)
@pytest.mark.parametrize("answer", [*PROBLEMS, Fault.EXTRA, "554 5.7.1 no"])
def test_a_fault_in_the_handshake_is_told_alike_by_both_senders(
    security: Security, answer: Answer
) -> None:
    rule = Rule(Stage.TLS, answer)
    timeouts = short_timeouts(starttls=0.2 if answer is Fault.HANG else 10.0)
    with a_safe_line(security, rule, timeouts=timeouts) as line:
        real = plain(line.send())
        fake = FakeSender(Script((rule,))).send(
            line.account, an_envelope(), MESSAGE, before_dot=Permission()
        )
        assert not line.heard(b"AUTH")
    assert real.stage is stage_of_tls(security)
    assert real == plain(fake)


@pytest.mark.parametrize(
    "answer", ["454 4.7.0 not now", "502 5.5.1 no", "421 4.3.2 going", Fault.CLOSE, Fault.EXTRA]
)
def test_t_tls_what_stands_in_the_way_of_starttls_is_told_alike_by_both_senders(
    answer: Answer,
) -> None:
    rule = Rule(Stage.STARTTLS, answer)
    with a_safe_line(Security.STARTTLS, rule) as line:
        real = plain(line.send())
        fake = FakeSender(Script((rule,))).send(
            line.account, an_envelope(), MESSAGE, before_dot=Permission()
        )
        assert not line.heard(b"AUTH")
        assert not line.heard(b"MAIL")
    assert real.stage is Stage.STARTTLS
    assert real == plain(fake)


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


def test_t_stls_what_was_offered_before_tls_is_forgotten() -> None:
    before = Rule(Stage.EHLO, "250-loopback\n250-AUTH PLAIN\n250 STARTTLS", times=1)
    script = Script((before,), mechanisms=())
    with a_safe_line(Security.STARTTLS, script=script) as line:
        handoff = line.send()
        assert len(line.heard(b"EHLO")) == 2
    assert (handoff.stage, handoff.problem) == (Stage.AUTH, Problem.NO_MECHANISM)


@pytest.mark.parametrize("security", ENCRYPTED)
@pytest.mark.parametrize(
    "certificate",
    [
        lambda: a_certificate(issuer=STRANGER),
        lambda: a_certificate("mail.example.com"),
        lambda: a_certificate("127.0.0.1"),
        lambda: a_certificate(not_after=datetime(2020, 1, 1, tzinfo=UTC)),
    ],
    ids=["of a stranger", "for another name", "for the address only", "expired"],
)
def test_t_tls_a_bad_certificate_sees_no_password(
    security: Security, certificate: Callable[[], ssl.SSLContext]
) -> None:
    with a_safe_line(security, certificate=certificate()) as line:
        handoff = line.send()
        assert not line.heard(b"AUTH")
    assert (handoff.stage, handoff.problem) == (stage_of_tls(security), Problem.CERTIFICATE)


@pytest.mark.parametrize("security", ENCRYPTED)
def test_t_tls_an_old_version_of_tls_is_not_spoken(security: Security) -> None:
    certificate = a_certificate()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        certificate.minimum_version = ssl.TLSVersion.TLSv1
        certificate.maximum_version = ssl.TLSVersion.TLSv1_1
    certificate.set_ciphers("DEFAULT@SECLEVEL=0")
    with a_safe_line(security, certificate=certificate) as line:
        handoff = line.send()
        assert not line.heard(b"AUTH")
    assert (handoff.stage, handoff.problem) == (stage_of_tls(security), Problem.HANDSHAKE)


def test_t_tls_a_context_that_would_speak_old_tls_is_raised_to_1_2() -> None:
    context = trusting()
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    with a_safe_line(Security.TLS, ssl_context=lambda: context) as line:
        assert line.send().accepted
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2


@pytest.mark.parametrize("security", ENCRYPTED)
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_an_encrypted_connection_carries_many_messages(
    security: Security, version: ssl.TLSVersion
) -> None:
    certificate = a_certificate()
    certificate.minimum_version = certificate.maximum_version = version
    with a_safe_line(security, certificate=certificate) as line:
        assert all(line.send().accepted for _ in range(10))
        assert line.server.connections == 1


def test_the_context_is_made_once() -> None:
    made: list[ssl.SSLContext] = []

    def context() -> ssl.SSLContext:
        made.append(trusting())
        return made[-1]

    with a_safe_line(Security.TLS, ssl_context=context) as line:
        line.send()
        line.sender.retire(line.account.id)
        assert line.send().accepted
        assert line.server.connections == 2
    assert len(made) == 1


@pytest.mark.parametrize("security", ENCRYPTED)
def test_a_large_message_goes_through_tls_whole(security: Security) -> None:
    octets = b"Subject: Large\r\n\r\n" + b"x" * 70 + b"\r\n..\r\n" * 500_000
    with a_safe_line(security) as line:
        assert line.send(octets=octets).accepted
        assert line.server.accepted[0].octets == octets


@pytest.mark.parametrize("security", ENCRYPTED)
def test_abort_in_the_last_moment_stops_an_encrypted_send(security: Security) -> None:
    with a_safe_line(security) as line:

        def before_dot() -> bool:
            line.sender.abort()
            return True

        handoff = line.send(before_dot=before_dot)
        line.server.wait_until(open_connections=0)
        assert not line.server.accepted
    assert (handoff.stage, handoff.problem) == (Stage.BODY, Problem.STOPPED)


def test_abort_reaches_a_send_in_the_handshake() -> None:
    handoffs: list[Handoff] = []
    with a_safe_line(Security.STARTTLS, Rule(Stage.TLS, Fault.HANG)) as line:
        sending = threading.Thread(target=lambda: handoffs.append(line.send()))
        sending.start()
        line.server.wait_for_command(b"STARTTLS")
        line.sender.abort()
        sending.join(timeout=10)
    assert (handoffs[0].stage, handoffs[0].problem) == (Stage.STARTTLS, Problem.STOPPED)


def test_a_probe_goes_as_far_as_the_login() -> None:
    with a_safe_line(Security.STARTTLS, Rule(Stage.AUTH, "535 5.7.8 no")) as line:
        handoff = line.sender.probe(line.account)
    assert plain(handoff) == Handoff(stage=Stage.AUTH, reply=Reply.of(535, "5.7.8 no"))


def test_t_tls_the_password_is_never_seen_before_tls() -> None:
    with a_safe_line(Security.STARTTLS) as line:
        line.send()
        verbs = [command.split()[0] for command in line.server.commands]
    assert verbs[:4] == [b"EHLO", b"STARTTLS", b"EHLO", b"AUTH"]


def test_t_tls_an_account_that_asks_for_tls_does_not_talk_plain_to_a_plain_server() -> None:
    with a_safe_line(Security.STARTTLS) as line:
        account = attrs.evolve(line.account, security=Security.TLS)
        handoff = line.send(account=account)
        assert not line.server.commands
    assert (handoff.stage, handoff.problem) == (Stage.TLS, Problem.TLS_MODE)
