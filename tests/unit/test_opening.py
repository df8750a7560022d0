"""EHLO, STARTTLS and AUTH without a socket."""

import base64
from collections.abc import Sequence

import attrs
import pytest

from domain.account.account import Account, AuthMechanism, Security
from domain.address import Address
from domain.dialogue.credential import Credential
from domain.dialogue.ends import ConnectionFailed, ExchangeEnded
from domain.dialogue.opening import (
    Ask,
    LoggingIn,
    Opening,
    StageReply,
    StartTls,
    Steps,
    verifying,
)
from domain.dialogue.replies import ServerReply
from domain.outcome.handoff import Problem, Stage
from tests.builders import an_account

HELLO = ServerReply(250, ("here", "PIPELINING", "SIZE 100", "AUTH PLAIN LOGIN CRAM-MD5"))
TLS_OFFERED = ServerReply(250, ("here", "STARTTLS"))
WELCOME = ServerReply(235, ("welcome",))


def said(code: int, text: str = "text") -> ServerReply:
    return ServerReply(code, (text,))


def account(**changes: object) -> Account:
    known = an_account(username="user", security=Security.TLS, sealed_password=b"sealed")
    return attrs.evolve(known, **changes)


def credential(of: Account) -> Credential:
    """The password "secret"."""
    return Credential(of, password=lambda: "secret", token=lambda refused: "no token")


def opening(of: Account, *, is_local: bool = False) -> Opening:
    return Opening(of, own_name="client", credential=credential(of), is_local=is_local)


def follow(steps: Steps, replies: Sequence[ServerReply]) -> list[object]:
    """What is wanted, in order: lines, and the names of the other events."""
    wanted: list[object] = []
    left, answer = list(replies), None
    try:
        while True:
            event = steps.send(answer)
            answer = None
            if isinstance(event, Ask):
                wanted.append(event.line)
                answer = left.pop(0)
            elif isinstance(event, StageReply):
                wanted.append((event.stage, event.reply.code))
            else:
                wanted.append(type(event))
    except StopIteration:
        assert not left
    return wanted


def b64(text: str) -> bytes:
    return base64.b64encode(text.encode())


def test_without_a_login_hello_is_all() -> None:
    dialogue = opening(account(username=""))
    assert follow(dialogue.steps(), [HELLO]) == [b"EHLO client\r\n", (Stage.EHLO, 250)]
    assert dialogue.extensions.pipelining
    assert dialogue.extensions.max_octets == 100


@pytest.mark.parametrize("code", [500, 502])
def test_an_old_server_is_greeted_by_helo_and_offers_nothing(code: int) -> None:
    dialogue = opening(account(username="", security=Security.PLAIN))
    wanted = follow(dialogue.steps(), [said(code), HELLO])
    assert wanted == [b"EHLO client\r\n", b"HELO client\r\n", (Stage.EHLO, 250)]
    assert not dialogue.extensions.keywords


def test_tls_is_begun_and_hello_said_again() -> None:
    dialogue = opening(account(username="", security=Security.STARTTLS))
    wanted = follow(dialogue.steps(), [TLS_OFFERED, said(220), HELLO])
    assert wanted == [
        b"EHLO client\r\n",
        (Stage.EHLO, 250),
        b"STARTTLS\r\n",
        (Stage.STARTTLS, 220),
        StartTls,
        b"EHLO client\r\n",
        (Stage.EHLO, 250),
    ]
    assert "STARTTLS" not in dialogue.extensions.keywords


@pytest.mark.parametrize(
    ("mechanism", "replies", "lines"),
    [
        (AuthMechanism.PLAIN, [WELCOME], [b"AUTH PLAIN " + b64("\0user\0secret")]),
        (
            AuthMechanism.LOGIN,
            [said(334), said(334), WELCOME],
            [b"AUTH LOGIN", b64("user"), b64("secret")],
        ),
        (AuthMechanism.LOGIN, [said(504)], [b"AUTH LOGIN"]),
        (None, [said(504), said(334), said(334), WELCOME], [
            b"AUTH PLAIN " + b64("\0user\0secret"), b"AUTH LOGIN", b64("user"), b64("secret"),
        ]),
        (AuthMechanism.CRAM_MD5, [said(500)], [b"AUTH CRAM-MD5"]),
    ],
)  # fmt: skip
def test_a_login_is_tried_once(
    mechanism: AuthMechanism | None, replies: list[ServerReply], lines: list[bytes]
) -> None:
    steps = opening(account(auth_mechanism=mechanism)).steps()
    if replies[-1] is WELCOME:
        wanted = follow(steps, [HELLO, *replies])
        assert wanted[2] is LoggingIn
        assert wanted[3:-1] == [line + b"\r\n" for line in lines]
        assert wanted[-1] == (Stage.AUTH, 235)
    else:
        with pytest.raises(ExchangeEnded) as ended:
            follow(steps, [HELLO, *replies])
        assert ended.value.reply == replies[-1]


