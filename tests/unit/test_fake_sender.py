"""What the fake sender and its scripts can do beyond the contract of every sender."""

import pytest

from adapters.fakes.sender import Answer, FakeSender, Fault, Playback, Rule, Script
from domain.outcome.handoff import Handoff, Problem, Reply, Stage
from tests.builders import an_account, an_envelope


def sent(sender: FakeSender, *, account_id: int = 1) -> Handoff:
    account = an_account(id=account_id)
    return sender.send(account, an_envelope(), b"a\r\n", before_dot=lambda: True)


@pytest.mark.parametrize(
    ("stage", "problem"),
    [
        (Stage.RESOLVE, Problem.NOT_FOUND),
        (Stage.CONNECT, Problem.REFUSED),
        (Stage.AUTH, Problem.SECRET),
        (Stage.DOT, Problem.TIMEOUT),
    ],
)
def test_any_problem_can_be_played_at_any_stage(stage: Stage, problem: Problem) -> None:
    handoff = sent(FakeSender(Script([Rule(stage, problem)])))
    assert (handoff.stage, handoff.problem) == (stage, problem)
    assert handoff.detail.endswith(f"smtp.example.com:587: {problem}")


def test_without_a_vault_every_password_is_right() -> None:
    assert sent(FakeSender(Script(password="secret"))).accepted


def test_an_account_can_have_a_script_of_its_own() -> None:
    sender = FakeSender()
    sender.play(Script([Rule(Stage.MAIL, "451 later")]), account_id=2)
    assert sent(sender, account_id=1).accepted
    assert sent(sender, account_id=2).reply == Reply.of(451, "later")


def test_a_new_script_replaces_the_old_one() -> None:
    sender = FakeSender(Script([Rule(Stage.MAIL, "451 later")]))
    sent(sender)
    sender.play(Script())
    assert sent(sender).accepted


def test_it_counts_its_attempts_and_remembers_what_was_taken() -> None:
    sender = FakeSender(Script([Rule(Stage.DOT, "451 later", times=1)]))
    sent(sender)
    sent(sender)
    assert sender.attempts == 2
    assert [taken.octets for taken in sender.accepted] == [b"a\r\n"]


@pytest.mark.parametrize("leave", [FakeSender.close, FakeSender.abort])
def test_after_leaving_it_is_greeted_again(leave: object) -> None:
    sender = FakeSender(Script([Rule(Stage.BANNER, "554 no", times=2)]))
    sent(sender)
    sent(sender)
    assert sent(sender).accepted
    assert callable(leave)
    leave(sender)
    sender.play(Script([Rule(Stage.BANNER, "554 no")]))
    assert sent(sender).stage is Stage.BANNER


def test_the_first_rule_that_fits_and_is_not_spent_is_played() -> None:
    rules = [
        Rule(Stage.RCPT, "550 a", recipient="a@example.org", times=1),
        Rule(Stage.RCPT, "551 b", message=2),
        Rule(Stage.RCPT, "552 c"),
    ]
    playback = Playback(Script(rules))

    def asked(recipient: str, message: int) -> Answer | None:
        return playback.answer(Stage.RCPT, recipients=(recipient,), message=message)

    assert [asked("a@example.org", 2), asked("a@example.org", 2), asked("b@example.org", 1)] == [
        "550 a",
        "551 b",
        "552 c",
    ]
    assert playback.answer(Stage.DATA) is None


@pytest.mark.parametrize(
    ("stage", "answer"),
    [
        ("lunch", "250 ok"),
        (Stage.CONNECT, "250 ok"),
        (Stage.RESOLVE, Fault.CLOSE),
        (Stage.DATA, Fault.ACCEPT_HANG),
    ],
)
def test_a_rule_that_no_server_could_play_is_refused(stage: str, answer: Answer) -> None:
    with pytest.raises(ValueError, match=r"stage|Problem|dot"):
        Rule(stage, answer)
