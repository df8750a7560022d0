"""A person authorizes an SMTP configuration: the call, the way through the provider, and back."""

import logging
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from adapters.fakes.authorization_server import FakeAuthorizationServer
from adapters.fakes.clock import FakeClock
from adapters.fakes.memory_store import MemoryStore
from adapters.fakes.oauth_provider import PlayedAnswer, PlayedProvider
from adapters.fakes.vault import FakeVault
from adapters.observers import ListObserver
from application import Application, ServicePolicy
from domain.account.account import Account
from domain.account.oauth_credentials import sealed_for
from tests.applications import (
    a_client,
    a_config_body,
    a_key,
    an_application,
    delivery_rules,
)

CLIENT = "11111111-2222-3333-4444-555555555555"
SECRET = "the-client-secret-of-a-test"
PUBLIC_URL = "https://mail.example.com/post"
PAGE = {"Sec-Fetch-Site": "same-origin"}


class Service:
    """A service with one configuration that nobody has authorized, and the provider."""

    def __init__(
        self, *, public_url: str | None = PUBLIC_URL, closed: bool = False, **auth: Any
    ) -> None:
        self.clock = FakeClock()
        self.store = MemoryStore(clock=self.clock)
        self.vault = FakeVault()
        self.heard = ListObserver()
        self.provider = PlayedProvider(clock=self.clock, clients={CLIENT: SECRET})
        self.server = FakeAuthorizationServer(self.provider)
        self.application: Application = an_application(
            rules=ServicePolicy(delivery=delivery_rules(), public_url=public_url),
            closed=closed,
            store=self.store,
            clock=self.clock,
            vault=self.vault,
            observe=self.heard,
            authorization=self.server,
        )
        self.client = a_client(self.application)
        if closed:
            self.client.environ_base["HTTP_X_API_KEY"] = a_key(self.application, "admin")
        body = a_config_body()
        del body["password"]
        block = {
            "type": "oauth",
            "provider": "microsoft",
            "flow": "authorization_code",
            "client_id": CLIENT,
            "client_secret": SECRET,
            **auth,
        }
        made = self.client.post("/api/smtp-configs", json={**body, "auth": block})
        assert made.status_code == 201, made.text

    def begin(self, **how: Any) -> Any:
        reply = self.client.post("/api/smtp-configs/1/authorize", **how)
        assert reply.status_code == 200, reply.text
        return reply.json

    def way(self, *, error: str = "", **how: Any) -> str:
        """Begin, consent, and the path that the browser is sent back to."""
        back = urlsplit(self.provider.consent(self.begin(**how)["authorize_url"], error=error))
        return f"/oauth/callback?{back.query}"

    def shown(self) -> Any:
        return self.client.get("/api/smtp-configs/1").json

    def sends(self) -> bool:
        shown = self.shown()
        return (shown["state"], shown["auth"]["authorized"]) == ("open", True)

    def browser(self) -> FlaskClient:
        """Someone who has no key and no cookie."""
        return a_client(self.application)


def is_page(reply: TestResponse) -> bool:
    return reply.content_type == "text/html; charset=utf-8"


def test_a_person_consents_and_the_configuration_sends():
    service = Service()

    reply = service.browser().get(service.way())

    assert reply.status_code == 200
    assert is_page(reply)
    assert "<b>main</b>" in reply.text
    assert service.sends()
    stored = service.store.read(lambda tx: tx.credentials.find(1))
    token = service.vault.open(stored.sealed_access, context=sealed_for(1, "access"))
    assert service.provider.takes(token)
    assert service.shown()["auth"]["authorized_at"]
    entry = service.store.read(lambda tx: tx.audit.latest(limit=1))[0]
    assert (entry.action, entry.subject) == ("account_authorized", "account 1")
    assert service.heard.named("account_authorized")


