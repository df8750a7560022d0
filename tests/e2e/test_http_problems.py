"""Every error has one shape, and every reply carries its headers."""

import logging

import pytest

from adapters.fakes.clock import FakeClock
from adapters.fakes.memory_store import MemoryStore
from application import ServicePolicy
from domain.errors import StaleAttempt, StoreUnavailable
from tests.applications import (
    a_client,
    a_client_with_config,
    a_config_body,
    a_keyed_client,
    an_application,
    an_email_body,
    delivery_rules,
)

MEMBERS = {"type", "title", "status", "detail", "code", "error", "request_id"}


@pytest.fixture(scope="module")
def client():
    """Of a service with one SMTP configuration, for tests that only look."""
    return a_client_with_config()


class BrokenStore(MemoryStore):
    """A store whose every work fails with *error*."""

    def __init__(self, error: Exception) -> None:
        super().__init__(clock=FakeClock())
        self.error = error

    def _run(self, work, *, writable):
        raise self.error


def is_a_problem(reply, status: int, code: str) -> bool:
    """Whether *reply* is the problem that is meant, in the shape of all."""
    body = reply.json
    assert reply.status_code == status, reply.text
    assert reply.content_type == "application/problem+json"
    assert set(body) - {"errors"} == MEMBERS
    assert body["status"] == status
    assert body["error"] == body["detail"] != ""
    assert body["request_id"] == reply.headers["X-Request-Id"]
    return body["code"] == code


# -- errors -----


@pytest.mark.parametrize(
    "path",
    [
        *["/nothing", "/api", "/api/", "/api/nothing", "/api/emails/", "/api/emails/1/"],
        *["/api/smtp-configs/", "/api/emails/1/nothing", "//api/accounts", "/API/emails"],
        *[
            "/healthz/",
            "/api/emails/status/",
            "/api/emails/status/a/b",
            "/static/x",
            "/api//emails",
        ],
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_a_path_that_is_not_there_is_a_problem(client, path, method):
    assert is_a_problem(client.open(path, method=method), 404, "not_found")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("DELETE", "/api/emails", {"GET", "HEAD", "OPTIONS", "POST"}),
        ("PUT", "/api/emails/1", {"GET", "HEAD", "OPTIONS", "PATCH"}),
        ("GET", "/api/emails/1/cancel", {"OPTIONS", "POST"}),
        ("PATCH", "/api/smtp-configs/1", {"GET", "HEAD", "OPTIONS", "PUT", "DELETE"}),
        ("POST", "/healthz", {"GET", "HEAD", "OPTIONS"}),
        ("TRACE", "/", {"GET", "HEAD", "OPTIONS"}),
        ("NONSENSE", "/", {"GET", "HEAD", "OPTIONS"}),
    ],
)
def test_another_method_is_a_problem_that_names_those_allowed(client, method, path, allowed):
    reply = client.open(path, method=method)
    assert is_a_problem(reply, 405, "method_not_allowed")
    assert set(reply.allow) == allowed


def test_a_validation_problem_names_each_field_and_what_is_wrong():
    reply = a_client_with_config().post("/api/emails", json=an_email_body(priority=9, subject=""))
    assert is_a_problem(reply, 400, "invalid_input")
    assert reply.json["errors"] == [
        {"pointer": "/subject", "message": "must not be empty"},
        {"pointer": "/priority", "message": "must be at most 5"},
    ]
    assert reply.json["detail"] == "/subject: must not be empty; /priority: must be at most 5"


def test_a_problem_names_at_most_100_fields():
    body = {f"n{number}": 1 for number in range(900)}
    reply = a_client().post("/api/smtp-configs", json=body)
    assert len(reply.json["errors"]) == 100
    assert len(reply.json["detail"]) < 1000


def test_other_problems_have_no_errors():
    assert "errors" not in a_client().get("/nothing").json


def test_an_unexpected_error_shows_no_detail_and_is_logged(caplog):
    store = BrokenStore(RuntimeError("secret: /var/lib/db"))
    client = a_client(an_application(store=store))
    with caplog.at_level(logging.ERROR, logger="email_service.http"):
        reply = client.get("/api/emails", headers={"X-Request-Id": "abc-1"})
    assert is_a_problem(reply, 500, "internal_error")
    assert "secret" not in reply.text
    (record,) = caplog.records
    assert record.name == "email_service.http"
    assert record.request_id == "abc-1"
    assert "abc-1" in record.getMessage()
    assert record.exc_info


def test_an_unexpected_error_logs_no_body(caplog):
    client = a_client(an_application(store=BrokenStore(RuntimeError("down"))))
    body = an_email_body(html_content="planted-content", subject="planted-subject")
    assert is_a_problem(client.post("/api/emails", json=body), 500, "internal_error")
    assert "planted" not in caplog.text


