"""What is logged while a password goes over the wire: nothing of it, at any level."""

import base64
import logging

import attrs
import pytest

from adapters.fakes.sender import Rule, Script
from domain.outcome.handoff import Reply, Stage
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


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "CRAM-MD5"])
@pytest.mark.parametrize("code", [535, 454, 421])
@pytest.mark.parametrize(
    "repeated",
    [
        PASSWORD[9:15],
        PASSWORD.upper(),
        base64.b64encode(f"\0user\0{PASSWORD}".encode()).decode(),
        base64.b64encode(f"pass={PASSWORD}".encode()).decode(),
        "".join(f"%{octet:02x}" for octet in PASSWORD.encode()),
        f"{PASSWORD[:4]}\n{PASSWORD[4:]}",
    ],
)
def test_of_a_reply_to_auth_that_repeats_the_secret_code_and_status_are_kept(
    repeated: str, code: int, mechanism: str
) -> None:
    sealed = VAULT.seal(PASSWORD, context="account:7")
    status = f"{code // 100}.7.8"
    *more, last = f"{status} refused: {repeated}".split("\n")
    lines = [*(f"{code}-{line}" for line in more), f"{code} {last}"]
    rule = Rule(Stage.AUTH, "\n".join(lines))
    with a_line(script=Script((rule,), mechanisms=(mechanism,))) as line:
        account = attrs.evolve(line.account, username="user", sealed_password=sealed)
        handoff = line.send(account=account)
    assert (handoff.stage, handoff.reply) == (Stage.AUTH, Reply(code, status, status))


def test_a_reply_to_auth_that_does_not_is_kept_whole() -> None:
    text = (
        "5.7.8 Username and word not accepted. Learn more at https://example.com/?p=BadCredentials"
    )
    with a_line(Rule(Stage.AUTH, f"535 {text}")) as line:
        assert line.send().reply == Reply.of(535, text)


PLAIN = base64.b64encode(f"\0user\0{PASSWORD}".encode()).decode()
LOGIN = base64.b64encode(PASSWORD.encode()).decode()
ECHOES = {
    "plain text": f"550 5.7.1 no {PASSWORD} here",
    "base64": f"550 5.7.1 no {LOGIN}",
    "plain": f"550 5.7.1 you said AUTH PLAIN {PLAIN}",
    "lines": f"550-5.7.1 you said {PLAIN[:9]}\n550-{PLAIN[9:20]}\n550 {PLAIN[20:]}",
    "capitals": f"550 5.7.1 {PASSWORD.upper()}",
    "hex": f"550 5.7.1 {PASSWORD.encode().hex()}",
    "base64 of more": "550 5.7.1 " + base64.b64encode(f"pass={PASSWORD}".encode()).decode(),
    "percent": "550 5.7.1 " + "".join(f"%{octet:02x}" for octet in PASSWORD.encode()),
}
FURTHER = [ECHOES[name] for name in ("hex", "base64 of more", "percent")]
STAGES = (Stage.AUTH, Stage.MAIL, Stage.RCPT, Stage.DATA, Stage.DOT)


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("text", ECHOES.values(), ids=ECHOES)
def test_a_server_that_repeats_the_credentials_is_not_quoted(stage: Stage, text: str) -> None:
    with a_line(Rule(stage, text)) as line:
        account = attrs.evolve(
            line.account, sealed_password=VAULT.seal(PASSWORD, context="account:7")
        )
        handoff = line.send(account=account)
        steps = line.sender.verify(account, recipient=account.address)
    assert handoff.stage is stage
    assert handoff.reply is not None
    assert handoff.reply.text == "5.7.1" or (
        stage is not Stage.AUTH and "***" in handoff.reply.text
    )
    told = (repr(handoff) + repr(steps)).casefold().replace(" ", "")
    hidden = (PASSWORD, PLAIN, LOGIN, *(text.split()[-1] for text in FURTHER))
    for secret in hidden:
        assert secret.casefold() not in told


def test_a_response_to_a_challenge_is_not_quoted_either() -> None:
    with a_line(script=Script(mechanisms=("CRAM-MD5",))) as line:
        assert line.send().accepted
        response = line.server.commands[2].decode()
    digest = base64.b64decode(response).split()[-1].decode()
    for echo in (response, digest):
        rule = Rule(Stage.MAIL, f"550 5.7.1 you said {echo}")
        with a_line(script=Script((rule,), mechanisms=("CRAM-MD5",))) as line:
            handoff = line.send()
        assert echo not in repr(handoff)