def test_what_is_answered_says_where_to_consent_and_until_when():
    service = Service()

    begun = service.begin()

    assert begun["flow"] == "authorization_code"
    assert begun["expires_at"] == "2026-01-05T09:10:00.000000Z"
    assert begun["user_code"] is None
    query = parse_qs(urlsplit(begun["authorize_url"]).query)
    assert query["redirect_uri"] == [f"{PUBLIC_URL}/oauth/callback"]
    assert query["code_challenge_method"] == ["S256"]
    assert query["login_hint"] == ["shop@example.com"]
    assert len(query["state"][0]) == 43


def test_the_way_back_is_never_named_by_a_request():
    service = Service(public_url=None)

    begun = service.begin(
        headers={"Host": "evil.localhost"}, environ_overrides={"SERVER_PORT": "5000"}
    )

    query = parse_qs(urlsplit(begun["authorize_url"]).query)
    assert query["redirect_uri"] == ["http://127.0.0.1:5000/oauth/callback"]


def test_in_production_the_way_back_is_the_public_url_or_none():
    service = Service(public_url=None, closed=True)

    reply = service.client.post("/api/smtp-configs/1/authorize")

    assert reply.status_code == 409
    assert "PUBLIC_URL" in reply.json["detail"]


def test_a_state_is_used_once():
    service = Service()
    way = service.way()
    browser = service.browser()
    assert browser.get(way).status_code == 200
    before = service.store.read(lambda tx: tx.credentials.find(1))

    again = browser.get(way)

    assert again.status_code == 404
    assert is_page(again)
    assert service.store.read(lambda tx: tx.credentials.find(1)) == before


def test_a_state_is_over_after_10_minutes():
    service = Service()
    in_time, late = service.way(), service.way()
    service.clock.tick(599)
    assert service.browser().get(in_time).status_code == 200
    service.clock.tick(1)
    assert service.browser().get(late).status_code == 404


def test_a_head_does_not_use_a_state_up():
    service = Service()
    way = service.way()

    assert service.browser().head(way).status_code == 405
    assert service.browser().get(way).status_code == 200


@pytest.mark.parametrize(
    "query",
    ["", "state=", "state=x&code=y", f"code=c&state={'A' * 43}", "code=%00&state=%ff", "error=<b>"],
)
def test_whatever_else_comes_back_gets_a_page_that_repeats_nothing(query):
    service = Service()
    plain = service.browser().get("/oauth/callback")

    reply = service.browser().get(f"/oauth/callback?{query}&marker=MARKED")

    assert reply.status_code == 404
    assert reply.data == plain.data


def test_a_state_that_stands_twice_is_none():
    service = Service()
    way = service.way()

    assert service.browser().get(f"{way}&state=x").status_code == 404
    assert service.browser().get(way).status_code == 200


def test_what_other_parameters_say_does_not_matter():
    service = Service()

    assert service.browser().get(f"{service.way()}&session_state=1&iss=x").status_code == 200


@pytest.mark.parametrize(
    ("error", "told"),
    [("access_denied", "access_denied"), ("<script>alert(1)</script>", "an error without a name")],
)
def test_a_person_who_refuses_changes_nothing(error, told):
    service = Service()
    way = service.way(error=error)

    reply = service.browser().get(way)

    assert reply.status_code == 409
    assert told in reply.text
    assert "<script" not in reply.text
    assert service.shown()["pause_reason"] == "needs_consent"
    assert service.browser().get(way).status_code == 404


def test_a_code_that_the_provider_refuses_changes_nothing():
    service = Service()
    way = service.way()
    service.provider.instead.append(PlayedAnswer.error("invalid_grant", "code=secret-thing"))

    reply = service.browser().get(way)

    assert reply.status_code == 409
    assert not service.sends()


def test_a_provider_that_is_away_is_told_as_such():
    service = Service()
    way = service.way()
    service.provider.instead.append(PlayedAnswer(status=503))

    reply = service.browser().get(way)

    assert reply.status_code == 503
    assert is_page(reply)
    assert not service.sends()


