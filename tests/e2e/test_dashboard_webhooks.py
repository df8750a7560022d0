"""The dashboard's pages of webhooks."""

import re

import pytest

from adapters.fakes.clock import FakeClock
from adapters.fakes.memory_store import MemoryStore
from application import Application
from domain.webhook.delivery import Outcome
from domain.webhook.webhook import DisabledReason, Webhook
from tests.applications import a_config_body, a_keyed_client, an_application
from tests.builders import a_webhook_attempt
from tests.dashboard import Browser, a_browser, text_of

URL = "https://example.org/hooks/email"
SECRET = re.compile(r"whsec_[A-Za-z0-9+/]{43}=")


@pytest.fixture
def store(clock: FakeClock) -> MemoryStore:
    return MemoryStore(clock=clock)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def application(store: MemoryStore, clock: FakeClock) -> Application:
    return an_application(closed=True, store=store, clock=clock)


@pytest.fixture
def browser(application: Application) -> Browser:
    return a_browser(application)


@pytest.fixture
def added(browser: Browser) -> str:
    """The path of a webhook's page."""
    assert browser.post("/dashboard/webhooks", url=URL, events=["*"]).status_code == 303
    return "/dashboard/webhooks/1"


def test_a_new_webhook_shows_its_secret_once(browser: Browser) -> None:
    reply = browser.post("/dashboard/webhooks", url=URL, events=["email.failed", "*"])

    assert reply.headers["Location"] == "/dashboard/webhooks/1/secret"
    assert len(SECRET.findall(browser.get("/dashboard/webhooks/1/secret").text)) == 1
    again = browser.get("/dashboard/webhooks/1/secret")
    assert again.headers["Location"] == "/dashboard/webhooks/1"
    for path in ("/dashboard/webhooks", "/dashboard/webhooks/1"):
        page = browser.get(path)
        assert URL in page.text
        assert "whsec_" not in page.text


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"url": "http://127.0.0.1/x", "events": ["*"]}, "url"),
        ({"url": "https://10.0.0.1/x", "events": ["*"]}, "url"),
        ({"url": "javascript:alert(1)", "events": ["*"]}, "url"),
        ({"url": URL, "events": ["email.imagined"]}, "events"),
        ({"events": ["*"]}, "url"),
    ],
)
def test_what_is_wrong_stands_above_the_form(
    application: Application, browser: Browser, fields: dict[str, object], told: str
) -> None:
    reply = browser.post("/dashboard/webhooks", **fields)

    assert reply.status_code == 400
    assert f"{told}:" in text_of(reply)
    assert not application.webhooks.all()


def test_it_is_changed_switched_off_and_on_and_deleted(
    application: Application, browser: Browser, added: str
) -> None:
    def webhook() -> Webhook:
        return application.webhooks.get(1).webhook

    assert browser.post(added, url=f"{URL}/2", events=["email.sent"]).status_code == 303
    assert (webhook().url, webhook().types) == (f"{URL}/2", {"email.sent"})

    browser.post(f"{added}/active", active="no")
    assert webhook().disabled is DisabledReason.REQUEST
    assert "switched off" in text_of(browser.get(added))
    assert browser.post(f"{added}/test").status_code == 409

    browser.post(f"{added}/active", active="yes")
    assert webhook().active

    assert browser.post(f"{added}/delete").status_code == 303
    assert browser.get(added).status_code == 404


def test_a_new_secret_is_shown_once_and_the_page_says_how_long_the_old_one_signs(
    browser: Browser, added: str
) -> None:
    assert browser.post(f"{added}/rotate").status_code == 303

    assert len(SECRET.findall(browser.get(f"{added}/secret").text)) == 1
    assert "The secret before signs until" in text_of(browser.get(added))


def test_calls_are_shown_in_words_page_by_page(
    store: MemoryStore, browser: Browser, added: str
) -> None:
    outcomes = [Outcome(status=204), Outcome(status=500), Outcome(problem="timeout")]
    outcomes += [Outcome(status=200)] * 50

    for number, outcome in enumerate(outcomes, 1):
        attempt = a_webhook_attempt(1, number, status=outcome.status, problem=outcome.problem)
        store.write(lambda tx, attempt=attempt: tx.webhooks.add_attempts([attempt], keep=1000))

    first = browser.get(added)
    assert "evt_53" in first.text
    older = re.search(r'href="(/dashboard/webhooks/1\?before=\d+)"', first.text)
    assert older is not None
    text = text_of(browser.get(older[1]))
    for words in ("HTTP 204", "HTTP 500", "no answer in time"):
        assert words in text


@pytest.mark.parametrize("event_id", ["", "12", "evt_0", "evt_x", "evt_" + "9" * 30, "<b>"])
def test_an_id_that_is_none_is_told(browser: Browser, added: str, event_id: str) -> None:
    assert browser.post(f"{added}/replay", event_id=event_id).status_code == 400


def test_an_event_that_is_not_there_is_told(browser: Browser, added: str) -> None:
    reply = browser.post(f"{added}/replay", event_id="evt_99")

    assert reply.status_code == 409
    assert "no such event" in text_of(reply)


def test_a_test_waits_to_be_called(application: Application, browser: Browser, added: str) -> None:
    assert browser.post(f"{added}/test").status_code == 303
    assert application.webhooks.get(1).waiting == 1


def test_a_limited_key_sees_its_own_webhooks_only(
    application: Application, browser: Browser, added: str
) -> None:
    admin = a_keyed_client(application, "admin")
    assert admin.post("/api/smtp-configs", json=a_config_body()).status_code == 201
    limited = a_browser(application, accounts=frozenset({1}))

    assert URL not in text_of(limited.get("/dashboard/webhooks"))
    for path in ("test", "rotate", "delete", "active", "replay"):
        assert limited.post(f"{added}/{path}", event_id="evt_1").status_code == 404
    assert limited.get(added).status_code == 404
    limited.post("/dashboard/webhooks", url=URL, events=["*"])
    assert application.webhooks.get(2).webhook.accounts == {1}
