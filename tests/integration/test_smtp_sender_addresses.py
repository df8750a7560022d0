"""A host of several addresses: they are raced, and one that does not greet is passed over."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from ipaddress import ip_address

import attrs
import pytest

from adapters.fakes.sender import Fault, Rule, Script
from adapters.smtp_sender import SmtpSender
from adapters.smtp_sender.addresses import KnownAddresses, interleaved, race
from application.ports.network import Endpoint
from application.sending import CancelToken
from domain.account.account import Account
from domain.dialogue.ends import ConnectionFailed
from domain.outcome.handoff import Handoff, Parcel, Problem, Reply, Stage
from tests.builders import an_envelope
from tests.contract.sender_suite import MESSAGE, Permission, an_account_at
from tests.integration.smtp_sending import RunningClock, a_resolver, a_sender, short_timeouts
from tests.integration.test_smtp_sender_connecting import a_full_listener
from tests.running import quiet_port
from tests.smtp_server import SmtpServer


def endpoint(ip: str, port: int = 25) -> Endpoint:
    family = socket.AF_INET6 if ":" in ip else socket.AF_INET
    return Endpoint(ip_address(ip), family, (ip, port))


@attrs.frozen
class Host:
    """A name with several addresses, each with a server of its own on one port."""

    sender: SmtpSender
    account: Account
    servers: tuple[SmtpServer, ...]
    clock: RunningClock

    def send(self) -> Handoff:
        with self.sender.converse(self.account) as conversation:
            return conversation.send(Parcel(an_envelope(), MESSAGE), before_dot=Permission())

    @property
    def connections(self) -> list[int]:
        return [server.connections for server in self.servers]


@contextmanager
def a_host(*scripts: Script | None, **timeouts: float) -> Iterator[Host]:
    """127.0.0.2 and on, one for each script; nothing listens where there is none."""
    clock = RunningClock()
    with ExitStack() as stack:
        port = quiet_port()
        servers = []
        for place, script in enumerate(scripts):
            if script is not None:
                server = SmtpServer(script, host=f"127.0.0.{place + 2}", port=port)
                servers.append(stack.enter_context(server))
        addresses = [endpoint(f"127.0.0.{place + 2}", port) for place in range(len(scripts))]
        sender = a_sender(
            clock=clock,
            timeouts=short_timeouts(**{"silence": 0.2, **timeouts}),
            resolver=a_resolver(look_up=lambda *_: addresses),
        )
        stack.callback(sender.close)
        yield Host(sender, an_account_at("mail.example.com", port), tuple(servers), clock)


GOOD = Script()
NO_GREETING = {
    "closed": Script((Rule(Stage.BANNER, Fault.CLOSE),)),
    "reset": Script((Rule(Stage.BANNER, Fault.RST),)),
    "silent": Script((Rule(Stage.BANNER, Fault.HANG),)),
    "dripping": Script((Rule(Stage.BANNER, Fault.DRIP),)),
    "421": Script((Rule(Stage.BANNER, "421 4.3.2 going"),)),
    "554": Script((Rule(Stage.BANNER, "554 5.7.1 no service"),)),
    "521": Script((Rule(Stage.BANNER, "521 no mail here"),)),
}


@pytest.mark.parametrize("bad", NO_GREETING.values(), ids=NO_GREETING)
def test_the_next_address_is_tried_after_one_that_does_not_greet(bad: Script) -> None:
    with a_host(bad, GOOD) as host:
        assert host.send().accepted


@pytest.mark.parametrize("bad", NO_GREETING.values(), ids=NO_GREETING)
def test_a_bad_address_is_remembered_for_ten_minutes(bad: Script) -> None:
    with a_host(bad, GOOD) as host:
        assert host.send().accepted
        before = host.connections[0]
        host.sender.drop_idle()
        assert host.send().accepted
        assert host.connections[0] == before
        host.clock.tick(601)
        host.sender.drop_idle()
        assert host.send().accepted
        assert host.connections[0] > before


def test_an_address_where_nothing_listens_is_passed_over() -> None:
    with a_host(None, GOOD) as host:
        # the port is known once the server runs
        assert host.send().accepted


def test_all_addresses_are_tried_although_all_are_bad() -> None:
    with a_host(NO_GREETING["421"], NO_GREETING["closed"], NO_GREETING["554"]) as host:
        assert not host.send().accepted
        assert host.connections == [1, 1, 1]
        host.send()
        assert host.connections == [2, 2, 2]


def test_the_failure_of_the_one_that_got_furthest_is_told() -> None:
    with a_host(NO_GREETING["554"], None) as host:
        handoff = host.send()
    assert (handoff.stage, handoff.reply) == (Stage.BANNER, Reply.of(554, "5.7.1 no service"))


@pytest.mark.parametrize("stage", [Stage.EHLO, Stage.AUTH])
def test_a_refusal_after_the_greeting_is_an_answer_of_the_host(stage: Stage) -> None:
    with a_host(Script((Rule(stage, "550 5.7.1 no"),)), GOOD) as host:
        assert host.send().stage is stage
        assert host.connections == [1, 0]


def test_a_slow_greeting_of_the_last_address_is_waited_for() -> None:
    slow = attrs.evolve(GOOD, latency_s=0.5)
    with a_host(slow) as host:
        assert host.send().accepted


def test_families_take_turns() -> None:
    four, six = [endpoint(f"192.0.2.{n}") for n in (1, 2, 3)], [endpoint("2001:db8::1")]
    assert interleaved([*six, *four]) == [six[0], *four]
    assert interleaved([*four, *six]) == [four[0], six[0], *four[1:]]
    assert interleaved([four[0], four[0]]) == [four[0]]


def test_a_bad_address_comes_last_until_its_time_is_over() -> None:
    clock = RunningClock()
    known = KnownAddresses(clock.monotonic)
    one, two = endpoint("192.0.2.1"), endpoint("192.0.2.2")
    known.failed(one)
    assert known.ordered([one, two]) == [two, one]
    known.worked(one)
    assert known.ordered([one, two]) == [one, two]
    known.failed(one)
    clock.tick(601)
    assert known.ordered([one, two]) == [one, two]


def run_race(
    *endpoints: Endpoint, timeout_s: float = 5, cancel_token: CancelToken | None = None
) -> tuple[Endpoint, list[Endpoint]]:
    failed: list[Endpoint] = []
    wire, winner = race(
        endpoints,
        timeout_s=timeout_s,
        cancel_token=cancel_token or CancelToken(),
        monotonic=RunningClock().monotonic,
        failed=failed.append,
    )
    wire.close()
    return winner, failed


@contextmanager
def a_listener(ip: str) -> Iterator[Endpoint]:
    with socket.create_server((ip, 0)) as listener:
        yield endpoint(ip, listener.getsockname()[1])


def test_an_address_that_does_not_answer_holds_up_for_a_quarter_of_a_second() -> None:
    with a_full_listener() as port, a_listener("127.0.0.1") as good:
        began = time.monotonic()
        winner, failed = run_race(endpoint("127.0.0.1", port), good)
        took = time.monotonic() - began
    assert (winner, failed) == (good, [])
    assert 0.2 < took < 1.0


def test_an_address_that_refuses_holds_nothing_up() -> None:
    with a_listener("127.0.0.1") as good:
        refusing = endpoint("127.0.0.9", int(str(good.sockaddr[1])))
        began = time.monotonic()
        winner, failed = run_race(refusing, good)
        took = time.monotonic() - began
    assert (winner, failed) == (good, [refusing])
    assert took < 0.2


def test_when_all_refuse_the_race_is_over() -> None:
    with a_listener("127.0.0.1") as good:
        port = int(str(good.sockaddr[1]))
    with pytest.raises(ConnectionFailed) as broken:
        run_race(endpoint("127.0.0.8", port), endpoint("127.0.0.9", port))
    assert broken.value.problem is Problem.REFUSED


def test_a_race_that_nobody_wins_ends_at_its_deadline() -> None:
    with (
        a_full_listener() as one,
        a_full_listener() as two,
        pytest.raises(ConnectionFailed) as broken,
    ):
        run_race(endpoint("127.0.0.1", one), endpoint("127.0.0.1", two), timeout_s=0.4)
    assert broken.value.problem is Problem.TIMEOUT


def test_a_race_can_be_stopped() -> None:
    cancel_token = CancelToken()
    stop = threading.Timer(0.1, cancel_token.stop)
    with a_full_listener() as one, a_full_listener() as two:
        stop.start()
        began = time.monotonic()
        with suppress(ConnectionFailed):
            run_race(
                endpoint("127.0.0.1", one), endpoint("127.0.0.1", two), cancel_token=cancel_token
            )
        stop.join()
    assert time.monotonic() - began < 2


def test_the_policy_judges_every_address_before_any_is_connected_to() -> None:
    forbidden: Callable[[object], bool] = lambda ip: ip != ip_address("127.0.0.3")  # noqa: E731
    with SmtpServer(GOOD) as server:
        addresses = [endpoint("127.0.0.1", server.port), endpoint("127.0.0.3", server.port)]
        sender = a_sender(resolver=a_resolver(look_up=lambda *_: addresses, allow=forbidden))
        with sender.converse(an_account_at("mail.example.com", 25)) as conversation:
            handoff = conversation.send(Parcel(an_envelope(), MESSAGE), before_dot=Permission())
        assert handoff.problem is Problem.BLOCKED
        assert server.connections == 0
