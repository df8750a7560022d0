"""The documentation in a browser: with a keyboard, on a phone, in the dark, without scripts."""

from collections.abc import Iterator
from threading import Thread

import pytest
from werkzeug.serving import make_server

from application import Application
from entrypoints.http import create_http
from tests.applications import a_config_body, a_key, an_application
from tests.browser.axe import axe_violations
from tests.browser.chromium import Browser
from tests.browser.page import Page
from tests.running import free_port

LOOKS = [(1280, False), (1280, True), (390, False), (390, True)]
# one page of each kind; the resources share one template
KINDS = ("", "/authentication", "/errors", "/api-keys", "/search?q=key", "/nothing")
SHOWN = """[...document.querySelectorAll(".sample pre[class]")]
    .filter(block => block.offsetParent).map(block => block.className)"""


@pytest.fixture(scope="module")
def application() -> Application:
    """With an SMTP configuration."""
    return an_application()


@pytest.fixture(scope="module")
def url(application: Application) -> Iterator[str]:
    """Where a service in development is."""
    port = free_port()
    app = create_http(application, version="1.2.3", try_calls=True)
    assert app.test_client().post("/api/smtp-configs", json=a_config_body()).status_code == 201
    server = make_server("127.0.0.1", port, app, threaded=True)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{port}"
    server.shutdown()
    thread.join()


@pytest.fixture
def page(browser: Browser, url: str) -> Iterator[Page]:
    """The first page; whatever it is used for, its console shows no error."""
    page = browser.page()
    page.goto(f"{url}/docs")
    yield page
    assert page.errors == []
    page.close()


def value_of(page: Page, selector: str) -> object:
    return page.evaluate(f"document.querySelector('{selector}').value")


# -- how it looks -----


@pytest.mark.parametrize(("width", "dark"), LOOKS)
def test_nobody_is_shut_out(browser: Browser, url: str, width: int, dark: bool) -> None:
    page = browser.page(width=width, dark=dark)
    for kind in KINDS:
        page.goto(f"{url}/docs{kind}")
        name = kind.strip("/").partition("?")[0] or "first"
        page.screenshot(f"docs/{name}-{width}-{'dark' if dark else 'light'}.png")
        assert page.evaluate("document.documentElement.scrollWidth") == width, kind
        assert axe_violations(page) == [], kind
    page.close()


def test_on_a_phone_the_contents_open_and_close_without_a_script(
    browser: Browser, url: str
) -> None:
    page = browser.page(width=390, scripts=False)
    page.goto(f"{url}/docs/emails")
    shown = "getComputedStyle(document.querySelector('nav')).display"
    assert page.evaluate(shown) == "none"
    page.click(".menu")
    assert page.evaluate(shown) == "block"
    page.click("nav a[href='#cancelEmail']")
    assert page.evaluate(shown) == "none"
    assert page.evaluate("location.hash") == "#cancelEmail"
    page.close()


# -- the samples -----


def test_the_chosen_language_holds_for_all_samples_of_all_pages(page: Page, url: str) -> None:
    assert set(page.evaluate(SHOWN)) == {"curl"}
    page.click(".languages input[value=php]")
    assert set(page.evaluate(SHOWN)) == {"php"}
    page.goto(f"{url}/docs/rate-limits")
    assert set(page.evaluate(SHOWN)) == {"php"}


def test_without_a_script_a_sample_has_its_languages_too(browser: Browser, url: str) -> None:
    page = browser.page(scripts=False)
    page.goto(f"{url}/docs/authentication")
    assert page.evaluate(SHOWN) == ["curl"]
    page.click(".languages input[value=node]")
    assert page.evaluate(SHOWN) == ["node"]
    assert page.evaluate("document.querySelectorAll('.copy, .found').length") == 0
    page.close()


def test_the_button_copies_the_sample_that_is_shown(page: Page) -> None:
    page.click(".languages input[value=python]")
    page.evaluate(
        "Object.defineProperty(navigator, 'clipboard', { value: { writeText: async text => {"
        " window.copied = text; } } })"
    )
    page.click(".sample .copy")
    page.wait_for("window.copied")
    assert page.evaluate("copied") == page.evaluate(
        "document.querySelector('.sample pre.python').textContent"
    )
    assert page.text(".sample .copy") == "Copied"


