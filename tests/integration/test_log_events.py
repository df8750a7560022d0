"""The page of the log events lists what the code writes, and Promtail's example reads it."""

import io
import json
import logging
import re
from datetime import datetime
from typing import Any

import pytest
import yaml

from adapters.observers import LogObserver
from domain.events import Event
from entrypoints.event_levels import level_of
from entrypoints.runtime.logs import JsonFormatter
from entrypoints.trace_context import enter_trace
from tests.documents import text
from tests.log_events import fields_of_events
from tests.running import ROOT

PAGE = ROOT / "docs/operating/log-events.md"
PROMTAIL = ROOT / "deploy" / "promtail.yaml"
WRITTEN = fields_of_events()
# What stands in each line beside the fields of its event.
OF_THE_LINE = {
    *("time", "level", "logger", "event", "traceback"),
    *("trace_id", "span_id", "request_id"),
}


def words(cell: str) -> list[str]:
    return re.findall(r"`(\w+)`", cell)


def rows() -> list[list[str]]:
    table = text(PAGE).partition("| event |")[2].partition("\n\n")[0]
    return [line.strip("|").split("|") for line in table.splitlines()[2:]]


LISTED = {name: words(fields) for names, _, fields, *_ in rows() for name in words(names)}


def test_the_page_lists_every_event_once_and_no_other() -> None:
    names = [name for row in rows() for name in words(row[0])]
    assert sorted(names) == sorted(WRITTEN)


@pytest.mark.parametrize("name", sorted(WRITTEN))
def test_an_event_has_the_fields_that_the_page_lists(name: str) -> None:
    assert sorted(LISTED[name]) == sorted(WRITTEN[name])


@pytest.mark.parametrize("name", sorted(WRITTEN))
def test_no_field_takes_the_place_of_one_that_stands_in_each_line(name: str) -> None:
    assert WRITTEN[name] & OF_THE_LINE == set()


@pytest.mark.parametrize("row", rows(), ids=lambda row: row[0].strip())
def test_an_event_has_the_level_that_the_page_says(row: list[str]) -> None:
    told = [level.strip() for level in row[1].split(",")]
    for name in words(row[0]):
        fields = dict.fromkeys(words(row[2]), "")
        if name == "email_sent":
            fields["reason"] = "accepted"
        level = level_of(Event(name=name, fields=fields))
        assert logging.getLevelName(level).lower() == told[0]


def test_a_pause_by_a_person_is_no_error() -> None:
    assert level_of(Event(name="account_paused", fields={"account": "main"})) == logging.INFO
    assert level_of(Event(name="account_paused", fields={"reason": "x"})) == logging.ERROR


# -- promtail --------------------------------------------------------------------------------------


def lines() -> list[str]:
    """A line of each event, one with an ugly text and one that is no event."""
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(JsonFormatter())
    logger = logging.Logger("email_service", logging.INFO)
    logger.addHandler(handler)
    observe = LogObserver(level_of, logger)
    enter_trace("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
    for name, fields in sorted(WRITTEN.items()):
        observe(Event(name=name, email_id=7, fields=dict.fromkeys(fields - {"email_id"}, 'a "b"')))
    enter_trace(None)
    logger.error("unexpected ValueError in request %s", "x1", exc_info=ValueError("no\nline"))
    return written.getvalue().splitlines()


def scrape_config() -> dict[str, Any]:
    (found,) = yaml.safe_load(PROMTAIL.read_text("utf-8"))["scrape_configs"]
    assert isinstance(found, dict)
    return found


def run_stages(line: str) -> tuple[datetime, dict[str, str]]:
    """The time and the labels that Promtail's pipeline makes of a line, as Grafana describes it."""
    extracted: dict[str, str] = {}
    labels: dict[str, str] = {}
    time = None
    for stage in scrape_config()["pipeline_stages"]:
        ((kind, options),) = stage.items()
        if kind == "json":
            said = json.loads(line)
            extracted |= {to: said[name] for to, name in options["expressions"].items()}
        elif kind == "regex":
            found = re.search(options["expression"], extracted[options["source"]])
            extracted |= found.groupdict() if found else {}
        elif kind == "timestamp":
            assert options["format"] == "RFC3339Nano"
            time = datetime.fromisoformat(extracted[options["source"]])
        elif kind == "labels":
            names = {to: name or to for to, name in options.items()}
            labels |= {to: extracted[name] for to, name in names.items() if name in extracted}
        else:
            raise AssertionError(f"this test does not know the stage {kind}")
    assert time is not None
    assert time.tzinfo is not None
    return time, labels


@pytest.mark.parametrize("line", lines(), ids=lambda line: json.loads(line)["event"])
def test_a_label_is_the_level_or_the_name_of_an_event_and_nothing_else(line: str) -> None:
    said = json.loads(line)
    _, labels = run_stages(line)
    expected = {"level": said["level"]}
    if said["event"] in WRITTEN:
        expected["event"] = said["event"]
    assert labels == expected


def test_the_units_that_are_shipped_are_read_and_no_other() -> None:
    (rule,) = scrape_config()["relabel_configs"]
    assert rule["source_labels"] == ["__journal__systemd_unit"]
    assert rule["action"] == "keep"
    shipped = {path.name for path in (ROOT / "deploy").glob("*.service")}
    units = {name.replace("@.", "@1.") for name in shipped}
    others = {"email-service.timer", "nginx.service", "my-email-service.service"}
    assert {one for one in units | others if re.fullmatch(rule["regex"], one)} == units


def test_the_logs_of_a_request_have_the_ids_of_the_trace_that_called_it() -> None:
    said = json.loads(lines()[0])
    assert (said["trace_id"], said["span_id"]) == (
        "0af7651916cd43dd8448eb211c80319c",
        "b7ad6b7169203331",
    )
    assert "trace_id" not in json.loads(lines()[-1])
