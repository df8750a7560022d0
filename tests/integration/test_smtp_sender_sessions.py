"""Connections are used again, but never one that may be out of step, too old or another's."""

import gc
import os
import sys
import threading
import time
from types import FrameType

import attrs
import pytest

from adapters.fakes.sender import Answer, Fault, Rule, Script
from adapters.smtp_sender import PoolPolicy
from domain.account.account import Account
from domain.outcome.handoff import Parcel, Problem, Reply, Stage
from tests.builders import an_envelope
from tests.contract.sender_suite import MESSAGE, VAULT, Permission
from tests.integration.smtp_sending import Line, RunningClock, a_line, short_timeouts

REFUSED = Rule(Stage.RCPT, "450 4.2.1 busy", times=1)


def another_account(line: Line, **changes: object) -> Account:
    sealed = VAULT.seal("secret", context="account:8")
    return attrs.evolve(line.account, id=8, sealed_password=sealed, **changes)


def test_one_connection_carries_many_messages() -> None:
    with a_line() as line:
        assert all(line.send().accepted for _ in range(20))
        assert line.server.connections == 1
        assert len(line.heard(b"AUTH")) == 1


def test_nothing_but_the_transaction_is_said_for_the_second_message() -> None:
    with a_line() as line:
        line.send()
        before = len(line.server.commands)
        line.send()
        assert [command[:4] for command in line.server.commands[before:]] == [
            b"MAIL",
            b"RCPT",
            b"DATA",
        ]


def without_login(line: Line) -> Account:
    return attrs.evolve(line.account, username="", sealed_password=None)


