"""Every rule of the table is decided by its own samples."""

import tomllib
from pathlib import Path

import pytest

from domain.congestion import CURED_BY_LOGIN
from domain.handoff import Problem, Reply, Stage
from domain.reply import Rule, Rules, Sample, parse_rules
from domain.verdict import AccountEffect, Evidence, Result, Subject

TABLE = tomllib.loads((Path(__file__).parents[2] / "domain/smtp_rules.toml").read_text("utf-8"))
RULES = parse_rules(TABLE)
SAMPLES = [(rule, sample) for rule in RULES.rules for sample in rule.samples]


def decide(rules: Rules, sample: Sample, *, accepted_before: bool) -> Rule:
    if sample.line in {problem.value for problem in Problem}:
        return rules.find(sample.stage, problem=Problem(sample.line))
    code, _, text = sample.line.partition(" ")
    reply = Reply.of(int(code), text)
    return rules.find(sample.stage, reply=reply, accepted_before=accepted_before)


@pytest.mark.parametrize(
    ("rule", "sample"), SAMPLES, ids=[f"{r.reason}: {s.stage} {s.line}" for r, s in SAMPLES]
)
def test_a_sample_is_decided_by_its_own_rule(rule, sample):
    assert decide(RULES, sample, accepted_before=rule.after_accepted) is rule


def test_every_rule_has_a_sample():
    assert [rule.reason for rule in RULES.rules if not rule.samples] == []


@pytest.mark.parametrize("stage", [*Stage])
@pytest.mark.parametrize("code", [421, 450, 503, 550, 599])
def test_421_and_503_never_refuse_and_every_reply_finds_a_rule(stage, code):
    rule = RULES.find(stage, reply=Reply.of(code, "whatever"))

    if code in (421, 503):
        assert rule.result is not Result.FAILED


def test_an_owners_rule_comes_first():
    own = {"rule": [{"reason": "ours", "codes": ["550"], "blame": "message", "result": "retry"}]}

    assert parse_rules(TABLE, first=own).find(Stage.RCPT, reply=Reply(550)).reason == "ours"


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"reason": None}, "'reason'"),
        ({"blame": "weather"}, "weather"),
        ({"result": "maybe"}, "maybe"),
        ({"effect": "shrug"}, "shrug"),
        ({"stages": ["lunch"]}, "lunch"),
        ({"problems": ["fog"]}, "fog"),
        ({"enhanced": ["550"]}, "enhanced status"),
        ({"pause_for": "soon"}, "duration"),
        ({"text": "("}, "unterminated"),
        ({"colour": "red"}, "unknown field 'colour'"),
    ],
)
def test_a_rule_that_cannot_be_understood_is_named(change, complaint):
    entry = {"reason": "mine", "blame": "server", "result": "wait", **change}
    entry = {name: value for name, value in entry.items() if value is not None}

    with pytest.raises(ValueError, match=complaint):
        parse_rules({"rule": [entry]})


def test_without_a_rule_the_email_waits():
    rule = Rules(()).find(Stage.DOT, reply=Reply(250))

    assert (rule.result, rule.subject) == (Result.WAIT, Subject.SERVER)
    assert rule.effect is AccountEffect.UNREACHABLE


def test_what_the_code_asks_of_a_reason_stands_in_the_file():
    assert RULES.cured_by_login == CURED_BY_LOGIN
    assert RULES.told_to_admins_only == {"blocked_host", "dns", "protocol", "connection_lost"}


def test_an_owners_file_of_before_still_names_the_subject_blame():
    (rule,) = parse_rules({"rule": [{"reason": "x", "blame": "server", "result": "wait"}]}).rules

    assert (rule.subject, rule.evidence) == (Subject.SERVER, Evidence.CERTAIN)
