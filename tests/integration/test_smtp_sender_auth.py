"""Which mechanism is spoken, and that no password is tried twice."""

import attrs
import pytest

from adapters.fakes.sender import Rule, Script
from domain.account.account import AuthMechanism
from domain.outcome.handoff import Problem, Stage
from tests.contract.sender_suite import PASSWORD_MECHANISMS
from tests.integration.smtp_sending import a_line

ALL = ("CRAM-MD5", "LOGIN", "PLAIN")


@pytest.mark.parametrize("text", ["502 5.5.1 not here", "504 5.5.4 not this one"])
def test_a_server_that_takes_no_plain_hears_login(text: str) -> None:
    with a_line(Rule(Stage.AUTH, text, times=1)) as line:
        assert line.send().accepted
        assert [said.split()[1] for said in line.heard(b"AUTH")] == [b"PLAIN", b"LOGIN"]


@pytest.mark.parametrize("text", ["535 5.7.8 wrong", "534 5.7.9 no", "454 4.7.0 later", "500 no"])
def test_a_password_that_was_judged_is_not_tried_again(text: str) -> None:
    with a_line(Rule(Stage.AUTH, text)) as line:
        assert line.send().stage is Stage.AUTH
        assert len(line.heard(b"AUTH")) == 1


def test_login_is_the_last_try() -> None:
    with a_line(Rule(Stage.AUTH, "504 5.5.4 no")) as line:
        handoff = line.send()
        assert (handoff.stage, len(line.heard(b"AUTH"))) == (Stage.AUTH, 2)


def test_login_is_not_tried_where_it_is_not_offered() -> None:
    rule = Rule(Stage.AUTH, "504 5.5.4 no")
    with a_line(script=Script((rule,), mechanisms=("PLAIN", "CRAM-MD5"))) as line:
        line.send()
        assert len(line.heard(b"AUTH")) == 1


@pytest.mark.parametrize("mechanism", PASSWORD_MECHANISMS)
def test_an_account_may_name_its_mechanism(mechanism: AuthMechanism) -> None:
    with a_line(script=Script(mechanisms=ALL)) as line:
        account = attrs.evolve(line.account, auth_mechanism=mechanism)
        assert line.send(account=account).accepted
        said = [each.split()[1].decode().lower() for each in line.heard(b"AUTH")]
        assert said == [mechanism]


def test_a_named_mechanism_gives_way_to_no_other() -> None:
    with a_line(Rule(Stage.AUTH, "504 5.5.4 no")) as line:
        line.send(account=attrs.evolve(line.account, auth_mechanism=AuthMechanism.PLAIN))
        assert len(line.heard(b"AUTH")) == 1


def test_a_named_mechanism_that_is_not_offered_is_told_with_those_that_are() -> None:
    with a_line(script=Script(mechanisms=("PLAIN", "LOGIN"))) as line:
        account = attrs.evolve(line.account, auth_mechanism=AuthMechanism.CRAM_MD5)
        handoff = line.send(account=account)
    assert handoff.problem is Problem.NO_MECHANISM
    assert handoff.detail.endswith("no AUTH CRAM-MD5: the server offers PLAIN LOGIN")


def test_the_account_without_a_name_of_its_own_says_the_address_of_its_end() -> None:
    with a_line(ehlo_hostname=None) as line:
        assert line.send().accepted
        assert line.heard(b"EHLO") == [b"EHLO [127.0.0.1]"]
