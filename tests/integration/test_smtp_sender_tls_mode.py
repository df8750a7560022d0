"""The wrong way into TLS is told in words that name what to change, and soon."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import attrs

from adapters.fakes.sender import Rule, Script
from domain.account.account import Account, Security
from domain.outcome.handoff import Handoff, Problem, Stage
from tests.contract.sender_suite import an_account_at
from tests.integration.smtp_sending import a_line, a_sender, short_timeouts
from tests.integration.test_smtp_sender_tls import a_certificate, trusting
from tests.smtp_server import SmtpServer

SHORT = short_timeouts(silence=0.2, banner=1.0)


@contextmanager
def an_implicit_server() -> Iterator[SmtpServer]:
    with SmtpServer(tls=a_certificate(), implicit_tls=True, host="127.0.0.1") as server:
        yield server


def tried(account: Account) -> Handoff:
    sender = a_sender(timeouts=SHORT, ssl_context=trusting)
    try:
        return sender.probe(account)
    finally:
        sender.close()


def test_starttls_to_a_port_that_begins_with_tls_names_use_ssl() -> None:
    with an_implicit_server() as server:
        for security in (Security.STARTTLS, Security.PLAIN):
            began = time.monotonic()
            handoff = tried(an_account_at("127.0.0.1", server.port, security=security))
            assert (handoff.stage, handoff.problem) == (Stage.BANNER, Problem.TLS_MODE)
            assert "TLS from the first byte: use_ssl" in handoff.detail
            assert time.monotonic() - began < 1


def test_tls_to_a_port_that_begins_with_a_greeting_names_use_tls() -> None:
    with a_line() as line:
        handoff = tried(attrs.evolve(line.account, security=Security.TLS))
    assert (handoff.stage, handoff.problem) == (Stage.TLS, Problem.TLS_MODE)
    assert "use_tls (STARTTLS)" in handoff.detail


def test_a_login_that_is_offered_only_after_starttls_names_use_tls() -> None:
    with a_line(script=Script(extensions=("STARTTLS",), mechanisms=())) as line:
        handoff = tried(line.account)
    assert (handoff.stage, handoff.problem) == (Stage.AUTH, Problem.TLS_MODE)
    assert "only after STARTTLS: use_tls" in handoff.detail


def test_a_server_without_any_login_has_the_right_tls_mode() -> None:
    with a_line(script=Script(mechanisms=())) as line:
        handoff = tried(line.account)
    assert handoff.problem is Problem.NO_MECHANISM
    assert "the server offers none" in handoff.detail


class Silent:
    """Takes connections and says nothing."""

    def __init__(self) -> None:
        self.connections = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._held: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                self._held.append(self._listener.accept()[0])
                self.connections += 1

    def close(self) -> None:
        for each in (self._listener, *self._held):
            each.close()


def test_a_server_that_answers_neither_way_timed_out_and_tls_is_tried_once() -> None:
    server = Silent()
    sender = a_sender(timeouts=SHORT)
    account = an_account_at("127.0.0.1", server.port)
    try:
        for connections in (2, 3):
            handoff = sender.probe(account)
            assert (handoff.stage, handoff.problem) == (Stage.BANNER, Problem.TIMEOUT)
            assert server.connections == connections
    finally:
        sender.close()
        server.close()


def test_a_slow_greeting_is_heard_although_tls_was_tried_meanwhile() -> None:
    slow = Script(latency_s=0.5)
    with a_line(script=slow, timeouts=short_timeouts(silence=0.2)) as line:
        assert line.send().accepted


def test_no_password_goes_over_the_connection_that_tries_tls() -> None:
    with an_implicit_server() as server:
        tried(an_account_at("127.0.0.1", server.port, security=Security.PLAIN))
        assert not server.commands


def test_verify_tells_the_tls_mode() -> None:
    sender = a_sender(timeouts=SHORT, ssl_context=trusting)
    with an_implicit_server() as server:
        account = an_account_at("127.0.0.1", server.port)
        steps = sender.verify(account, recipient=account.address)
    assert (steps[-1].stage, steps[-1].problem) == (Stage.BANNER, Problem.TLS_MODE)


def test_a_rule_of_the_servers_is_needed_for_neither() -> None:
    with a_line(Rule(Stage.BANNER, "220 ready")) as line:
        assert line.send().accepted
