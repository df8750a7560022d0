"""Every rule of the table is decided by its own samples and leaves its near misses to others."""

import time
import tomllib
from collections.abc import Iterable
from pathlib import Path

import pytest

from domain.outcome.handoff import MAX_REPLY_TEXT, Problem, Reply, Stage
from domain.outcome.reply_text import reply_of
from domain.outcome.rules_file import Rule, Rules, Sample, parse_rules
from domain.outcome.verdict import AccountEffect, Evidence, Result, Subject
from tests.machine import is_within
from tests.shipped_rules import RULES, TABLE

PROBLEMS = {problem.value for problem in Problem}
OURS = {"reason": "ours", "codes": ["550"], "subject": "message", "result": "retry"}


def decide(rule: Rule, sample: Sample) -> Rule:
    """The rule that decides *sample* in the situation that *rule* is for."""
    return RULES.find(
        sample.stage,
        reply=None if sample.line in PROBLEMS else reply_of(sample.line),
        problem=Problem(sample.line) if sample.line in PROBLEMS else None,
        accepted_before=rule.after_accepted,
        used_connection=rule.used_connection,
        by_token=rule.by_token,
    )


def decided(rule: Rule, samples: Iterable[Sample]) -> list[tuple[str, Sample, bool]]:
    """Each sample of a rule, and whether that rule decides it."""
    return [(rule.reason, sample, decide(rule, sample) is rule) for sample in samples]


def test_a_sample_is_decided_by_its_own_rule():
    samples = [each for rule in RULES.rules for each in decided(rule, rule.samples)]

    assert samples
    assert [(reason, sample) for reason, sample, own in samples if not own] == []


def test_a_near_miss_is_decided_by_another_rule():
    samples = [each for rule in RULES.rules for each in decided(rule, rule.near_misses)]

    assert samples
    assert [(reason, sample) for reason, sample, own in samples if own] == []


def test_every_rule_has_two_samples_and_a_near_miss():
    poor = [r.reason for r in RULES.rules if len(set(r.samples)) < 2 or not r.near_misses]

    assert poor == []


@pytest.mark.parametrize("stage", [*Stage])
def test_421_and_503_never_refuse_and_every_reply_finds_a_rule(stage):
    found = {
        code: RULES.find(stage, reply=Reply.of(code, "whatever")).result
        for code in (421, 450, 503, 550, 599)
    }

    assert Result.FAILED not in (found[421], found[503])


def test_no_rule_about_a_message_or_a_recipient_pauses_the_account_at_once():
    stopping = {AccountEffect.PAUSE, AccountEffect.SLOW, AccountEffect.UNREACHABLE}
    bystanders = {Subject.MESSAGE, Subject.RECIPIENT}

    assert [r.reason for r in RULES.rules if r.subject in bystanders and r.effect in stopping] == []


def test_an_account_that_is_to_blame_never_costs_an_email():
    blamed = {Subject.ACCOUNT, Subject.CLIENT}

    assert [
        r.reason for r in RULES.rules if r.subject in blamed and r.result is not Result.WAIT
    ] == []


def test_only_an_address_that_does_not_exist_is_suppressed():
    assert {r.subject for r in RULES.rules if r.suppress} == {Subject.RECIPIENT}
    assert {r.result for r in RULES.rules if r.suppress} == {Result.FAILED}


def test_a_working_login_cures_what_was_wrong_with_the_login_and_nothing_of_the_sender():
    assert {"auth_failed", "tls_certificate", "secret_unreadable"} <= RULES.cured_by_login
    assert not {"password_missing", "sender_refused", "account_closed"} & RULES.cured_by_login


def test_only_reasons_that_tell_of_the_network_are_hidden():
    hidden = {"blocked_host", "dns", "protocol", "connection_lost", "tls_mode"}

    assert RULES.hidden_reasons == hidden


def test_an_owners_rules_can_be_cured_by_a_login_and_be_hidden():
    own = {"rule": [{**OURS, "effect": "pause", "subject": "account", "result": "wait"}]}
    own["rule"][0] |= {"cured_by_login": True, "shown_without_admin": False}
    rules = parse_rules(TABLE, first=own)

    assert rules.cured_by_login == RULES.cured_by_login | {"ours"}
    assert rules.hidden_reasons == RULES.hidden_reasons | {"ours"}


def test_an_owners_rule_comes_first():
    own = {"rule": [OURS]}

    assert parse_rules(TABLE, first=own).find(Stage.RCPT, reply=Reply(550)).reason == "ours"


def test_an_owners_rule_may_use_the_shipped_words():
    own = {"rule": [{**OURS, "text": "(?&greylisted)"}]}
    rules = parse_rules(TABLE, first=own)

    assert rules.find(Stage.RCPT, reply=reply_of("550 greylisted")).reason == "ours"
    assert rules.find(Stage.RCPT, reply=reply_of("550 refused")).reason != "ours"


