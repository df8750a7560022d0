"""The threat model's cases about keys, abuse and what may be seen; each test bears its row's name.

T-JSON, T-CT, T-SIZE, T-LIM, T-SQL, T-ADR, T-HDR and T-BODY are in test_http_input.py.
"""

import base64
import json
import statistics
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from ipaddress import ip_network
from urllib.parse import quote

import pytest
from flask.testing import FlaskClient

from adapters.fakes.clock import FakeClock
from adapters.fakes.memory_store import MemoryStore
from adapters.fakes.sender import FakeSender, Rule, Script
from adapters.fernet_vault import FernetVault
from adapters.observers import ListObserver
from application import Application, ServicePolicy
from application.access import AccessPolicy
from domain.access import Caller, Scope, token_of
from domain.account.network import DEFAULT_PORTS, NetworkPolicy
from domain.errors import Forbidden, SecretUnreadable, Unauthorized
from domain.outcome.handoff import Problem
from entrypoints.http import create_http
from entrypoints.http.access import LOGIN, OPEN, STYLES
from tests.applications import (
    a_client,
    a_client_with_config,
    a_config_body,
    a_key,
    a_keyed_client,
    an_application,
    an_email_body,
    deliver,
    delivery_rules,
)
from tests.machine import is_within

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND")
PATHS = (
    *("/api", "/api/", "/api/emails", "/api/emails/", "/api/emails/1", "/api/emails/1/"),
    *("/api/emails/1/explain", "/api/emails/1/cancel", "/api/emails/1/retry", "/api/nothing"),
    *("/api/emails/1/resolve", "/api/emails/status/sent", "/api/smtp-configs", "/api//emails"),
    *("/api/smtp-configs/1", "/api/smtp-configs/1/verify", "/api/smtp-configs/1/pause"),
    *(
        "/api/smtp-configs/1/doctor",
        "/api/smtp-configs/1/resume",
        "/api/openapi.json",
        "//api/accounts",
        "/API/emails",
    ),
    *("/api/emails/../emails", "/api/%65mails", "/api/emails;x", "/api/emails%2f1", "/apix"),
)
UNKNOWN = token_of("ffffffff", bytes(32))


def closed(**ports: object) -> Application:
    """A service as in production, with two accounts and an email of the owner's own."""
    application = an_application(closed=True, **ports)
    with_accounts(application)
    return application


def with_accounts(application: Application) -> None:
    admin = a_keyed_client(application, "admin")
    for name in ("main", "second"):
        assert admin.post("/api/smtp-configs", json=a_config_body(name=name)).status_code == 201
    assert admin.post("/api/emails", json=an_email_body(subject="planted")).status_code == 201


def production(application: Application) -> FlaskClient:
    return a_client(application, document_needs_key=True)


def listed(client: FlaskClient, path: str = "/api/emails") -> list[int]:
    reply = client.get(path)
    assert reply.status_code == 200
    return [one["id"] for one in reply.json]


# -- T-AUTH-1: who has no key --------------------------------------------------------------------


@pytest.fixture(scope="module")
def guarded() -> FlaskClient:
    """A service that many wrong keys may be tried on."""
    rules = ServicePolicy(delivery=delivery_rules(), access=AccessPolicy(strikes=100_000))
    application = closed(rules=rules)
    return production(application)


def wrong_headers(application: Application) -> list[dict[str, str]]:
    clock_says_over = a_key(application, "admin", lifetime=timedelta(0))
    revoked = a_key(application, "admin")
    application.api_keys.revoke(revoked.split("_")[1])
    bad = ("", " ", "null", "undefined", UNKNOWN, revoked, clock_says_over)
    return [
        {},
        {"Authorization": "Basic YWRtaW46YWRtaW4="},
        {"Cookie": f"X-API-Key={revoked}; session=1"},
        *({"X-API-Key": token} for token in bad),
        *({"Authorization": f"Bearer {token}"} for token in bad),
    ]


@pytest.mark.parametrize("path", PATHS)
def test_t_auth_1_no_call_under_api_answers_without_a_key(path):
    rules = ServicePolicy(delivery=delivery_rules(), access=AccessPolicy(strikes=100_000))
    application = closed(rules=rules)
    client = production(application)
    for headers in wrong_headers(application):
        for method in METHODS:
            reply = client.open(path, method=method, headers=headers)
            assert reply.status_code in (401, 404), (method, headers)
            if path.startswith("/api") and path != "/apix":
                assert reply.status_code == 401
            assert reply.content_type == "application/problem+json"
            assert "planted" not in reply.text
            assert "Allow" not in reply.headers
            if reply.status_code == 401:
                assert reply.headers["WWW-Authenticate"].startswith("Bearer ")


