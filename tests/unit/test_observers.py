"""The log of events: one line each, or a list to look at."""

import io
import json
import logging

import pytest

from adapters.observers import ListObserver, LogObserver
from domain.events import Event
from entrypoints.event_levels import level_of
from entrypoints.runtime.logs import JsonFormatter, TextFormatter

SENT = Event(name="email_sent", email_id=7, account_id=2, attempt=1, fields={"stage": "dot"})


class Log:
    """A logger of its own that writes to memory."""

    def __init__(self, formatter: logging.Formatter, level: str = "INFO") -> None:
        self.written = io.StringIO()
        handler = logging.StreamHandler(self.written)
        handler.setFormatter(formatter)
        self.logger = logging.Logger("email_service", level)
        self.logger.addHandler(handler)
        self.observe = LogObserver(level_of, self.logger)

    @property
    def lines(self) -> list[str]:
        return self.written.getvalue().splitlines()


def test_an_event_is_one_line_with_its_ids():
    log = Log(TextFormatter())
    log.observe(SENT)
    (line,) = log.lines
    assert line.endswith("INFO    email_sent email_id=7 account_id=2 attempt=1 stage=dot")


def test_in_json_every_part_has_its_own_key():
    log = Log(JsonFormatter())
    log.observe(SENT)
    entry = json.loads(log.written.getvalue())
    assert entry.pop("time").endswith("Z")
    assert entry == {
        "level": "info",
        "logger": "email_service",
        "event": "email_sent",
        "email_id": 7,
        "account_id": 2,
        "attempt": 1,
        "stage": "dot",
    }


def test_fields_without_a_value_are_left_out():
    log = Log(TextFormatter())
    log.observe(Event(name="instance_removed", fields={"instance": 3, "host": None}))
    assert log.lines[0].endswith("instance_removed instance=3")


@pytest.mark.parametrize("formatter", [TextFormatter(), JsonFormatter()])
@pytest.mark.parametrize(
    "text",
    ["550 no\n2026-01-05 INFO email_sent", "\x1b[2J", "a\rb", "\u2028", "x\x85y", 'say "hi"'],
)
def test_t_srv_a_servers_text_can_neither_break_nor_forge_a_line(formatter, text):
    log = Log(formatter)
    log.observe(Event(name="email_failed", email_id=1, fields={"text": text}))
    (line,) = log.lines
    assert line.isprintable()
    assert line.isascii()


def test_a_text_with_spaces_is_quoted_so_that_the_fields_stay_apart():
    log = Log(TextFormatter())
    log.observe(Event(name="email_failed", fields={"text": "550 attempt=9", "reason": "x"}))
    assert log.lines[0].endswith('email_failed text="550 attempt=9" reason=x')


def test_the_level_of_the_event_is_that_of_the_line():
    log = Log(JsonFormatter(), level="DEBUG")
    for name in ("email_accepted", "attempt_lost", "worker_died"):
        log.observe(Event(name=name))
    assert [json.loads(line)["level"] for line in log.lines] == ["info", "warning", "error"]


@pytest.mark.parametrize(
    ("name", "reason", "level"),
    [
        ("email_sent", "accepted", "info"),
        ("email_sent", "no_such_recipient", "warning"),
        ("email_failed", "no_such_recipient", "warning"),
    ],
)
def test_the_end_of_an_attempt_is_a_warning_unless_all_was_accepted(name, reason, level):
    log = Log(JsonFormatter())
    log.observe(Event(name=name, fields={"stage": "dot", "reason": reason}))
    assert json.loads(log.lines[0])["level"] == level


def test_below_the_level_nothing_is_written():
    log = Log(TextFormatter(), level="WARNING")
    log.observe(SENT)
    assert log.lines == []


def test_a_field_cannot_pass_itself_off_as_the_time_or_the_level():
    log = Log(JsonFormatter())
    log.observe(Event(name="email_failed", fields={"level": "debug", "event": "email_sent"}))
    entry = json.loads(log.written.getvalue())
    assert (entry["level"], entry["event"]) == ("info", "email_failed")


@pytest.mark.parametrize("formatter", [TextFormatter(), JsonFormatter()])
def test_a_traceback_stays_with_its_line(formatter):
    log = Log(formatter)
    try:
        raise RuntimeError("broken")
    except RuntimeError:
        log.logger.exception("worker failed")
    first, *rest = log.lines
    assert "worker failed" in first
    assert all(line.startswith("    ") for line in rest)
    assert "RuntimeError: broken" in log.written.getvalue()


def test_the_list_keeps_the_events_in_their_order():
    observer = ListObserver()
    observer(SENT)
    observer(Event(name="account_paused"))
    assert observer.names == ["email_sent", "account_paused"]
    assert observer.named("email_sent") == [SENT]
