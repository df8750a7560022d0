"""Behind a proxy: who is counted, what links look like, and who is refused."""

import json
import re
from ipaddress import ip_network

import pytest

from domain.access import token_of
from tests.applications import (
    a_client,
    a_config_body,
    a_key,
    a_keyed_client,
    an_application,
    an_email_body,
)

TRUSTED = (ip_network("127.0.0.1"),)
OUTER = {
    "X-Forwarded-For": "203.0.113.7",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Host": "mail.example.com",
    "X-Forwarded-Prefix": "/mail",
}
PROXY_HEADERS = (
    {"Forwarded": "for=127.0.0.1"},
    {"Via": "1.1 squid"},
    {"X-Real-IP": "127.0.0.1"},
    {"X-Forwarded-For": "127.0.0.1"},
    {"X-Forwarded-Proto": "http"},
    {"X-Forwarded-Host": "localhost"},
    {"X-Forwarded-Prefix": "/"},
    {"X-Forwarded-Port": "5000"},
    {"X-Forwarded-Server": "x"},
    {"X-Forwarded-For": "nonsense"},
)
WRONG = token_of("ffffffff", bytes(32))
PATHS = ("/", "/docs", "/healthz", "/readyz", "/api/emails", "/api/openapi.json", "/nothing")


@pytest.fixture
def client():
    """Somebody with a key, whose requests come through a trusted proxy."""
    return a_keyed_client(an_application(), "admin", rules={"trusted_proxies": TRUSTED})


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("headers", PROXY_HEADERS, ids="".join)
@pytest.mark.parametrize("trusted", [(), TRUSTED], ids=["nobody", "trusted"])
def test_an_open_api_refuses_every_request_through_a_proxy(path, headers, trusted):
    client = a_client(trusted_proxies=trusted)
    reply = client.get(path, headers=headers)
    assert reply.status_code == 403
    assert reply.json["code"] == "forbidden"
    assert client.get(path).status_code in (200, 404)


@pytest.mark.parametrize("headers", PROXY_HEADERS[:-1], ids="".join)
@pytest.mark.parametrize("trusted", [(), TRUSTED], ids=["nobody", "trusted"])
def test_a_request_with_a_key_through_a_proxy_is_served(headers, trusted):
    client = a_keyed_client(an_application(), "read", rules={"trusted_proxies": trusted})
    assert client.get("/api/emails", headers=headers).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Forwarded-For": "nonsense"},
        {"X-Forwarded-Proto": "gopher"},
        {"X-Forwarded-Host": "a b"},
        {"X-Forwarded-Prefix": "//evil.example"},
    ],
    ids="".join,
)
def test_a_malformed_header_of_a_trusted_proxy_is_refused_and_named(client, headers):
    reply = client.get("/api/emails", headers=headers)
    assert (reply.status_code, reply.json["code"]) == (400, "invalid_input")
    assert reply.json["detail"].startswith(f"{next(iter(headers))} must")
    direct = client.get("/api/emails", headers=headers, environ_base={"REMOTE_ADDR": "203.0.113.7"})
    assert direct.status_code == 200


def test_wrong_keys_are_counted_for_each_client_and_not_for_the_proxy():
    client = a_client(an_application(closed=True), trusted_proxies=TRUSTED)
    wrong = {"X-API-Key": WRONG}

    def status(address):
        headers = {**wrong, "X-Forwarded-For": address}
        return client.get("/api/emails", headers=headers).status_code

    assert [status("203.0.113.7") for _ in range(21)] == [401] * 20 + [429]
    assert status("203.0.113.8") == 401
    assert status("203.0.113.7") == 429
    assert status("198.51.100.1, 203.0.113.7") == 429, (
        "what a client says of itself counts for nothing"
    )


def test_wrong_keys_of_a_peer_that_is_not_trusted_are_its_own():
    client = a_client(an_application(closed=True), trusted_proxies=TRUSTED)
    statuses = [
        client.get(
            "/api/emails",
            headers={"X-API-Key": WRONG, "X-Forwarded-For": f"203.0.113.{number}"},
            environ_base={"REMOTE_ADDR": "198.51.100.1"},
        ).status_code
        for number in range(21)
    ]
    assert statuses == [401] * 20 + [429]


def test_locations_and_links_carry_the_prefix(client):
    created = client.post("/api/smtp-configs", json=a_config_body(), headers=OUTER)
    assert created.headers["Location"] == "/mail/api/smtp-configs/1"
    accepted = client.post("/api/emails", json=an_email_body(), headers=OUTER)
    assert accepted.headers["Location"] == "/mail/api/emails/1"
    client.post("/api/emails", json=an_email_body(), headers=OUTER)
    first = client.get("/api/emails?limit=1", headers=OUTER)
    path = re.fullmatch(r'</mail(/api/emails\?.*)>; rel="next"', first.headers["Link"])[1]
    second = client.get(path, headers=OUTER)
    assert [one["id"] for one in (*first.json, *second.json)] == [2, 1]


def test_the_document_names_the_address_that_the_proxy_has(client):
    for _ in range(2):
        served = client.get("/api/openapi.json", headers=OUTER).json["servers"]
        assert served == [{"url": "https://mail.example.com/mail"}]
        assert client.get("/api/openapi.json").json["servers"] == [{"url": "/"}]


