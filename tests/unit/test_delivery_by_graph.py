"""Email that leaves over Microsoft Graph, from its acceptance to its end."""

from datetime import timedelta
from typing import Any

import attrs
import pytest

from adapters.fakes.clock import FakeClock
from adapters.fakes.graph import Play, PlayedGraph
from adapters.fakes.sender import FakeSender
from adapters.fakes.web import FakeWeb
from adapters.graph_sender import GraphSender
from application.ports.web import WebProblem
from application.sender_by_transport import SenderByTransport
from domain.account.account import Account, OnUnknown, Security, Transport
from domain.account.graph import HOST, MOST_OCTETS
from domain.account.limits import Limits
from domain.address import Address
from domain.dialogue.timeouts import Timeouts
from domain.email.status import Status
from domain.errors import MessageTooLarge
from tests.builders import an_oauth_client
from tests.contract.graph_suite import MAILBOX, TOKEN, ScriptedTokens
from tests.world import World

HOLD: dict[str, Any] = {"on_unknown": OnUnknown.HOLD}


class GraphWorld(World):
    """A service whose accounts of Graph reach one that is played."""

    def __init__(self, *plays: Play, tokens: ScriptedTokens | None = None) -> None:
        self.graph = PlayedGraph(MAILBOX, takes=lambda token: token == TOKEN)
        self.graph.plays.extend(plays)
        web = FakeWeb()
        web.serve(HOST, self.graph)
        self.smtp = FakeSender()
        clock = FakeClock()
        graph = GraphSender(
            web=web, tokens=tokens or ScriptedTokens(TOKEN), clock=clock, timeouts=Timeouts()
        )
        both = SenderByTransport({Transport.SMTP: self.smtp, Transport.GRAPH: graph})
        super().__init__(clock=clock, sender=both, web=web)

    def graph_account(self, **changes: Any) -> Account:
        fields = {
            "address": Address.parse(MAILBOX),
            "username": MAILBOX,
            "sealed_password": None,
            "oauth": an_oauth_client(),
            "transport": Transport.GRAPH,
            "host": HOST,
            "port": 443,
            "security": Security.TLS,
            "limits": Limits(daily=None, hourly=None, max_connections=1),
        }
        return self.account(**{**fields, **changes})

    def sent_by_smtp(self) -> list[str]:
        return [str(one) for taken in self.smtp.accepted for one in taken.envelope.recipients]

    def pause(self, account: Account) -> tuple[str, timedelta | None] | None:
        pause = self.account_now(account).health.pause
        if pause is None:
            return None
        return pause.reason, None if pause.until is None else pause.until - pause.since


def test_each_account_sends_over_its_own_transport():
    world = GraphWorld()
    graph, smtp = world.graph_account(), world.account("by SMTP")
    one = world.submit("ada@example.org", account_id=graph.id)
    other = world.submit("bob@example.org", account_id=smtp.id)

    world.run()

    assert [world.email(each).status for each in (one, other)] == [Status.SENT, Status.SENT]
    assert [taken.recipients for taken in world.graph.delivered] == [("ada@example.org",)]
    assert world.sent_by_smtp() == ["bob@example.org"]


def test_bcc_is_hidden_from_the_others():
    world = GraphWorld()
    world.graph_account()
    hidden = (Address.parse("eve@example.org"),)
    email_id = world.submit("ada@example.org", bcc=hidden)

    world.run()

    assert world.email(email_id).status is Status.SENT
    (taken,) = world.graph.delivered
    assert taken.recipients == ("ada@example.org", "eve@example.org")
    assert taken.message["to"] == "ada@example.org"


def test_after_504_the_outcome_is_unknown_and_graph_was_asked_once():
    world = GraphWorld(Play(status=504, stores=True))
    world.graph_account(**HOLD)
    email_id = world.submit("ada@example.org")

    world.run()
    world.clock.tick(86_400)
    world.run()

    email = world.email(email_id)
    assert (email.status, email.reason_code) == (Status.FAILED, "outcome_unknown")
    assert email.possibly_delivered
    assert world.graph.requests == 1
    assert len(world.graph.delivered) == 1


def test_202_with_retry_after_is_sent_and_the_account_rests_so_long():
    world = GraphWorld(Play(headers={"Retry-After": "17"}))
    account = world.graph_account()
    first, second = world.submit("ada@example.org"), world.submit("bob@example.org")

    world.run()

    assert [world.email(each).status for each in (first, second)] == [Status.SENT, Status.QUEUED]
    assert world.pause(account) == ("throttled", timedelta(seconds=17))
    assert world.account_now(account).last_sent_at == world.clock.now()
    world.clock.tick(16)
    world.run()
    assert world.graph.requests == 1
    world.clock.tick(2)
    world.run()
    assert world.email(second).status is Status.SENT
    assert world.pause(account) is None