@pytest.mark.parametrize("path", ["/readyz", "/api/emails", "/api/smtp-configs/1"])
def test_a_store_that_is_away_is_unavailable_for_now(path):
    store = BrokenStore(StoreUnavailable("sqlite:////var/lib/x.db is locked"))
    reply = a_client(an_application(store=store)).get(path)
    assert is_a_problem(reply, 503, "store_unavailable")
    assert reply.headers["Retry-After"] == "5"
    assert "sqlite" not in reply.text


def test_a_concurrent_change_is_a_conflict():
    store = BrokenStore(StaleAttempt("email 1 is no longer queued in attempt 0"))
    reply = a_client(an_application(store=store)).post("/api/emails/1/cancel")
    assert is_a_problem(reply, 409, "conflict")


# -- not accepting -----


def test_a_draining_service_takes_no_email_and_says_when_to_ask_again():
    application = an_application()
    client = a_client_with_config(application)
    application.admission.drain()
    reply = client.post("/api/emails", json=an_email_body())
    assert is_a_problem(reply, 503, "not_accepting")
    assert reply.headers["Retry-After"] == "5"
    assert is_a_problem(client.get("/readyz"), 503, "not_accepting")
    assert client.get("/api/emails").json == []
    assert client.get("/healthz").status_code == 200


def test_a_draining_service_does_not_read_the_body_first():
    application = an_application()
    application.admission.drain()
    reply = a_client(application).post("/api/emails", data=b"x" * 1000, content_type="text/plain")
    assert reply.status_code == 503


def test_t_dos_2_a_full_queue_takes_no_email():
    rules = ServicePolicy(delivery=delivery_rules(), max_queue_depth=1)
    client = a_client_with_config(an_application(rules=rules))
    assert client.post("/api/emails", json=an_email_body()).status_code == 201
    reply = client.post("/api/emails", json=an_email_body())
    assert is_a_problem(reply, 503, "not_accepting")
    assert reply.headers["Retry-After"] == "30"


def test_a_disk_that_is_almost_full_takes_no_email():
    client = a_client_with_config(an_application(headroom=lambda: False))
    reply = client.post("/api/emails", json=an_email_body())
    assert is_a_problem(reply, 503, "not_accepting")
    assert is_a_problem(client.get("/readyz"), 503, "not_accepting")


# -- operations -----


def test_health_and_readiness_are_reported():
    client = a_client()
    alive, ready = client.get("/healthz"), client.get("/readyz")
    assert (alive.status_code, alive.json) == (200, {"status": "ok"})
    assert (ready.status_code, ready.json) == (200, {"status": "ready"})


def test_the_root_names_the_service_and_links_its_pages():
    client = a_client()
    reply = client.get("/")
    assert reply.content_type == "application/json"
    assert (reply.json["name"], reply.json["version"]) == ("email-service", "1.2.3")
    for link in reply.json["links"].values():
        assert client.get(link).status_code == 200


# -- headers -----


@pytest.mark.parametrize(
    ("method", "path"),
    [
        *[("GET", "/"), ("GET", "/healthz"), ("HEAD", "/healthz"), ("OPTIONS", "/api/emails")],
        *[("GET", "/api/emails"), ("POST", "/api/emails"), ("GET", "/nothing"), ("PUT", "/")],
    ],
)
def test_every_reply_has_the_security_headers(client, method, path):
    headers = client.open(path, method=method).headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert not any(name.startswith("Access-Control") for name, _ in headers)


def test_no_reply_of_the_api_is_cached():
    client = a_client_with_config()
    for path in ("/api/emails", "/api/smtp-configs/1", "/api/nothing"):
        assert client.get(path).headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("given", ["abc", "7f3a-9.B_c:1", "x" * 128])
def test_a_request_keeps_its_id(client, given):
    reply = client.get("/healthz", headers={"X-Request-Id": given})
    assert reply.headers["X-Request-Id"] == given


@pytest.mark.parametrize("given", [None, "", "a b", "x" * 129, "<script>", "ü"])
def test_a_request_without_a_usable_id_gets_one(client, given):
    headers = {} if given is None else {"X-Request-Id": given}
    first, second = (client.get("/healthz", headers=headers) for _ in range(2))
    ids = [reply.headers["X-Request-Id"] for reply in (first, second)]
    assert all(len(made) == 32 and made.isalnum() for made in ids)
    assert ids[0] != ids[1]


def test_head_and_options_have_no_body():
    client = a_client_with_config()
    head = client.head("/api/emails")
    options = client.options("/api/emails")
    assert (head.status_code, head.data) == (200, b"")
    assert (options.status_code, options.data) == (200, b"")
    assert set(options.allow) == {"GET", "HEAD", "OPTIONS", "POST"}


def test_the_next_page_never_leads_to_another_host():
    application = an_application()
    client = a_keyed_client(application, "admin")  # without a key another Host is refused
    for name in ("a", "b"):
        client.post("/api/smtp-configs", json=a_config_body(name=name))
        client.post("/api/emails", json=an_email_body())
    reply = client.get("/api/emails?limit=1", headers={"Host": "evil.example"})
    assert reply.headers["Link"].startswith("</api/emails?limit=1&cursor=")
