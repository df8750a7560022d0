"""What a sender over Microsoft Graph does: the contract of `Sender` with the stages that HTTP has.

Each test says what the played Graph does to a request and which `Handoff` must come of it. A
subclass says how it is reached.
"""

import base64
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from datetime import timedelta
from typing import Final

import attrs
import pytest

from adapters.fakes.graph import Delivered, Play, PlayedGraph
from application.ports.oauth import TokenUnavailable
from application.ports.sender import Sender
from application.ports.web import WebProblem
from domain.account.account import Account, Security, Transport
from domain.account.graph import MOST_OCTETS
from domain.address import Address
from domain.errors import StoreUnavailable
from domain.message.attachment import CHUNK, Blob
from domain.message.skeleton import PlacedBlob
from domain.outcome.handoff import Handoff, LargeParts, Parcel, Problem, Stage
from tests.builders import an_account, an_envelope, an_oauth_client

TOKEN: Final = "token-" + "of the tests".replace(" ", "-") + "-0123456789"
MAILBOX: Final = "sender@example.com"
ADA, BOB, EVE = "ada@example.org", "bob@example.org", "eve@example.org"


def a_message(*, to: str = ADA, cc: str = "", body: str = "Hello.", head: str = "") -> bytes:
    copies = f"Cc: {cc}\r\n" if cc else ""
    rows = f"From: Sender <{MAILBOX}>\r\nTo: {to}\r\n{copies}{head}Subject: Hello\r\n"
    return f"{rows}Message-ID: <1@example.com>\r\n\r\n{body}\r\n".encode()


class ScriptedTokens:
    """The Tokens port: one token after the other; ``asked`` is whether one was named as refused."""

    def __init__(self, *tokens: str | TokenUnavailable) -> None:
        self._tokens = deque(tokens)
        self.asked: list[bool] = []

    def token(self, account: Account, *, refused: str = "") -> str:
        self.asked.append(bool(refused))
        first = self._tokens[0] if len(self._tokens) == 1 else self._tokens.popleft()
        if isinstance(first, TokenUnavailable):
            raise first
        return first


class Permission:
    """A before_dot that counts how often it was asked, and what had arrived by then."""

    def __init__(self, graph: PlayedGraph, answer: bool = True) -> None:
        self._graph = graph
        self._answer = answer
        self.asked: list[int] = []

    def __call__(self) -> bool:
        self.asked.append(self._graph.requests)
        return self._answer


@attrs.frozen(kw_only=True)
class Played:
    """A sender for an account at a Graph that is played."""

    sender: Sender
    account: Account
    graph: PlayedGraph
    tokens: ScriptedTokens

    def send(
        self,
        *recipients: str,
        octets: bytes | None = None,
        before_dot: Callable[[], bool] = lambda: True,
        still: Callable[[], bool] = lambda: True,
    ) -> Handoff:
        """One attempt, to ada unless others are named."""
        parcel = Parcel(an_envelope(*(recipients or (ADA,))), octets or a_message())
        with self.sender.converse(self.account) as conversation:
            return conversation.send(parcel, before_dot=before_dot, still=still)

    @property
    def delivered(self) -> Sequence[Delivered]:
        return self.graph.delivered


def an_account_of_graph(host: str, port: int, security: Security = Security.PLAIN) -> Account:
    return an_account(
        id=7,
        host=host,
        port=port,
        security=security,
        username=MAILBOX,
        sealed_password=None,
        transport=Transport.GRAPH,
        oauth=an_oauth_client(),
    )


