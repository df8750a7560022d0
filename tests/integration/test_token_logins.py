"""Logging in with an OAuth token over sockets: what it costs, and what is told of it."""

import base64
import logging
import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import Final

import attrs
import pytest

from adapters.fakes.bearer import BEARERS
from adapters.fakes.sender import Fault, Rule, Script
from application.ports.sender import Sender
from domain.account.account import Account
from domain.outcome.handoff import Parcel, Problem, Stage
from tests.builders import an_envelope, an_oauth_client
from tests.contract.sender_suite import MESSAGE, TOKENS, Permission
from tests.integration.smtp_sending import Line, RunningClock, a_line, a_sender
from tests.integration.test_smtplib_sender import an_smtplib_sender
from tests.smtp_server import SmtpServer, TokenBook

BOTH: Final = pytest.mark.parametrize("make", [a_sender, an_smtplib_sender])
FIRST: Final = "first-token"
FRESH: Final = "fresh-token"
LONG: Final = base64.urlsafe_b64encode(bytes(range(256)) * 12).decode()


def by_token(account: Account) -> Account:
    return attrs.evolve(account, sealed_password=None, oauth=an_oauth_client())


def offering(*rules: Rule, **changes: object) -> Script:
    return attrs.evolve(Script(rules, mechanisms=(*BEARERS, "PLAIN")), **changes)


class Watched:
    """Tokens that look at the server, or set a clock forward, while one is fetched."""

    def __init__(self, look: Callable[[bool], object]) -> None:
        self._look = look

    def token(self, _account: Account, *, refused: str = "") -> str:
        """One or the other."""
        fresh = refused == FIRST
        self._look(fresh)
        return FRESH if fresh else FIRST


def round_trips(line: Line, account: Account) -> int:
    before = line.server.writes
    assert line.send(account=account).accepted
    return line.server.writes - before


@BOTH
def test_a_token_costs_one_round_trip_as_a_password_does(make: Callable[..., Sender]) -> None:
    with a_line(script=offering(), make=make) as line:
        # accounts of their own, so that no connection is closed meanwhile
        oauth = attrs.evolve(by_token(line.account), id=9)
        TOKENS.give(oauth, FIRST)
        without = attrs.evolve(line.account, id=8, username="", sealed_password=None)
        none, token = round_trips(line, without), round_trips(line, oauth)
        assert (token, round_trips(line, line.account)) == (none + 1, none + 1)
        assert [said.split()[1] for said in line.heard(b"AUTH")] == [b"XOAUTH2", b"PLAIN"]


@BOTH
def test_a_token_that_is_too_long_for_a_command_costs_two(make: Callable[..., Sender]) -> None:
    with a_line(script=offering(token=LONG), make=make) as line:
        TOKENS.give(line.account, LONG)
        without = attrs.evolve(line.account, id=8, username="", sealed_password=None)
        none, token = round_trips(line, without), round_trips(line, by_token(line.account))
        assert token == none + 2
        assert max(map(len, line.heard(b"AUTH"))) <= 510