def test_t_auth_1_every_route_there_is_needs_a_key_or_is_named_as_open():
    client = production(closed())
    app = client.application
    for rule in app.url_map.iter_rules():
        path = rule.rule
        for converter, value in (("<id:email_id>", "1"), ("<id:config_id>", "1")):
            path = path.replace(converter, value)
        path = path.replace("<status>", "sent").replace("<path:filename>", "docs.css")
        path = path.replace("<path:unknown>", "unknown")
        for method in rule.methods - {"OPTIONS"}:
            with client.open(path, method=method) as reply:
                if rule.endpoint in (LOGIN, STYLES):
                    continue
                if rule.rule.startswith("/dashboard"):
                    led_to_login = reply.status_code == 303 and "/login" in reply.location
                    assert led_to_login or reply.status_code in (401, 405), (method, path)
                    continue
                assert (reply.status_code == 401) == (rule.endpoint not in OPEN), (method, path)


def test_t_auth_1_a_key_in_the_query_or_the_body_is_none():
    application = closed()
    client = production(application)
    token = a_key(application, "admin")
    assert client.get("/api/emails", query_string={"api_key": token}).status_code == 401
    assert client.post("/api/emails", json={"X-API-Key": token}).status_code == 401


def test_t_auth_1_health_is_open_and_says_nothing_but_ok():
    reply = production(closed()).get("/healthz")
    assert (reply.status_code, reply.json) == (200, {"status": "ok"})


@pytest.mark.parametrize("header", ["X-API-Key", "Authorization"])
def test_a_key_is_taken_from_either_header(header):
    application = closed()
    token = a_key(application, "read")
    value = f"bearer {token}" if header == "Authorization" else token
    client = production(application)
    assert client.get("/api/emails", headers={header: value}).status_code == 200
    assert client.get("/api/openapi.json", headers={header: value}).status_code == 200


# -- T-AUTH-3: what is stored; T-AUTH-6: too many bad keys ----------------------------------------


def test_t_auth_3_a_wrong_key_takes_as_long_however_much_of_it_is_right():
    rules = ServicePolicy(delivery=delivery_rules(), access=AccessPolicy(strikes=10**9))
    application = an_application(rules=rules, closed=True)
    token = a_key(application, "send")
    nearly = token[:-1] + ("A" if token[-1] != "A" else "B")
    tokens = (nearly, token_of(token.split("_")[1], bytes(32)), UNKNOWN)
    took: dict[str, list[float]] = {one: [] for one in tokens}
    for number in range(10_000):
        one = tokens[number % len(tokens)]
        began = time.perf_counter()
        assert not entered(application, one)
        took[one].append(time.perf_counter() - began)
    medians = [statistics.median(times) for times in took.values()]
    assert max(medians) < 1.2 * min(medians)


def entered(application: Application, token: str) -> bool:
    try:
        application.access.authenticate(token, remote="192.0.2.1")
    except Unauthorized:
        return False
    return True


def test_t_auth_6_twenty_bad_keys_from_one_address_are_enough():
    observe = ListObserver()
    application = closed(observe=observe)
    client = production(application)
    bad = {"X-API-Key": UNKNOWN}
    answers = [client.get("/api/emails", headers=bad) for _ in range(21)]
    assert [reply.status_code for reply in answers] == [401] * 20 + [429]
    assert answers[-1].json["code"] == "too_many_requests"
    assert 1 <= int(answers[-1].headers["Retry-After"]) <= 60
    elsewhere = client.get(
        "/api/emails", headers=bad, environ_overrides={"REMOTE_ADDR": "192.0.2.7"}
    )
    assert elsewhere.status_code == 401
    assert {event.fields["key"] for event in observe.named("key_refused")} == {"ffffffff"}
    assert UNKNOWN.split("_")[2] not in repr(observe.events)


# -- T-AUTH-4: scopes -----------------------------------------------------------------------------

CALLS = (
    ("POST", "/api/emails", "send"),
    ("POST", "/api/emails/1/cancel", "send"),
    ("POST", "/api/emails/1/retry", "send"),
    ("POST", "/api/emails/1/resolve", "send"),
    ("GET", "/api/emails", "read"),
    ("HEAD", "/api/emails", "read"),
    ("GET", "/api/emails/1", "read"),
    ("GET", "/api/emails/1/explain", "read"),
    ("GET", "/api/emails/status/sent", "read"),
    ("GET", "/api/smtp-configs", "read"),
    ("GET", "/api/smtp-configs/1", "read"),
    ("POST", "/api/smtp-configs", "admin"),
    ("PUT", "/api/smtp-configs/1", "admin"),
    ("DELETE", "/api/smtp-configs/1", "admin"),
    ("POST", "/api/smtp-configs/1/pause", "admin"),
    ("POST", "/api/smtp-configs/1/resume", "admin"),
    ("POST", "/api/smtp-configs/1/verify", "admin"),
    ("POST", "/api/smtp-configs/1/doctor", "admin"),
    ("GET", "/metrics", "metrics"),
)


