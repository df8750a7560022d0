"""The dashboard's pages of API keys and of the audit."""

import re

import pytest

from adapters.fakes.clock import FakeClock
from adapters.observers import ListObserver
from application import Application
from domain.access import Scope
from tests.applications import a_config_body, a_key, a_keyed_client, an_application
from tests.dashboard import Browser, a_browser, text_of

KEY = re.compile(r"es_[0-9a-f]{8}_[A-Za-z0-9_-]{43}")


@pytest.fixture
def application() -> Application:
    application = an_application(closed=True)
    admin = a_keyed_client(application, "admin")
    for name in ("one", "two"):
        assert admin.post("/api/smtp-configs", json=a_config_body(name=name)).status_code == 201
    return application


@pytest.fixture
def browser(application: Application) -> Browser:
    return a_browser(application)


def test_a_new_key_is_shown_once_and_works(application: Application, browser: Browser) -> None:
    reply = browser.post("/dashboard/keys", name="web shop", scopes=["send", "read"])

    assert (reply.status_code, reply.headers["Location"]) == (303, "/dashboard/keys/created")
    shown = browser.get("/dashboard/keys/created")
    assert shown.headers["Cache-Control"] == "no-store"
    (token,) = KEY.findall(shown.text)
    assert browser.get("/dashboard/keys/created").headers["Location"] == "/dashboard/keys"
    caller = application.access.authenticate(token, remote="192.0.2.1")
    assert caller.scopes == {Scope.SEND, Scope.READ}
    page = browser.get("/dashboard/keys")
    assert "web shop" in page.text
    assert not KEY.search(page.text)


def test_a_new_key_stands_in_no_address_no_log_and_no_cookie_in_clear() -> None:
    told = ListObserver()
    application = an_application(closed=True, observe=told)
    browser = a_browser(application)

    reply = browser.post("/dashboard/keys", name="web shop", scopes=["send"])
    cookies = " ".join(reply.headers.getlist("Set-Cookie"))
    (token,) = KEY.findall(browser.get("/dashboard/keys/created").text)

    secret = token.rpartition("_")[2]
    for text in (reply.headers["Location"], reply.text, cookies, str(told.events)):
        assert secret not in text
        assert secret.encode().hex() not in text


def test_a_new_key_is_shown_to_the_login_that_made_it_and_for_five_minutes() -> None:
    clock = FakeClock()
    application = an_application(closed=True, clock=clock)
    browser, other = a_browser(application), a_browser(application)
    cookie = "__Host-email_service_shown_once"

    browser.post("/dashboard/keys", name="web shop", scopes=["send"])
    kept = browser.client.get_cookie(cookie, domain="mail.example.org")
    assert kept is not None

    for value in (kept.value, "zz", "00", ""):
        other.client.set_cookie(cookie, value, domain="mail.example.org", secure=True)
        assert other.get("/dashboard/keys/created").status_code == 303
    clock.tick(300)
    assert browser.get("/dashboard/keys/created").status_code == 303


def test_what_a_key_is_limited_to_is_told_by_name(
    application: Application, browser: Browser
) -> None:
    a_key(application, "send", accounts=frozenset({1, 2}))

    assert "<bdi>one</bdi>, <bdi>two</bdi>" in browser.get("/dashboard/keys").text


def test_a_key_with_every_limit_has_them(application: Application, browser: Browser) -> None:
    browser.post(
        "/dashboard/keys",
        name="limited",
        scopes=["send"],
        smtp_config_ids=["2"],
        daily_recipients="50",
        expires_at="2099-01-31T09:30",
    )

    key = application.api_keys.all()[-1]

    assert (key.accounts, key.daily_recipients) == ({2}, 50)
    assert key.expires_at is not None
    assert key.expires_at.isoformat() == "2099-01-31T09:30:00+00:00"


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"name": "x"}, "scopes"),
        ({"name": "", "scopes": ["send"]}, "name"),
        ({"name": "x", "scopes": ["everything"]}, "scopes"),
        ({"name": "x", "scopes": ["send"], "daily_recipients": "many"}, "daily recipients"),
        ({"name": "x", "scopes": ["send"], "daily_recipients": "9" * 30}, "daily recipients"),
        ({"name": "x", "scopes": ["send"], "expires_at": "2001-01-01T00:00"}, "expires at"),
        ({"name": "x", "scopes": ["send"], "expires_at": "tomorrow"}, "expires at"),
        ({"name": "<b>typed</b>", "scopes": ["send"], "smtp_config_ids": ["x"]}, "smtp config ids"),
    ],
)
def test_what_is_wrong_stands_above_the_form_with_what_was_typed(
    application: Application, browser: Browser, fields: dict[str, object], told: str
) -> None:
    before = application.api_keys.all()

    reply = browser.post("/dashboard/keys", **fields)

    assert reply.status_code == 400
    assert told in text_of(reply)
    assert "<b>typed" not in reply.text
    assert application.api_keys.all() == before


