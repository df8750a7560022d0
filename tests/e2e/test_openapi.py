"""The contract is complete, valid, made of the models that check, and changes in review only."""

import json
import os
import re
import shlex
from html.parser import HTMLParser
from pathlib import Path

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator
from pydantic import TypeAdapter

from domain.access import Scope
from domain.errors import EmailServiceError, SchemaTooNew, SecretUnreadable, StaleAttempt
from entrypoints.http import OPERATIONS, create_http
from entrypoints.http.dialects.dialect import KeyMissing
from entrypoints.http.dialects.registry import NO_DIALECTS
from entrypoints.http.docs import Docs
from entrypoints.http.openapi import build_document
from entrypoints.http.openapi.refusals import REFUSALS
from entrypoints.http.requests import ServiceFlask
from entrypoints.http.schemas import Problem
from tests.applications import a_client, an_application

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
        and not rule.endpoint.startswith(("unsubscribe.", "authorization.", "hooks.", "dashboard."))
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
    if row.path.startswith(alone):
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
    docs = Docs(OPERATIONS, version="1.2.3")
    docs.routes()
    assert "_document" not in vars(docs)
    with ServiceFlask("docs").test_request_context():
        first = docs.openapi()
        kept = vars(docs)["_document"]
        assert docs.openapi().data == first.data
    assert vars(docs)["_document"] is kept


def test_golden_the_contract_is_the_one_that_was_reviewed():
    document = build_document(OPERATIONS, version="any")
    text = json.dumps(document, ensure_ascii=False, indent=1) + "\n"
    if os.environ.get("RENEW_GOLDEN"):
        GOLDEN.write_text(text, "utf-8")
    assert text == GOLDEN.read_text("utf-8"), (
        f"the contract of the API has changed: if that is meant, run `{RENEW}` and review the diff"
    )


# -- the page -----


class Page(HTMLParser):
    """What a page loads and links to, its ids, its scripts and its calls."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.links: list[str] = []
        self.ids: list[str] = []
        self.inline: list[str] = []
        self.calls: list[str] = []
        self._in: tuple[str, bool] = ("", False)
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self._in = (tag, found.get("class") == "copy")
        self.inline += [name for name in found if name.startswith("on") or name == "style"]
        if "src" in found or tag == "link":
            self.loaded.append(found.get("src") or found["href"])
        if tag == "a":
            self.links.append(found["href"])
        if "id" in found:
            self.ids.append(found["id"])

    def handle_endtag(self, tag):
        self._in = ("", False)

    def handle_data(self, data):
        tag, copied = self._in
        if tag in ("script", "style"):
            self.inline.append(data)
        if tag == "pre" and copied:
            self.calls.append(data)


@pytest.fixture(scope="module")
def page(client):
    """The page for people."""
    return Page(client.get("/docs").text)


def test_the_page_loads_its_own_files_only(client, page):
    assert {path.rpartition(".")[2] for path in page.loaded} == {"css", "js", "svg"}
    for path in page.loaded:
        assert path.startswith("/docs/static/")
        with client.get(path) as reply:
            assert reply.status_code == 200
            assert reply.headers["X-Content-Type-Options"] == "nosniff"


def test_the_page_works_under_a_policy_without_anything_inline(client, page):
    policy = client.get("/docs").headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; style-src 'self'; script-src 'self'; ")
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert page.inline == []


def test_every_call_has_its_place_on_the_page_and_every_link_leads_somewhere(page):
    assert {row.id for row in OPERATIONS} <= set(page.ids)
    assert len(page.ids) == len(set(page.ids))
    for link in page.links:
        assert link[1:] in page.ids if link.startswith("#") else link.startswith(("/", "https:"))


def test_every_call_on_the_page_can_be_typed_as_it_stands(client, page):
    assert len(page.calls) >= len(OPERATIONS)
    for call in page.calls:
        words = shlex.split(call.replace("\\\n", " "))
        assert words[:2] == ["curl", "-s"]
        method = words[words.index("-X") + 1] if "-X" in words else "GET"
        [path] = [
            word.removeprefix("http://localhost") for word in words if word.startswith("http")
        ]
        body = json.loads(words[words.index("-d") + 1]) if "-d" in words else None
        file = b"%PDF" if "--data-binary" in words else None
        if (body or file) is not None and "-X" not in words:
            method = "POST"
        sent = {"json": body} if file is None else {"data": file}
        assert client.open(path, method=method, **sent).status_code not in (400, 405, 415)


def test_t_xss_a_host_that_nobody_has_is_no_way_into_the_page(client):
    reply = client.get("/docs", headers={"Host": "x'><script>alert(1)</script>"})
    assert "<script>alert" not in reply.text