@pytest.mark.parametrize("scope", ["send", "read"])
@pytest.mark.parametrize(("method", "path", "needed"), CALLS)
def test_t_auth_4_a_call_without_its_scope_is_forbidden_before_its_body_is_read(
    method, path, needed, scope
):
    client = a_keyed_client(closed(), scope)
    reply = client.open(path, method=method, data=b"{bad", content_type="text/plain")
    assert (reply.status_code == 403) == (scope != needed)
    if reply.status_code == 403 and method != "HEAD":
        assert reply.json["code"] == "forbidden"
        assert needed in reply.json["detail"]


def test_t_auth_4_the_use_cases_themselves_ask_for_the_scope():

    application = closed()
    nobody = Caller(key_id=9, scopes=frozenset())
    account_service, queries = application.account_service, application.queries
    changes, doctor = application.email_changes, application.doctor
    calls = (
        lambda: account_service.create({}, caller=nobody),
        lambda: account_service.update(1, {}, caller=nobody),
        lambda: account_service.delete(1, caller=nobody),
        lambda: account_service.pause(1, caller=nobody),
        lambda: account_service.resume(1, caller=nobody),
        lambda: account_service.verify(1, caller=nobody),
        lambda: doctor.examine(1, advise=lambda *_: "", caller=nobody),
        lambda: queries.email(1, caller=nobody),
        lambda: queries.emails(limit=1, caller=nobody),
        lambda: application.account_queries.account(1, caller=nobody),
        lambda: application.account_queries.accounts(caller=nobody),
        lambda: changes.cancel(1, caller=nobody),
        lambda: changes.retry(1, caller=nobody),
        lambda: changes.resolve(1, as_sent=True, caller=nobody),
    )
    for call in calls:
        with pytest.raises(Forbidden):
            call()
    assert Scope.ADMIN not in nobody.scopes


def test_t_auth_4_any_key_may_ask_which_methods_there_are():
    for scope in ("send", "read"):
        reply = a_keyed_client(closed(), scope).options("/api/emails")
        assert (reply.status_code, reply.data) == (200, b"")


# -- T-AUTH-5: what is somebody else's ------------------------------------------------------------


def test_t_auth_5_without_admin_a_key_sees_only_what_it_submitted():
    application = closed()
    mine = a_keyed_client(application, "send", "read")
    other = a_keyed_client(application, "send", "read")
    email_id = mine.post("/api/emails", json=an_email_body()).json["email_id"]
    assert listed(mine) == listed(mine, "/api/emails/status/queued") == [email_id]
    assert listed(mine, "/api/emails?smtp_config_id=1&status=queued") == [email_id]
    assert listed(other) == listed(other, "/api/emails/status/queued") == []
    assert listed(a_keyed_client(application, "admin")) == [email_id, 1]
    nothing = "/api/emails/999"
    for path in (f"/api/emails/{email_id}", f"/api/emails/{email_id}/explain"):
        reply = other.get(path)
        assert reply.status_code == 404
        absent = other.get(nothing).json["error"].replace("999", str(email_id))
        assert reply.json["error"] == absent
        assert mine.get(path).status_code == 200


@pytest.mark.parametrize("call", ["cancel", "retry", "resolve"])
def test_t_auth_5_nobody_changes_an_email_of_somebody_elses(call):
    application = closed()
    other = a_keyed_client(application, "send", "read")
    body = {"as": "sent"} if call == "resolve" else None
    reply = other.post(f"/api/emails/1/{call}", json=body)
    assert (reply.status_code, reply.json["error"]) == (404, "there is no email 1")
    admin = a_keyed_client(application, "admin")
    assert admin.get("/api/emails/1").json["status"] == "queued"


def test_t_auth_5_the_pages_of_a_list_hold_only_ones_own():
    application = closed()
    mine, other = (a_keyed_client(application, "send", "read") for _ in range(2))
    for client in (mine, other) * 3:
        client.post("/api/emails", json=an_email_body())
    path, seen = "/api/emails?limit=2", []
    while path:
        reply = mine.get(path)
        seen += [one["id"] for one in reply.json]
        path = reply.headers.get("Link", "").partition(">")[0].removeprefix("<")
    assert seen == [6, 4, 2]


