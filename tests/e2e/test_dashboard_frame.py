"""What stands around every page of the dashboard: the menu, and what is said after a form."""

import re
from collections.abc import Mapping
from html import unescape
from pathlib import Path

import pytest

import entrypoints.http
from adapters.fakes.clock import FakeClock
from adapters.message_reader import BoundedMessageReader
from adapters.sandbox_inbox import SandboxInbox
from application import Application
from entrypoints.http.sandbox import Sandbox
from tests.applications import a_config_body, a_key, a_keyed_client, an_application
from tests.dashboard import Browser, a_browser, text_of

NAV = re.compile(r'<nav aria-label="Pages">(.*?)</nav>', re.DOTALL)
ENTRY = re.compile(r'<a href="([^"]+)"[^>]*>([^<]+)</a>')
EVERY = [
    "Overview", "Emails", "Accounts", "Templates", "Newsletter", "Suppressions", "Webhooks",
    "Keys", "Audit",
]  # fmt: skip
LOOPBACK = {"base": "http://localhost:5000", "remote": "127.0.0.1"}


@pytest.fixture
def application() -> Application:
    application = an_application(closed=True)
    admin = a_keyed_client(application, "admin")
    for name in ("one", "two"):
        assert admin.post("/api/smtp-configs", json=a_config_body(name=name)).status_code == 201
    return application


def menu(browser: Browser) -> Mapping[str, str]:
    """The path of each entry by its label."""
    (found,) = NAV.findall(browser.get("/dashboard").text)
    return {label: unescape(path) for path, label in ENTRY.findall(found)}


# -- the menu --------------------------------------------------------------------------------------


@pytest.mark.parametrize("accounts", [None, frozenset({1})])
def test_the_menu_has_exactly_what_may_be_opened(
    application: Application, accounts: frozenset[int] | None
) -> None:
    every = menu(a_browser(application))
    assert list(every) == EVERY
    browser = a_browser(application, accounts=accounts)

    shown = menu(browser)

    opened = {label for label, path in every.items() if browser.get(path).status_code == 200}
    assert set(shown) == opened


def test_who_is_not_logged_in_sees_no_menu(application: Application) -> None:
    assert not NAV.search(Browser(application).get("/dashboard/login").text)


def test_the_address_with_a_slash_leads_to_the_overview(application: Application) -> None:
    reply = a_browser(application).get("/dashboard/")
    assert (reply.status_code, reply.headers.get("Location")) == (303, "/dashboard")


def test_the_address_with_a_slash_asks_a_stranger_to_log_in(application: Application) -> None:
    reply = Browser(application).get("/dashboard/")
    assert (reply.status_code, reply.headers["Location"][:16]) == (303, "/dashboard/login")


# -- what is said after a form ---------------------------------------------------------------------


def paused(application: Application) -> tuple[Browser, str]:
    """A browser that has paused an account, and the page that it was led to."""
    browser = a_browser(application)
    reply = browser.post("/dashboard/accounts/1/pause", reason="moving")
    assert reply.status_code == 303
    return browser, reply.headers["Location"]


def test_what_was_done_is_said_once_and_not_in_the_address(application: Application) -> None:
    browser, place = paused(application)
    assert place == "/dashboard/accounts/1"

    assert "Paused: nothing is handed off" in text_of(browser.get(place))

    assert "Paused: nothing is handed off" not in text_of(browser.get(place))
    assert "Paused: nothing is handed off" not in text_of(browser.get("/dashboard/accounts"))


def test_what_asks_for_freshness_does_not_take_the_notice_away(application: Application) -> None:
    browser, place = paused(application)

    polled = browser.get("/dashboard/accounts", headers={"HX-Request": "true"})

    assert "Paused: nothing is handed off" not in text_of(polled)
    assert "Paused: nothing is handed off" in text_of(browser.get(place))


def test_a_notice_is_one_of_ours_whatever_an_address_or_a_cookie_says(
    application: Application,
) -> None:
    browser = a_browser(application)
    assert "Saved" not in text_of(browser.get("/dashboard/accounts?done=saved"))
    for name in ("<b>forged</b>", "x" * 1000, "\N{SNOWMAN}"):
        browser.client.set_cookie(
            "__Host-email_service_notice", name, domain="mail.example.org", secure=True
        )

        page = browser.get("/dashboard/accounts")

        assert page.status_code == 200
        assert "notice" not in page.text.partition("<main")[2]


# -- the sandbox -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("where", "shown"),
    [(LOOPBACK, True), ({}, False)],
)
def test_the_sandbox_is_in_the_menu_for_who_may_open_it(
    application: Application, where: dict[str, str], shown: bool
) -> None:
    browser = Browser(application, **where)
    inbox = SandboxInbox(clock=FakeClock(), reader=BoundedMessageReader(), port=0)
    browser.client.application.register_blueprint(Sandbox(inbox).routes())
    browser.log_in(a_key(application, "admin"))

    assert menu(browser).get("Sandbox") == ("/sandbox" if shown else None)
    assert browser.get("/sandbox").status_code == (200 if shown else 403)


# -- one word for one thing ------------------------------------------------------------------------


def test_pages_say_account_and_not_what_the_api_calls_it() -> None:
    http = Path(entrypoints.http.__file__).parent
    files = [*(http / "templates" / "dashboard").glob("*.html"), *(http / "dashboard").glob("*.py")]
    found = [file.name for file in files if "SMTP configuration" in file.read_text()]
    assert found == ["words.py"], "only the translation names it"


def test_an_error_of_a_use_case_says_account_too(application: Application) -> None:
    browser = a_browser(application, accounts=frozenset({1}))

    told = text_of(browser.get("/dashboard/audit"))

    assert "limited to some accounts" in told
