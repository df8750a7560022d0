"""Every page of the dashboard in Chromium: looked at by axe-core, and fed with hostile text.

The pages are those that there are: a new one is looked at without a word here, and needs
no more than an example of its parameters in `filled`.
"""

import gzip
import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, Final
from urllib.request import urlopen

import attrs
import pytest

from adapters.clock import SystemClock
from entrypoints.http.times import rfc3339
from tests.browser.axe import axe_violations
from tests.browser.chromium import Browser
from tests.browser.page import Page
from tests.dashboard import pages_of
from tests.running import Running, running, wait_until
from tests.smtp_server import SmtpServer

SCREENS: Final = {
    "desktop": {"width": 1280, "dark": False},
    "desktop-dark": {"width": 1280, "dark": True},
    "phone": {"width": 390, "height": 844, "dark": False},
    "phone-dark": {"width": 390, "height": 844, "dark": True},
}
SCRIPTS: Final = (
    "<script>executed('{0}')</script>",
    "<img src=x onerror=executed('{0}')>",
    "\" onmouseover=executed('{0}') autofocus onfocus=executed('{0}') x=\"",
    "'-executed('{0}')-'",
    "{{{{ 7*7 }}}}<svg/onload=executed('{0}')>",
)


@attrs.frozen
class World:
    """A service that holds something of everything, with hostile texts; *pages* are its paths."""

    service: Running
    pages: Mapping[str, str]
    key: str

    def log_in(self, page: Page) -> None:
        """By the login page, as a person does."""
        page.goto(f"http://127.0.0.1:{self.service.port}/dashboard/login")
        page.click("#key")
        page.type(self.key)
        page.click_through("main button")

    def url(self, path: str) -> str:
        """Of a page."""
        return f"http://127.0.0.1:{self.service.port}{path}"


def hostile(what: str) -> str:
    """Every script at once, each of which would say *what* it stood in."""
    return " ".join(script.format(what) for script in SCRIPTS)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("dashboard")
    with SmtpServer() as server, running(folder, RETRY_SCHEDULE="3600") as service:
        ids = filled(service, server.port)
        out = service.run("keys", "create", "--name", hostile("key")[:200], "--scope", "admin")
        (key,) = re.findall(r"es_[0-9a-f]{8}_[\w-]{43}", out.stdout)
        service.key = key
        # what has ended cannot be cancelled
        change = f"/dashboard/emails/{ids['waiting']}/cancel"
        pages = {**pages_of(ids), "email_change": change}
        yield World(service, pages, key)


def filled(service: Running, smtp_port: int) -> Mapping[str, Any]:
    """One of everything; the ids by the names that paths use."""
    account = service.account(smtp_port, name=hostile("account")[:200])
    service.account(smtp_port, name="paused", display_name=hostile("display")[:70])
    status, answer = service.post("/api/smtp-configs/2/pause", {})
    assert status == 200, answer
    template = {
        "name": "welcome",
        "subject": "Hello {{ name }} " + hostile("template-subject")[:100],
        "html": "<h1>Hello {{ name }}</h1><script>executed('template')</script>",
        "text": "Hello {{ name }}",
    }
    status, answer = service.post("/api/templates", template)
    template_id = answer.get("id", 1) if status == 201 else 1
    service.post("/api/webhooks", {"url": f"http://127.0.0.1:{smtp_port}/?{'x' * 40}"})
    service.post("/api/suppressions", {"address": "gone@example.org", "reason": "manual"})
    email = service.submit(
        hostile("subject"),
        html_content=f"<h1>Hello</h1>{hostile('body')}",
        tags=["welcome"],
        metadata={"order": hostile("metadata")[:100]},
    )
    waiting = service.submit("waits", smtp_config_id=2)
    service.submit("later", send_at=rfc3339(SystemClock().now() + timedelta(days=7)))
    wait_until(lambda: service.statuses().get("sent", 0) >= 1 or service.statuses().get("failed"))
    return {
        "email_id": email,
        "account_id": account,
        "config_id": account,
        "template_id": template_id,
        "webhook_id": 1,
        "suppression_id": 1,
        "name": "welcome",
        "prefix": "00000000",
        "change": "cancel",
        "waiting": waiting,
    }


@pytest.mark.parametrize("screen", SCREENS)
def test_no_page_breaks_a_rule_of_accessibility_or_runs_what_it_shows(
    world: World, browser: Browser, screen: str
) -> None:
    page = browser.page(**SCREENS[screen])  # type: ignore[arg-type]
    page.goto(world.url("/dashboard/login"))
    faults = axe_violations(page)
    page.screenshot(f"dashboard/login-{screen}.png")
    world.log_in(page)
    for name, path in world.pages.items():
        page.goto(world.url(path))
        faults += [f"{path}: {fault}" for fault in axe_violations(page)]
        if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            faults.append(f"{path} is wider than the {screen}")
        page.screenshot(f"dashboard/{name}-{screen}.png", whole=True)
    assert not faults, "\n".join(faults)
    assert page.executed == []
    assert page.errors == []
    here = world.url("")
    assert {url for url in page.requests if not url.startswith((here, "about:", "data:"))} == set()
    page.close()