def test_t_auth_5_an_account_that_is_not_the_keys_is_not_there():
    application = closed()
    limited = a_keyed_client(application, "admin", accounts=frozenset({1}))
    assert listed(limited, "/api/smtp-configs") == [1]
    calls = (("GET", ""), ("PUT", ""), ("DELETE", ""), ("POST", "/pause"), ("POST", "/resume"))
    for method, path in (*calls, ("POST", "/verify"), ("POST", "/doctor")):
        body = {"active": False} if method == "PUT" else None
        reply = limited.open(f"/api/smtp-configs/2{path}", method=method, json=body)
        assert (reply.status_code, reply.json["code"]) == (404, "not_found")
        assert reply.json["error"] == "there is no SMTP configuration 2"
    assert limited.put("/api/smtp-configs/1", json={"active": True}).status_code == 200
    assert limited.post("/api/smtp-configs", json=a_config_body(name="x")).status_code == 403
    admin = a_keyed_client(application, "admin")
    assert admin.get("/api/smtp-configs/2").json["active"] is True


def test_t_auth_5_nothing_is_sent_through_an_account_that_is_not_the_keys():
    application = closed()
    limited = a_keyed_client(application, "send", "read", accounts=frozenset({2}))
    refused = limited.post("/api/emails", json=an_email_body(smtp_config_id=1))
    assert (refused.status_code, refused.json["error"]) == (404, "there is no SMTP configuration 1")
    absent = limited.post("/api/emails", json=an_email_body(smtp_config_id=9))
    assert absent.json["error"] == "there is no SMTP configuration 9"
    assert listed(limited) == []


def test_t_auth_5_unpinned_mail_of_a_limited_key_goes_through_its_accounts_only():
    sender = FakeSender()
    application = closed(sender=sender)
    limited = a_keyed_client(application, "send", "read", accounts=frozenset({2}))
    admin = a_keyed_client(application, "admin")
    admin.put("/api/smtp-configs/2", json={"active": False})
    email_id = limited.post("/api/emails", json=an_email_body()).json["email_id"]
    deliver(application)
    assert limited.get(f"/api/emails/{email_id}").json["status"] == "queued"
    admin.put("/api/smtp-configs/2", json={"active": True})
    deliver(application)
    assert limited.get(f"/api/emails/{email_id}").json["status"] == "sent"
    assert [taken.account_id for taken in sender.accepted] == [1, 2]


def test_t_auth_5_unpinned_mail_goes_to_the_roomiest_account_of_the_key():
    application = closed()
    admin = a_keyed_client(application, "admin")
    admin.post("/api/smtp-configs", json=a_config_body(name="third"))
    admin.put("/api/smtp-configs/2", json={"hourly_limit": 3})
    admin.put("/api/smtp-configs/1", json={"hourly_limit": 1000, "daily_limit": 9000})
    limited = a_keyed_client(application, "send", "read", accounts=frozenset({2, 3}))
    email_id = limited.post("/api/emails", json=an_email_body()).json["email_id"]
    assert limited.get(f"/api/emails/{email_id}").json["smtp_config"] == "third"


def test_t_auth_5_an_admin_of_one_account_sees_the_mail_of_that_account_only():
    application = closed()
    admin = a_keyed_client(application, "admin")
    admin.post("/api/emails", json=an_email_body(smtp_config_id=2))
    limited = a_keyed_client(application, "admin", accounts=frozenset({2}))
    assert listed(limited) == [2]
    assert limited.get("/api/emails/1").status_code == 404
    assert listed(limited, "/api/emails?smtp_config_id=1") == []


# -- T-IDEM ---------------------------------------------------------------------------------------


def test_t_idem_the_same_key_of_two_api_keys_means_two_emails():
    application = closed()
    head = {"Idempotency-Key": "order-1"}
    one, other = (a_keyed_client(application, "send") for _ in range(2))
    ids = [
        c.post("/api/emails", json=an_email_body(), headers=head).json for c in (one, other, one)
    ]
    assert [answer["email_id"] for answer in ids] == [2, 3, 2]


def test_t_idem_another_body_is_a_conflict():
    client = a_keyed_client(closed(), "send")
    head = {"Idempotency-Key": "order-1"}
    client.post("/api/emails", json=an_email_body(), headers=head)
    reply = client.post("/api/emails", json=an_email_body(subject="Other"), headers=head)
    assert (reply.status_code, reply.json["code"]) == (409, "idempotency_mismatch")


