"""What `deploy/` has for Prometheus and Grafana asks for metrics and labels that there are."""

import json
import re
import shutil
import subprocess
from datetime import timedelta

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from application.metrics import AccountFigures, Figures
from domain.account.account import AccountState
from domain.account.limits import Window
from domain.email.status import TERMINAL, Status
from domain.outcome.verdict import Result
from domain.throughput import BOUNDS, Totals, Via
from entrypoints.http.exposition import MOST_ACCOUNTS, exposition
from tests.missing import missing
from tests.running import ROOT

ALERTS = ROOT / "deploy" / "alerts.yaml"
DASHBOARD = ROOT / "deploy" / "grafana.json"
PAGE = ROOT / "docs" / "operating" / "metrics.md"
_METRIC = re.compile(r"\b(email_service_\w+)(?:\{([^}]*)\})?")
_MATCHER = re.compile(r'(\w+)\s*(=~|!=|!~|=)\s*"([^"]*)"')
_GROUPING = re.compile(r"\b(?:by|on|group_left)\s*\(([^)]*)\)")


def every_figure():
    """More accounts than are named, in each state, with every limit."""
    states = list(AccountState)
    accounts = [
        AccountFigures(
            id=number,
            name=f"account {number}",
            state=states[number % len(states)],
            used=dict.fromkeys(Window, 1),
            limits=dict.fromkeys(Window, 2),
        )
        for number in range(1, MOST_ACCOUNTS + 10)
    ]
    totals = Totals(
        accepted=dict.fromkeys(Via, 1),
        ended=dict.fromkeys(TERMINAL, 1),
        attempts={(one.id, result): 1 for one in accounts for result in Result},
        durations=(1,) * (len(BOUNDS) + 1),
        handing_off=timedelta(seconds=1),
    )
    emails = dict.fromkeys(Status, 1)
    oldest_due = timedelta(seconds=1)
    return Figures(emails=emails, totals=totals, oldest_due=oldest_due, accounts=accounts)


TEXT = exposition(every_figure(), version="1.2.3").decode()


def exported():
    """The values of each label of each metric."""
    found = {}
    for family in text_string_to_metric_families(TEXT):
        for sample in family.samples:
            labels = found.setdefault(sample.name, {})
            for name, value in sample.labels.items():
                labels.setdefault(name, set()).add(value)
    return found


def rules():
    groups = yaml.safe_load(ALERTS.read_text(encoding="utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def panels():
    return json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]


EXPRESSIONS = {
    **{rule["alert"]: rule["expr"] for rule in rules()},
    **{
        f"{panel['title']} {target['refId']}": target["expr"]
        for panel in panels()
        for target in panel["targets"]
    },
}


@pytest.mark.parametrize("title", EXPRESSIONS)
def test_an_expression_asks_for_metrics_labels_and_values_that_there_are(title):
    expression, metrics = EXPRESSIONS[title], exported()
    asked = _METRIC.findall(expression)
    assert asked or "up{" in expression
    labels = set().union(*(metrics[name] for name, _ in asked)) if asked else set()
    for name, matchers in asked:
        for label, _, value in _MATCHER.findall(matchers):
            assert set(value.split("|")) <= metrics[name][label]
    for grouping in _GROUPING.findall(expression):
        assert {label.strip() for label in grouping.split(",")} <= labels


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_an_alert_says_what_is_wrong_and_what_to_do_by_labels_that_it_has(rule):
    texts = rule["annotations"]
    assert texts["summary"]
    assert texts["description"]
    assert rule["labels"]["severity"] in ("warning", "critical")
    names = {name for name, _ in _METRIC.findall(rule["expr"])}
    labels = set().union(*(exported()[name] for name in names)) if names else set()
    used = re.findall(r"\$labels\.(\w+)", " ".join(texts.values()))
    assert set(used) <= labels


def test_panels_have_an_id_and_a_place_of_their_own():
    ids = [panel["id"] for panel in panels()]
    assert len(ids) == len(set(ids))
    squares = [
        (x, y)
        for place in (panel["gridPos"] for panel in panels())
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(squares) == len(set(squares))
    assert max(x for x, _ in squares) < 24


def test_every_metric_is_shown_by_the_dashboard():
    shown = " ".join(EXPRESSIONS.values())
    assert [name for name in exported() if name not in shown] == []


def test_the_page_lists_every_metric_with_its_labels():
    rows = re.findall(r"^\| `(email_service_\w+)` \| ([^|]*)\|", PAGE.read_text("utf-8"), re.M)
    told = {name: set(re.findall(r"`(\w+)`", labels)) for name, labels in rows}
    named = {name: set(labels) for name, labels in exported().items()}
    for part in ("_bucket", "_sum"):  # of a histogram, which has one row
        named.pop(f"email_service_handoff_seconds{part}")
    named["email_service_handoff_seconds"] = named.pop("email_service_handoff_seconds_count")
    assert told == named


GAUGES = {family.name for family in text_string_to_metric_families(TEXT) if family.type == "gauge"}


@pytest.mark.parametrize("title", EXPRESSIONS)
def test_how_fast_something_rises_is_asked_of_counters_alone(title):
    """A gauge falls too, when email is tried again or removed: it hides what came meanwhile."""
    rising = re.findall(r"\b(?:rate|irate|increase)\((email_service_\w+)", EXPRESSIONS[title])
    assert set(rising) & GAUGES == set()
    assert not re.search(r"\b(?:delta|idelta|deriv)\(", EXPRESSIONS[title])


def test_a_counter_is_asked_for_how_fast_it_rises():
    counters = set(exported()) - GAUGES
    for expression in EXPRESSIONS.values():
        asked = {name for name, _ in _METRIC.findall(expression)} & counters
        rising = re.findall(r"\b(?:rate|increase)\((email_service_\w+)", expression)
        assert asked == set(rising)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [(["check", "rules", str(ALERTS)], ""), (["check", "metrics"], TEXT)],
    ids=["rules", "metrics"],
)
def test_promtool_finds_no_fault(arguments, text, tmp_path):
    promtool = shutil.which("promtool")
    if promtool is None:
        missing("promtool is not installed: it is in Debian's package prometheus")
    done = subprocess.run(
        [promtool, *arguments], input=text, capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
