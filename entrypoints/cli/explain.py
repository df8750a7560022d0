"""``email-service explain-reply``: which rule decides on a reply, and what follows from it.

It needs no settings and no database: an owner tries a line from the log with it, and a rule file
before it is put to work.
"""

import json
import sys
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import attrs
import click

from domain.outcome.handoff import Problem, Reply, Stage
from domain.outcome.reply_text import read, reply_of, wish
from domain.outcome.rules_file import Rule, Rules
from domain.outcome.verdict import AccountEffect, Evidence, Result, Subject
from entrypoints.explaining import EFFECTS, RESULTS
from entrypoints.os_errors import reason_of
from entrypoints.wiring import shipped_rules

# A reply before EHLO is the greeting. The last three are other names that logs and people use.
_STAGES: Final = {
    "connect": Stage.BANNER,
    "tls": Stage.BANNER,
    "banner": Stage.BANNER,
    "ehlo": Stage.EHLO,
    "starttls": Stage.STARTTLS,
    "auth": Stage.AUTH,
    "mail": Stage.MAIL,
    "rcpt": Stage.RCPT,
    "data": Stage.DATA,
    "body": Stage.BODY,
    "dot": Stage.DOT,
    "greeting": Stage.BANNER,
    "helo": Stage.EHLO,
    "message": Stage.DOT,
}


@click.command("explain-reply")
@click.option("--stage", help="Where it was read: " + " ".join(_STAGES) + ".")
@click.option("--json", "as_json", is_flag=True, help="Print one line of JSON for each reply.")
@click.option(
    "--rules",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Your own rules, which go first.  [SMTP_RULES_FILE is not read]",
)
@click.option("--used-connection", is_flag=True, help="The connection had sent an email before.")
@click.option("--by-token", is_flag=True, help="The account logs in with an OAuth token.")
@click.argument("reply")
@click.pass_context
def explain_reply(
    context: click.Context,
    stage: str | None,
    as_json: bool,
    rules: Path | None,
    used_connection: bool,
    by_token: bool,
    reply: str,
) -> None:
    r"""Say which rule decides on a mail server's REPLY and what follows. Sends nothing.

    REPLY is a line of a log, "550 5.1.1 unknown user"; lines of one reply are separated by line
    ends or by \n. With --json, - reads lines {"stage": "rcpt", "line": "550 ..."} from standard
    input.
    """
    table = _rules(rules)
    if as_json and reply == "-":
        context.exit(_explain_lines(sys.stdin.buffer, table))
    question: dict[str, Any] = {
        "stage": stage,
        "line": reply,
        "used_connection": used_connection,
        "by_token": by_token,
    }
    try:
        asked = _question(question)
    except ValueError as error:
        if as_json:
            click.echo(json.dumps({"error": str(error)}))
            context.exit(2)
        raise click.UsageError(str(error)) from error
    rule = _decide(table, asked)
    click.echo(_as_json(rule) if as_json else _in_words(rule, asked.stage, asked.reply))


def _rules(own: Path | None) -> Rules:
    if own is None:
        return shipped_rules()
    try:
        return shipped_rules(first=tomllib.loads(own.read_text("utf-8")))
    except (ValueError, OSError) as error:
        raise click.UsageError(f"{own}: {reason_of(error)}") from error


def _explain_lines(lines: Iterable[bytes], table: Rules) -> int:
    """Answer every line; the exit code is 2 if one could not be understood."""
    exit_code = 0
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            asked = _question(_parsed(line))
        except ValueError as error:
            exit_code = 2
            click.echo(json.dumps({"error": str(error), "line_number": number}))
        else:
            click.echo(_as_json(_decide(table, asked)))
    return exit_code


def _parsed(line: bytes) -> Mapping[str, Any]:
    try:
        question = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ValueError("not a line of JSON") from error
    if not isinstance(question, dict):
        raise ValueError('not an object with "stage" and "line"')
    return question


@attrs.frozen(kw_only=True)
class _Question:
    """A reply, where it was read, and what is known of the connection and the account."""

    stage: Stage
    reply: Reply
    used_connection: bool
    by_token: bool


def _question(question: Mapping[str, Any]) -> _Question:
    """What is asked. ValueError says what is wrong with it."""
    stage, line = question.get("stage"), question.get("line")
    if not isinstance(stage, str) or stage.lower() not in _STAGES:
        raise ValueError(f"stage must be one of {' '.join(_STAGES)}, not {_shown(stage)}")
    if not isinstance(line, str):
        raise ValueError(f"line must be a reply such as 550 5.1.1 no, not {_shown(line)}")
    return _Question(
        stage=_STAGES[stage.lower()],
        reply=reply_of(line),
        used_connection=question.get("used_connection") is True,
        by_token=question.get("by_token") is True,
    )


def _shown(value: object) -> str:
    return "nothing" if value is None else repr(value)[:80]


def _decide(table: Rules, asked: _Question) -> Rule:
    stage, reply = asked.stage, asked.reply
    if reply.code < 400:
        if stage is Stage.DOT and not reply.positive:
            return table.find(stage, problem=Problem.PROTOCOL)
        return _ACCEPTED
    return table.find(
        stage, reply=reply, used_connection=asked.used_connection, by_token=asked.by_token
    )


_ACCEPTED: Final = Rule(
    reason="accepted",
    subject=Subject.NOBODY,
    evidence=Evidence.CERTAIN,
    result=Result.SENT,
    effect=AccountEffect.HEALTHY,
)


def _as_json(rule: Rule) -> str:
    return json.dumps(
        {
            "subject": rule.subject.value,
            "result": rule.result.value,
            "effect": rule.effect.value,
            "evidence": rule.evidence.value,
            "reason": rule.reason,
        }
    )


def _in_words(rule: Rule, stage: Stage, reply: Reply) -> str:
    asked = wish(reply)
    pause = asked or rule.pause_for
    effect = EFFECTS[rule.effect]
    if rule.effect in (AccountEffect.PAUSE, AccountEffect.SLOW):
        ends = "until a login works" if rule.cured_by_login else "until a person resumes it"
        effect += f" for {pause}" if rule.pause_for else f" {ends}"
    if rule.evidence is Evidence.CIRCUMSTANTIAL and rule.subject in _SECOND_WITNESS:
        effect += ", once another email gets the same"
    lines = {
        "Reason": rule.reason,
        "It is about": f"{rule.subject} ({rule.evidence})",
        "The email": RESULTS[rule.result],
        "The account": effect,
    }
    if rule.limit is not None:
        lines["Limit"] = rule.limit.value
    if rule.suppress:
        lines["The address"] = "does not exist or is closed"
    if asked is not None:
        lines["Asked to wait"] = str(asked)
    lines["Rules saw"] = f"{reply.code} {read(reply).text}".strip()
    head = f"{reply} (at {stage})"
    return "\n".join([head, "", *(f"  {name:<15}{text}" for name, text in lines.items())])


_SECOND_WITNESS: Final = frozenset({Subject.ACCOUNT, Subject.CLIENT, Subject.SERVER})
