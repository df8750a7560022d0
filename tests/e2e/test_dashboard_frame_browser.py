"""What stands around the pages of the dashboard, in Chromium: the menu of a phone, and notices."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser.axe import axe_violations
from tests.browser.chromium import Browser
from tests.browser.page import Page
from tests.running import Running, free_port, running

HEIGHT = "document.querySelector('header.top').offsetHeight"
OPEN = "document.querySelector('#menu').matches(':popover-open')"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    port = free_port()
    with running(tmp_path_factory.mktemp("frame"), SANDBOX=1, SANDBOX_PORT=port) as service:
        service.account(port)
        source = {
            "name": "welcome",
            "subject": "Hello {{ name }}",
            "html": "<h1 style='color: teal'>Hello {{ name }}</h1><p>It is good to have you.</p>",
        }
        assert service.post("/api/templates", source)[0] == 201
        assert service.post("/api/templates/welcome/publish", {})[0] in (200, 201)
        yield service


def url(service: Running, path: str) -> str:
    return f"{service.url}{path}"


@pytest.mark.parametrize("scripts", [True, False])
def test_the_menu_of_a_phone_is_one_row_that_the_keyboard_opens(
    service: Running, browser: Browser, scripts: bool
) -> None:
    page = browser.page(width=390, height=844, scripts=scripts)
    page.goto(url(service, "/dashboard/keys"))
    assert page.evaluate(HEIGHT) <= 64
    assert not page.evaluate(OPEN)

    page.evaluate("document.querySelector('[popovertarget]').focus()")
    page.press("Enter")

    page.wait_for(OPEN)
    page.screenshot(f"dashboard/menu-phone-{'scripts' if scripts else 'plain'}.png")
    assert not axe_violations(page) if scripts else True
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Overview"
    page.press("Escape")
    assert not page.evaluate(OPEN)
    page.close()


def test_the_menu_of_a_desktop_is_seen_without_a_button(service: Running, browser: Browser) -> None:
    page = browser.page(width=1280)
    page.goto(url(service, "/dashboard/keys"))

    assert page.evaluate(HEIGHT) <= 64
    assert page.evaluate("document.querySelector('[popovertarget]').offsetHeight") == 0
    page.click_through("nav[aria-label='Pages'] a[href$='/sandbox']")
    assert page.text("h1") == "Inbox"
    page.close()


def test_a_notice_is_gone_when_the_visitor_comes_back(service: Running, browser: Browser) -> None:
    page = browser.page()
    page.goto(url(service, "/dashboard/accounts/1"))
    page.evaluate("document.querySelector('form[action$=\"/pause\"]').parentElement.open = true")
    page.click_through("form[action$='/pause'] button")
    assert "Paused: nothing is handed off" in page.text("main")
    page.click_through(".back a")

    page.evaluate("history.back()")

    page.wait_for("document.querySelector('h1') && location.pathname.endsWith('/accounts/1')")
    assert "Paused: nothing is handed off" not in page.text("main")
    page.click_through("form[action$='/resume'] button")
    page.close()


def looked_at(service: Running, page: Page, people: str) -> None:
    """The page before a newsletter is sent."""
    page.goto(url(service, "/dashboard/newsletter"))
    page.evaluate(
        f"""(() => {{
            const files = new DataTransfer();
            files.items.add(new File([{people!r}], "people.csv"));
            document.querySelector("#file").files = files.files;
        }})()"""
    )
    page.click_through("main form button")


def test_the_first_emails_of_a_newsletter_are_seen_as_html(
    service: Running, browser: Browser
) -> None:
    for width in (1280, 390):
        page = browser.page(width=width)
        looked_at(service, page, "email,name\nada@example.org,Ada\nbo@example.org,Bo\n")

        # each is asked for when the one before it is there
        page.wait_for("!document.querySelector('form[data-shows]:not([hidden])')")
        page.resize(width=width, height=1700)  # Chromium draws no frame that is out of sight
        page.settle(2)

        page.screenshot(f"dashboard/newsletter-look-{width}.png", whole=True)
        assert not axe_violations(page)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert page.errors == []
        assert sum("/newsletter/preview" in one for one in page.requests) == 2
        page.close()


def test_a_new_key_can_be_copied_and_is_gone_after_a_reload(
    service: Running, browser: Browser, tmp_path: Path
) -> None:
    page = browser.page()
    page.goto(url(service, "/dashboard/keys"))
    page.click("#name")
    page.type("shop")
    page.click("input[value='admin']")
    page.click_through("main form.form button")
    page.screenshot("dashboard/key-created.png")

    assert page.text("pre.copy").startswith("es_")
    assert page.text("pre.copy + button") == "Copy"
    assert not axe_violations(page)
    page.goto(page.evaluate("location.href"))
    assert page.text("h1") == "API keys"
    page.screenshot("dashboard/keys-list.png", whole=True)
    page.close()
