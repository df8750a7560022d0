"""A stage's deadline holds for the stage as a whole, however many waits it has."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial

import attrs
import pytest

from adapters.fakes.sender import Fault, Rule, Script
from domain.account.account import AuthMechanism, Security
from domain.outcome.handoff import Handoff, Parcel, Problem, Stage
from tests.builders import an_envelope
from tests.contract.sender_suite import MESSAGE, Permission, an_account_at
from tests.integration.smtp_sending import a_line, a_sender, short_timeouts
from tests.integration.test_smtp_sender_tls import a_certificate, trusting
from tests.smtp_server import SmtpServer


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    began = time.monotonic()
    yield
    assert time.monotonic() - began < seconds


def test_trying_tls_does_not_prolong_the_wait_for_a_greeting() -> None:
    silent = Rule(Stage.BANNER, Fault.HANG)
    for silence, banner in ((1.0, 2.2), (5.0, 0.4)):
        timeouts = short_timeouts(silence=silence, banner=banner)
        with a_line(silent, timeouts=timeouts) as line, at_most(banner + 0.7):
            handoff = line.send()
        assert (handoff.stage, handoff.problem) == (Stage.BANNER, Problem.TIMEOUT)


@pytest.mark.parametrize("mechanism", [AuthMechanism.LOGIN, AuthMechanism.CRAM_MD5])
def test_all_answers_of_a_login_come_within_its_deadline(mechanism: AuthMechanism) -> None:
    slow = Script(latency_s=0.4, mechanisms=(mechanism.upper(),))
    with a_line(script=slow, timeouts=short_timeouts(auth=0.7)) as line:
        handoff = line.send()
    assert (handoff.stage, handoff.problem) == (Stage.AUTH, Problem.TIMEOUT)


def test_helo_has_what_ehlo_left_of_the_time() -> None:
    slow = Script((Rule(Stage.EHLO, "502 5.5.1 no"),), latency_s=0.4)
    with a_line(script=slow, timeouts=short_timeouts(ehlo=0.7)) as line:
        account = attrs.evolve(line.account, username="", sealed_password=None)
        handoff = line.send(account=account)
    assert (handoff.stage, handoff.problem) == (Stage.EHLO, Problem.TIMEOUT)


def test_the_handshake_has_what_the_reply_to_starttls_left_of_the_time() -> None:
    slow = Script((Rule(Stage.TLS, Fault.HANG),), latency_s=0.8)
    sender = a_sender(timeouts=short_timeouts(starttls=1.0), ssl_context=trusting)
    with SmtpServer(slow, tls=a_certificate()) as server:
        account = an_account_at("127.0.0.1", server.port, security=Security.STARTTLS)
        began = time.monotonic()
        handoff = sender.probe(account)
        assert (handoff.stage, handoff.problem) == (Stage.STARTTLS, Problem.TIMEOUT)
        # greeting and EHLO take 0.8 s each
        assert time.monotonic() - began < 1.6 + 1.6
    sender.close()


def refuse_one_by_one(listener: socket.socket, *, apart_s: float) -> None:
    """Refuse an envelope and what went ahead of the refusal, with a pause before each reply."""
    with suppress(OSError):
        connected, _ = listener.accept()
        with connected:
            connected.sendall(b"220 here\r\n")
            connected.recv(4096)
            connected.sendall(b"250-here\r\n250 PIPELINING\r\n")
            for _ in connected.recv(65536).splitlines():
                connected.sendall(b"550 5.7.1 no\r\n")
                time.sleep(apart_s)


def test_reading_what_is_owed_after_a_refusal_has_one_deadline() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    serve = partial(refuse_one_by_one, listener, apart_s=0.2)
    threading.Thread(target=serve, daemon=True).start()
    account = an_account_at(*listener.getsockname(), username="", sealed_password=None)
    sender = a_sender(timeouts=short_timeouts(rset=0.5))
    names = [f"reader-{number}@example.org" for number in range(20)]
    with listener, at_most(2), sender.converse(account) as conversation:
        handoff: Handoff = conversation.send(
            Parcel(an_envelope(*names), MESSAGE), before_dot=Permission()
        )
    assert handoff.stage is Stage.MAIL
    assert handoff.reply is not None
    assert not handoff.usable
    sender.close()