def test_a_wait_that_comes_with_every_202_does_not_grow():
    world = GraphWorld(*[Play(headers={"Retry-After": "5"})] * 4)
    account = world.graph_account()
    for _ in range(4):
        world.submit("ada@example.org")
    waits = []

    for _ in range(4):
        world.run()
        waits.append(world.pause(account))
        world.clock.tick(5)

    assert waits == [("throttled", timedelta(seconds=5))] * 4
    assert len(world.graph.delivered) == 4


@pytest.mark.parametrize(("status", "reason"), [(429, "throttled"), (503, "server_busy")])
def test_a_refusal_with_retry_after_waits_so_long_and_charges_nothing(status, reason):
    world = GraphWorld(Play(status=status, code="x", headers={"Retry-After": "40"}))
    account = world.graph_account()
    email_id = world.submit("ada@example.org")

    world.run()

    assert world.pause(account) == (reason, timedelta(seconds=40))
    assert (world.email(email_id).status, world.email(email_id).retry_count) == (Status.QUEUED, 0)
    world.clock.tick(39)
    world.run()
    assert world.graph.requests == 1
    world.clock.tick(2)
    world.run()
    assert world.email(email_id).status is Status.SENT
    assert len(world.graph.delivered) == 1


def test_429_leaves_an_at_most_once_email_unknown():
    world = GraphWorld(Play(status=429, code="TooManyRequests", headers={"Retry-After": "40"}))
    account = world.graph_account()
    email_id = world.submit("ada@example.org", at_most_once=True)

    world.run()
    pause = world.pause(account)
    world.clock.tick(86_400)
    world.run()

    email = world.email(email_id)
    assert (email.status, email.reason_code) == (Status.FAILED, "outcome_unknown")
    assert world.graph.requests == 1
    assert pause == ("throttled", timedelta(seconds=40))


@pytest.mark.parametrize("code", ["ErrorAccessDenied", "ErrorSendAsDenied"])
def test_403_pauses_the_account_until_a_person_acts_and_keeps_its_mail(code):
    world = GraphWorld(Play(status=403, code=code))
    account = world.graph_account()
    email_id = world.submit("ada@example.org")

    world.run()
    paused = world.pause(account)
    world.clock.tick(86_400)
    world.run()

    assert paused is not None
    assert paused[1] is None
    assert world.graph.requests == 1
    assert world.email(email_id).status is Status.QUEUED
    world.application.account_service.resume(account.id)
    world.run()
    assert world.email(email_id).status is Status.SENT


def test_a_refused_token_is_replaced_and_the_email_is_sent_once():
    tokens = ScriptedTokens("old", TOKEN)
    world = GraphWorld(tokens=tokens)
    world.graph_account()
    email_id = world.submit("ada@example.org")

    world.run()

    assert world.email(email_id).status is Status.SENT
    assert tokens.asked == [False, True]
    assert len(world.graph.delivered) == 1


def test_a_graph_that_is_away_keeps_the_mail_and_is_tried_again():
    world = GraphWorld()
    account = world.graph_account()
    email_id = world.submit("ada@example.org")
    world.web.take_down(HOST, WebProblem.UNREACHABLE)

    world.run()

    assert world.email(email_id).status is Status.QUEUED
    assert world.email(email_id).retry_count == 0
    assert world.account_now(account).health.breaker.failures == 1


def test_a_message_of_3_1_mb_is_refused_where_only_graph_could_take_it():
    world = GraphWorld()
    account = world.graph_account()
    assert world.account_now(account).max_octets == MOST_OCTETS

    with pytest.raises(MessageTooLarge, match="3000000"):
        world.submit("ada@example.org", html=None, text=("x" * 70 + "\n") * 43_700)

    assert world.graph.requests == 0


def test_a_message_of_3_1_mb_goes_by_the_account_that_takes_it():
    world = GraphWorld()
    world.graph_account()
    smtp = world.account("by SMTP")
    email_id = world.submit("ada@example.org", html=None, text=("x" * 70 + "\n") * 43_700)

    world.run()

    assert world.email(email_id).status is Status.SENT
    assert world.email(email_id).account_id == smtp.id
    assert world.graph.requests == 0


def test_the_token_is_in_no_event():
    world = GraphWorld(
        Play(status=403, code="ErrorAccessDenied", message=f"Bearer {TOKEN}"), Play(status=500)
    )
    account = world.graph_account()
    world.submit("ada@example.org")
    world.run()
    world.application.account_service.resume(account.id)
    world.run()

    events = [attrs.asdict(event) for event in world.heard.events]
    assert events
    assert TOKEN not in repr(events)
    assert TOKEN not in repr(world.account_now(account))