def calls_an_email(account: Account, line: Line) -> float:
    """Python calls that an email over an open connection takes."""
    calls = 0

    def count(_frame: FrameType, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event == "call"

    parcel = Parcel(an_envelope(), MESSAGE)
    with line.sender.converse(account) as conversation:
        conversation.send(parcel, before_dot=Permission())
        before = sys.getprofile()
        sys.setprofile(count)
        try:
            for _ in range(20):
                conversation.send(parcel, before_dot=Permission())
        finally:
            sys.setprofile(before)
    line.sender.retire(account.id)
    return calls / 20


def test_an_email_over_an_open_connection_costs_the_same_with_a_token() -> None:
    with a_line(script=offering(token=LONG)) as line:
        TOKENS.give(line.account, LONG)
        password = calls_an_email(line.account, line)
        assert calls_an_email(by_token(line.account), line) == password
        assert password <= 73


@BOTH
def test_a_token_is_fetched_before_a_connection_is_opened(make: Callable[..., Sender]) -> None:
    connections = []
    with SmtpServer(offering()) as server:
        tokens = Watched(lambda _fresh: connections.append(server.connections))
        with a_line(make=make, tokens=tokens) as line:
            there = attrs.evolve(by_token(line.account), port=server.port)
            assert line.send(account=there).accepted
            assert line.send(account=there).accepted
    assert connections == [0]


@BOTH
def test_a_fresh_token_that_takes_its_time_is_not_the_servers_fault(
    make: Callable[..., Sender],
) -> None:
    clock = RunningClock()
    tokens = Watched(lambda fresh: fresh and clock.tick(100))
    with a_line(script=offering(token=FRESH), make=make, clock=clock, tokens=tokens) as line:
        assert line.send(account=by_token(line.account)).accepted


@BOTH
@pytest.mark.parametrize("revoked", [False, True])
def test_a_server_that_judges_tokens_hears_two_at_most(
    make: Callable[..., Sender], revoked: bool
) -> None:
    book = TokenBook()
    with (
        SmtpServer(offering(), takes_token=book) as server,
        a_line(make=make) as line,
    ):
        account = attrs.evolve(by_token(line.account), port=server.port)
        book.issue(account.username, FIRST, lives_s=0.0)
        book.issue(account.username, FRESH)
        if revoked:
            book.revoke(account.username, FRESH)
        TOKENS.give(account, FIRST, FRESH, "a third token")
        handoff = line.send(account=account)
        shown = [(login.token, login.good, login.connection) for login in server.logins]
    assert shown == [(FIRST, False, 1), (FRESH, not revoked, 1)]
    assert handoff.accepted is not revoked


@BOTH
def test_a_server_that_leaves_after_its_535_is_shown_the_fresh_token_elsewhere(
    make: Callable[..., Sender],
) -> None:
    with SmtpServer(offering(token=FRESH)) as server:

        def leave(fresh: bool) -> None:
            if fresh:
                server.drop_connections()
                server.wait_until(open_connections=0)

        with a_line(make=make, tokens=Watched(leave)) as line:
            account = attrs.evolve(by_token(line.account), port=server.port)
            assert line.send(account=account).accepted
        shown = [(login.token, login.good, login.connection) for login in server.logins]
    assert shown == [(FIRST, False, 1), (FRESH, True, 2)]


@BOTH
def test_a_login_that_is_stopped_fetches_no_fresh_token(make: Callable[..., Sender]) -> None:
    asked = []
    rule = Rule(Stage.AUTH, Fault.HANG)
    with a_line(
        script=offering(rule, token=FRESH), make=make, tokens=Watched(asked.append)
    ) as line:
        handoffs = []
        account = by_token(line.account)
        sending = threading.Thread(target=lambda: handoffs.append(line.send(account=account)))
        sending.start()
        line.server.wait_for_command(b"", count=3)  # EHLO, AUTH, the answer to its challenge
        line.sender.abort()
        sending.join()
    assert [handoff.problem for handoff in handoffs] == [Problem.STOPPED]
    assert asked == [False]


@BOTH
@pytest.mark.parametrize("token", [LONG, FRESH])
@pytest.mark.parametrize("code", ["235", "454", "535"])
def test_t_sec_3_no_log_line_and_no_handoff_holds_a_token(
    make: Callable[..., Sender],
    token: str,
    code: str,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    message = base64.b64encode(f"user=user\1auth=Bearer {token}\1\1".encode()).decode()
    echo = f"{code}-5.7.8 got {token[:700]}\n{code} 5.7.8 and {message[:700]}"
    rule = Rule(Stage.AUTH, echo)
    with caplog.at_level(logging.DEBUG), a_line(script=offering(rule), make=make) as line:
        account = by_token(line.account)
        TOKENS.give(account, token, token)
        handoff = line.send(account=account)
        TOKENS.give(account, token, token)
        steps = line.sender.verify(account, recipient=an_envelope().recipients[0])
    assert handoff.accepted is (code == "235")
    printed = capfd.readouterr()
    told = caplog.text + repr(handoff) + repr(steps) + printed.out + printed.err
    for secret in (token, message):
        pieces = {secret[at : at + 12] for at in range(40, len(secret) - 11)}
        assert not [piece for piece in pieces if piece in told]


@BOTH
def test_without_oauth_an_installation_says_so(make: Callable[..., Sender]) -> None:
    with a_line(script=offering(), make=make, tokens=None) as line:
        handoff = line.send(account=by_token(line.account))
        assert line.server.connections == 0
    assert (handoff.stage, handoff.problem) == (Stage.AUTH, Problem.OAUTH_CLIENT)
    assert "not set up for OAuth" in handoff.detail