def test_the_first_page_is_small(world: World, browser: Browser) -> None:
    page = browser.page()
    world.log_in(page)
    page.requests.clear()
    page.goto(world.url("/dashboard"))
    octets = len(gzip.compress(page.evaluate("document.documentElement.outerHTML").encode()))
    for url in set(page.requests):
        if "/static/" in url:
            with urlopen(url) as reply:
                octets += len(gzip.compress(reply.read()))
    page.close()

    assert octets <= 60_000


def test_a_page_stays_fresh_and_keeps_the_focus(world: World, browser: Browser) -> None:
    page = browser.page()
    world.log_in(page)
    page.goto(world.url("/dashboard/webhooks"))
    page.click("#url")
    page.type("https://typed.example")

    status, _ = world.service.post("/api/webhooks", {"url": "http://127.0.0.1:9/fresh"})
    assert status == 201
    page.wait_for("document.querySelector('#list').innerText.includes('/fresh')", patience_s=15)

    assert page.evaluate("document.activeElement.id") == "url"
    assert page.evaluate("document.querySelector('#url').value") == "https://typed.example"
    page.close()


def test_a_page_goes_to_the_login_when_its_key_is_revoked(world: World, browser: Browser) -> None:
    status, made = world.service.post("/api/keys", {"name": "short", "scopes": ["admin"]})
    assert status == 201
    page = browser.page()
    attrs.evolve(world, key=made["key"]).log_in(page)
    page.goto(world.url("/dashboard/webhooks"))

    world.service.call("DELETE", f"/api/keys/{made['prefix']}")

    page.wait_for("location.pathname === '/dashboard/login'", patience_s=15)
    page.close()


def test_fields_of_times_show_the_zone_of_the_reader_and_send_utc(
    world: World, browser: Browser
) -> None:
    page = browser.page()
    page.in_zone("Asia/Kolkata")
    world.log_in(page)
    page.goto(world.url("/dashboard/emails?since=2026-01-05T20:30"))

    field = "document.querySelector('#f-since')"
    assert page.evaluate(f"{field}.value") == "2026-01-06T02:00"
    assert page.evaluate(f"{field}.labels[0].innerText") == "Accepted since (GMT+5:30)"
    page.click_through("form.search button")
    sent = page.evaluate("new URLSearchParams(location.search).get('since')")
    assert sent == "2026-01-05T20:30"
    assert page.evaluate(f"{field}.value") == "2026-01-06T02:00"
    page.close()


def test_a_page_works_without_scripts(world: World, browser: Browser, tmp_path: Path) -> None:
    page = browser.page(scripts=False)
    world.log_in(page)
    page.goto(world.url("/dashboard/webhooks/1"))

    page.click_through("form[action$='/active'] button")

    assert "Switched off" in page.text("main")
    page.click_through("form[action$='/active'] button")
    assert "Switched on" in page.text("main")
    page.close()


class _Elsewhere(BaseHTTPRequestHandler):
    """A page of another site that links to the dashboard, and one that sends a form to it."""

    def do_GET(self) -> None:
        target = self.path.partition("?")[2]
        body = f"<a id=link href='{target}'>x</a><form method=post action='{target}'><button>"
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[str]:
    """The address of another site: a browser takes localhost and 127.0.0.1 for two."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Elsewhere) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://localhost:{server.server_port}"
        server.shutdown()
        thread.join()


def test_who_is_logged_in_may_come_by_a_link_of_another_site(
    world: World, browser: Browser, elsewhere: str
) -> None:
    page = browser.page()
    world.log_in(page)
    page.goto(f"{elsewhere}/?{world.url('/dashboard/webhooks')}")

    page.click("#link")

    page.wait_for("document.title.startsWith('Webhooks')")
    page.close()


def test_a_form_of_another_site_is_refused_by_a_browser_that_is_logged_in(
    world: World, browser: Browser, elsewhere: str
) -> None:
    page = browser.page()
    world.log_in(page)
    page.goto(f"{elsewhere}/?{world.url('/dashboard/logout')}")

    page.click("button")

    page.wait_for("location.hostname === '127.0.0.1'")
    page.goto(world.url("/dashboard/webhooks"))
    assert page.text("h1") == "Webhooks"
    page.close()