def test_t_idem_the_same_call_200_times_at_once_makes_one_email():
    application = an_application(
        closed=True, rules=ServicePolicy(delivery=delivery_rules(), access=AccessPolicy(burst=1000))
    )
    with_accounts(application)
    client = a_keyed_client(application, "send", "read")
    token = client.environ_base["HTTP_X_API_KEY"]

    def submit(_: int) -> int:
        own = client.application.test_client()
        head = {"Idempotency-Key": "order-1", "X-API-Key": token}
        return own.post("/api/emails", json=an_email_body(), headers=head).json["email_id"]

    with ThreadPoolExecutor(16) as threads:
        ids = set(threads.map(submit, range(200)))
    assert len(ids) == 1
    assert listed(client) == list(ids)


# -- T-DOS-2, T-ABUSE -----------------------------------------------------------------------------


def test_t_dos_2_one_key_is_held_back_and_the_others_are_not():
    clock = FakeClock()
    rules = ServicePolicy(delivery=delivery_rules(), access=AccessPolicy(rate=2, burst=20))
    application = closed(rules=rules, clock=clock)
    greedy, other = (a_keyed_client(application, "read") for _ in range(2))
    answers = [greedy.get("/api/emails") for _ in range(21)]
    assert [reply.status_code for reply in answers] == [200] * 20 + [429]
    first, last = answers[0].headers, answers[-1].headers
    assert (first["RateLimit-Limit"], first["RateLimit-Remaining"]) == ("20", "19")
    assert (last["RateLimit-Remaining"], last["RateLimit-Reset"]) == ("0", "10")
    assert last["Retry-After"] == "1"
    assert answers[-1].content_type == "application/problem+json"
    assert other.get("/api/emails").status_code == 200
    clock.tick(1)
    assert [greedy.get("/api/emails").status_code for _ in range(3)] == [200, 200, 429]


def test_t_dos_2_refusals_and_paths_that_are_not_there_count_too():
    rules = ServicePolicy(delivery=delivery_rules(), access=AccessPolicy(rate=1, burst=3))
    application = an_application(rules=rules, closed=True)
    client = a_keyed_client(application, "read")
    answers = [client.get("/api/nothing"), client.post("/api/emails"), client.put("/api/emails")]
    assert [reply.status_code for reply in answers] == [404, 403, 405]
    assert client.get("/api/emails").status_code == 429


def test_t_dos_2_open_development_has_no_limit():
    client = a_client()
    assert {client.get("/api/emails").status_code for _ in range(300)} == {200}


def test_t_abuse_a_key_names_only_so_many_recipients_in_a_rolling_day():
    clock = FakeClock()
    application = closed(clock=clock)
    client = a_keyed_client(application, "send", "read", daily_recipients=5)
    three = an_email_body(recipients=["a@b.org", "c@d.org"], cc=["e@f.org", "a@b.org"])
    assert client.post("/api/emails", json=three).status_code == 201
    refused = client.post("/api/emails", json=three)
    assert (refused.status_code, refused.json["code"]) == (429, "too_many_requests")
    assert int(refused.headers["Retry-After"]) == 25 * 3600
    assert client.post("/api/emails", json=an_email_body(cc=["x@y.org"])).status_code == 201
    assert client.post("/api/emails", json=an_email_body()).status_code == 429
    assert len(listed(client)) == 2
    clock.tick(25 * 3600 - 1)
    assert client.post("/api/emails", json=an_email_body()).status_code == 429
    clock.tick(1)
    assert client.post("/api/emails", json=an_email_body()).status_code == 201


def test_t_abuse_what_was_not_accepted_does_not_count():
    application = closed()
    client = a_keyed_client(application, "send", daily_recipients=1)
    head = {"Idempotency-Key": "k"}
    client.post("/api/emails", json=an_email_body(priority=9))
    client.post("/api/emails", json=an_email_body(smtp_config_id=9))
    for _ in range(3):
        assert client.post("/api/emails", json=an_email_body(), headers=head).status_code == 201
    assert client.post("/api/emails", json=an_email_body()).status_code == 429


def test_t_abuse_the_last_free_places_are_given_once():
    rules = ServicePolicy(delivery=delivery_rules(), access=AccessPolicy(burst=1000))
    application = closed(rules=rules)
    client = a_keyed_client(application, "send", "read", daily_recipients=10)
    token = client.environ_base["HTTP_X_API_KEY"]
    barrier = threading.Barrier(8)

    def submit(_: int) -> int:
        barrier.wait(30)
        own = client.application.test_client()
        body = an_email_body(cc=["x@y.org"])
        return own.post("/api/emails", json=body, headers={"X-API-Key": token}).status_code

    with ThreadPoolExecutor(8) as threads:
        answers = sorted(threads.map(submit, range(8)))
    assert answers == [201] * 5 + [429] * 3


