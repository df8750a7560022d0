"""The dashboard's newsletter: a template, sent to the people of a CSV file."""

import io
import re
import zlib
from base64 import b64encode
from html import unescape

import pytest
from werkzeug.test import TestResponse

from application import Application, ServicePolicy
from tests.applications import a_config_body, a_keyed_client, an_application, delivery_rules
from tests.dashboard import Browser, a_browser, text_of

PATH = "/dashboard/newsletter"
HIDDEN = re.compile(r'<input type="hidden" name="([a-z_]+)" value="([^"]*)">')


@pytest.fixture
def application() -> Application:
    """A service with one SMTP configuration without limits and a published template."""
    application = an_application(closed=True)
    admin = a_keyed_client(application, "admin")
    config = a_config_body(daily_limit=None, hourly_limit=None)
    assert admin.post("/api/smtp-configs", json=config).status_code == 201
    source = {
        "name": "welcome",
        "subject": "Hello {{ name }}",
        "html": "<p>Hello {{ name }}</p>",
        "text": "Hello {{ name }}",
        "variables": {"name": {"type": "string", "required": True}},
    }
    assert admin.post("/api/templates", json=source).status_code == 201
    assert admin.post("/api/templates/welcome/publish", json={}).status_code in (200, 201)
    return application


@pytest.fixture
def browser(application: Application) -> Browser:
    return a_browser(application)


def looked_at(browser: Browser, text: str | bytes, **fields: str) -> TestResponse:
    """The page before anything is sent."""
    octets = text.encode() if isinstance(text, str) else text
    file = (io.BytesIO(octets), "people.csv")
    return browser.post(PATH, **{"template": "welcome", **fields}, file=file)


def hidden(reply: TestResponse) -> dict[str, str]:
    """The fields of the page's only form with work to do."""
    form = reply.text.partition(f'action="{PATH}/send"')[2].partition("</form>")[0]
    return {name: unescape(value) for name, value in HIDDEN.findall(form) if name != "csrf"}


def people(number: int) -> str:
    return "email,name\n" + "".join(f"p{n}@example.org,Person {n}\n" for n in range(number))


def sent(application: Application) -> list[str]:
    """The recipients of all emails there are, the last first."""
    admin = a_keyed_client(application, "admin")
    found: list[str] = []
    path: str | None = "/api/emails?limit=500"
    while path:
        reply = admin.get(path)
        assert reply.json is not None
        found += [address for email in reply.json for address in email["recipients"]]
        link = reply.headers.get("Link", "")
        path = link[1 : link.index(">")] if link else None
    return found


def test_nothing_is_sent_before_the_counts_and_the_first_three_were_seen(
    application: Application, browser: Browser
) -> None:
    text = people(4) + "p0@example.org,Again\nnobody,X\n,\n"

    page = looked_at(browser, text)

    assert page.status_code == 200, text_of(page)
    words = text_of(page)
    assert "Send 4 emails?" in words
    assert "Will be sent 4" in words
    assert "Twice in the file: left out 1" in words
    assert [f"Hello Person {n}" in words for n in range(4)] == [True, True, True, False]
    assert sent(application) == []


def test_a_newsletter_goes_on_step_by_step_and_each_gets_one(
    application: Application, browser: Browser
) -> None:
    page = looked_at(browser, people(2_300))
    steps = 0
    while "Go on" in text_of(page) or steps == 0:
        page = browser.post(f"{PATH}/send", **hidden(page))
        assert page.status_code == 200, text_of(page)
        steps += 1

    assert steps == 2
    assert "Accepted 2 300" in text_of(page)
    found = sent(application)
    assert len(found) == len(set(found)) == 2_300


def test_a_topic_that_no_link_can_end_is_told_before_anything_is_sent(browser: Browser) -> None:
    page = looked_at(browser, people(1), topic="news")

    assert page.status_code == 400
    assert "PUBLIC_URL" in text_of(page)


