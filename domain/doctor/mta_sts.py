"""MTA-STS (RFC 8461): whether others must use TLS when they deliver to the sending domain.

It decides on bounces and answers, not on what is sent. A domain needs none of it.
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import Final

import attrs

from domain.doctor.finding import Finding, Status, listed, shown
from domain.doctor.questions import Answer
from domain.doctor.tags import tags_of

LONGEST_POLICY: Final = 65_536
_MOST_LINES: Final = 1000


class Mode(StrEnum):
    """What a sender does when TLS fails."""

    ENFORCE = "enforce"
    TESTING = "testing"
    NONE = "none"


@attrs.frozen(kw_only=True)
class Fetched:
    """The policy file, or why there is none. Not *known*: its server may be away for now."""

    text: str | None = None
    problem: str = ""
    known: bool = True


def record_name(domain: str) -> str:
    """Where the record stands."""
    return f"_mta-sts.{domain}"


def policy_url(domain: str) -> str:
    """Where the policy stands (RFC 8461, 3.2)."""
    return f"https://mta-sts.{domain}/.well-known/mta-sts.txt"


def is_announced(answer: Answer) -> bool:
    """Whether a policy is to be looked for: exactly one record of this kind."""
    return len(_records(answer)) == 1


def judge_mta_sts(
    domain: str, answer: Answer, fetched: Fetched | None, exchangers: Answer
) -> Finding:
    """Of the record, the policy that it announces, and the MX hosts that this must name."""
    status, found, fix = _judged(domain, answer, fetched, exchangers)
    return Finding(
        code="mta_sts",
        status=status,
        found=found,
        expected="no MTA-STS, or a record and a policy that names every MX host",
        fix=fix,
        source="RFC 8461",
    )


def _judged(
    domain: str, answer: Answer, fetched: Fetched | None, exchangers: Answer
) -> tuple[Status, str, str]:
    records = _records(answer)
    if not answer.known:
        return (
            Status.UNKNOWN,
            f"the DNS did not answer for {record_name(domain)}",
            "Try again later.",
        )
    if not records:
        return Status.OK, "not used", ""
    if len(records) > 1:
        return Status.WARN, f"{len(records)} records: it is not used", "Keep one of them."
    if "id" not in tags_of(records[0]):
        return Status.WARN, f"no id: {shown(records[0])}", "Write an id into the record."
    if fetched is None or fetched.text is None:
        problem = "it was not fetched" if fetched is None else fetched.problem
        known = fetched is not None and fetched.known
        found = f"a record, but no policy at {policy_url(domain)}: {problem}"
        fix = "Publish the policy there, or remove the record."
        return (Status.FAIL if known else Status.UNKNOWN), found, fix
    return _of_policy(fetched.text, exchangers)


def _of_policy(text: str, exchangers: Answer) -> tuple[Status, str, str]:
    fields = _fields(text)
    mode = next(iter(fields.get("mode", ())), "")
    wrong = _wrong_fields(fields, mode)
    if wrong:
        return Status.FAIL, f"the policy cannot be used: {wrong}", "Correct the policy file."
    patterns = fields.get("mx", ())
    found = f"mode {mode}, mx {listed(patterns)}"
    if mode == Mode.NONE:
        return Status.OK, "mode none: it is not used", ""
    if not exchangers.known:
        return Status.UNKNOWN, f"{found}; the MX hosts are not known", "Try again later."
    left = [host for host in exchangers.records if host and not _named(host, patterns)]
    if left:
        status = Status.FAIL if mode == Mode.ENFORCE else Status.WARN
        found = f"{found}; these MX hosts are not named: {listed(left)}"
        return status, found, "Name them in the policy, and change the id of the record."
    if mode == Mode.TESTING:
        return Status.OK, f"{found} (reports only)", ""
    return Status.OK, found, ""


def _wrong_fields(fields: dict[str, list[str]], mode: str) -> str:
    if fields.get("version") != ["STSv1"]:
        return "version must be STSv1"
    if mode not in tuple(Mode):
        return "mode must be enforce, testing or none"
    ages = fields.get("max_age", [])
    if len(ages) != 1 or not ages[0].isascii() or not ages[0].isdigit() or len(ages[0]) > 10:
        return "max_age must be a number of seconds"
    if mode != Mode.NONE and not fields.get("mx"):
        return "it names no mx"
    return ""


def _fields(text: str) -> dict[str, list[str]]:
    fields: dict[str, list[str]] = {}
    for line in text[:LONGEST_POLICY].splitlines()[:_MOST_LINES]:
        name, colon, value = line.partition(":")
        if colon:
            fields.setdefault(name.strip().lower(), []).append(value.strip())
    return fields


def _named(host: str, patterns: Sequence[str]) -> bool:
    """Whether a pattern names *host*: itself, or * in the place of its first label (4.1)."""
    host = host.lower().rstrip(".")
    _, _, above = host.partition(".")
    known = {pattern.lower().rstrip(".") for pattern in patterns}
    return host in known or f"*.{above}" in known


def _records(answer: Answer) -> Sequence[str]:
    return [text for text in answer.records if tags_of(text).get("v") == "STSv1"]