def test_t_abuse_changes_leave_a_trail_with_the_keys_prefix():
    application = closed()
    client = a_keyed_client(application, "admin")
    prefix = client.environ_base["HTTP_X_API_KEY"].split("_")[1]
    client.put("/api/smtp-configs/1", json={"username": "me", "password": "planted-1"})
    client.post("/api/smtp-configs/1/pause")
    client.post("/api/smtp-configs/1/resume")
    client.post("/api/emails/1/cancel")
    client.delete("/api/smtp-configs/2")
    client.delete("/api/smtp-configs/9")
    entries = application.api_keys.audit(limit=100)
    assert [(e.action, e.subject) for e in entries if e.actor == prefix] == [
        ("account_deleted", "account 2"),
        ("email_cancelled", "email 1"),
        ("account_resumed", "account 1"),
        ("account_paused", "account 1"),
        ("account_updated", "account 1"),
    ]
    assert [e.action for e in entries[5:]] == [
        *["key_created", "account_created", "account_created", "key_created"]
    ]
    assert entries[4].detail == {"name": "main", "fields": "password, username"}
    assert "planted-1" not in repr(entries)


# -- T-SSRF ---------------------------------------------------------------------------------------

NEVER = (
    *("169.254.169.254", "[::ffff:169.254.169.254]", "100.100.100.200", "fd00:ec2::254"),
    *("64:ff9b::a9fe:a9fe", "0.0.0.0", "127.1", "0x7f000001", "2130706433", "224.0.0.1"),
)
PRIVATE = ("2002:7f00:1::", "::7f00:1", "127.0.0.1", "localhost", "10.0.0.7", "[::1]", "fd12::1")


def in_production(network: NetworkPolicy | None = None) -> FlaskClient:
    rules = ServicePolicy(delivery=delivery_rules(), network=network or NetworkPolicy())
    return a_keyed_client(closed(rules=rules), "admin")


@pytest.mark.parametrize("host", [*NEVER, *PRIVATE])
def test_t_ssrf_1_no_account_is_saved_on_a_server_that_may_not_be_reached(host):
    client = in_production()
    body = a_config_body(name="x", smtp_host=host)
    for reply in (
        client.post("/api/smtp-configs", json=body),
        client.put("/api/smtp-configs/1", json={"smtp_host": host}),
    ):
        assert reply.status_code == 400
        assert [error["pointer"] for error in reply.json["errors"]] == ["/smtp_host"]
    assert client.get("/api/smtp-configs/1").json["smtp_host"] == "smtp.example.com"
    assert len(listed(client, "/api/smtp-configs")) == 2


@pytest.mark.parametrize("host", NEVER)
def test_t_ssrf_1_what_is_never_reached_is_refused_in_development_too(host):
    reply = a_client().post("/api/smtp-configs", json=a_config_body(smtp_host=host))
    assert reply.status_code == 400


def test_t_ssrf_2_the_owner_may_allow_a_network_of_his_own():

    client = in_production(NetworkPolicy(allowed=(ip_network("10.1.0.0/16"),)))
    for host, status in (("10.1.2.3", 200), ("10.2.2.3", 400), ("169.254.169.254", 400)):
        reply = client.put("/api/smtp-configs/1", json={"smtp_host": host})
        assert reply.status_code == status


@pytest.mark.parametrize("port", [22, 80, 6379, 11211, 65535])
def test_t_ssrf_3_only_ports_of_mail_are_saved(port):
    client = in_production()
    created = client.post("/api/smtp-configs", json=a_config_body(name="x", smtp_port=port))
    changed = client.put("/api/smtp-configs/1", json={"smtp_port": port})
    for reply in (created, changed):
        assert [error["pointer"] for error in reply.json["errors"]] == ["/smtp_port"]
    assert client.put("/api/smtp-configs/1", json={"smtp_port": 2525}).status_code == 200


@pytest.mark.parametrize(
    "host", ["http://a.example", "file:///etc/passwd", "gopher://a", "user:pw@a.example", "a/b"]
)
def test_t_ssrf_3_a_url_is_no_host(host):
    assert in_production().put("/api/smtp-configs/1", json={"smtp_host": host}).status_code == 400


def test_t_ssrf_3_the_owner_may_allow_a_port():
    client = in_production(NetworkPolicy(ports=frozenset({587, 1025})))
    assert client.put("/api/smtp-configs/1", json={"smtp_port": 1025}).status_code == 200


