"""Servers that take so many messages a connection: a new connection each time, and nothing more."""

import time

import attrs
import pytest

from adapters.fakes.sender import Fault, Rule
from domain.outcome.handoff import Parcel, Reply, Stage
from tests.builders import an_envelope
from tests.contract.sender_suite import MESSAGE, Permission
from tests.integration.smtp_sending import Line, a_line
from tests.smtp_server import SessionLimit

GOODBYES = (
    "421 4.7.0 too many messages on this connection",
    "450 4.7.1 enough",
    "451 4.3.0 enough",
    "452 4.5.3 Too many messages sent",
)


def sent(line: Line, number: int) -> int:
    """How many of so many messages were accepted, in one conversation."""
    with line.sender.converse(line.account) as conversation:
        return sum(
            conversation.send(
                Parcel(an_envelope(f"reader-{n}@example.org"), MESSAGE), before_dot=Permission()
            ).accepted
            for n in range(number)
        )


@pytest.mark.parametrize("stage", [Stage.MAIL, Stage.RCPT])
@pytest.mark.parametrize("text", GOODBYES)
def test_every_message_goes_with_a_new_connection_for_each_so_many(text: str, stage: Stage) -> None:
    with a_line(limit=SessionLimit(messages=4, text=text, stage=stage)) as line:
        assert sent(line, 20) == 20
        assert line.server.connections == 5


@pytest.mark.parametrize("text", GOODBYES)
def test_after_two_equal_counts_a_connection_is_closed_before_it_is_refused(text: str) -> None:
    with a_line(limit=SessionLimit(messages=4, text=text)) as line:
        assert sent(line, 20) == 20
        refused = len(line.heard(b"MAIL")) - 20
        assert refused == 2


def test_what_was_learned_is_forgotten_with_the_configuration() -> None:
    with a_line(limit=SessionLimit(messages=2)) as line:
        sent(line, 10)
        line.server.limit = None
        other = attrs.evolve(line, account=attrs.evolve(line.account, version=2))
        before = line.server.connections
        assert sent(other, 10) == 10
        assert line.server.connections == before + 1


def test_a_hundred_messages_at_a_limit_of_ten_take_a_second_or_two() -> None:
    with a_line(limit=SessionLimit(messages=10)) as line:
        began = time.monotonic()
        assert sent(line, 100) == 100
        assert time.monotonic() - began < 2


def test_a_refusal_of_one_recipient_teaches_nothing_about_sessions() -> None:
    greylisted = [Rule(Stage.RCPT, "450 4.7.1 greylisted", recipient="reader-3@example.org")]
    with a_line(*greylisted) as line:
        for _ in range(3):
            assert sent(line, 10) == 9
        # the first refusal of each minute costs one connection: the fresh one hears it too
        assert line.server.connections == 2


def test_a_server_that_closes_and_takes_no_new_connection_is_told_as_it_is() -> None:
    with a_line() as line:
        assert line.send().accepted
        line.server.play(
            attrs.evolve(
                line.server.playback.script,
                rules=(Rule(Stage.MAIL, "421 4.3.2 bye"), Rule(Stage.BANNER, "421 4.3.2 down")),
            )
        )
        handoff = line.send()
        assert (handoff.stage, handoff.reply) == (Stage.BANNER, Reply.of(421, "4.3.2 down"))


@pytest.mark.parametrize("stage", [Stage.DATA, Stage.DOT])
def test_a_goodbye_after_the_envelope_is_the_emails_own(stage: Stage) -> None:
    with a_line(Rule(stage, "421 4.3.2 bye", message=2)) as line:
        assert line.send().accepted
        assert line.send().stage is stage


def test_a_connection_lost_in_the_envelope_is_told() -> None:
    with a_line(Rule(Stage.RCPT, Fault.CLOSE, message=2)) as line:
        assert line.send().accepted
        assert line.send().stage is Stage.RCPT