def test_the_answer_to_a_challenge_is_a_secret_too() -> None:
    steps = opening(account(auth_mechanism=AuthMechanism.CRAM_MD5)).steps()
    challenge = said(334, b64("<1@here>").decode())
    wanted = follow(steps, [HELLO, challenge, WELCOME])
    assert wanted[2:5] == [LoggingIn, b"AUTH CRAM-MD5\r\n", LoggingIn]


def test_a_challenge_that_is_none_is_out_of_step() -> None:
    steps = opening(account(auth_mechanism=AuthMechanism.CRAM_MD5)).steps()
    with pytest.raises(ConnectionFailed, match="base64"):
        follow(steps, [HELLO, said(334, "?")])


def test_a_password_that_makes_the_command_too_long_follows_it() -> None:
    long = Credential(account(), password=lambda: "x" * 400, token=lambda refused: "")
    dialogue = Opening(account(), own_name="client", credential=long, is_local=False)
    wanted = follow(dialogue.steps(), [HELLO, said(334, ""), WELCOME])
    assert wanted[3:5] == [b"AUTH PLAIN\r\n", b64("\0user\0" + "x" * 400) + b"\r\n"]


@pytest.mark.parametrize(
    ("changes", "replies", "stage", "problem"),
    [
        ({"security": Security.STARTTLS}, [HELLO], Stage.STARTTLS, Problem.NOT_OFFERED),
        ({"security": Security.PLAIN}, [HELLO], Stage.AUTH, Problem.BLOCKED),
        ({}, [said(250)], Stage.AUTH, Problem.NO_MECHANISM),
        ({"auth_mechanism": AuthMechanism.LOGIN}, [said(250)], Stage.AUTH, Problem.NO_MECHANISM),
    ],
)
def test_what_the_account_asks_for_and_cannot_have_ends_it(
    changes: dict[str, object], replies: list[ServerReply], stage: Stage, problem: Problem
) -> None:
    dialogue = opening(account(**changes))
    with pytest.raises(ExchangeEnded) as ended:
        follow(dialogue.steps(), replies)
    assert (dialogue.stage, ended.value.problem) == (stage, problem)


def test_a_login_that_is_offered_after_starttls_only_says_so() -> None:
    dialogue = opening(account(security=Security.PLAIN), is_local=True)
    with pytest.raises(ExchangeEnded) as ended:
        follow(dialogue.steps(), [TLS_OFFERED])
    assert ended.value.problem is Problem.TLS_MODE


@pytest.mark.parametrize("code", [354, 421, 450, 550])
@pytest.mark.parametrize("stage", [Stage.EHLO, Stage.STARTTLS, Stage.AUTH])
def test_a_refusal_ends_at_its_stage(stage: Stage, code: int) -> None:
    security = Security.STARTTLS if stage is Stage.STARTTLS else Security.TLS
    before = {Stage.EHLO: [], Stage.STARTTLS: [TLS_OFFERED], Stage.AUTH: [HELLO]}[stage]
    dialogue = opening(account(security=security))
    with pytest.raises((ExchangeEnded, ConnectionFailed)) as end:
        follow(dialogue.steps(), [*before, said(code)])
    assert dialogue.stage is stage
    assert end.value.problem is (Problem.PROTOCOL if code == 354 else None)


def test_an_account_without_its_password_is_refused_before_anything_is_written() -> None:
    with pytest.raises(ExchangeEnded) as ended:
        credential(account(sealed_password=None)).prepare()
    assert ended.value.problem is Problem.NO_PASSWORD
    credential(account(sealed_password=None, username="")).prepare()


@pytest.mark.parametrize(("code", "asked"), [(250, 2), (550, 1)])
def test_verifying_asks_for_the_recipient_if_the_sender_may_send(code: int, asked: int) -> None:
    steps = verifying(account(), Address.parse("ada@example.org"))
    wanted = follow(steps, [said(code)] * asked)
    assert [line for line in wanted if isinstance(line, bytes)] == [
        b"MAIL FROM:<sender@example.com>\r\n",
        b"RCPT TO:<ada@example.org>\r\n",
    ][:asked]


@pytest.mark.parametrize(
    ("stage", "replies"),
    [
        (Stage.EHLO, [said(220)]),
        (Stage.STARTTLS, [TLS_OFFERED, TLS_OFFERED]),
        (Stage.AUTH, [HELLO, HELLO]),
        (Stage.AUTH, [HELLO, said(220)]),
    ],
)
def test_a_positive_reply_to_another_command_is_out_of_step(
    stage: Stage, replies: list[ServerReply]
) -> None:
    security = Security.STARTTLS if stage is Stage.STARTTLS else Security.TLS
    dialogue = opening(account(security=security))
    with pytest.raises(ConnectionFailed) as failed:
        follow(dialogue.steps(), replies)
    assert (dialogue.stage, failed.value.problem) == (stage, Problem.PROTOCOL)
