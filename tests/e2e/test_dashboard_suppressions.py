"""The page of the suppression list."""

import csv
import io
import re

import pytest
from werkzeug.test import TestResponse

from adapters.fakes.clock import FakeClock
from application import Application
from application.suppressions import Entry
from domain.suppression import SuppressionReason
from tests.applications import a_client, a_config_body, a_key, an_application
from tests.builders import an_address, at
from tests.dashboard import Browser, a_browser, text_of

ADA, BOB = "ada@example.org", "bob@example.org"
EVIL = "<img src=x onerror=alert(1)>"
PAGE = "/dashboard/suppressions"


@pytest.fixture
def application() -> Application:
    application = an_application(clock=FakeClock())
    client = a_client(application)
    for name in ("shop", "news"):
        address = f"{name}@example.com"
        client.post("/api/smtp-configs", json=a_config_body(name=name, email_address=address))
    return application


@pytest.fixture
def browser(application: Application) -> Browser:
    return a_browser(application)


def put(application: Application, address: str = ADA, **changes: object) -> None:
    application.suppressions.put(Entry(address=an_address(address), **changes))  # type: ignore[arg-type]


def suppressed(application: Application) -> list[tuple[str, str, str]]:
    found = application.suppressions.page(limit=500).suppressions
    return [(one.address, one.scope, one.reason.value) for one in found]


def listed(reply: TestResponse) -> list[str]:
    return re.findall(r'<th scope="row">([^<]+)</th>', reply.text)


def add(browser: Browser, **fields: str) -> TestResponse:
    browser.get(PAGE)
    usual = {"address": ADA, "scope": "*", "reason": "manual", "topic": "", "expires_at": ""}
    return browser.post(PAGE, **{**usual, **fields})


def test_each_entry_says_what_it_holds_for_why_and_until_when(
    application: Application, browser: Browser
) -> None:
    put(application, reason=SuppressionReason.HARD_BOUNCE)
    put(application, scope="account:2")
    put(application, BOB, scope="topic:news", reason=SuppressionReason.UNSUBSCRIBE)

    told = text_of(browser.get(PAGE))

    assert f"{ADA} all mail the address does not exist, or its mailbox stayed full" in told
    assert "2026-01-05 09:00:00 UTC 2026-07-04 09:00:00 UTC" in told
    assert f"{ADA} mail of the account news somebody put it on the list" in told
    assert f"{BOB} mail of the topic news the recipient has unsubscribed" in told
    assert "for ever" in told


def test_one_address_is_searched_for(application: Application, browser: Browser) -> None:
    put(application)
    put(application, BOB)

    assert listed(browser.get(f"{PAGE}?address=ADA@example.org")) == [ADA]
    nobody = browser.get(f"{PAGE}?address=eve@example.org")
    assert (listed(nobody), nobody.status_code) == ([], 200)
    assert "eve@example.org is not on the list: mail is sent to it." in text_of(nobody)


@pytest.mark.parametrize("address", ["ada", "a@b@c", EVIL, "\N{SNOWMAN}"])
def test_what_is_no_address_is_refused_and_kept(browser: Browser, address: str) -> None:
    reply = browser.get(PAGE, query_string={"address": address})

    assert (reply.status_code, EVIL in reply.text) == (400, False)
    assert 'aria-invalid="true"' in reply.text


def test_the_list_is_read_page_by_page(application: Application, browser: Browser) -> None:
    entries = [Entry(address=an_address(f"a{number:04}@example.org")) for number in range(51)]
    application.suppressions.import_all(entries)

    first = browser.get(PAGE)
    (later,) = re.findall(r'href="([^"]+)" rel="next"', first.text)

    assert listed(first) == [f"a{number:04}@example.org" for number in range(50)]
    assert listed(browser.get(later)) == ["a0050@example.org"]
    assert browser.get(f"{PAGE}?cursor=AAAA").status_code == 400


@pytest.mark.parametrize(
    ("fields", "stored"),
    [
        ({}, (ADA, "*", "manual")),
        ({"scope": "topic", "topic": "news"}, (ADA, "topic:news", "manual")),
        ({"scope": "account:2"}, (ADA, "account:2", "manual")),
        ({"reason": "complaint", "address": "ADA@Example.org"}, (ADA, "*", "complaint")),
    ],
)
def test_an_address_is_put_on_the_list(
    application: Application, browser: Browser, fields: dict[str, str], stored: tuple[str, ...]
) -> None:
    reply = add(browser, **fields)

    assert (reply.status_code, suppressed(application)) == (303, [stored])
    assert "gets no such mail from now on" in text_of(browser.get(reply.headers["Location"]))


