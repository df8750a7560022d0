"""Numbers and nesting that no database and no parser takes are refused: no error of ours."""

import tracemalloc

import pytest
from flask.testing import FlaskClient

from application import Application
from domain.intake import MOST_EMAILS
from tests.applications import an_application
from tests.dashboard import Browser, a_browser
from tests.dialect_ways import a_dialect_client, basic, bearer

# int() refuses the first; the others begin like a number that fits
HUGE = ("9" * 5000, "0" * 19 + "1" + "9" * 30, "9" * 20)


@pytest.fixture(scope="module")
def application() -> Application:
    return an_application(closed=True)


@pytest.fixture(scope="module")
def browser(application: Application) -> Browser:
    return a_browser(application)


@pytest.mark.parametrize("number", HUGE)
@pytest.mark.parametrize(
    ("path", "status"),
    [("emails?account=", 400), ("audit?before=", 404), ("keys?after=", 404)],
)
def test_a_number_in_the_address_of_a_page(
    browser: Browser, path: str, status: int, number: str
) -> None:
    assert browser.get(f"/dashboard/{path}{number}").status_code == status


@pytest.mark.parametrize("refused", ["[" * 100_000, "[[Infinity, 1]]", "[[1e999, 1]]", "7", "{"])
def test_what_a_browser_says_of_a_newsletter_is_only_shown(browser: Browser, refused: str) -> None:
    reply = browser.post("/dashboard/newsletter/send", refused=refused, kept="x")

    assert reply.status_code == 400


@pytest.fixture(scope="module")
def mailgun() -> FlaskClient:
    return a_dialect_client(an_application(), basic)


def test_a_version_of_a_template_that_is_no_number_of_ours(mailgun: FlaskClient) -> None:
    for version in HUGE:
        form = {"from": "shop@example.com", "to": "a@b.example", "template": "x"}
        reply = mailgun.post("/v3/mg.example.com/messages", data=form | {"t:version": version})

        assert reply.status_code == 400, reply.text


def test_more_recipients_than_emails_of_a_call_make_no_email(mailgun: FlaskClient) -> None:
    form = {
        "from": "shop@example.com",
        "to": ",".join(["a@b.example"] * (MOST_EMAILS + 1)),
        "subject": "Hi",
        "text": "Hello",
        "recipient-variables": "{}",
    }
    reply = mailgun.post("/v3/mg.example.com/messages", data=form)

    assert reply.status_code == 400
    assert reply.json == {"message": f"to: must have at most {MOST_EMAILS} addresses"}


def test_what_personalizations_share_is_not_made_for_each_without_end() -> None:
    client = a_dialect_client(an_application(), bearer)
    body = {
        "from": {"email": "shop@example.com"},
        "subject": "Hi",
        "content": [{"type": "text/plain", "value": "Hello"}],
        "custom_args": {f"{number:0100}": "" for number in range(20_000)},
        "personalizations": [{"to": [{"email": "a@b.example"}]}] * 400,
    }
    tracemalloc.start()
    try:
        reply = client.post("/v3/mail/send", json=body)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert reply.status_code == 400
    assert peak < 120 * 1024**2