def test_a_step_that_is_repeated_sends_nobody_a_second_copy(
    application: Application, browser: Browser
) -> None:
    fields = hidden(looked_at(browser, people(10)))

    for _ in range(3):
        assert browser.post(f"{PATH}/send", **fields).status_code == 200
    again = hidden(looked_at(browser, people(10)))
    assert browser.post(f"{PATH}/send", **again).status_code == 200

    assert len(sent(application)) == 10


def test_suppressed_addresses_are_counted_before(
    application: Application, browser: Browser
) -> None:
    admin = a_keyed_client(application, "admin")
    body = {"address": "p1@example.org", "reason": "manual"}
    assert admin.post("/api/suppressions", json=body).status_code == 201

    words = text_of(looked_at(browser, people(3)))

    assert "Suppressed: they get nothing 1" in words
    assert "Will be sent 2" in words


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "choose a CSV file"),
        ("email\np@example.org\n", "name"),
        ("who,name\np@example.org,P\n", "email"),
        (b"email,name\np@example.org,\xff\xfe\n", "UTF-8"),
        (b"\x00\x01\x02\x03" * 100, ""),
    ],
)
def test_a_file_that_cannot_be_used_is_told(
    application: Application, browser: Browser, text: str | bytes, told: str
) -> None:
    page = looked_at(browser, text)

    assert page.status_code == 400
    assert told in text_of(page)
    assert sent(application) == []


@pytest.mark.parametrize("kept", ["", "x", "eJw=", "A" * 1000, "\N{SNOWMAN}"])
def test_a_field_that_is_no_file_is_told(browser: Browser, kept: str) -> None:
    reply = browser.post(f"{PATH}/send", template="welcome", kept=kept)

    assert reply.status_code == 400


def test_a_file_that_unpacks_to_too_much_is_refused(browser: Browser) -> None:
    kept = b64encode(zlib.compress(b"email,name\n" + b"x" * 50_000_000)).decode()

    assert browser.post(f"{PATH}/send", template="welcome", kept=kept).status_code == 400


def test_a_file_of_more_than_a_form_may_have_is_refused(browser: Browser) -> None:
    assert looked_at(browser, b"x" * (6 * 1024 * 1024)).status_code == 400
    assert looked_at(browser, b"x" * (9 * 1024 * 1024)).status_code == 413


@pytest.mark.parametrize(
    "fields",
    [
        {"template": "other"},
        {"template": ""},
        {"send_at": "soon"},
        {"smtp_config_id": "99"},
        {"from": "someone@elsewhere.example"},
        {"topic": "not a topic!"},
    ],
)
def test_a_wrong_choice_is_told_and_sends_nothing(
    application: Application, browser: Browser, fields: dict[str, str]
) -> None:
    page = looked_at(browser, people(2), **fields)
    if page.status_code == 200:
        page = browser.post(f"{PATH}/send", **hidden(page))

    assert page.status_code in (400, 409, 503), text_of(page)
    assert "problem" in page.text
    assert sent(application) == []


def test_a_quota_that_is_used_up_is_told_and_the_rest_goes_later(application: Application) -> None:
    browser = a_browser(application, daily_recipients=500)

    page = browser.post(f"{PATH}/send", **hidden(looked_at(browser, people(600))))

    assert page.status_code == 503
    assert "500 of 600" in text_of(page)
    assert "Go on" in text_of(page)
    assert len(sent(application)) == 500


def test_what_stands_in_the_file_is_shown_as_text(browser: Browser) -> None:
    page = looked_at(browser, "email,name\np@example.org,<script>alert(1)</script>\n<b>x,<i>\n")

    assert "<script>alert" not in page.text
    assert "<b>x" not in page.text


def test_a_limited_key_sends_through_its_own_configuration(application: Application) -> None:
    admin = a_keyed_client(application, "admin")
    assert admin.post("/api/smtp-configs", json=a_config_body(name="two")).status_code == 201
    browser = a_browser(application, accounts=frozenset({2}))

    assert "main" not in text_of(browser.get(PATH))
    page = browser.post(f"{PATH}/send", **hidden(looked_at(browser, people(1))))
    assert page.status_code == 200, text_of(page)
    (email,) = application.queries.emails(limit=2).emails
    assert application.queries.email(email.id).email.account_id == 2