def test_a_revoked_key_is_refused_and_stays_in_the_list(
    application: Application, browser: Browser
) -> None:
    token = a_key(application, "send")
    prefix = token.split("_")[1]

    assert browser.post(f"/dashboard/keys/{prefix}/revoke").status_code == 303

    assert "revoked" in text_of(browser.get("/dashboard/keys"))
    assert browser.post(f"/dashboard/keys/{prefix}/revoke").status_code == 409
    assert browser.post("/dashboard/keys/00000000/revoke").status_code == 404


def test_the_last_key_of_an_administrator_cannot_lock_everybody_out() -> None:
    application = an_application(closed=True)
    browser = a_browser(application)
    (key,) = application.api_keys.all()

    reply = browser.post(f"/dashboard/keys/{key.prefix}/revoke")

    assert reply.status_code == 409
    assert "last usable API key" in text_of(reply)


def test_who_revokes_the_key_of_this_login_is_out(application: Application) -> None:
    browser = a_browser(application)
    own = application.api_keys.all()[-1]

    assert browser.post(f"/dashboard/keys/{own.prefix}/revoke").status_code == 303
    assert browser.get("/dashboard/keys").headers["Location"].startswith("/dashboard/login")


def test_a_limited_key_makes_and_sees_limited_keys_only(application: Application) -> None:
    other = a_key(application, "send", accounts=frozenset({2}))
    browser = a_browser(application, accounts=frozenset({1}), daily_recipients=10)

    page = browser.get("/dashboard/keys")
    assert f"es_{other.split('_')[1]}" not in page.text
    assert "two" not in text_of(page)
    assert browser.post(f"/dashboard/keys/{other.split('_')[1]}/revoke").status_code == 404
    assert browser.post(
        "/dashboard/keys", name="x", scopes=["send"], smtp_config_ids=["2"]
    ).status_code in (403, 404)
    too_many = browser.post("/dashboard/keys", name="x", scopes=["send"], daily_recipients="11")
    assert too_many.status_code == 403
    assert browser.post("/dashboard/keys", name="x", scopes=["send"]).status_code == 303
    assert application.api_keys.all()[-1].accounts == {1}


def test_the_audit_tells_who_did_what_page_by_page(application: Application) -> None:
    admin = a_keyed_client(application, "admin")
    for number in range(120):
        admin.put("/api/smtp-configs/1", json={"display_name": f"Shop {number}"})
    browser = a_browser(application)

    first = browser.get("/dashboard/audit")
    assert "account updated account 1" in text_of(first)
    older = re.search(r'href="(/dashboard/audit\?before=\d+)"', first.text)
    assert older is not None
    last = browser.get(older[1])
    assert "account created account 1" in text_of(last)
    assert not re.search(r"before=", last.text.partition("<main")[2])


@pytest.mark.parametrize("place", ["0", "-1", "x", "9" * 30, "\N{SUPERSCRIPT TWO}"])
def test_a_place_that_is_none_is_not_found(browser: Browser, place: str) -> None:
    assert browser.get(f"/dashboard/audit?before={place}").status_code == 404
    assert browser.get(f"/dashboard/keys?after={place}").status_code == 404


def test_the_audit_is_not_for_a_limited_key(application: Application) -> None:
    browser = a_browser(application, accounts=frozenset({1}))

    assert browser.get("/dashboard/audit").status_code == 403


def test_without_any_key_the_page_says_what_the_first_one_ends() -> None:
    application = an_application()
    here = Browser(application, base="http://localhost:5000", remote="127.0.0.1")

    assert "give it the scope admin" in text_of(here.get("/dashboard/keys"))
    refused = here.post("/dashboard/keys", name="first", scopes=["send"])
    assert refused.status_code == 400
    assert "the first key needs admin" in text_of(refused)
    assert here.post("/dashboard/keys", name="first", scopes=["admin"]).status_code == 303
    assert KEY.search(here.get("/dashboard/keys/created").text)  # the browser is logged in by it
    other = Browser(application, base="http://localhost:5000", remote="127.0.0.1")
    assert other.get("/dashboard/keys").status_code == 303
