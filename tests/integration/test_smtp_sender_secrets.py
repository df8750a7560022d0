"""What is logged while a password goes over the wire: nothing of it, at any level."""

import base64
import logging

import attrs
import pytest

from adapters.fake_sender import Rule
from domain.handoff import Stage
from tests.contract.sender_suite import VAULT
from tests.integration.smtp_sending import a_line

PASSWORD = "pl4nted-p4ssword-0123456789"


@pytest.mark.parametrize("rule", [None, Rule(Stage.AUTH, f"535 5.7.8 no {PASSWORD}")])
def test_t_sec_3_no_log_line_and_no_handoff_holds_what_was_said_in_auth(
    rule: Rule | None, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    sealed = VAULT.seal(PASSWORD, context="account:7")
    with caplog.at_level(logging.DEBUG), a_line(*([rule] if rule else [])) as line:
        account = attrs.evolve(line.account, username="user", sealed_password=sealed)
        handoff = line.send(account=account)
        assert [verb.split()[0] for verb in line.heard(b"AUTH")] == [b"AUTH"]
    assert handoff.accepted is (rule is None)
    printed = capfd.readouterr()
    told = caplog.text + repr(handoff) + repr(account) + printed.out + printed.err
    assert PASSWORD not in told
    assert base64.b64encode(f"\0user\0{PASSWORD}".encode()).decode() not in told
    assert base64.b64encode(PASSWORD.encode()).decode() not in told
