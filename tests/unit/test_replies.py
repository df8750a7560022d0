"""The judge, measured on replies of real servers that the rules were not written from."""

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from domain.outcome.handoff import Stage
from domain.outcome.reply_text import reply_of
from domain.outcome.rules_file import Rule
from domain.outcome.verdict import AccountEffect, Result, Subject
from tests.shipped_rules import RULES

ROOT = Path(__file__).parents[2]
REPLIES = tomllib.loads((ROOT / "tests/replies.toml").read_text("utf-8"))["reply"]
HELD_OUT = [entry for entry in REPLIES if entry.get("held_out")]
BYSTANDERS = {"message", "recipient"}


def rule_of(entry: dict[str, Any]) -> Rule:
    reply, by_token = reply_of(entry["line"]), entry.get("by_token", False)
    return RULES.find(Stage(entry["stage"]), reply=reply, by_token=by_token)


def wrong(entries: Sequence[dict[str, Any]]) -> list[str]:
    found = []
    for entry in entries:
        rule = rule_of(entry)
        if (rule.subject, rule.result) != (entry["subject"], entry["result"]):
            want = f"{entry['subject']} {entry['result']}"
            found.append(
                f"{entry['stage']} {entry['line']}: {want}, not {rule.subject} {rule.result}"
            )
    return found


def test_there_are_three_hundred_replies_each_with_its_source():
    assert len(REPLIES) >= 300
    assert len({(entry["stage"], entry["line"]) for entry in REPLIES}) == len(REPLIES)
    assert all(entry["source"] for entry in REPLIES)
    assert len(HELD_OUT) >= 25


def test_nineteen_of_twenty_are_judged_right(capsys):
    mistakes, unseen = wrong(REPLIES), wrong(HELD_OUT)
    with capsys.disabled():
        for name, count, total in [
            ("all", len(mistakes), len(REPLIES)),
            ("held out", len(unseen), len(HELD_OUT)),
        ]:
            print(f"\n  agreement, {name}: {total - count} of {total} = {1 - count / total:.1%}")

    assert len(mistakes) <= 0.05 * len(REPLIES), "\n".join(mistakes)


def test_a_reply_about_a_message_or_a_recipient_never_pauses_the_account():
    about = [entry for entry in REPLIES if entry["subject"] in BYSTANDERS]

    assert about
    assert [f"{entry['stage']} {entry['line']}" for entry in about if stops(rule_of(entry))] == []


def stops(rule: Rule) -> bool:
    """Whether it stops the account; a streak of refused messages may, in the end."""
    if rule.effect is AccountEffect.STREAK:
        return rule.subject is not Subject.MESSAGE
    return rule.effect in (AccountEffect.PAUSE, AccountEffect.SLOW)


def test_a_reply_about_the_account_seldom_costs_the_email():
    about = [entry for entry in REPLIES if entry["subject"] in ("account", "client")]
    lost = [entry["line"] for entry in about if rule_of(entry).result is Result.FAILED]

    assert len(lost) <= 0.05 * len(about), "\n".join(lost)
