"""Every HTTP test tests the contract too: no reply may be one that OpenAPI does not describe."""

import json
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
from flask import Flask, Response, request, request_finished
from flask.testing import FlaskClient
from jsonschema import Draft202012Validator

from entrypoints.http import OPERATIONS
from entrypoints.http.openapi import JsonSchema, build_document
from entrypoints.http.requests import the_request
from tests.applications import a_client_with_config

DOCUMENT = build_document(OPERATIONS, version="any")
ROWS = {row.endpoint: row for row in OPERATIONS}
SHARED = {  # what no operation answers
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    405: "MethodNotAllowed",
    429: "TooManyRequests",
}
AUTOMATIC = {"HEAD", "OPTIONS"}


@pytest.fixture(scope="module")
def client() -> FlaskClient:
    """Of a service with one SMTP configuration, for tests in which everything is refused."""
    return a_client_with_config()


@pytest.fixture(autouse=True)
def every_reply_is_in_the_contract() -> Iterator[None]:
    """Look at each reply of every application in this process; the test fails in the end."""
    faults: list[str] = []

    def look(_: Flask, *, response: Response, **__: Any) -> None:
        if request.method not in AUTOMATIC:
            faults.extend(f"{request.method} {request.path}: {fault}" for fault in found(response))

    with request_finished.connected_to(look):
        yield
    assert not faults, faults[0]


def found(reply: Response) -> Iterator[str]:
    """What the current request's *reply* has that the contract does not say."""
    responses = described()
    if responses is None:
        return
    response = responses.get(str(reply.status_code))
    if response is None:
        yield f"{reply.status_code} is not described"
        return
    response = resolved(response)
    sent = reply.get_wsgi_headers(request.environ)
    for name, header in response["headers"].items():
        if resolved(header).get("required") and name not in sent:
            yield f"{name} is missing"
    content = response["content"].get(reply.content_type)
    if content is None:
        yield f"{reply.content_type} is not {' or '.join(response['content'])}"
    elif reply.content_type.endswith("json"):
        errors = validator(json.dumps(content["schema"])).iter_errors(json.loads(reply.data))
        yield from (f"{error.json_path}: {error.message}" for error in errors)


def described() -> JsonSchema | None:
    """The replies to the current request by status; None for what is no part of the API."""
    if the_request().dialect is not None:
        return None
    if request.routing_exception is not None:
        shared = DOCUMENT["components"]["responses"]
        return {str(status): shared[name] for status, name in SHARED.items()}
    row = ROWS.get(request.endpoint or "")
    if row is None:
        return None
    responses: JsonSchema = DOCUMENT["paths"][row.path][row.method.lower()]["responses"]
    return responses


def resolved(thing: JsonSchema) -> JsonSchema:
    """*thing*, or what it refers to in the document."""
    if "$ref" not in thing:
        return thing
    _, _, kind, name = thing["$ref"].split("/")
    component: JsonSchema = DOCUMENT["components"][kind][name]
    return component


@cache
def validator(schema: str) -> Draft202012Validator:
    """What checks a reply against *schema*, whose references are those of the document."""
    return Draft202012Validator({**json.loads(schema), "components": DOCUMENT["components"]})
