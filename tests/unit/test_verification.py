"""What a person is advised to do when an account is tried out and something fails."""

from collections.abc import Mapping

import pytest

from domain.account.account import Security
from domain.account.verification import Step, Verification
from domain.outcome.handoff import Handoff, Problem, Reply, Stage
from entrypoints.advice import advice
from tests.builders import an_account, an_oauth_client

RELAY = {"username": "", "sealed_password": None}
PLAIN = {"security": Security.PLAIN, "host": "127.0.0.1"}
SSL = {"security": Security.TLS}
OAUTH = {"oauth": an_oauth_client(), "sealed_password": None}


def step(stage: Stage, what: str) -> Step:
    if what[0].isdigit():
        return Step(stage=stage, reply=Reply.of(int(what[:3]), what[4:]))
    return Step(stage=stage, problem=Problem(what))


@pytest.mark.parametrize(
    ("stage", "what", "account", "word"),
    [
        (Stage.RESOLVE, "not_found", {}, "smtp_host"),
        (Stage.RESOLVE, "blocked", {}, "SMTP_ALLOWED_CIDRS"),
        (Stage.CONNECT, "refused", {}, "587"),
        (Stage.CONNECT, "timeout", {}, "firewall"),
        (Stage.TLS, "tls_mode", SSL, "use_tls instead of use_ssl"),
        (Stage.BANNER, "tls_mode", {}, "use_ssl instead of use_tls"),
        (Stage.AUTH, "tls_mode", PLAIN, "Set use_tls"),
        (Stage.TLS, "certificate", SSL, "SMTP_CA_FILE"),
        (Stage.STARTTLS, "not_offered", {}, "465"),
        (Stage.BANNER, "timeout", {}, "use_ssl"),
        (Stage.BANNER, "554 5.7.1 no", {}, "refuses this machine"),
        (Stage.EHLO, "550 5.7.1 Helo command rejected", {}, "EHLO_HOSTNAME"),
        (Stage.AUTH, "535 5.7.8 wrong", {}, "app password"),
        (Stage.AUTH, "534 5.7.9 Application-specific password required", {}, "app password"),
        (Stage.AUTH, "535 5.7.139 SmtpClientAuthentication is disabled", {}, "SMTP AUTH"),
        (Stage.AUTH, "535 5.7.139 SmtpClientAuthentication is disabled", OAUTH, "SMTP AUTH"),
        (Stage.AUTH, "535 5.7.3 Authentication unsuccessful", OAUTH, "scope allows SMTP"),
        (Stage.MAIL, "550 5.7.30 Basic authentication is not supported", {}, "set up OAuth"),
        (Stage.AUTH, "500 5.5.2 Line too long", OAUTH, "fewer roles"),
        (Stage.AUTH, "500 5.5.6 SASL response limit exceeded", OAUTH, "fewer roles"),
        (Stage.AUTH, "no_mechanism", OAUTH, "takes no OAuth tokens"),
        (Stage.AUTH, "454 4.7.0 Too many login attempts", {}, "wait"),
        (Stage.AUTH, "504 5.5.4 unknown mechanism", {}, "auth_mechanism"),
        (Stage.AUTH, "no_mechanism", {}, "auth_mechanism"),
        (Stage.AUTH, "530 5.7.0 Must issue a STARTTLS command first", PLAIN, "use_tls"),
        (Stage.AUTH, "secret", {}, "SECRET_KEY"),
        (Stage.MAIL, "530 5.7.0 Authentication required", RELAY, "username"),
        (Stage.MAIL, "550 5.7.1 Authentication required", RELAY, "username"),
        (Stage.RCPT, "554 5.7.1 Relay access denied", RELAY, "username"),
        (Stage.MAIL, "530 5.7.0 Must issue a STARTTLS command first", {**RELAY, **PLAIN}, "tls"),
        (Stage.MAIL, "553 5.7.1 Sender address rejected: not owned", {}, "email_address"),
        (Stage.MAIL, "451 4.3.0 later", {}, "later"),
        (Stage.RCPT, "550 5.1.1 unknown", {}, "another recipient"),
        (Stage.RCPT, "553 5.7.1 <a@b.c>: Sender address rejected: not owned", {}, "email_address"),
        (Stage.RCPT, "554 5.7.1 <h[1.2.3.4]>: Client host rejected: denied", RELAY, "username"),
    ],
)
def test_the_advice_names_what_to_change(
    stage: Stage, what: str, account: Mapping[str, object], word: str
) -> None:
    assert word in advice(step(stage, what), an_account(**account))


@pytest.mark.parametrize("problem", sorted(set(Problem) - {Problem.INTERNAL, Problem.TOO_BIG}))
@pytest.mark.parametrize("stage", [Stage.CONNECT, Stage.BANNER, Stage.AUTH])
def test_every_problem_has_an_advice(problem: Problem, stage: Stage) -> None:
    assert advice(Step(stage=stage, problem=problem), an_account())


def test_what_went_well_needs_no_advice() -> None:
    well = Step(stage=Stage.AUTH, reply=Reply.of(235, "welcome"))
    verification = Verification(an_account(), (Step(stage=Stage.CONNECT), well))
    assert verification.failed is None
    assert advice(well, an_account()) == ""


def test_the_last_step_of_a_failed_dialogue_is_reported_as_it_ended() -> None:
    handoff = Handoff(stage=Stage.BANNER, problem=Problem.CLOSED, detail="banner at x:25: closed")
    last = Step.of(handoff)
    assert (last.ok, last.text) == (False, "banner at x:25: closed")
    assert Verification(an_account(), (last,)).failed == last
