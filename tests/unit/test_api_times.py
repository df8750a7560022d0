"""API_TIMES: times as they were first published, or as in RFC 3339; and their documents."""

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
from jsonschema import Draft202012Validator, FormatChecker

from entrypoints.http import OPERATIONS
from entrypoints.http.openapi import build_document
from tests.applications import a_client_with_config, an_application, an_email_body, deliver

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)?")
CALLS = [
    ("/api/emails/1", "EmailReply"),
    ("/api/emails/2", "EmailReply"),
    ("/api/emails/2/explain", "ExplainReply"),
    ("/api/smtp-configs/1", "SmtpConfigReply"),
]


@cache
def document_of(*, rfc3339: bool) -> dict[str, Any]:
    return build_document(OPERATIONS, version="any", rfc3339_times=rfc3339)


@cache
def answers(*, rfc3339: bool) -> dict[str, Any]:
    """What every call answers that shows a time."""
    application = an_application()
    client = a_client_with_config(application, rfc3339_times=rfc3339)
    client.post("/api/emails", json=an_email_body())
    deliver(application)
    client.put("/api/smtp-configs/1", json={"hourly_limit": 1})
    client.post("/api/emails", json=an_email_body())
    batch = client.post("/api/emails/batch", json={"emails": [an_email_body()]})
    assert batch.json["last_due_at"].endswith("Z")
    answered = {path: client.get(path).json for path, _ in CALLS}
    answered["/api/emails"] = client.get("/api/emails").json
    return answered


def times(value: object) -> Iterator[str]:
    if isinstance(value, str) and TIME.fullmatch(value):
        yield value
    elif isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            yield from times(part)


@pytest.mark.parametrize("rfc3339", [False, True])
def test_every_time_is_shown_in_one_form(*, rfc3339: bool) -> None:
    shown = list(times(list(answers(rfc3339=rfc3339).values())))
    assert len(shown) > 15
    assert {bool(time.endswith("Z")) for time in shown} == {rfc3339}


@pytest.mark.parametrize("rfc3339", [False, True])
def test_what_is_answered_is_what_the_document_of_that_form_says(*, rfc3339: bool) -> None:
    document = document_of(rfc3339=rfc3339)
    checker = FormatChecker(formats=[])
    checker.checks("date-time")(_is_rfc3339)
    for path, schema in CALLS:
        validator = Draft202012Validator(
            {"$ref": f"#/components/schemas/{schema}", "components": document["components"]},
            format_checker=checker,
        )
        assert [error.message for error in validator.iter_errors(_answer(path, rfc3339))] == []


def _answer(path: str, rfc3339: bool) -> Any:
    return answers(rfc3339=rfc3339)[path]


def _is_rfc3339(value: object) -> bool:
    found = TIME.fullmatch(value) if isinstance(value, str) else None
    return found is not None and found[2] is not None


def schemas(part: object) -> Iterator[dict[str, Any]]:
    """Every object of the document but what examples hold, and the lists of properties."""
    if isinstance(part, dict):
        yield part
        for name, each in part.items():
            if name == "properties":
                yield from schemas(list(each.values()))
            elif name not in ("example", "examples"):
                yield from schemas(each)
    elif isinstance(part, list):
        for each in part:
            yield from schemas(each)


def test_the_published_form_is_no_date_time_in_the_document() -> None:
    document = document_of(rfc3339=False)
    published = [s for s in schemas(document) if "T\\d\\d" in str(s.get("pattern", ""))]
    assert published
    assert all("format" not in schema for schema in published)


def test_every_time_of_the_other_document_is_a_date_time_and_every_example_has_a_z() -> None:
    document = document_of(rfc3339=True)
    assert not [s for s in schemas(document) if "T\\d\\d" in str(s.get("pattern", ""))]
    assert all(_is_rfc3339(time) for time in times(document))


def test_no_field_of_a_request_has_a_default_in_the_document() -> None:
    document = document_of(rfc3339=False)
    assert [s for s in schemas(document["paths"]) if "default" in s] == []
    found = [s for s in schemas(document["components"]["schemas"]) if "default" in s]
    assert found == []


def test_what_a_field_is_if_it_is_left_out_stands_in_words() -> None:
    fields = document_of(rfc3339=False)["components"]["schemas"]["SmtpConfigRequest"]
    told = {name: field.get("description", "") for name, field in fields["properties"].items()}
    assert "If left out: 587." in told["smtp_port"]
    assert "If left out: true, except on the ports 465 and 2465" in told["use_tls"]
    assert "If left out: 10." in told["priority_reserve"]
    assert "left out" not in told["name"]
