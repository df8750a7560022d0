"""The browser that other tests drive reports what happens on a page and in its frames."""

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from tests.browser.axe import axe_violations
from tests.browser.chromium import Browser

PAGES = {
    "/": (
        b'<!doctype html><html lang="en"><title>Own</title><main><h1>Own</h1>'
        b'<label>Name <input id="name"></label><a href="/faulty">next</a>'
        b'<iframe title="f" sandbox="allow-scripts" src="/frame"></iframe></main>'
    ),
    "/frame": b"<script>executed('frame')</script><img src='http://elsewhere.example/x.png'>",
    "/faulty": (
        b"<title>Faulty</title><img src='/none.png'><script>alert(1); throw Error('!')</script>"
    ),
}


class _Pages(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        page = PAGES.get(self.path)
        self.send_response(200 if page else 404)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(page or b"")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Pages) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_script_in_a_frame_and_a_request_to_elsewhere_are_reported(
    browser: Browser, url: str
) -> None:
    page = browser.page()
    page.goto(url)
    assert page.executed == ["frame"]
    assert "http://elsewhere.example/x.png" in page.requests


def test_dialogs_and_exceptions_are_reported(browser: Browser, url: str) -> None:
    page = browser.page()
    page.goto(f"{url}/faulty")
    assert page.executed == ["alert: 1"]
    assert any("Error: !" in error for error in page.errors)


def test_without_scripts_none_runs_on_the_page_or_in_its_frames(browser: Browser, url: str) -> None:
    page = browser.page(scripts=False)
    for path in ("/", "/faulty"):
        page.goto(url + path)
    assert page.executed == []


def test_a_person_clicks_types_and_follows_a_link(browser: Browser, url: str) -> None:
    page = browser.page()
    page.goto(url)
    page.click("#name")
    page.type("Ad")
    page.press("a")
    assert page.evaluate("document.querySelector('#name').value") == "Ada"
    page.click_through("a")
    assert page.evaluate("document.title") == "Faulty"


def test_a_page_is_as_wide_dark_and_far_away_as_was_asked_for(browser: Browser, url: str) -> None:
    page = browser.page(width=390, dark=True, timezone="Asia/Tokyo")
    page.goto(url)
    assert page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches") is True
    assert (
        page.evaluate("document.documentElement.clientWidth") == 980
    )  # it has no viewport of its own
    assert page.evaluate("new Date().getTimezoneOffset()") == -540


def test_a_tab_behind_another_is_hidden(browser: Browser, url: str) -> None:
    first = browser.page()
    first.goto(url)
    second = browser.page(beside=first)
    assert first.evaluate("document.visibilityState") == "hidden"
    first.bring_to_front()
    assert first.wait_for("document.visibilityState === 'visible'")
    assert second.evaluate("document.visibilityState") == "hidden"


def test_axe_finds_a_page_without_faults_faultless_and_names_the_faults_of_another(
    browser: Browser, url: str
) -> None:
    page = browser.page()
    page.goto(url)
    assert axe_violations(page) == []
    page.goto(f"{url}/faulty")
    assert any(line.startswith("image-alt: ") for line in axe_violations(page))


def test_a_screenshot_is_a_png(browser: Browser, url: str, tmp_path: Path) -> None:
    page = browser.page()
    page.goto(url)
    octets = page.screenshot(tmp_path / "folder/own.png", whole=True).read_bytes()
    assert octets.startswith(b"\x89PNG")
