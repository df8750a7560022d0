"""Which `traceparent` is taken (W3C Trace Context, 3.2.2 and 4.3), and where it is told."""

import io
import json
import logging
from collections.abc import Iterator

import pytest

from adapters.observers import LogObserver
from domain.events import Event
from entrypoints.event_levels import level_of
from entrypoints.runtime.logs import JsonFormatter, TextFormatter
from entrypoints.trace_context import enter_trace, trace_fields
from tests.applications import a_client_with_config, an_application, an_email_body

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
KNOWN = {"trace_id": TRACE, "span_id": SPAN}


@pytest.fixture(autouse=True)
def outside() -> Iterator[None]:
    yield
    enter_trace(None)


@pytest.mark.parametrize(
    "header", [f"00-{TRACE}-{SPAN}-01", f"00-{TRACE}-{SPAN}-00", f"cc-{TRACE}-{SPAN}-01-more"]
)
def test_a_traceparent_is_taken_apart(header: str) -> None:
    enter_trace(header)
    assert trace_fields() == KNOWN


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-01-more",
        f"00-{TRACE}-{SPAN}",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-01\n",
        f" 00-{TRACE}-{SPAN}-01",
        f'00-{TRACE[:-1]}"-{SPAN}-01',
    ],
)
def test_what_is_none_leaves_the_trace_of_before(header: str | None) -> None:
    enter_trace(f"00-{TRACE}-{SPAN}-01")
    enter_trace(header)
    assert trace_fields() == {}


@pytest.mark.parametrize("formatter", [TextFormatter(), JsonFormatter()])
def test_each_line_of_a_request_has_its_trace_and_none_of_the_next_request(
    formatter: logging.Formatter,
) -> None:
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(formatter)
    logger = logging.Logger("email_service", "INFO")
    logger.addHandler(handler)
    client = a_client_with_config(an_application(observe=LogObserver(level_of, logger)))
    for headers in ({"traceparent": f"00-{TRACE}-{SPAN}-01"}, {}):
        reply = client.post("/api/emails", json=an_email_body(), headers=headers)
        assert reply.status_code == 201
    first, second = [line for line in written.getvalue().splitlines() if "email_accepted" in line]
    for value in KNOWN.values():
        assert value in first
        assert value not in second


def test_in_json_the_request_id_of_an_error_has_its_own_key() -> None:
    record = logging.LogRecord("x", logging.ERROR, "", 0, "it is away", None, None)
    record.request_id = "r1"
    assert json.loads(JsonFormatter().format(record))["request_id"] == "r1"


def test_an_event_cannot_forge_a_trace() -> None:
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(JsonFormatter())
    logger = logging.Logger("email_service", "INFO")
    logger.addHandler(handler)
    enter_trace(f"00-{TRACE}-{SPAN}-01")
    LogObserver(level_of, logger)(Event(name="email_sent", fields={"trace_id": "another"}))
    assert json.loads(written.getvalue())["trace_id"] == TRACE