def test_an_account_that_was_saved_before_can_still_be_switched_off():

    store = MemoryStore(clock=FakeClock())
    wide = ServicePolicy(
        delivery=delivery_rules(), network=NetworkPolicy(ports=DEFAULT_PORTS | {1025})
    )
    before = a_keyed_client(closed(store=store, rules=wide), "admin")
    before.put("/api/smtp-configs/1", json={"smtp_port": 1025})
    after = a_keyed_client(an_application(store=store, closed=True), "admin")
    assert after.put("/api/smtp-configs/1", json={"active": False}).status_code == 200
    assert after.put("/api/smtp-configs/1", json={"smtp_port": 1025}).status_code == 400


@pytest.mark.parametrize(
    ("stage", "problem"),
    [
        ("resolve", Problem.NOT_FOUND),
        ("resolve", Problem.BLOCKED),
        ("connect", Problem.REFUSED),
        ("connect", Problem.TIMEOUT),
        ("banner", Problem.PROTOCOL),
        ("banner", Problem.TIMEOUT),
    ],
)
def test_t_ssrf_4_without_admin_every_server_that_is_not_reached_reads_alike(stage, problem):
    sender = FakeSender(Script([Rule(stage, problem)]))
    application = closed(sender=sender)
    admin = a_keyed_client(application, "admin")
    admin.post("/api/emails/1/cancel")
    reader = a_keyed_client(application, "send", "read")
    email_id = reader.post("/api/emails", json=an_email_body(smtp_config_id=2)).json["email_id"]
    deliver(application)
    shown = reader.get(f"/api/emails/{email_id}").json
    [attempt] = shown["attempts"]
    said = (attempt["stage"], attempt["text"], attempt["reason"], attempt["duration_ms"])
    assert said == (
        "connect", "the mail server could not be reached", "unreachable", None,
    )  # fmt: skip
    assert shown["error_message"] in (None, "the mail server could not be reached")
    assert shown["reason_code"] in (None, "unreachable")
    told = reader.get(f"/api/emails/{email_id}/explain").text
    told += reader.get("/api/smtp-configs/2").text + json.dumps(shown)
    told += reader.get("/api/events").text
    assert "email.accepted" in told
    assert problem.value not in told
    [full] = admin.get(f"/api/emails/{email_id}").json["attempts"]
    assert full["stage"] == stage


# -- T-CSRF: other people's pages, and names that point at this machine ----------------------------


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:8000"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Host": "evil.example"},
        {"Host": "evil.example:5000"},
        {"Host": "127.0.0.1.evil.example"},
        {"Host": "[2001:db8::1]:5000"},
    ],
    ids=str,
)
def test_t_csrf_where_no_key_is_needed_no_other_site_may_ask(headers):
    client = a_client_with_config()
    for method, path in (("POST", "/api/smtp-configs/1/pause"), ("GET", "/api/emails")):
        reply = client.open(path, method=method, headers=headers)
        assert (reply.status_code, reply.json["code"]) == (403, "forbidden")
    assert client.get("/api/smtp-configs/1").json["state"] == "open"


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://localhost"},
        {"Host": "127.0.0.1:5000", "Origin": "http://127.0.0.1:5000"},
        {"Host": "[::1]:5000"},
        {"Host": "mail.localhost:5000"},
        {"Sec-Fetch-Site": "none"},
        {"Sec-Fetch-Site": "same-origin"},
    ],
    ids=str,
)
def test_t_csrf_this_machine_itself_may(headers):
    assert a_client_with_config().get("/api/emails", headers=headers).status_code == 200


def test_where_no_key_is_needed_only_this_machine_may_ask():
    reply = a_client().get("/api/emails", environ_overrides={"REMOTE_ADDR": "192.0.2.7"})
    assert reply.status_code == 403


def test_t_csrf_no_other_origin_is_ever_let_in_by_headers():
    application = closed()
    client = a_keyed_client(application, "admin")
    for method in ("OPTIONS", "GET", "POST"):
        reply = client.open(
            "/api/emails",
            method=method,
            headers={"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"},
        )
        assert not [name for name, _ in reply.headers if name.startswith("Access-Control")]
        assert "frame-ancestors 'none'" in reply.headers["Content-Security-Policy"]
        assert "Set-Cookie" not in reply.headers


# -- T-SEC ----------------------------------------------------------------------------------------


def spellings(secret: str) -> list[str]:
    """A secret as it may stand somewhere: plain, in base64 at any offset, quoted, as SMTP's."""

    octets = secret.encode()
    encoded = [
        base64.b64encode(b"x" * pad + octets)[4 if pad else 0 : -4].decode() for pad in range(3)
    ]
    return [secret, *encoded, quote(secret), octets.hex(), repr(octets)[2:-1]]