@pytest.mark.parametrize(("offered", "most"), [((), 71), (("DSN",), 76)])
def test_an_email_over_an_open_connection_costs_at_most_so_many_python_calls(
    offered: tuple[str, ...], most: int
) -> None:
    calls = 0

    def count(_frame: FrameType, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event == "call"

    parcel = Parcel(an_envelope("reader@example.org", message_id="<a1b2@here>"), MESSAGE)
    script = Script(extensions=(*Script().extensions, *offered))
    with a_line(script=script) as line, line.sender.converse(without_login(line)) as conversation:
        conversation.send(parcel, before_dot=Permission())
        before = sys.getprofile()
        gc.disable()  # libraries of the tests are called when garbage is collected
        sys.setprofile(count)
        try:
            for _ in range(20):
                conversation.send(parcel, before_dot=Permission())
        finally:
            sys.setprofile(before)
            gc.enable()
    assert calls / 20 <= most


def test_accounts_never_share_a_connection() -> None:
    with a_line() as line:
        line.send()
        line.send(account=another_account(line))
        line.send()
        assert line.server.connections == 2


def test_a_new_version_of_the_account_never_uses_an_old_connection() -> None:
    with a_line() as line:
        line.send()
        line.send(account=attrs.evolve(line.account, version=2))
        line.server.wait_until(open_connections=1)
        assert line.server.connections == 2


def test_a_connection_of_an_old_version_is_not_kept() -> None:
    with a_line() as line:
        line.send(account=attrs.evolve(line.account, version=2))
        line.send(account=line.account)
        line.server.wait_until(open_connections=1)
        line.send(account=attrs.evolve(line.account, version=2))
        assert line.server.connections == 2


def test_a_connection_is_left_after_its_share_of_messages() -> None:
    with a_line(pool=PoolPolicy(max_messages=3)) as line:
        for _ in range(7):
            assert line.send().accepted
        assert line.server.connections == 3
        line.server.wait_for_command(b"QUIT", count=2)


@pytest.mark.parametrize(
    ("policy", "age_s"),
    [(PoolPolicy(max_idle_s=60), 61), (PoolPolicy(max_idle_s=1000, max_age_s=300), 301)],
)
def test_an_old_connection_is_not_used_again(policy: PoolPolicy, age_s: float) -> None:
    clock = RunningClock()
    with a_line(clock=clock, pool=policy) as line:
        line.send()
        clock.tick(age_s)
        assert line.send().accepted
        assert line.server.connections == 2
        line.server.wait_for_command(b"QUIT")


def test_idle_connections_of_one_account_end_when_another_one_sends() -> None:
    clock = RunningClock()
    with a_line(clock=clock) as line:
        line.send()
        clock.tick(61)
        line.send(account=another_account(line))
        line.server.wait_until(open_connections=1)


def test_a_server_that_closed_the_idle_connection_is_silently_connected_again() -> None:
    with a_line() as line:
        line.send()
        line.server.drop_connections()
        line.server.wait_until(open_connections=0)
        assert line.send().accepted
        assert line.server.connections == 2


def test_a_connection_that_ends_right_at_mail_is_silently_replaced() -> None:
    with a_line(Rule(Stage.MAIL, Fault.CLOSE, message=2)) as line:
        line.send()
        assert line.send().accepted
        assert line.server.connections == 2


def test_a_new_connection_that_ends_at_mail_is_not_tried_again() -> None:
    with a_line(Rule(Stage.MAIL, Fault.CLOSE, times=1)) as line:
        handoff = line.send()
        assert (handoff.stage, handoff.problem) == (Stage.MAIL, Problem.CLOSED)
        assert line.server.connections == 1


def test_a_used_connection_that_is_lost_later_is_not_tried_again() -> None:
    with a_line(Rule(Stage.DATA, Fault.CLOSE, message=2)) as line:
        line.send()
        handoff = line.send()
        assert (handoff.stage, handoff.problem) == (Stage.DATA, Problem.CLOSED)


def test_a_reply_that_came_while_it_was_idle_ends_a_connection() -> None:
    with a_line(Rule(Stage.DOT, Fault.EXTRA, times=1)) as line:
        assert line.send().accepted
        handoff = line.send()
        assert handoff.reply == Reply.of(250, "2.0.0 taken")
        assert line.server.connections == 2


def test_two_resets_come_only_after_a_refused_transaction() -> None:
    with a_line(Rule(Stage.RCPT, "450 4.2.1 busy", times=1)) as line:
        line.send()
        line.send()
        line.send()
        assert len(line.heard(b"RSET")) == 2
        assert line.server.connections == 1


@pytest.mark.parametrize(
    "answer", ["500 no", "421 going", "251 well", Fault.CLOSE, Fault.GARBAGE, Fault.EXTRA]
)
def test_a_connection_that_cannot_be_reset_is_left(answer: Answer) -> None:
    with a_line(REFUSED, Rule("rset", answer)) as line:
        line.send()
        assert line.send().accepted
        assert line.server.connections == 2


def test_a_reset_that_hangs_costs_its_own_deadline_only() -> None:
    rules = (REFUSED, Rule("rset", Fault.HANG))
    with a_line(*rules, timeouts=short_timeouts(rset=0.1)) as line:
        line.send()
        started = time.monotonic()
        assert line.send().accepted
        assert time.monotonic() - started < 5


@pytest.mark.parametrize("answer", ["500 no", Fault.HANG, Fault.CLOSE, Fault.GARBAGE])
def test_leaving_a_server_never_waits_for_its_farewell(answer: Answer) -> None:
    policy = PoolPolicy(max_messages=1)
    with a_line(Rule("quit", answer), pool=policy) as line:
        started = time.monotonic()
        assert all(line.send().accepted for _ in range(3))
        assert time.monotonic() - started < 5


@pytest.mark.parametrize("stage", [Stage.MAIL, Stage.RCPT, Stage.DATA, Stage.DOT])
def test_a_421_ends_the_connection(stage: Stage) -> None:
    with a_line(Rule(stage, "421 4.3.2 going", times=1)) as line:
        line.send()
        line.server.wait_until(open_connections=0)
        assert line.send().accepted


def test_a_421_to_ehlo_is_not_followed_by_helo() -> None:
    with a_line(Rule(Stage.EHLO, "421 4.3.2 going")) as line:
        relay = attrs.evolve(line.account, username="")
        handoff = line.send(account=relay)
        assert not line.heard(b"HELO")
    assert (handoff.stage, handoff.reply) == (Stage.EHLO, Reply.of(421, "4.3.2 going"))


def test_retire_closes_the_idle_connections_of_one_account() -> None:
    with a_line() as line:
        line.send()
        line.send(account=another_account(line))
        line.sender.retire(line.account.id)
        line.server.wait_until(open_connections=1)
        line.send(account=another_account(line))
        assert line.server.connections == 2


def test_a_connection_in_use_does_not_come_back_after_retire() -> None:
    def before_dot() -> bool:
        line.sender.retire(line.account.id)
        return True

    with a_line() as line:
        assert line.send(before_dot=before_dot).accepted
        line.server.wait_until(open_connections=0)


def test_close_ends_what_is_idle_and_lets_the_rest_finish() -> None:
    def before_dot() -> bool:
        line.sender.close()
        return True

    with a_line() as line:
        line.send()
        assert line.send(before_dot=before_dot).accepted
        line.server.wait_until(open_connections=0)


def test_a_probe_uses_a_connection_of_its_own_and_says_goodbye() -> None:
    with a_line() as line:
        line.send()
        assert line.sender.probe(line.account).stage is Stage.MAIL
        line.server.wait_for_command(b"QUIT")
        line.server.wait_until(open_connections=1)
        assert line.server.connections == 2


def test_threads_that_send_at_once_have_a_connection_each() -> None:
    together = threading.Barrier(4, timeout=10)

    def before_dot() -> bool:
        together.wait()
        return True

    with a_line() as line:
        threads = [
            threading.Thread(target=line.send, kwargs={"before_dot": before_dot}) for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert line.server.taken == 4
        assert line.server.most_connections == 4


def test_a_forked_process_never_uses_its_parents_connection() -> None:
    with a_line() as line:
        line.send()
        child = os.fork()
        if child == 0:
            os._exit(0 if line.send().accepted else 1)
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == 0
        assert line.server.connections == 2
        assert line.send().accepted
        assert line.server.connections == 2


def test_many_accounts_keep_a_connection_each() -> None:
    with a_line(script=Script(mechanisms=())) as line:
        accounts = [attrs.evolve(line.account, id=number, username="") for number in range(1, 21)]
        for _ in range(3):
            assert all(line.send(account=account).accepted for account in accounts)
        assert line.server.connections == 20
