"""The pages of templates: the editor, its preview, versions, and a test."""

import json
import re
from html import unescape

import pytest
from werkzeug.test import TestResponse

from adapters.fakes.clock import FakeClock
from application import Application
from entrypoints.http.message_parts import FRAME_CSP
from tests.applications import a_client, a_config_body, a_key, an_application
from tests.dashboard import Browser, a_browser, text_of

EVIL = "<img src=x onerror=alert(1)>"
LIST = "/dashboard/templates"
DECLARED = json.dumps(
    {
        "name": {"type": "string", "sample": "Ada"},
        "points": {"type": "number", "sample": 3},
        "items": {"type": "list", "required": False},
    }
)


@pytest.fixture
def application() -> Application:
    application = an_application(clock=FakeClock())
    a_client(application).post("/api/smtp-configs", json=a_config_body())
    return application


@pytest.fixture
def browser(application: Application) -> Browser:
    return a_browser(application)


def fields(**changes: str) -> dict[str, str]:
    typed = {
        "name": "welcome",
        "locale": "",
        "subject": "Hello {{ name }}",
        "kind": "html",
        "body": "<p>Dear {{ name }},\r\nyou have {{ points }} points.</p>",
        "text": "",
        "variables": DECLARED,
        "values": "",
    }
    return {**typed, **changes}


def create(browser: Browser, **changes: str) -> TestResponse:
    browser.get(f"{LIST}/new")
    return browser.post(f"{LIST}/new", **fields(**changes))


@pytest.fixture
def path(browser: Browser) -> str:
    """The editor of a template that was just made."""
    assert create(browser).status_code == 303
    return f"{LIST}/1"


def previewed(browser: Browser, path: str, **changes: str) -> TestResponse:
    reply = browser.post(f"{path}/preview", **fields(**changes))
    assert reply.status_code == 200
    return reply


def published(application: Application) -> int | None:
    return application.templates.page(limit=1).templates[0].published_version


# -- save and publish ------------------------------------------------------------------------------


def test_a_new_template_is_saved_as_a_draft(application: Application, browser: Browser) -> None:
    reply = create(browser)

    assert reply.headers["Location"] == f"{LIST}/1"
    source = application.templates.show("welcome").source
    assert source.body == "<p>Dear {{ name }},\nyou have {{ points }} points.</p>"
    assert [one.name for one in source.variables] == ["name", "points", "items"]
    assert published(application) is None
    assert "draft" in text_of(browser.get(LIST))
    assert "nothing can be sent with this template" in text_of(browser.get(f"{LIST}/1"))


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"name": "Welcome!"}, "Name: must be 1 to 64"),
        ({"locale": "german"}, "Locale: must be a language tag"),
        ({"subject": ""}, "Subject: must not be empty"),
        ({"body": ""}, "Source: must not be empty"),
        ({"body": "{% if %}"}, "Source"),
        ({"variables": "{"}, "Variables: must be an object in JSON"),
        ({"variables": "[1]"}, "Variables: must be an object in JSON"),
        ({"variables": '{"x": {"type": "date"}}'}, "Variables x/type: must be"),
        ({"variables": '{"a b": {}}'}, "Variables"),
        ({"kind": "mjml", "body": "<p>"}, "Source"),
    ],
)
def test_what_cannot_be_saved_is_told_and_kept_in_the_fields(
    application: Application, browser: Browser, changes: dict[str, str], told: str
) -> None:
    reply = create(browser, **changes, text=f"kept {EVIL}")

    assert reply.status_code == 400
    assert told in text_of(reply)
    assert "kept &lt;img" in reply.text
    assert EVIL not in reply.text
    assert application.templates.page(limit=1).templates == []


def test_a_name_is_given_once_for_each_locale(browser: Browser) -> None:
    assert create(browser).status_code == 303

    assert create(browser).status_code == 409
    assert create(browser, locale="de").status_code == 303
    assert re.findall(rf'href="{LIST}/(\d+)">welcome', browser.get(LIST).text) == ["1", "2"]


