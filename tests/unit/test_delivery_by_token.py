"""Who is held responsible when an account cannot log in with its OAuth token."""

from datetime import timedelta

import pytest

from adapters.fakes.sender import FakeSender, Fault, Rule, Script
from adapters.fakes.tokens import FakeTokens
from domain.account.account import Account, AccountState
from domain.account.limits import Limits
from domain.email.status import Status
from domain.outcome.handoff import Problem, Stage
from tests.builders import an_oauth_client
from tests.world import World


class TokenWorld(World):
    """A service whose server takes one token, and an account that has *tokens*."""

    def __init__(self, *tokens: str | Problem, rules: tuple[Rule, ...] = ()) -> None:
        self.tokens = FakeTokens()
        self.script = Script(rules, mechanisms=("XOAUTH2",), token="good-token")
        super().__init__(sender=FakeSender(self.script, tokens=self.tokens))
        limits = Limits(daily=None, hourly=None, max_connections=1)
        self.oauth = self.account(limits=limits, sealed_password=None, oauth=an_oauth_client())
        self.tokens.give(self.oauth, *tokens)

    @property
    def now(self) -> Account:
        """The account as it is."""
        return self.account_now(self.oauth)

    @property
    def reason(self) -> str | None:
        """Why it is paused."""
        return None if self.now.health.pause is None else self.now.health.pause.reason


def test_mail_goes_out_with_a_fresh_token_as_if_nothing_had_happened() -> None:
    world = TokenWorld("old-token", "good-token")
    emails = [world.submit() for _ in range(3)]
    world.run()
    assert {world.email(email).status for email in emails} == {Status.SENT}
    assert list(world.tokens.asked(world.oauth)) == [False, True]
    assert world.reason is None


def test_two_refused_tokens_pause_the_account_and_cost_no_email_a_try() -> None:
    world = TokenWorld("old-token", "another-token", "good-token")
    emails = [world.submit() for _ in range(3)]
    world.run()
    assert world.reason == "token_refused"
    assert {world.email(email).status for email in emails} == {Status.QUEUED}
    assert {world.email(email).attempt_no for email in emails} <= {0, 1}
    assert list(world.tokens.asked(world.oauth)) == [False, True]
    assert world.email(emails[0]).error_message == (
        "535 5.7.8 token refused (status 401, scope https://mail.example/)"
    )


def test_a_login_that_works_again_resumes_the_account() -> None:
    world = TokenWorld("old-token", "another-token")
    email = world.submit()
    world.run()
    world.clock.tick(timedelta(hours=1).total_seconds())
    world.tokens.give(world.oauth, "good-token")
    world.application.maintenance.sweep()
    world.run()
    assert (world.reason, world.email(email).status) == (None, Status.SENT)


@pytest.mark.parametrize(
    ("problem", "state", "reason"),
    [
        (Problem.NEEDS_CONSENT, AccountState.PAUSED, "needs_consent"),
        (Problem.OAUTH_CLIENT, AccountState.PAUSED, "oauth_client"),
        (Problem.SECRET, AccountState.PAUSED, "secret_unreadable"),
        (Problem.TOKEN_SERVER, AccountState.UNREACHABLE, None),
    ],
)
@pytest.mark.parametrize("before", [(), ("old-token",)], ids=["at first", "for a fresh one"])
def test_without_a_token_the_account_waits_and_no_email_is_blamed(
    before: tuple[str, ...], problem: Problem, state: AccountState, reason: str | None
) -> None:
    world = TokenWorld(*before, problem)
    email = world.submit()
    world.run()
    assert (world.now.state(world.clock.now()), world.reason) == (state, reason)
    assert world.email(email).status is Status.QUEUED
    assert not world.sender.accepted


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("454 4.7.0 Temporary authentication failure", "auth_deferred"),
        ("501 5.5.127 Token will expire soon", "auth_deferred"),
        ("454 4.7.0 Too many login attempts, please try again later.", "too_many_logins"),
        ("535 5.7.139 SmtpClientAuthentication is disabled for the Mailbox", "auth_disabled"),
        ("535 5.7.3 Authentication unsuccessful", "token_refused"),
        ("550 5.7.1 no", "auth_failed"),
    ],
)
def test_the_reason_of_the_pause_is_the_servers(answer: str, reason: str) -> None:
    world = TokenWorld("good-token", "good-token", rules=(Rule(Stage.AUTH, answer),))
    world.submit()
    world.run()
    assert world.reason == reason


def test_a_password_that_is_refused_is_no_token() -> None:
    world = World()
    account = world.account()
    world.play(Rule(Stage.AUTH, "535 5.7.3 Authentication unsuccessful"))
    world.submit()
    world.run()
    pause = world.account_now(account).health.pause
    assert pause is not None
    assert pause.reason == "auth_failed"


def test_a_server_that_closes_over_both_tokens_is_left_alone_for_a_while() -> None:
    closes = Rule(Stage.AUTH, Fault.CLOSE)
    world = TokenWorld("old-token", "another-token", "good-token", rules=(closes,))
    email = world.submit()
    world.run()
    assert world.now.state(world.clock.now()) is AccountState.UNREACHABLE
    assert (world.reason, world.email(email).status) == (None, Status.QUEUED)
