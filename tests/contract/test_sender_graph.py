"""The sender over Microsoft Graph keeps its contract, in memory and over sockets."""

from collections.abc import Iterator
from contextlib import closing, contextmanager

from adapters.clock import SystemClock
from adapters.fakes.clock import FakeClock
from adapters.fakes.graph import PlayedGraph
from adapters.fakes.web import FakeWeb
from adapters.graph_sender import GraphSender
from application.ports.web import WebProblem
from domain.account.account import Security
from domain.account.graph import HOST
from domain.account.network import NetworkPolicy
from domain.dialogue.timeouts import Timeouts
from tests.contract.graph_suite import (
    GraphContract,
    Played,
    ScriptedTokens,
    an_account_of_graph,
)
from tests.graph_server import running_graph
from tests.running import free_port
from tests.web_asking import a_client


class TestGraphSenderOnFakeWeb(GraphContract):
    @contextmanager
    def playing(
        self, graph: PlayedGraph, tokens: ScriptedTokens, *, down: WebProblem | None = None
    ) -> Iterator[Played]:
        web = FakeWeb()
        web.serve(HOST, graph)
        if down is not None:
            web.take_down(HOST, down)
        sender = GraphSender(web=web, tokens=tokens, clock=FakeClock(), timeouts=Timeouts())
        account = an_account_of_graph(HOST, 443, Security.TLS)
        yield Played(sender=sender, account=account, graph=graph, tokens=tokens)


class TestGraphSenderOnSockets(GraphContract):
    @contextmanager
    def playing(
        self, graph: PlayedGraph, tokens: ScriptedTokens, *, down: WebProblem | None = None
    ) -> Iterator[Played]:
        hosts: dict[WebProblem | None, str] = {
            WebProblem.NOT_FOUND: "nowhere.invalid",
            WebProblem.FORBIDDEN: "169.254.169.254",
        }
        client = a_client(network=NetworkPolicy(private=True))
        with closing(client), running_graph(graph) as server:
            silent = any(play.problem is WebProblem.TIMEOUT for play in graph.plays)
            account = an_account_of_graph(
                *(hosts[down], 443, Security.TLS)
                if down in hosts
                else ("127.0.0.1", free_port() if down else server.port, Security.PLAIN)
            )
            sender = GraphSender(
                web=client,
                tokens=tokens,
                clock=SystemClock(),
                timeouts=Timeouts(connect=0.2, dot=0.3) if silent else Timeouts(dot=20),
            )
            yield Played(sender=sender, account=account, graph=graph, tokens=tokens)