def test_a_provider_that_gives_no_refresh_token_has_not_authorized():
    service = Service()
    way = service.way()
    service.provider.instead.append(PlayedAnswer.json(access_token="a", expires_in=3600))

    reply = service.browser().get(way)

    assert reply.status_code == 409
    assert "refresh token" in reply.text
    assert not service.sends()


def test_what_a_page_began_ends_in_the_same_browser_only():
    service = Service()
    own, stolen = service.way(headers=PAGE), service.way(headers=PAGE)

    assert service.browser().get(stolen).status_code == 404
    assert not service.sends()
    # the cookie is of the second one now
    assert service.client.get(own).status_code == 404
    assert not service.sends()


def test_the_cookie_of_a_page_goes_to_the_callback_only():
    service = Service()
    reply = service.client.post("/api/smtp-configs/1/authorize", headers=PAGE)

    cookie = reply.headers["Set-Cookie"]

    for part in ("HttpOnly", "SameSite=Lax", "Secure", "Path=/post/oauth/callback", "Max-Age=600"):
        assert part in cookie
    plain = service.client.post("/api/smtp-configs/1/authorize")
    assert "Set-Cookie" not in plain.headers


def test_what_a_page_began_ends_in_its_browser():
    service = Service(public_url="http://localhost")
    way = service.way(headers=PAGE)

    reply = service.client.get(way, base_url="http://localhost")

    assert reply.status_code == 200
    assert service.sends()


def test_the_callback_needs_no_key_and_comes_from_another_site():
    service = Service(closed=True)

    reply = service.browser().get(
        service.way(),
        headers={"Sec-Fetch-Site": "cross-site", "Referer": "https://login.example.com/"},
        environ_overrides={"REMOTE_ADDR": "203.0.113.9"},
    )

    assert reply.status_code == 200


def test_the_page_loads_nothing_from_elsewhere_and_is_not_kept():
    service = Service()
    reply = service.browser().get(service.way())

    assert reply.headers["Cache-Control"] == "no-store"
    assert reply.headers["Referrer-Policy"] == "no-referrer"
    assert "default-src 'none'" in reply.headers["Content-Security-Policy"]
    with service.browser().get("/oauth/static/public.css") as style:
        assert style.status_code == 200


def test_a_change_of_the_configuration_meanwhile_ends_it():
    service = Service()
    way = service.way()
    service.client.put("/api/smtp-configs/1", json={"smtp_host": "elsewhere.example.com"})

    assert service.browser().get(way).status_code == 409
    assert not service.sends()


def test_a_key_that_was_revoked_meanwhile_ends_it():
    service = Service(closed=True)
    way = service.way()
    [key, *_] = service.application.api_keys.all()
    service.application.api_keys.revoke(key.prefix)

    assert service.browser().get(way).status_code == 404


def test_only_admins_of_the_configuration_begin():
    service = Service(closed=True)
    for scope, status in (("read", 403), ("send", 403), ("admin", 200)):
        client = a_client(service.application)
        client.environ_base["HTTP_X_API_KEY"] = a_key(service.application, scope)
        assert client.post("/api/smtp-configs/1/authorize").status_code == status
    limited = a_client(service.application)
    limited.environ_base["HTTP_X_API_KEY"] = a_key(
        service.application, "admin", accounts=frozenset({1})
    )
    assert limited.post("/api/smtp-configs/1/authorize").status_code == 200
    assert limited.post("/api/smtp-configs/2/authorize").status_code == 404


@pytest.mark.parametrize(
    "block",
    [
        {"flow": "client_credentials", "tenant": "example.org"},
    ],
)
def test_what_no_person_authorizes_is_a_conflict(block):
    service = Service(**block)

    assert service.client.post("/api/smtp-configs/1/authorize").status_code == 409