def test_t_sec_1_no_reply_holds_a_password_or_a_key():
    planted = "planted/p4ss wörd+0123456789"
    application = closed()
    client = a_keyed_client(application, "admin")
    token = client.environ_base["HTTP_X_API_KEY"]
    body = a_config_body(password=planted, name="third")
    replies = [
        client.post("/api/smtp-configs", json=body),
        client.post("/api/smtp-configs", json=body),
        client.put("/api/smtp-configs/3", json={"password": planted, "smtp_port": 0}),
        client.put("/api/smtp-configs/3", json={"password": planted + "\0"}),
        client.put("/api/smtp-configs/3", json={"password": [planted]}),
        client.put("/api/smtp-configs/3", json={"password": planted}),
        client.post("/api/smtp-configs/3/verify"),
        client.post("/api/emails", json=an_email_body(smtp_config_id=3)),
    ]
    deliver(application)
    for path in ("smtp-configs", "smtp-configs/3", "emails", "emails/2", "emails/2/explain"):
        replies.append(client.get(f"/api/{path}"))
    replies.append(client.get("/api/openapi.json"))
    for reply in replies:
        said = reply.text + str(reply.headers)
        for secret in (planted, token):
            assert not [one for one in spellings(secret) if one in said]
    assert client.get("/api/smtp-configs/3").json["password_set"] is True


def test_t_sec_2_another_secret_key_pauses_the_account_and_says_why():
    store = MemoryStore(clock=FakeClock())
    closed(store=store, vault=FernetVault("the first secret key"))
    other = FernetVault("quite another secret key")
    application = an_application(
        store=store, vault=other, sender=FakeSender(vault=other), closed=True
    )
    deliver(application)
    client = a_keyed_client(application, "admin")
    account = client.get("/api/smtp-configs/1").json
    assert (account["state"], account["pause_reason"]) == ("paused", "secret_unreadable")
    email = client.get("/api/emails/1").json
    assert (email["status"], email["retry_count"]) == ("queued", 0)
    client.put("/api/smtp-configs/1", json={"password": "entered again"})
    deliver(application)
    assert client.get("/api/emails/1").json["status"] == "sent"


def test_t_sec_2_a_ciphertext_copied_to_another_account_does_not_open():

    vault = FernetVault("a secret key")
    sealed = vault.seal("password", context="account:1")
    with pytest.raises(SecretUnreadable):
        vault.open(sealed, context="account:2")


def test_t_sql_text_from_outside_is_never_a_statement():
    client = a_keyed_client(closed(), "admin")
    evil = "' OR 1=1 --"
    assert client.get("/api/emails", query_string={"status": evil}).status_code == 400
    assert client.get("/api/emails", query_string={"cursor": evil}).status_code == 400
    assert client.get("/api/emails", query_string={"sort": evil}).status_code == 400
    assert client.post("/api/smtp-configs", json=a_config_body(name=evil)).status_code == 201
    assert client.get("/api/smtp-configs/3").json["name"] == evil
    key = {"Idempotency-Key": "'OR1=1--"}
    sent = [client.post("/api/emails", json=an_email_body(), headers=key) for _ in range(2)]
    assert [reply.json["email_id"] for reply in sent] == [2, 2]
    assert client.get("/api/emails", headers={"X-API-Key": evil}).status_code == 401


@pytest.mark.parametrize("text", ["a@" + "a." * 50_000, "%" * 100_000, "a@a" + ".a" * 50_000 + "@"])
def test_t_redos_a_long_text_is_refused_at_once(text):

    client = a_client_with_config()
    client.post("/api/emails", json=an_email_body())
    began = time.thread_time()
    assert client.post("/api/emails", json=an_email_body(recipients=[text])).status_code == 400
    assert client.get("/api/emails", query_string={"cursor": text}).status_code == 400
    assert is_within(time.thread_time() - began, 0.25)


def test_the_document_needs_a_key_in_production_only():
    application = closed()
    assert create_http(application, version="1").test_client().get("/api/openapi.json").status_code
    assert a_client(application).get("/api/openapi.json").status_code == 200
    assert production(application).get("/api/openapi.json").status_code == 401
    assert production(application).get("/docs").status_code == 200


@pytest.mark.parametrize(
    "name",
    [
        *["X-A\r\nBcc", "Bcc", "Resent-To", "Sender", "From", "Content-Type", "DKIM-Signature"],
        *["Received", "X-" + "a" * 200],
    ],
)
def test_t_hdr_4_no_header_of_ones_own_is_taken(name):
    client = a_client_with_config()
    assert client.post("/api/emails", json=an_email_body(headers={name: "x"})).status_code == 400
    assert listed(client) == []
