"""A send can be stopped at any moment before the final dot, and at none after it."""

import threading
from collections.abc import Callable

import pytest

from adapters.fakes.sender import Fault, Rule, Script
from application.sending import CancelToken
from domain.outcome.handoff import Handoff, Problem, Stage
from tests.contract.sender_suite import LARGE, MESSAGE, Permission
from tests.integration.smtp_sending import Line, a_line, short_timeouts


def sent_meanwhile(line: Line, act: Callable[[], None], *, octets: bytes = MESSAGE) -> Handoff:
    """What comes of a send during which *act* happens in this thread."""
    handoffs: list[Handoff] = []
    thread = threading.Thread(target=lambda: handoffs.append(line.send(octets=octets)))
    thread.start()
    act()
    thread.join(timeout=10)
    assert not thread.is_alive(), "the send did not end"
    return handoffs[0]


LAST_HEARD = {
    Stage.EHLO: b"EHLO",
    Stage.AUTH: b"AUTH",
    Stage.MAIL: b"MAIL",
    Stage.RCPT: b"RCPT",
    Stage.DATA: b"DATA",
    Stage.BODY: b"DATA",
}


@pytest.mark.parametrize("stage", LAST_HEARD)
def test_abort_stops_a_send_where_it_is(stage: Stage) -> None:
    with a_line(Rule(stage, Fault.HANG)) as line:

        def abort() -> None:
            line.server.wait_for_command(LAST_HEARD[stage])
            line.sender.abort()

        octets = LARGE if stage is Stage.BODY else MESSAGE
        handoff = sent_meanwhile(line, abort, octets=octets)
        assert not line.server.accepted
    assert handoff.problem is Problem.STOPPED
    assert list(Stage).index(handoff.stage) <= list(Stage).index(stage)
    assert not handoff.unknown


def test_abort_in_the_last_moment_before_the_dot_stops_the_send() -> None:
    def before_dot() -> bool:
        line.sender.abort()
        return True

    with a_line() as line:
        handoff = line.send(before_dot=before_dot)
        line.server.wait_until(open_connections=0)
        assert not line.server.accepted
    assert (handoff.stage, handoff.problem) == (Stage.BODY, Problem.STOPPED)


def test_a_send_that_has_passed_the_dot_gets_its_reply_in_spite_of_abort() -> None:
    with a_line(script=Script(latency_s=0.1)) as line:

        def abort() -> None:
            line.server.wait_until(taken=1)
            line.sender.abort()

        assert sent_meanwhile(line, abort).accepted


def test_a_send_that_has_passed_the_dot_is_never_called_stopped() -> None:
    with a_line(Rule(Stage.DOT, Fault.ACCEPT_HANG), timeouts=short_timeouts(dot=0.5)) as line:

        def abort() -> None:
            line.server.wait_until(taken=1)
            line.sender.abort()

        handoff = sent_meanwhile(line, abort)
    assert (handoff.stage, handoff.problem) == (Stage.DOT, Problem.TIMEOUT)
    assert handoff.unknown


def test_abort_closes_idle_connections_too() -> None:
    with a_line() as line:
        line.send()
        line.sender.abort()
        line.server.wait_until(open_connections=0)


def test_a_send_after_abort_is_a_send_like_any_other() -> None:
    with a_line() as line:
        line.sender.abort()
        assert line.send().accepted


def test_a_denied_permission_closes_the_connection_without_the_dot() -> None:
    with a_line() as line:
        handoff = line.send(before_dot=Permission(False))
        line.server.wait_until(open_connections=0)
        assert not line.server.accepted
        assert not line.heard(b"QUIT")
    assert (handoff.stage, handoff.problem) == (Stage.BODY, Problem.STOPPED)


def test_abort_stops_a_probe() -> None:
    with a_line(Rule(Stage.EHLO, Fault.HANG)) as line:
        handoffs: list[Handoff] = []
        probe = threading.Thread(target=lambda: handoffs.append(line.sender.probe(line.account)))
        probe.start()
        line.server.wait_for_command(b"EHLO")
        line.sender.abort()
        probe.join(timeout=10)
    assert (handoffs[0].stage, handoffs[0].problem) == (Stage.EHLO, Problem.STOPPED)


class TestTheBrake:
    def test_wakes_the_attempt_once(self) -> None:
        woken: list[str] = []
        cancel_token = CancelToken()
        cancel_token.watch(lambda: woken.append("now"))
        cancel_token.stop()
        cancel_token.stop()
        assert woken == ["now"]

    def test_wakes_an_attempt_that_begins_to_wait_after_the_stop(self) -> None:
        woken: list[str] = []
        cancel_token = CancelToken()
        cancel_token.stop()
        cancel_token.watch(lambda: woken.append("now"))
        assert woken == ["now"]

    def test_cannot_stop_what_was_released(self) -> None:
        cancel_token = CancelToken()
        assert cancel_token.release()
        cancel_token.stop()
        assert not cancel_token.stopped

    def test_does_not_release_what_was_stopped(self) -> None:
        cancel_token = CancelToken()
        cancel_token.stop()
        assert not cancel_token.release()

    def test_what_stopped_one_attempt_does_not_stop_the_next(self) -> None:
        cancel_token = CancelToken()
        cancel_token.stop()
        cancel_token.renew()
        assert not cancel_token.stopped
        assert cancel_token.release()

    def test_stops_the_next_attempt_though_the_one_before_was_released(self) -> None:
        cancel_token = CancelToken()
        assert cancel_token.release()
        cancel_token.renew()
        cancel_token.stop()
        assert cancel_token.stopped
        assert not cancel_token.release()