def test_what_has_a_password_is_a_conflict():
    client = a_client()
    client.post("/api/smtp-configs", json=a_config_body())

    assert client.post("/api/smtp-configs/1/authorize").status_code == 409
    assert client.post("/api/smtp-configs/2/authorize").status_code == 404


def test_a_device_is_asked_for_by_the_sweep():
    service = Service(flow="device")
    begun = service.begin()
    assert (begun["flow"], begun["authorize_url"]) == ("device", None)
    assert begun["verification_uri"].startswith("https://")

    for _ in range(3):
        service.clock.tick(30)
        service.application.maintenance.sweep()
    assert not service.sends()
    service.provider.answer_device(begun["user_code"])
    service.clock.tick(30)
    service.application.maintenance.sweep()

    assert service.sends()
    assert service.provider.asked["urn:ietf:params:oauth:grant-type:device_code"] == 4
    service.clock.tick(30)
    service.application.maintenance.sweep()
    assert service.provider.asked["urn:ietf:params:oauth:grant-type:device_code"] == 4


def test_who_waits_at_a_device_is_told_of_what_the_sweep_was_given():
    service = Service(flow="device")
    authorizations = service.application.authorizations
    begun = authorizations.begin_device(1)
    service.provider.answer_device(begun.shown.user_code)
    service.clock.tick(30)
    service.application.maintenance.sweep()
    assert service.sends()

    account = authorizations.ask_device(begun)

    assert isinstance(account, Account)
    assert account.id == 1


def test_who_waits_at_a_device_is_told_of_what_the_sweep_asks_for_just_now():
    service = Service(flow="device")
    authorizations = service.application.authorizations
    begun = authorizations.begin_device(1)
    service.provider.answer_device(begun.shown.user_code)
    service.clock.tick(30)

    def sweep():
        service.server.meanwhile = lambda: None
        service.application.maintenance.sweep()

    service.server.meanwhile = sweep

    account = authorizations.ask_device(begun)

    assert isinstance(account, Account)
    assert service.sends()


def test_a_device_whose_provider_is_away_keeps_no_other_one_waiting():
    service = Service(flow="device")
    first = service.begin()
    service.clock.tick(1)
    second = service.begin()
    service.provider.answer_device(second["user_code"])
    service.provider.instead.append(PlayedAnswer(status=503))  # to the first
    service.clock.tick(30)

    service.application.maintenance.sweep()

    assert first["user_code"] != second["user_code"]
    assert service.sends()


@pytest.mark.parametrize("late", [False, True])
def test_a_device_that_is_refused_or_late_is_not_asked_for_again(late):
    service = Service(flow="device")
    begun = service.begin()
    if late:
        service.clock.tick(901)
    else:
        service.provider.answer_device(begun["user_code"], yes=False)
        service.clock.tick(30)

    for _ in range(3):
        service.application.maintenance.sweep()
        service.clock.tick(30)

    assert not service.sends()
    assert service.store.read(lambda tx: tx.authorizations.devices()) == []
    assert len(service.heard.named("authorization_failed")) == (0 if late else 1)


def test_nothing_secret_of_an_authorization_is_stored_or_logged_in_the_clear(caplog):
    caplog.set_level(logging.DEBUG)
    service = Service()
    begun = service.begin()
    url = begun["authorize_url"]
    state = parse_qs(urlsplit(url).query)["state"][0]
    row = service.store.read(lambda tx: list(tx.authorizations._rows.values()))
    back = service.provider.consent(url)
    code = parse_qs(urlsplit(back).query)["code"][0]

    page = service.browser().get(f"/oauth/callback?{urlsplit(back).query}")

    told = f"{row} {caplog.text} {service.heard.events} {page.text} {page.headers}"
    told += str(service.store.read(lambda tx: (tx.audit.latest(limit=9), tx.credentials.all())))
    for secret in (state, code, SECRET):
        assert secret not in told