def test_a_change_is_a_draft_until_it_is_published(
    application: Application, browser: Browser, path: str
) -> None:
    browser.post(f"{path}/publish", version="1")
    assert published(application) == 1

    reply = browser.post(path, **fields(subject="Hi {{ name }}"))
    assert reply.status_code == 303
    assert published(application) == 1
    assert "Version 2 is a draft: version 1 is sent." in text_of(browser.get(path))

    assert browser.post(f"{path}/publish", version="2").status_code == 303
    assert published(application) == 2
    assert browser.post(f"{path}/publish", version="1").status_code == 303
    assert published(application) == 1


def test_an_older_version_is_looked_at(browser: Browser, path: str) -> None:
    browser.post(path, **fields(subject="Hi {{ name }}"))

    assert 'value="Hello {{ name }}"' in browser.get(f"{path}?version=1").text
    assert browser.get(f"{path}?version=9").status_code == 404
    assert browser.get(f"{path}?version=x").status_code == 400


def test_a_template_is_removed(application: Application, browser: Browser, path: str) -> None:
    assert browser.post(f"{path}/remove").status_code == 303

    assert application.templates.page(limit=1).templates == []
    assert browser.get(path).status_code == 404
    assert browser.get(f"{LIST}/99").status_code == 404


# -- the preview -----------------------------------------------------------------------------------


def test_the_preview_shows_what_was_typed_and_not_saved(browser: Browser, path: str) -> None:
    reply = previewed(browser, path, subject="Hi {{ name }}!", body="<h1>{{ points }}</h1>")

    assert reply.headers["Content-Security-Policy"] == FRAME_CSP
    assert "Hi Ada!" in reply.text
    assert "<h1>3</h1>" in reply.text


def test_the_preview_of_what_is_saved_needs_no_form(browser: Browser, path: str) -> None:
    reply = browser.get(f"{path}/preview?version=1")

    assert "Dear Ada" in reply.text
    assert browser.get(f"{LIST}/preview").status_code == 200


def test_values_are_taken_from_fields_and_from_json(browser: Browser, path: str) -> None:
    typed = {"value.points": "7", "values": '{"name": "Grace", "items": [1]}'}

    reply = previewed(browser, path, **typed)

    assert "Dear Grace" in reply.text
    assert "7 points" in reply.text


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ({"value.points": "many"}, "Values"),
        ({"value.points": '"7"'}, "Variables points: must be a number"),
        ({"values": "{"}, "Values: must be an object in JSON"),
        ({"values": '{"other": 1}'}, "Variables other: is no variable of this template"),
        ({"body": "{{ missing.x.y }}{{"}, "Source"),
        ({"subject": ""}, "Subject: must not be empty"),
        ({"values": "[" * 100_000}, "Values"),
    ],
)
def test_the_preview_says_what_is_wrong(
    browser: Browser, path: str, typed: dict[str, str], told: str
) -> None:
    assert told in previewed(browser, path, **typed).text


def test_warnings_stand_above_the_preview(browser: Browser, path: str) -> None:
    reply = previewed(browser, path, body='<img src="/logo.png">')

    assert "alt" in reply.text.partition("<div></div>")[0]


def test_the_preview_runs_and_loads_nothing(browser: Browser, path: str) -> None:
    hostile = (
        f"<script>alert(1)</script>{EVIL}<img src='https://evil.example/x.png'>"
        "<form action='https://evil.example'><a href='javascript:alert(1)'>x</a>"
    )

    reply = previewed(browser, path, subject=EVIL, body=hostile, text=EVIL)

    shown = reply.text.partition("\n<div><")[2].partition("\n<div style")[0]
    assert ">x</a>" in shown
    assert "&lt;img src=x onerror=alert(1)&gt;" in reply.text
    for harm in ("<script", "<form", "evil.example", "javascript:", EVIL):
        assert harm not in shown