def test_an_entry_may_end(application: Application, browser: Browser) -> None:
    add(browser, expires_at="2026-01-05T09:01")

    (stored,) = application.suppressions.page(limit=1).suppressions
    assert stored.expires_at == at(60)


@pytest.mark.parametrize(
    "fields",
    [
        {"address": "ada"},
        {"address": EVIL},
        {"scope": "topic", "topic": EVIL},
        {"scope": "topic"},
        {"scope": "account:99"},
        {"scope": "everything"},
        {"reason": "none"},
        {"expires_at": "2020-01-01T00:00"},
        {"expires_at": "soon"},
        {"reason": "complaint", "expires_at": "2026-02-01T00:00"},
    ],
)
def test_what_cannot_be_stored_is_told_above_the_form(
    application: Application, browser: Browser, fields: dict[str, str]
) -> None:
    reply = add(browser, **fields)

    assert (reply.status_code, suppressed(application)) == (400, [])
    assert 'role="alert"' in reply.text
    assert EVIL not in reply.text


def test_a_removal_says_what_it_means_and_is_done_once(
    application: Application, browser: Browser
) -> None:
    put(application)
    put(application, scope="topic:news", reason=SuppressionReason.COMPLAINT)
    told = text_of(browser.get(PAGE))
    assert f"From then on mail is sent to {ADA} again." in told
    assert "another complaint harms the delivery of all your mail" in told

    reply = browser.post(f"{PAGE}/remove", address=ADA, scope="topic:news")

    assert reply.status_code == 303
    assert suppressed(application) == [(ADA, "*", "manual")]
    assert browser.post(f"{PAGE}/remove", address=ADA, scope="topic:news").status_code == 404
    assert browser.post(f"{PAGE}/remove", address=EVIL, scope="*").status_code == 400


def test_the_download_has_all_of_it_and_no_formula(
    application: Application, browser: Browser
) -> None:
    entries = [Entry(address=an_address(f"a{number:04}@example.org")) for number in range(1001)]
    application.suppressions.import_all(entries)
    put(application, "=cmd@example.org")

    reply = browser.get(f"{PAGE}.csv")

    rows = list(csv.DictReader(io.StringIO(reply.text)))
    assert [row["address"] for row in rows[:2]] == ["a0000@example.org", "a0001@example.org"]
    assert (len(rows), rows[-1]["address"]) == (1002, "'=cmd@example.org")
    assert reply.headers["Content-Disposition"] == 'attachment; filename="suppressions.csv"'


def test_an_administrator_of_one_account_has_a_list_of_its_own(application: Application) -> None:
    put(application)
    put(application, BOB, scope="account:2")
    limited = a_browser(application, accounts=frozenset({2}))

    page = limited.get(PAGE)

    assert listed(page) == [BOB]
    assert re.findall(r'<option value="([^"]*:?[^"]*)"', page.text)[0] == "account:2"
    assert 'value="*"' not in page.text
    assert ADA not in limited.get(f"{PAGE}.csv").text
    assert listed(limited.get(f"{PAGE}?address={ADA}")) == []
    assert add(limited, address="eve@example.org").status_code == 400
    assert limited.post(f"{PAGE}/remove", address=ADA, scope="*").status_code == 403
    assert limited.post(f"{PAGE}/remove", address=ADA).status_code == 404
    assert len(suppressed(application)) == 2


def test_a_forged_form_changes_nothing(application: Application, browser: Browser) -> None:
    put(application)

    for path, fields in ((PAGE, {"address": BOB}), (f"{PAGE}/remove", {"address": ADA})):
        assert browser.post(path, csrf="0" * 64, **fields).status_code == 403
        assert browser.post(path, origin="https://evil.example", **fields).status_code == 403
    assert suppressed(application) == [(ADA, "*", "manual")]


def test_who_is_not_logged_in_sees_nothing(application: Application) -> None:
    a_key(application, "admin")
    stranger = Browser(application)

    assert {stranger.get(path).status_code for path in (PAGE, f"{PAGE}.csv")} == {303}