class GraphContract:
    """The suite."""

    def playing(
        self, graph: PlayedGraph, tokens: ScriptedTokens, *, down: WebProblem | None = None
    ) -> AbstractContextManager[Played]:
        """The sender at *graph*; *down*: no connection to it comes about."""
        raise NotImplementedError

    def played(
        self,
        *plays: Play,
        tokens: ScriptedTokens | None = None,
        down: WebProblem | None = None,
        **graph: object,
    ) -> AbstractContextManager[Played]:
        played = PlayedGraph(MAILBOX, takes=lambda token: token == TOKEN, **graph)  # type: ignore[arg-type]
        played.plays.extend(plays)
        return self.playing(played, tokens or ScriptedTokens(TOKEN), down=down)

    # --- what is taken

    def test_a_message_is_accepted(self) -> None:
        with self.played() as played:
            handoff = played.send()
            assert handoff.accepted
            assert handoff.wait is None
            assert handoff.usable
            assert played.graph.requests == 1

    def test_the_message_arrives_unchanged_where_its_headers_name_everybody(self) -> None:
        octets = a_message(to=f"Ada <{ADA}>,\r\n {BOB}", body=".\r\n..\r\n")
        with self.played() as played:
            assert played.send(ADA, BOB, octets=octets).accepted
            assert [one.octets for one in played.delivered] == [octets]

    def test_hidden_recipients_get_it_by_a_bcc(self) -> None:
        with self.played() as played:
            played.send(ADA, EVE, BOB)
            (one,) = played.delivered
            assert one.recipients == (ADA, EVE, BOB)
            assert one.message["bcc"] == f"{EVE}, {BOB}"
            assert one.message["to"] == ADA

    def test_whom_the_attempt_does_not_name_gets_nothing(self) -> None:
        with self.played() as played:
            played.send(BOB, octets=a_message(to=ADA, cc=f"Bob <{BOB}>, {EVE}"))
            (one,) = played.delivered
            assert one.recipients == (BOB,)

    def test_a_message_with_large_parts_arrives_whole(self) -> None:
        blob = Blob(digest=b"d" * 32, size=CHUNK + 3)
        octets = a_message()
        parts = LargeParts(
            (PlacedBlob(blob=blob, offset=len(octets) - 2),),
            lambda digest, n: b"x" * (CHUNK if n == 0 else 3),
        )
        parcel = Parcel(an_envelope(ADA), octets, parts)
        with self.played() as played:
            with played.sender.converse(played.account) as conversation:
                assert conversation.send(parcel, before_dot=lambda: True).accepted
            (one,) = played.delivered
            assert one.octets == b"".join(parcel.pieces())

    def test_many_messages_go_one_after_the_other(self) -> None:
        with self.played() as played:
            assert all(played.send().accepted for _ in range(5))
            assert len(played.delivered) == 5
            assert played.tokens.asked == [False] * 5

    def test_202_with_retry_after_is_accepted_and_tells_the_wait(self) -> None:
        with self.played(Play(headers={"Retry-After": "17"})) as played:
            handoff = played.send()
            assert handoff.accepted
            assert handoff.wait == timedelta(seconds=17)
            assert len(played.delivered) == 1

    # --- the permission before the request

    def test_the_permission_is_asked_once_and_before_the_request(self) -> None:
        with self.played() as played:
            permission = Permission(played.graph)
            played.send(before_dot=permission)
            assert permission.asked == [0]

    def test_without_the_permission_no_request_is_sent(self) -> None:
        with self.played() as played:
            handoff = played.send(before_dot=Permission(played.graph, False))
            assert (handoff.stage, handoff.problem) == (Stage.BODY, Problem.STOPPED)
            assert played.graph.requests == 0
            assert played.send().accepted

    def test_a_permission_that_no_longer_holds_in_the_last_moment_is_none(self) -> None:
        with self.played() as played:
            handoff = played.send(still=lambda: False)
            assert (handoff.stage, handoff.problem) == (Stage.BODY, Problem.STOPPED)
            assert played.graph.requests == 0

    def test_what_the_permission_raises_is_passed_on_and_nothing_is_sent(self) -> None:
        def broken() -> bool:
            raise RuntimeError("the store is gone")

        with self.played() as played:
            with pytest.raises(RuntimeError, match="the store is gone"):
                played.send(before_dot=broken)
            assert played.graph.requests == 0

    def test_a_message_that_cannot_be_read_is_not_begun(self) -> None:
        def gone(digest: bytes, n: int) -> bytes:
            raise StoreUnavailable("the store is gone")

        blob = Blob(digest=b"d" * 32, size=3)
        parts = LargeParts((PlacedBlob(blob=blob, offset=10),), gone)
        parcel = Parcel(an_envelope(ADA), a_message(), parts)
        with self.played() as played:
            permission = Permission(played.graph)
            with (
                played.sender.converse(played.account) as conversation,
                pytest.raises(StoreUnavailable),
            ):
                conversation.send(parcel, before_dot=permission)
            assert permission.asked == []
            assert played.graph.requests == 0

    def test_after_abort_nothing_that_was_not_permitted_is_sent(self) -> None:
        with self.played() as played:
            with played.sender.converse(played.account) as conversation:
                permission = Permission(played.graph)

                def token(account: Account, *, refused: str = "") -> str:
                    played.sender.abort()
                    return TOKEN

                played.tokens.token = token  # type: ignore[method-assign]
                handoff = conversation.send(
                    Parcel(an_envelope(ADA), a_message()), before_dot=permission
                )
            assert handoff.problem is Problem.STOPPED
            assert permission.asked == []
            assert played.graph.requests == 0

    # --- what was certainly not taken

    @pytest.mark.parametrize(
        ("down", "stage", "problem"),
        [
            (WebProblem.UNREACHABLE, Stage.CONNECT, Problem.REFUSED),
            (WebProblem.NOT_FOUND, Stage.RESOLVE, Problem.NOT_FOUND),
            (WebProblem.FORBIDDEN, Stage.CONNECT, Problem.BLOCKED),
        ],
    )
    def test_without_a_connection_the_permission_is_not_asked(
        self, down: WebProblem, stage: Stage, problem: Problem
    ) -> None:
        with self.played(down=down) as played:
            permission = Permission(played.graph)
            handoff = played.send(before_dot=permission)
            assert (handoff.stage, handoff.problem) == (stage, problem)
            assert permission.asked == []
            assert not handoff.unknown

    def test_429_refuses_and_tells_the_wait(self) -> None:
        play = Play(status=429, code="ApplicationThrottled", headers={"Retry-After": "9"})
        with self.played(play) as played:
            handoff = played.send()
            assert (handoff.stage, handoff.wait) == (Stage.DOT, timedelta(seconds=9))
            assert handoff.reply is not None
            assert handoff.reply.code == 451
            assert handoff.reply.text.startswith("4.7.0 HTTP 429 ApplicationThrottled:")
            assert not handoff.unknown
            assert handoff.doubted
            assert played.graph.requests == 1

    def test_503_that_says_when_to_come_again_refuses(self) -> None:
        with self.played(Play(status=503, headers={"Retry-After": "30"})) as played:
            handoff = played.send()
            assert not handoff.unknown
            assert handoff.wait == timedelta(seconds=30)

    def test_a_refusal_carries_graphs_code_and_message(self) -> None:
        play = Play(status=403, code="ErrorSendAsDenied", message="No right to send as it.")
        with self.played(play) as played:
            handoff = played.send()
            assert handoff.reply is not None
            assert handoff.reply.text == "5.7.1 HTTP 403 ErrorSendAsDenied: No right to send as it."
            assert (handoff.reply.code, handoff.reply.enhanced) == (550, "5.7.1")
            assert played.graph.requests == 1

    def test_3_mb_go_and_more_is_not_begun(self) -> None:
        least = a_message(body="")
        fitting = a_message(body="x" * (MOST_OCTETS - len(least)))
        with self.played() as played:
            permission = Permission(played.graph)
            assert played.send(octets=fitting).accepted
            handoff = played.send(octets=fitting + b"x", before_dot=permission)
            assert (handoff.stage, handoff.problem) == (Stage.MAIL, Problem.TOO_BIG)
            assert permission.asked == []
            assert played.graph.requests == 1

    # --- what may have been taken

    @pytest.mark.parametrize("status", [500, 502, 503, 504])
    @pytest.mark.parametrize("stores", [False, True])
    def test_after_5xx_it_is_unknown_and_asked_once(self, status: int, stores: bool) -> None:
        with self.played(Play(status=status, stores=stores)) as played:
            handoff = played.send()
            assert handoff.unknown
            assert played.graph.requests == 1
            assert len(played.delivered) == stores

    @pytest.mark.parametrize("stores", [False, True])
    @pytest.mark.parametrize("problem", [WebProblem.PROTOCOL, WebProblem.TIMEOUT])
    def test_without_an_answer_it_is_unknown_and_asked_once(
        self, problem: WebProblem, stores: bool
    ) -> None:
        with self.played(Play(problem=problem, stores=stores, status=500)) as played:
            handoff = played.send()
            assert handoff.unknown
            assert handoff.stage is Stage.DOT
            assert played.graph.requests == 1
            assert len(played.delivered) == stores

    @pytest.mark.parametrize("status", [200, 204, 302])
    def test_an_answer_that_sendmail_does_not_give_is_unknown(self, status: int) -> None:
        with self.played(Play(status=status, body=b"")) as played:
            assert played.send().unknown

    # --- tokens

    def test_a_token_that_is_refused_is_replaced_once(self) -> None:
        tokens = ScriptedTokens("old", TOKEN)
        with self.played(tokens=tokens) as played:
            permission = Permission(played.graph)
            assert played.send(before_dot=permission).accepted
            assert tokens.asked == [False, True]
            assert permission.asked == [0]
            assert played.graph.requests == 2

    def test_a_fresh_token_that_is_refused_too_is_a_failed_login(self) -> None:
        with self.played(tokens=ScriptedTokens("old", "fresh")) as played:
            handoff = played.send()
            assert handoff.stage is Stage.AUTH
            assert handoff.reply is not None
            assert handoff.reply.code == 535
            assert played.graph.requests == 2
            assert not played.delivered

    def test_before_the_second_request_it_is_asked_whether_the_permission_holds(self) -> None:
        answers = deque([True, False])
        with self.played(tokens=ScriptedTokens("old", TOKEN)) as played:
            handoff = played.send(still=answers.popleft)
            assert handoff.problem is Problem.STOPPED
            assert played.graph.requests == 1

    def test_without_a_token_nothing_is_asked_of_graph(self) -> None:
        none = ScriptedTokens(TokenUnavailable(Problem.NEEDS_CONSENT, "authorize it"))
        with self.played(tokens=none) as played:
            permission = Permission(played.graph)
            handoff = played.send(before_dot=permission)
            assert (handoff.stage, handoff.problem) == (Stage.AUTH, Problem.NEEDS_CONSENT)
            assert permission.asked == []
            assert played.graph.requests == 0

    @pytest.mark.parametrize(
        "repeated", [TOKEN, TOKEN[3:22], base64.b64encode(TOKEN.encode()).decode()]
    )
    def test_an_answer_that_repeats_the_token_is_not_kept(self, repeated: str) -> None:
        play = Play(status=403, code="ErrorAccessDenied", message=f"you sent Bearer {repeated}")
        with self.played(play) as played:
            handoff = played.send()
            assert repeated not in repr(handoff)
            assert handoff.reply is not None
            assert handoff.reply.text == "5.7.1 HTTP 403"

    # --- trying it out

    @pytest.mark.parametrize("may_read", [False, True])
    def test_a_probe_needs_no_more_than_the_permission_to_send(self, may_read: bool) -> None:
        with self.played(may_read=may_read) as played:
            assert played.sender.probe(played.account).logged_in
            assert played.graph.requests == 0
            assert played.graph.questions == 1

    def test_a_probe_finds_a_token_that_is_refused(self) -> None:
        with self.played(tokens=ScriptedTokens("old", "fresh")) as played:
            handoff = played.sender.probe(played.account)
            assert handoff.stage is Stage.AUTH
            assert not handoff.logged_in
            assert played.graph.questions == 2

    def test_a_probe_finds_that_graph_is_away(self) -> None:
        with self.played(down=WebProblem.UNREACHABLE) as played:
            handoff = played.sender.probe(played.account)
            assert (handoff.stage, handoff.problem) == (Stage.CONNECT, Problem.REFUSED)

    def test_a_verification_sends_nothing(self) -> None:
        with self.played() as played:
            steps = played.sender.verify(played.account, recipient=Address.parse(EVE))
            assert [(step.stage, step.ok) for step in steps] == [
                (Stage.CONNECT, True),
                (Stage.AUTH, True),
            ]
            assert played.graph.requests == 0

    def test_a_verification_of_a_mailbox_that_is_not_there_ends_with_the_reply(self) -> None:
        with self.played(may_read=True) as played:
            account = attrs.evolve(played.account, username="nobody@example.com")
            steps = played.sender.verify(account, recipient=Address.parse(EVE))
            assert [(step.stage, step.ok) for step in steps] == [
                (Stage.CONNECT, True),
                (Stage.MAIL, False),
            ]

    def test_a_verification_without_a_token_says_so(self) -> None:
        none = ScriptedTokens(TokenUnavailable(Problem.NEEDS_CONSENT, "authorize it"))
        with self.played(tokens=none) as played:
            (step,) = played.sender.verify(played.account, recipient=Address.parse(EVE))
            assert (step.stage, step.problem) == (Stage.AUTH, Problem.NEEDS_CONSENT)
