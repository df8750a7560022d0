"""The contract is complete, valid, made of the models that check, and changes in review only."""

import ast
import json
import os
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator
from pydantic import TypeAdapter

from domain.access import Scope
from domain.errors import EmailServiceError, SchemaTooNew, SecretUnreadable, StaleAttempt
from entrypoints.http import OPERATIONS, create_http
from entrypoints.http.dialects.dialect import KeyMissing
from entrypoints.http.dialects.registry import NO_DIALECTS
from entrypoints.http.docs import Docs, DocsPages
from entrypoints.http.openapi import build_document
from entrypoints.http.openapi.refusals import REFUSALS
from entrypoints.http.requests import ServiceFlask
from entrypoints.http.schemas import Problem
from tests.applications import a_client, an_application
from tests.running import ROOT

GOLDEN = Path(__file__).with_name("golden") / "openapi.json"
RENEW = "make openapi"
ANSWERS = [row for row in OPERATIONS if row.answer.example is not None]
SENDING = {"testTemplate"}
NEVER_TOLD = {EmailServiceError, SchemaTooNew, StaleAttempt, SecretUnreadable, KeyMissing}


@pytest.fixture(scope="module")
def client():
    """Of a service without anything in it."""
    return a_client()


@pytest.fixture(scope="module")
def document(client):
    """The document as it is served."""
    return client.get("/api/openapi.json").json


def routes() -> list[tuple[str, str, str]]:
    """Method, path and endpoint of whatever the application answers to clients of the API.

    Files are none of it, nor pages for people, nor what providers call, nor the
    dialects, whose contracts are the vendors'.
    """
    app = create_http(an_application(), version="1.2.3", dialects=NO_DIALECTS)
    return [
        (method, re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule), rule.endpoint)
        for rule in app.url_map.iter_rules()
        if not rule.endpoint.endswith(".static")
        and not rule.endpoint.startswith(
            ("unsubscribe.", "authorization.", "hooks.", "dashboard.", "docs_pages.")
        )
        for method in rule.methods - {"HEAD", "OPTIONS"}
    ]


def family(error: type[EmailServiceError]) -> set[type[EmailServiceError]]:
    """An error with everything that is one."""
    return {error}.union(*(family(child) for child in error.__subclasses__()))


# -- the table -----


def test_every_route_has_exactly_one_row_and_every_row_a_route():
    rows = [(row.method, row.path, row.endpoint) for row in OPERATIONS]
    assert sorted(rows) == sorted(routes())


def test_every_call_but_these_asks_for_a_scope():
    open_ones = {row.path for row in OPERATIONS if row.scope is None}
    assert open_ones == {"/", "/healthz", "/readyz", "/docs", "/api/openapi.json"}


@pytest.mark.parametrize("row", OPERATIONS, ids=lambda row: row.id)
def test_what_changes_what_all_keys_use_is_for_admins_and_what_changes_nothing_for_readers(row):
    if row.scope is None:
        return
    # these name people that no key has written to, where every event is told, and who may call
    alone = ("/api/suppressions", "/api/erasures", "/api/webhooks", "/api/keys")
    if row.path == "/api/suppressions/lookup":  # who sends to them learns the same
        assert row.scope is Scope.SEND
    elif row.path.startswith(alone):
        assert row.scope is Scope.ADMIN
    elif row.path == "/metrics":
        assert row.scope is Scope.METRICS
    elif row.method == "GET" or row.path.endswith("/preview"):
        assert row.scope is Scope.READ
    else:
        shared = ("smtp-configs" in row.path or "templates" in row.path) and row.id not in SENDING
        assert row.scope is (Scope.ADMIN if shared else Scope.SEND)


@pytest.mark.parametrize("row", [row for row in OPERATIONS if row.body], ids=lambda row: row.id)
def test_every_example_of_a_request_is_taken_by_the_model(row):
    for example in row.body.examples.values():
        row.body.model.model_validate(example)