def test_where_the_clipboard_is_closed_the_button_copies_by_a_selection(page: Page) -> None:
    page.evaluate("Object.defineProperty(navigator, 'clipboard', { value: undefined })")
    page.evaluate(
        "document.addEventListener('copy', () => { window.copied = `${getSelection()}` })"
    )
    page.click(".sample .copy")
    assert page.wait_for("window.copied").startswith("curl -s ")


# -- the search -----


def test_a_slash_leads_to_the_search_and_arrows_to_a_result(page: Page) -> None:
    page.press("/")
    assert page.evaluate("document.activeElement.id") == "q"
    page.type("cancel email")
    page.wait_for("document.querySelector('.found a')?.hash === '#cancelEmail'")
    page.screenshot("docs/found.png")
    assert axe_violations(page) == []
    page.press("ArrowDown")
    assert page.evaluate("document.activeElement.hash") == "#cancelEmail"
    page.press("ArrowUp")
    assert page.evaluate("document.activeElement.id") == "q"
    page.press("ArrowDown")
    page.press("Enter")
    page.wait_for("location.pathname === '/docs/emails'")
    assert page.evaluate("location.hash") == "#cancelEmail"


def test_escape_closes_the_results_and_a_slash_can_be_typed(page: Page) -> None:
    page.press("/")
    page.type("POST ")
    page.press("/")
    assert value_of(page, "#q") == "POST /"
    page.wait_for("!document.querySelector('.found').hidden")
    page.press("Escape")
    assert page.evaluate("document.querySelector('.found').hidden")


def test_without_a_script_the_search_shows_a_page_of_results(browser: Browser, url: str) -> None:
    page = browser.page(scripts=False)
    page.goto(f"{url}/docs")
    page.click("#q")
    page.type("retry")
    page.press("Enter")
    page.wait_for("location.pathname === '/docs/search' && !!document.querySelector('.results a')")
    assert "retry" in page.text(".results").lower()
    page.close()


def test_a_result_in_what_is_folded_is_unfolded(page: Page, url: str) -> None:
    page.goto(f"{url}/docs/emails#showEmail-answer-status")
    page.wait_for("document.querySelector('tr:target').closest('details').open")


# -- trying calls -----


def test_a_call_can_be_tried_and_shows_what_was_answered(page: Page, url: str) -> None:
    page.goto(f"{url}/docs/emails")
    page.click("#submitEmail .try summary")
    page.click("#submitEmail .try button")
    page.wait_for("!!document.querySelector('#submitEmail .result .status')")
    page.screenshot("docs/tried.png")
    assert page.text("#submitEmail .result .status") == "201"
    assert "queued successfully" in page.text("#submitEmail .result")
    assert "x-request-id" in page.evaluate(
        "document.querySelector('#submitEmail .result details').textContent"
    )


def test_what_is_wrong_is_sent_and_refused_as_any_program_would_be(page: Page, url: str) -> None:
    page.goto(f"{url}/docs/emails")
    page.click("#showEmail .try summary")
    page.click("#showEmail .try input[name=email_id]")
    page.type("999")
    page.click("#showEmail .try button")
    page.wait_for("!!document.querySelector('#showEmail .result .status')")
    assert page.text("#showEmail .result .status") == "404"
    page.settle()
    page.errors = [error for error in page.errors if "404" not in error]  # the console shows it


def test_the_key_stays_in_the_memory_of_the_page(
    page: Page, url: str, application: Application
) -> None:
    key = a_key(application, "admin")
    page.goto(f"{url}/docs/api-keys")
    page.click("#listKeys .try summary")
    page.click("#listKeys .try .key")
    page.type(key)
    page.click("#listKeys .try button")
    page.wait_for("!!document.querySelector('#listKeys .result .status')")
    assert page.text("#listKeys .result .status") == "200"
    assert axe_violations(page) == []
    kept = (
        "[document.cookie, location.href, ...Object.values({...localStorage, ...sessionStorage})]"
    )
    assert not any(key in text for text in page.evaluate(kept))
    assert not any(key in address for address in page.requests)
    page.goto(f"{url}/docs/api-keys")
    assert value_of(page, "#listKeys .key") == ""