# -- what is seen before ---------------------------------------------------------------------------


def test_the_look_says_when_the_last_one_goes_as_the_answer_does_then(
    application: Application, browser: Browser
) -> None:
    admin = a_keyed_client(application, "admin")
    assert admin.put("/api/smtp-configs/1", json={"hourly_limit": 50}).status_code == 200

    look = looked_at(browser, people(120))
    answer = text_of(browser.post(f"{PATH}/send", **hidden(look)))

    (said,) = re.findall(r"The last one is due about ([0-9: -]+ UTC)", text_of(look))
    assert f"The last one is due about {said}" in answer


def test_without_limits_the_look_says_that_all_go_at_once(browser: Browser) -> None:
    assert "all of them can go at once" in text_of(looked_at(browser, people(3)))


def shown_forms(page: TestResponse) -> list[dict[str, str]]:
    """The fields of the form of each preview."""
    forms = page.text.split(f'action="{PATH}/preview"')[1:]
    return [
        {
            name: unescape(value)
            for name, value in HIDDEN.findall(form.partition("</form>")[0])
            if name != "csrf"
        }
        for form in forms
    ]


def test_each_of_the_first_emails_is_shown_as_html_in_a_safe_frame(browser: Browser) -> None:
    evil = "p@example.org,<script>alert(1)</script>\n"
    page = looked_at(browser, people(5).replace("\n", f"\n{evil}", 1))
    forms = shown_forms(page)
    assert len(forms) == 3
    assert page.text.count("<iframe sandbox ") == 3

    first, second, _ = (browser.post(f"{PATH}/preview", **form) for form in forms)

    assert "<p>Hello Person 0</p>" in second.text
    assert "<script>alert" not in first.text
    assert "sandbox" in first.headers["Content-Security-Policy"]
    assert "no-store" in first.headers["Cache-Control"]


@pytest.mark.parametrize("variables", ["", "[]", "x", "{", '{"name": 1}', "null"])
def test_a_preview_that_cannot_be_made_says_so(browser: Browser, variables: str) -> None:
    reply = browser.post(f"{PATH}/preview", template="welcome", variables=variables)

    assert reply.status_code == 200
    assert "sandbox" in reply.headers["Content-Security-Policy"]


# -- what is kept, and what is said before a file is chosen ----------------------------------------


def test_after_an_error_the_file_is_kept(application: Application, browser: Browser) -> None:
    wrong = looked_at(browser, people(2), smtp_config_id="99")
    assert wrong.status_code == 400
    assert "people.csv is kept" in text_of(wrong)
    kept = {name: unescape(text) for name, text in HIDDEN.findall(wrong.text) if name != "csrf"}

    page = browser.post(PATH, template="welcome", **kept)

    assert "Send 2 emails?" in text_of(page), text_of(page)


def test_a_file_that_cannot_be_kept_must_be_chosen_again_and_the_form_says_so(
    browser: Browser,
) -> None:
    page = looked_at(browser, "")

    assert "Choose the file again" in text_of(page)
    assert re.search(r'<input id="file"[^>]* required', page.text)


@pytest.mark.parametrize("url", [None, "https://mail.example.org"])
def test_the_form_says_before_whether_a_topic_is_possible(url: str | None) -> None:
    rules = ServicePolicy(delivery=delivery_rules(), public_url=url)
    application = an_application(closed=True, rules=rules)
    admin = a_keyed_client(application, "admin")
    source = {"name": "x", "subject": "x", "html": "<p>x</p>"}
    assert admin.post("/api/templates", json=source).status_code == 201
    assert admin.post("/api/templates/x/publish", json={}).status_code in (200, 201)

    page = a_browser(application).get(PATH)

    assert ("PUBLIC_URL" in text_of(page)) is (url is None)
    assert bool(re.search(r'<input id="topic"[^>]* disabled', page.text)) is (url is None)