@pytest.mark.parametrize("row", ANSWERS, ids=lambda row: row.id)
def test_every_example_of_an_answer_is_the_models(row):
    model = list[row.answer.model] if row.answer.many else row.answer.model
    TypeAdapter(model).validate_python(row.answer.example)


@pytest.mark.parametrize("status", REFUSALS)
def test_every_example_of_an_error_is_a_problem(status):
    Problem.model_validate(REFUSALS[status].example(status))


def test_every_code_of_an_error_that_is_told_is_in_the_document():
    told = {error.code for error in family(EmailServiceError) - NEVER_TOLD}
    assert told <= {code for refusal in REFUSALS.values() for code in refusal.codes}


def test_every_code_of_invalid_input_is_in_the_document():
    told = set(codes_of_invalid_input())
    assert len(told) > 5
    assert told <= set(REFUSALS[400].codes) | set(REFUSALS[413].codes)


def codes_of_invalid_input() -> Iterator[str]:
    """What the core gives as the *code* of an InvalidInput, which has no class for each."""
    for path in (*ROOT.glob("domain/**/*.py"), *ROOT.glob("application/**/*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not (isinstance(node, ast.Call) and ast.unparse(node.func) == "InvalidInput"):
                continue
            for given in (one.value for one in node.keywords if one.arg == "code"):
                if isinstance(given, ast.Constant):
                    yield str(given.value)
                elif isinstance(given, ast.Name) and given.id.isupper():
                    module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
                    yield getattr(import_module(module), given.id)


# -- the document -----


def test_the_document_is_valid_openapi_3_1(document):
    assert document["openapi"] == "3.1.0"
    OpenAPIV31SpecValidator(document).validate()


def test_every_component_is_referred_to(document):
    text = json.dumps(document)
    for kind in ("schemas", "responses", "headers", "parameters"):
        for name in document["components"][kind]:
            if name != "MethodNotAllowed" and (kind, name) != ("headers", "Allow"):
                assert f'"#/components/{kind}/{name}"' in text


def test_every_call_tells_every_reply_with_its_headers(document):
    for methods in document["paths"].values():
        for operation in methods.values():
            assert {"400", "500"} <= operation["responses"].keys()
            [success] = [reply for at, reply in operation["responses"].items() if at < "300"]
            assert "X-Request-Id" in success["headers"]


def test_a_call_with_a_scope_takes_a_key_as_a_header_or_as_a_bearer_token(document):
    submit = document["paths"]["/api/emails"]["post"]
    assert submit["x-required-scope"] == "send"
    assert submit["security"] == [{"apiKey": []}, {"bearer": []}]
    assert {"401", "403", "429"} <= submit["responses"].keys()
    assert document["paths"]["/healthz"]["get"]["security"] == []
    schemes = document["components"]["securitySchemes"]
    assert (schemes["apiKey"]["in"], schemes["apiKey"]["name"]) == ("header", "X-API-Key")
    assert (schemes["bearer"]["type"], schemes["bearer"]["scheme"]) == ("http", "bearer")


def test_the_document_is_made_when_first_asked_for_and_kept():
    pages = DocsPages(OPERATIONS, version="1.2.3")
    docs = Docs(pages)
    docs.routes()
    assert "document" not in vars(pages.site)
    with ServiceFlask("docs").test_request_context():
        first = docs.openapi()
        kept = vars(pages.site)["document"]
        assert docs.openapi().data == first.data
    assert vars(pages.site)["document"] is kept


def test_golden_the_contract_is_the_one_that_was_reviewed():
    document = build_document(OPERATIONS, version="any")
    text = json.dumps(document, ensure_ascii=False, indent=1) + "\n"
    if os.environ.get("RENEW_GOLDEN"):
        GOLDEN.write_text(text, "utf-8")
    assert text == GOLDEN.read_text("utf-8"), (
        f"the contract of the API has changed: if that is meant, run `{RENEW}` and review the diff"
    )