def test_the_preview_is_in_a_frame_that_a_button_fills(browser: Browser, path: str) -> None:
    page = browser.get(path).text

    assert re.search(r'<iframe sandbox class="message" name="preview"[^>]+version=1">', page)
    assert f'formaction="{path}/preview" formtarget="preview" formnovalidate' in page
    assert "unsafe" not in browser.get(path).headers["Content-Security-Policy"]
    assert " style=" not in page


# -- a test ----------------------------------------------------------------------------------------


def test_a_test_saves_what_was_typed_and_sends_it(
    application: Application, browser: Browser, path: str
) -> None:
    typed = fields(subject="Try {{ name }}") | {"value.name": "Grace"}

    reply = browser.post(f"{path}/test", **typed, recipient="me@example.org", account="1")

    assert reply.headers["Location"] == "/dashboard/emails/1"
    view = application.queries.email(1)
    assert (view.email.subject, str(view.email.recipients[0].address)) == (
        "Try Grace",
        "me@example.org",
    )
    assert published(application) is None


@pytest.mark.parametrize(
    ("typed", "status", "told"),
    [
        ({"recipient": "me"}, 400, "Recipient: must have an @"),
        ({"recipient": ""}, 400, "Recipient: must not be empty"),
        ({"account": "x"}, 400, "Account: must be a number"),
        ({"value.points": "many"}, 400, "Values"),
        ({"body": "{{"}, 400, "Source"),
    ],
)
def test_a_test_that_cannot_be_sent_is_told(
    application: Application,
    browser: Browser,
    path: str,
    typed: dict[str, str],
    status: int,
    told: str,
) -> None:
    sent = {"recipient": "me@example.org", "account": "", **fields(), **typed}

    reply = browser.post(f"{path}/test", **sent)

    assert (reply.status_code, told in text_of(reply)) == (status, True)
    assert application.queries.emails(limit=1).emails == ()


# -- who may do what -------------------------------------------------------------------------------


def test_an_administrator_of_one_account_looks_and_changes_nothing(
    application: Application, browser: Browser, path: str
) -> None:
    limited = a_browser(application, accounts=frozenset({1}))

    page = limited.get(path)

    assert "Save as draft" not in page.text
    assert "Dear Ada" in limited.get(f"{path}/preview").text
    for change in ("", "/publish", "/remove"):
        assert limited.post(f"{path}{change}", **fields(subject="x")).status_code == 403
    assert limited.post(f"{LIST}/new", **fields(name="other")).status_code == 403
    assert application.templates.show("welcome").version == 1
    assert published(application) is None
    # a test is an email: it sends what is saved
    assert limited.post(f"{path}/test", recipient="me@example.org").status_code == 303


def test_nothing_in_a_template_is_markup(browser: Browser) -> None:
    create(browser, subject=f"a {EVIL}", body=EVIL, text=EVIL, variables="")

    for page in (LIST, f"{LIST}/1", f"{LIST}/1?version=1"):
        reply = browser.get(page)
        assert "&lt;img src=x" in reply.text
        assert EVIL not in reply.text


def test_a_forged_form_changes_nothing(
    application: Application, browser: Browser, path: str
) -> None:
    for change in ("", "/publish", "/remove", "/test", "/preview"):
        assert browser.post(f"{path}{change}", csrf="0" * 64).status_code == 403
    assert application.templates.show("welcome").version == 1


def test_who_is_not_logged_in_sees_nothing(application: Application, path: str) -> None:
    a_key(application, "admin")
    stranger = Browser(application)

    for page in (LIST, path, f"{path}/preview", f"{LIST}/new"):
        assert stranger.get(page).status_code == 303


def test_the_variables_come_back_as_they_were_saved(
    application: Application, browser: Browser, path: str
) -> None:
    page = browser.get(path).text
    (shown,) = re.findall(r'name="variables"[^>]*>\n(.*?)</textarea>', page, re.DOTALL)

    assert browser.post(path, **fields(variables=unescape(shown))).status_code == 303

    assert application.templates.show("welcome").version == 1, "nothing has changed"
