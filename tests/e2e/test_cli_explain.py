"""`email-service explain-reply`: what a reply means, for people and for programs."""

import json

import pytest
from click.testing import CliRunner, Result

from entrypoints.cli import cli

QUOTA = {
    "subject": "account",
    "result": "wait",
    "effect": "pause",
    "evidence": "certain",
    "reason": "quota_exceeded",
}


def explain(*arguments: str, given: str | bytes = "", **environ: str) -> Result:
    return CliRunner(env=environ).invoke(cli, ["explain-reply", *arguments], input=given)


def answers(result: Result) -> list[dict[str, object]]:
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_a_person_reads_what_follows_for_the_email_and_for_the_account():
    result = explain("--stage", "rcpt", "450 4.7.1 too many emails, try again in 5 minutes")

    assert result.exit_code == 0
    assert "throttled" in result.stdout
    assert "account (circumstantial)" in result.stdout
    assert "no retry is counted" in result.stdout
    assert "0:05:00" in result.stdout


def test_a_person_sees_what_is_left_when_names_are_blanked():
    result = explain("--stage", "rcpt", "550 5.1.1 <ada@relay.example.org>: User unknown")

    assert "550 5.1.1 _ADDRESS_: User unknown" in result.stdout
    assert "does not exist or is closed" in result.stdout


def test_a_program_reads_one_line_of_json():
    result = explain("--json", "--stage", "dot", "550 5.4.5 Daily user sending limit exceeded")

    assert answers(result) == [QUOTA]


@pytest.mark.parametrize(
    "line", ["550-5.4.5 Daily user\n550 5.4.5 sending limit", r"550-5.4.5 Daily\n550 5.4.5 limit"]
)
def test_a_reply_of_several_lines_is_one_reply(line):
    assert answers(explain("--json", "--stage", "dot", line)) == [QUOTA]


def test_lines_of_standard_input_are_answered_one_by_one():
    given = "".join(
        json.dumps({"stage": stage, "line": line}) + "\n"
        for stage, line in [
            ("rcpt", "550 5.1.1 <blocklist@example.org>: user unknown"),
            ("dot", "550-5.4.5 Daily\n550 5.4.5 limit"),
            ("dot", "250 2.0.0 Ok"),
        ]
    )
    result = explain("--json", "-", given=given)

    assert result.exit_code == 0
    assert [answer["reason"] for answer in answers(result)] == [
        "recipient_refused", "quota_exceeded", "accepted",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "line",
    [
        "nonsense",
        "[]",
        "null",
        "{}",
        '{"stage": "rcpt"}',
        '{"stage": "lunch", "line": "550 no"}',
        '{"stage": 5, "line": "550 no"}',
        '{"stage": "rcpt", "line": 550}',
        '{"stage": "rcpt", "line": "hello"}',
        '{"stage": "rcpt", "line": ""}',
        '{"stage": "rcpt", "line": "999 no"}',
        '{"stage": ["rcpt"], "line": "550 no"}',
        "[" * 100_000,
        b"\xff\xfe\xfd",
    ],
    ids=str,
)
def test_a_line_that_cannot_be_understood_is_answered_and_the_others_too(line):
    octets = line.encode() if isinstance(line, str) else line
    good = b'{"stage": "dot", "line": "550 5.4.5 limit"}\n'
    result = explain("--json", "-", given=octets + b"\n" + good)

    assert result.exit_code == 2
    first, second = answers(result)
    assert first["error"]
    assert first["line_number"] == 1
    assert second == QUOTA


def test_any_bytes_of_a_reply_are_understood():
    given = '{"stage": "rcpt", "line": "550 \\ud800\\u0000\\u202e no such user"}\n'

    assert answers(explain("--json", "-", given=given))[0]["subject"] == "recipient"


@pytest.mark.parametrize(
    ("stage", "same"),
    [
        ("message", "dot"),
        ("DOT", "dot"),
        ("helo", "ehlo"),
        ("connect", "banner"),
        ("tls", "banner"),
    ],
)
def test_a_stage_has_the_names_that_people_use(stage, same):
    line = "554 5.7.1 no"

    assert explain("--json", "--stage", stage, line).stdout == explain(
        "--json", "--stage", same, line
    ).stdout  # fmt: skip


def test_every_reply_at_every_stage_has_an_answer():
    stages = "connect banner ehlo starttls auth mail rcpt data dot".split()
    codes = [200, 354, 421, 450, 503, 550, 599]
    asked = [{"stage": stage, "line": f"{code} what"} for stage in stages for code in codes]
    result = explain("--json", "-", given="\n".join(map(json.dumps, asked)))

    assert len(answers(result)) == len(asked)
    assert "not_understood" not in {answer["reason"] for answer in answers(result)}


def test_a_used_connection_changes_what_a_refusal_means():
    arguments = ("--json", "--stage", "mail", "452 4.5.3 Too many messages sent")
    (fresh,) = answers(explain(*arguments))
    (used,) = answers(explain("--used-connection", *arguments))

    assert (fresh["effect"], used["effect"]) == ("slow", "reconnect")


@pytest.mark.parametrize("arguments", [("550 no",), ("--stage", "rcpt", "hello")])
def test_what_is_missing_is_said_plainly(arguments):
    people, program = explain(*arguments), explain("--json", *arguments)

    assert (people.exit_code, program.exit_code) == (2, 2)
    assert "Traceback" not in people.output
    assert "error" in answers(program)[0]


def test_it_needs_no_settings_and_no_database():
    broken = {
        "DATABASE_URL": "nowhere://",
        "PORT": "x",
        "SECRET_KEY": "",
        "FLASK_ENV": "production",
    }

    assert explain("--stage", "rcpt", "550 5.1.1 no", **broken).exit_code == 0


def test_an_owners_rules_can_be_tried(tmp_path):
    own = tmp_path / "rules.toml"
    own.write_text(
        '[[rule]]\nreason = "ours"\ncodes = ["550"]\nblame = "message"\nresult = "failed"\n'
        "text = 'tea is over'\n"
    )
    result = explain("--json", "--rules", str(own), "--stage", "rcpt", "550 Tea is over")

    assert answers(result)[0]["reason"] == "ours"


def test_an_owners_rule_that_cannot_be_used_is_named(tmp_path):
    own = tmp_path / "rules.toml"
    own.write_text(
        '[[rule]]\nreason = "ours"\nsubject = "message"\nresult = "failed"\ntext = "tea"\n'
    )
    result = explain("--rules", str(own), "--stage", "rcpt", "550 no")

    assert result.exit_code == 2
    assert "rule 'ours': text 'tea' matches inside a name" in result.output