def test_an_owners_file_of_before_still_names_the_subject_blame():
    (rule,) = parse_rules({"rule": [{"reason": "x", "blame": "server", "result": "wait"}]}).rules

    assert (rule.subject, rule.evidence) == (Subject.SERVER, Evidence.CERTAIN)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"reason": None}, "'reason'"),
        ({"subject": "weather"}, "weather"),
        ({"subject": None}, "'subject'"),
        ({"evidence": "hearsay"}, "hearsay"),
        ({"limit": "sky"}, "sky"),
        ({"result": "maybe"}, "maybe"),
        ({"effect": "shrug"}, "shrug"),
        ({"effect": "rest"}, "rest belongs to an acceptance"),
        ({"suppress": "yes"}, "suppress is true or false, not 'yes'"),
        ({"shown_without_admin": 0}, "shown_without_admin is true or false, not 0"),
        ({"cured_by_login": True}, "cured_by_login needs effect pause or streak"),
        ({"cured_by_login": True, "effect": "slow"}, "cured_by_login needs"),
        ({"cured_by_login": True, "effect": "pause", "pause_for": "1h"}, "without pause_for"),
        ({"stages": ["lunch"]}, "lunch"),
        ({"problems": ["fog"]}, "fog"),
        ({"enhanced": ["550"]}, "enhanced status"),
        ({"pause_for": "soon"}, "duration"),
        ({"text": "("}, "unterminated"),
        ({"text": "(?&nothing) here"}, "nothing"),
        ({"colour": "red"}, "unknown field 'colour'"),
    ],
)
def test_a_rule_that_cannot_be_understood_is_named(change, complaint):
    entry = {"reason": "mine", "subject": "server", "result": "wait", **change}
    entry = {name: value for name, value in entry.items() if value is not None}

    with pytest.raises(ValueError, match=complaint):
        parse_rules({"rule": [entry]})


@pytest.mark.parametrize(
    "text",
    [
        "relay",
        "block ?list",
        "(quota|limit)",
        r"\bspam\b",
        "spamhaus",
        "example",
        ".",
        "",
        "[a-z]+",
    ],
)
def test_a_pattern_that_matches_inside_a_name_is_refused(text):
    with pytest.raises(ValueError, match="matches inside a name such as"):
        parse_rules({"rule": [{**OURS, "text": text}]})


@pytest.mark.parametrize(
    "text",
    ["relay access denied", "block list ", r"spam(?![\w@-]|\.\w)", "^no$", "too many .{0,9}s"],
)
def test_a_pattern_that_needs_its_words_around_it_is_taken(text):
    assert parse_rules({"rule": [{**OURS, "text": text}]}).rules


@pytest.mark.parametrize(
    "text",
    ["(a+)+ b", "(a|b+)* c", "a.*b.*c d", "(x{2,})+ y", r"(\w+ )+z", "(a*b?){1,} c", "x+ y* z"],
)
def test_a_pattern_that_could_take_for_ever_is_refused(text):
    with pytest.raises(ValueError, match="very long"):
        parse_rules({"rule": [{**OURS, "text": text}]})


@pytest.mark.parametrize(
    "unit",
    ["a", "a.", "a@", "<", "[a", '"a', "a-", "1.", ":", "a1", " ", "ip ", "too many ", "exceeded ",
     "per hour ", "message ", "mailbox ", "not ", "sender ", "your ip ", "again in ", "5 m ",
     "user ", "www.", "listed ", "relay ", "limit for ", "auth ", "0:00:0", "é", "限制"],
)  # fmt: skip
def test_the_longest_reply_is_judged_quickly(unit):
    reply = Reply.of(550, (unit * MAX_REPLY_TEXT)[:MAX_REPLY_TEXT])
    started = time.thread_time()

    RULES.find(Stage.DOT, reply=reply)

    assert is_within(time.thread_time() - started, 0.25)


def test_without_a_rule_the_email_waits():
    rule = Rules(()).find(Stage.DOT, reply=Reply(250))

    assert (rule.result, rule.subject) == (Result.WAIT, Subject.SERVER)
    assert rule.effect is AccountEffect.UNREACHABLE


def test_the_rule_in_the_documentation_can_be_used():
    document = (Path(__file__).parents[2] / "docs/operating/replies.md").read_text("utf-8")
    block = document[document.index("    [[rule]]") :].split("\n\n")[0]
    own = tomllib.loads("\n".join(line.removeprefix("    ") for line in block.splitlines()))
    rules = parse_rules(TABLE, first=own)

    said = reply_of("550 5.7.1 outside sending window")
    assert rules.find(Stage.MAIL, reply=said).reason == "tuesday_window"


def test_a_trusted_table_judges_as_a_checked_one_does() -> None:
    trusted = parse_rules(TABLE, trusted=True)
    for rule in RULES.rules:
        for sample in (*rule.samples, *rule.near_misses):
            if not sample.line[:1].isdigit():
                continue
            reply = Reply.of(int(sample.line[:3]), sample.line[4:])
            found = trusted.find(sample.stage, reply=reply)
            assert found.reason == RULES.find(sample.stage, reply=reply).reason


def test_a_rule_of_the_owner_is_checked_beside_a_trusted_table() -> None:
    own = {"rule": [{**OURS, "text": "relay"}]}
    with pytest.raises(ValueError, match="matches inside a name"):
        parse_rules(TABLE, first=own, trusted=True)