def test_the_pages_carry_the_prefix_and_the_outer_address(client):
    for path in ("/", "/docs"):
        page = client.get(path, headers={**OUTER, "Accept": "text/html"}).text
        for link in re.findall(r'(?:href|src)="([^"]*)"', page):
            assert link.startswith(("/mail/", "#", "https://www.rfc-editor.org/")), link
        assert "https://mail.example.com/mail/api/emails" in page
        assert "http://localhost" not in page
    assert client.get("/", headers=OUTER).json["links"]["docs"] == "/mail/docs"


def test_t_xss_a_proxys_headers_cannot_inject_into_a_page(client):
    for name in ("X-Forwarded-Host", "X-Forwarded-Prefix"):
        reply = client.get("/docs", headers={**OUTER, name: "/x'><script>alert(1)</script>"})
        assert reply.status_code == 400
        assert "<script>" not in reply.text


@pytest.mark.parametrize("host", ["evil.example", "evil.example:5000"])
def test_a_rebound_name_cannot_pose_as_a_trusted_proxy(sandboxed, host):
    """A page of such a name may send any header from this machine, but not another Host."""
    told = {"X-Forwarded-Host": "localhost", "X-Forwarded-For": "127.0.0.1"}
    assert sandboxed.get("/sandbox", headers={**told, "Host": host}).status_code == 403
    assert sandboxed.get("/sandbox", headers={"Host": host}).status_code == 403


@pytest.fixture
def sandboxed():
    """A service with a key and an inbox, behind a proxy on this machine."""
    from adapters.fakes.clock import FakeClock
    from adapters.message_reader import BoundedMessageReader
    from adapters.sandbox_inbox import SandboxInbox
    from entrypoints.http.sandbox import Sandbox

    application = an_application()
    a_key(application, "admin")
    client = a_client(application, trusted_proxies=TRUSTED)
    inbox = SandboxInbox(clock=FakeClock(), reader=BoundedMessageReader())
    inbox.keep("ada@example.com", ["bob@example.com"], b"Subject: Hello\r\n\r\nHi")
    client.application.register_blueprint(Sandbox(inbox).routes())
    return client


def test_the_sandbox_is_shown_through_a_proxy_to_this_machine_alone(sandboxed):
    here = {"X-Forwarded-For": "127.0.0.1", "X-Forwarded-Host": "localhost:8080"}
    assert sandboxed.get("/sandbox", headers=here).status_code == 200
    for elsewhere in (
        {**here, "X-Forwarded-For": "203.0.113.7"},
        {**here, "X-Forwarded-Host": "mail.example.com"},
        {**here, "X-Forwarded-Host": "localhost.evil.example"},
        {**here, "Origin": "http://evil.example"},
        {**here, "Sec-Fetch-Site": "cross-site"},
    ):
        assert sandboxed.get("/sandbox", headers=elsewhere).status_code == 403
    same = {**here, "X-Forwarded-Proto": "https", "Origin": "https://localhost:8080"}
    assert sandboxed.get("/sandbox", headers=same).status_code == 200


@pytest.mark.parametrize("path", ["/sandbox", "/sandbox/1"])
def test_the_sandbox_carries_the_prefix(sandboxed, path):
    here = {**OUTER, "X-Forwarded-For": "127.0.0.1", "X-Forwarded-Host": "localhost:8443"}
    page = sandboxed.get(path, headers=here).text
    for link in re.findall(r'(?:href|src|data-feed|formaction)="([^"]*)"', page):
        assert link.startswith("/mail/sandbox"), link


def test_the_sandbox_sends_a_browser_back_to_the_prefix(sandboxed):
    here = {**OUTER, "X-Forwarded-For": "127.0.0.1", "X-Forwarded-Host": "localhost:8443"}
    reply = sandboxed.post("/sandbox/1/unread", headers=here)
    assert (reply.status_code, reply.location) == (303, "/mail/sandbox")


@pytest.mark.parametrize("path", ["/sandbox/1/delete", "/sandbox/delete", "/sandbox/1/unread"])
@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:3000"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"X-Forwarded-For": "203.0.113.7"},
    ],
    ids=str,
)
def test_no_other_site_changes_the_sandbox(sandboxed, path, headers):
    before = sandboxed.get("/sandbox/messages.json").get_json()
    assert sandboxed.post(path, headers=headers).status_code == 403
    assert sandboxed.get("/sandbox/messages.json").get_json() == before


def test_a_malformed_header_does_not_bypass_the_key():
    closed = a_client(an_application(closed=True), trusted_proxies=TRUSTED)
    reply = closed.get("/api/emails", headers={"X-Forwarded-For": "127.0.0.1"})
    assert reply.status_code == 401


def test_the_address_of_a_client_is_what_is_reported_of_a_wrong_key():
    application = an_application(closed=True)
    client = a_client(application, trusted_proxies=TRUSTED)
    client.get("/api/emails", headers={"X-API-Key": WRONG, "X-Forwarded-For": "203.0.113.7"})
    told = application.access._observe.events[-1]
    assert told.fields["remote"] == "203.0.113.7"
    json.dumps(told.fields)
