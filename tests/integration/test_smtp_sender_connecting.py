"""From an account to a connection: names, the policy for addresses, what is refused and why."""

import socket
import ssl
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from ipaddress import ip_address

import attrs
import pytest

from adapters.smtp_sender.addresses import KnownAddresses
from adapters.smtp_sender.session import Session
from adapters.smtp_sender.terms import Terms
from adapters.smtp_sender.wire import connect
from application.ports.network import Endpoint, Unresolved
from application.sending import CancelToken
from domain.account.network import Address
from domain.dialogue.ends import ConnectionFailed
from domain.outcome.handoff import Problem, Stage
from tests.contract.sender_suite import TOKENS, VAULT, an_account_at
from tests.integration.smtp_sending import RunningClock, a_line, a_resolver, short_timeouts


class HangingNames:
    """A resolver whose lookups never end."""

    def start(self, host: str, port: int) -> "Future[list[Endpoint]]":
        return Future()


def a_session_without_names(*, resolve_s: float = 10.0) -> Session:
    terms = Terms(
        vault=VAULT,
        tokens=TOKENS,
        monotonic=RunningClock().monotonic,
        ehlo_hostname="client.example.com",
        timeouts=short_timeouts(resolve=resolve_s),
        ssl_context=ssl.create_default_context,
        resolver=HangingNames(),
        addresses=KnownAddresses(RunningClock().monotonic),
    )
    return Session(an_account_at("mail.example.com", 587), terms=terms)


def endpoint(text: str) -> Endpoint:
    return Endpoint(ip_address(text), socket.AF_INET, (text, 25))


@contextmanager
def a_full_listener() -> Iterator[int]:
    """A port whose queue is full, so that a connection neither succeeds nor is refused."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        waiting = [socket.socket() for _ in range(4)]
        try:
            for each in waiting:
                each.setblocking(False)
                each.connect_ex(("127.0.0.1", port))
            yield port
        finally:
            for each in waiting:
                each.close()


def test_a_name_without_address_is_not_found() -> None:
    with a_line() as line:
        handoff = line.send(account=attrs.evolve(line.account, host="..."))
    assert (handoff.stage, handoff.problem) == (Stage.RESOLVE, Problem.NOT_FOUND)
    assert handoff.detail.startswith("resolve at ...:")


def test_a_lookup_that_never_ends_is_given_up_at_its_deadline() -> None:
    handoff = a_session_without_names(resolve_s=0.1).open(CancelToken())
    assert (handoff.stage, handoff.problem) == (Stage.RESOLVE, Problem.TIMEOUT)
    assert handoff.detail == "resolve at mail.example.com:587: no answer in time"


def test_a_lookup_that_never_ends_can_be_stopped() -> None:
    cancel_token = CancelToken()
    stop = threading.Timer(0.1, cancel_token.stop)
    stop.start()
    handoff = a_session_without_names().open(cancel_token)
    stop.join()
    assert (handoff.stage, handoff.problem) == (Stage.RESOLVE, Problem.STOPPED)


def test_t_ssrf_1_an_address_the_policy_forbids_is_never_connected_to() -> None:
    seen: list[Address] = []

    def nobody(ip: Address) -> bool:
        seen.append(ip)
        return False

    with a_line(resolver=a_resolver(allow=nobody)) as line:
        handoff = line.send()
        assert line.server.connections == 0
    assert (handoff.stage, handoff.problem) == (Stage.RESOLVE, Problem.BLOCKED)
    assert seen == [ip_address("127.0.0.1")]


def test_t_ssrf_1_one_forbidden_address_forbids_the_name() -> None:
    good, bad = endpoint("192.0.2.1"), endpoint("10.0.0.1")
    found = [good]
    resolver = a_resolver(
        allow=lambda ip: ip != ip_address("10.0.0.1"), look_up=lambda *_: list(found)
    )
    assert resolver.start("mail.example.com", 25).result(10) == [good]
    found.append(bad)
    with pytest.raises(Unresolved) as refusal:
        resolver.start("mail.example.com", 25).result(10)
    assert refusal.value.problem is Problem.BLOCKED


def test_t_ssrf_1_the_policy_sees_the_address_however_it_is_written() -> None:
    seen: list[Address] = []

    def nobody(ip: Address) -> bool:
        seen.append(ip)
        return False

    with a_line(resolver=a_resolver(allow=nobody)) as line:
        for host in ("127.1", "0x7f000001", "2130706433"):
            line.send(account=attrs.evolve(line.account, host=host))
    assert seen == [ip_address("127.0.0.1")] * 3


def test_t_ssrf_2_the_policy_is_asked_again_for_every_connection() -> None:
    answers = [True, False]
    with a_line(resolver=a_resolver(allow=lambda _: answers.pop(0))) as line:
        assert line.send().accepted
        line.sender.retire(line.account.id)
        assert line.send().problem is Problem.BLOCKED


def test_the_second_address_is_tried_if_the_first_refuses() -> None:
    with a_line() as line:
        # localhost is ::1 and 127.0.0.1 on most machines; the server listens on the second only
        account = attrs.evolve(line.account, host="localhost")
        assert line.send(account=account).accepted


def test_a_connection_that_is_never_answered_ends_at_its_deadline() -> None:
    with a_full_listener() as port, a_line(timeouts=short_timeouts(connect=0.2)) as line:
        handoff = line.send(account=attrs.evolve(line.account, port=port))
    assert (handoff.stage, handoff.problem) == (Stage.CONNECT, Problem.TIMEOUT)


def test_a_connection_attempt_can_be_stopped() -> None:
    cancel_token = CancelToken()
    stop = threading.Timer(0.1, cancel_token.stop)
    with a_full_listener() as port:
        target = Endpoint(ip_address("127.0.0.1"), socket.AF_INET, ("127.0.0.1", port))
        stop.start()
        try:
            wire = connect(
                target, timeout_s=10, cancel_token=cancel_token, monotonic=RunningClock().monotonic
            )
        except ConnectionFailed:
            pass
        else:
            wire.close()
        stop.join()
    assert cancel_token.stopped


@pytest.mark.parametrize("place", ["127.0.0.1", "127.8.9.10", "::1", "::ffff:127.0.0.1"])
def test_loopback_is_known(place: str) -> None:
    assert endpoint(place).loopback


@pytest.mark.parametrize(
    "place", ["0.0.0.0", "10.0.0.1", "::", "::ffff:10.0.0.1", "64:ff9b::7f00:1"]
)
def test_nothing_else_is_taken_for_loopback(place: str) -> None:
    assert not endpoint(place).loopback
