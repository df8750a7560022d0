"""What reports say of recipients, measured on a corpus: tests/bounces/reports.toml."""

import time
import tomllib
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from domain.bounce.parse import parse_report
from domain.bounce.report import Report
from tests.machine import is_within
from tests.shipped_rules import RULES

CORPUS = Path(__file__).parents[1] / "bounces"
REPORTS = tomllib.loads((CORPUS / "reports.toml").read_text("utf-8"))["report"]
HELD_OUT = [entry for entry in REPORTS if entry.get("held_out")]
REAL = [entry for entry in REPORTS if entry["file"].startswith("real/")]
LONGEST_S = 2.0


def parsed(entry: dict[str, Any]) -> Report:
    return report_in(entry["file"])


@cache
def report_in(file: str) -> Report:
    return parse_report((CORPUS / file).read_bytes(), rules=RULES)


def found(entry: dict[str, Any]) -> list[tuple[str, str, str]]:
    return [(one.recipient, one.status or "", one.kind.value) for one in parsed(entry).recipients]


def wrong(entries: Sequence[dict[str, Any]]) -> list[str]:
    return [
        f"{entry['file']}: {entry['recipients']}, not {got}"
        for entry in entries
        if (got := found(entry)) != [tuple(one) for one in entry["recipients"]]
    ]


def test_there_are_reports_of_many_servers_each_with_where_its_form_is_from():
    assert len(REPORTS) >= 120
    assert len({entry["sender"] for entry in REPORTS}) >= 15
    assert all(entry["source"] for entry in REPORTS)
    assert len(HELD_OUT) >= 30
    assert len(REAL) >= 30
    files = {str(file.relative_to(CORPUS)) for file in CORPUS.rglob("*") if file.is_file()}
    assert files - {"reports.toml"} == {entry["file"] for entry in REPORTS}


def test_nineteen_of_twenty_are_read_right(capsys):
    mistakes = wrong(REPORTS)
    with capsys.disabled():
        for name, entries in [("all", REPORTS), ("real", REAL), ("held out", HELD_OUT)]:
            right, total = len(entries) - len(wrong(entries)), len(entries)
            print(f"\n  agreement, {name}: {right} of {total} = {right / total:.1%}")

    assert len(mistakes) <= 0.05 * len(REPORTS), "\n".join(mistakes)


def test_no_living_address_of_the_corpus_is_called_dead():
    for entry in REPORTS:
        alive = {one[0] for one in entry["recipients"] if one[2] != "hard"}
        dead = {address for address, _, kind in found(entry) if kind == "hard"}
        assert not alive & dead, entry["file"]
        if not entry["recipients"]:
            assert found(entry) == [], entry["file"]


@pytest.mark.parametrize("entry", REPORTS, ids=[entry["file"] for entry in REPORTS])
def test_a_report_is_read_in_time_and_its_diagnostics_are_single_lines(entry):
    started = time.thread_time()
    report = report_in.__wrapped__(entry["file"])

    assert is_within(time.thread_time() - started, LONGEST_S)
    for one in report.recipients:
        assert "@" in one.recipient
        assert "\n" not in one.diagnostic


def test_a_report_of_a_real_server_names_the_email_by_its_reference():
    for entry in REAL:
        references = parsed(entry).references
        assert len(references.refs) == 1, entry["file"]
        assert f"<{references.refs[0]}@example.com>" in references.message_ids
