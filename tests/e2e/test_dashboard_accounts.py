"""The pages of accounts: what they show, what is done with one, how one is added."""

import re
from html import unescape
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from werkzeug.test import TestResponse

from adapters.fakes.authorization_server import FakeAuthorizationServer
from adapters.fakes.clock import FakeClock
from adapters.fakes.oauth_provider import PlayedProvider
from adapters.fakes.sender import FakeSender, Rule, Script
from application import ServicePolicy
from domain.account.account import AccountState, Security
from domain.outcome.handoff import Stage
from tests.accounts_in_trouble import (
    HANDLER,
    LONG,
    REVERSED,
    SCRIPT,
    Troubled,
    a_quiet_service,
    a_troubled_service,
)
from tests.applications import delivery_rules
from tests.dashboard import Browser, a_browser, text_of

CLIENT = "11111111-2222-3333-4444-555555555555"
SECRET = "the-client-secret-of-a-test"
FIELD = re.compile(r'<input(?=[^>]*name="([a-z_]+)")(?=[^>]*value="([^"]*)")[^>]*>')
CHOSEN = re.compile(r'<select id="([a-z_]+)".*?<option value="([^"]*)" selected>', re.S)


@pytest.fixture(scope="module")
def troubled() -> Troubled:
    return a_troubled_service()


@pytest.fixture(scope="module")
def reader(troubled: Troubled) -> Browser:
    """Someone who only looks, so that the service stays as it is."""
    return a_browser(troubled.application)


@pytest.fixture
def service() -> Troubled:
    return a_quiet_service()


@pytest.fixture
def browser(service: Troubled) -> Browser:
    return a_browser(service.application)


def form_of(reply: TestResponse) -> dict[str, str]:
    """What a browser sends of the page's form if nobody changes anything."""
    fields = {}
    for found in FIELD.finditer(reply.text):
        unchecked = re.search(r'type="(checkbox|radio)"', found[0]) and "checked" not in found[0]
        if not unchecked and found[1] != "csrf":
            fields[found[1]] = unescape(found[2])
    return fields | {name: unescape(value) for name, value in CHOSEN.findall(reply.text)}


def edited(browser: Browser, path: str, **changes: str | None) -> TestResponse:
    """The form of the page at *path* with some fields changed, None for one that is not sent."""
    fields = {**form_of(browser.get(path)), **changes}
    return browser.post(path, **{name: text for name, text in fields.items() if text is not None})


# -- seen ------------------------------------------------------------------------------------------


def test_the_accounts_in_trouble_come_first(reader: Browser) -> None:
    names = re.findall(
        r'<h2><a href="[^"]+"><bdi>([a-z_]+)</bdi>', reader.get("/dashboard/accounts").text
    )
    assert names[:6] == [
        "by_hand",
        "auth_failed",
        "password_missing",
        "needs_consent",
        "quota",
        "unreachable",
    ]
    assert names[-1] == "inactive"


@pytest.mark.parametrize(
    ("matter", "told"),
    [
        ("open", "open Used Minute 0 of 20 Hour 0 of 50 Day 0 of 500"),
        ("by_hand", "paused A person has paused it. Details: the newsletter has a wrong link"),
        ("auth_failed", "paused The server refuses its username and password."),
        ("password_missing", "paused Its password is missing"),
        ("needs_consent", "paused Nobody has authorized it. Authorize it"),
        ("quota", "limit is used up, until 2026-01-05 10:00:00 UTC"),
        ("unreachable", "unreachable Its server cannot be reached, until 2026-01-05 09:05:00 UTC"),
        ("inactive", "inactive It is switched off. Edit it and make it active"),
        ("learned", "Day 480 to 490 3 2026-01-05 09:00:00 UTC 500"),
        ("inbox", "cannot be read NO [AUTHENTICATIONFAILED] <script>"),
    ],
)
def test_an_account_in_each_state_says_why_and_what_to_do(
    troubled: Troubled, reader: Browser, matter: str, told: str
) -> None:
    reply = reader.get(f"/dashboard/accounts/{troubled.ids[matter]}")
    assert reply.status_code == 200
    assert told in text_of(reply)


def test_what_waits_is_told_with_when_it_goes(troubled: Troubled, reader: Browser) -> None:
    text = text_of(reader.get(f"/dashboard/accounts/{troubled.ids['open']}"))
    assert "75 emails wait. The last one goes: 2026-01-05 15:00:00 UTC" in text
    assert "5 of them are scheduled for the next 12 hours" in text
    text = text_of(reader.get(f"/dashboard/accounts/{troubled.ids['auth_failed']}"))
    assert "3 emails wait. The last one goes: not before a person acts" in text


@pytest.mark.parametrize("name", [SCRIPT, HANDLER, REVERSED, LONG])
def test_a_hostile_name_is_text_on_every_page(
    troubled: Troubled, reader: Browser, name: str
) -> None:
    place = next(n for n in troubled.ids.values() if _named(troubled, n) == name)
    one = f"/dashboard/accounts/{place}"
    replies = [
        reader.get("/dashboard/accounts"),
        reader.get(one),
        reader.get(f"{one}/edit"),
        reader.post(f"{one}/verify"),
        reader.post(f"{one}/doctor"),
    ]
    for reply in replies:
        assert reply.status_code == 200
        assert SCRIPT not in reply.text
        assert HANDLER not in reply.text
    assert form_of(replies[2])["name"] == name
    assert f"<h1><bdi>{name}</bdi></h1>" in unescape(replies[1].text)


def _named(service: Troubled, account_id: int) -> str:
    return service.store.read(lambda tx: tx.accounts.get(account_id)).name


def test_many_accounts_are_shown_some_at_a_time(service: Troubled, browser: Browser) -> None:
    for n in range(27):
        service.add(f"a{n}")
    first = text_of(browser.get("/dashboard/accounts"))
    second = text_of(browser.get("/dashboard/accounts?page=2"))
    assert "Page 1 of 2, 27 accounts" in first
    assert ("a24@" in first, "a25@" in first, "a25@" in second) == (True, False, True)
    for odd in ("0", "-1", "99", "x", "%D9%A1"):
        assert browser.get(f"/dashboard/accounts?page={odd}").status_code == 200


def test_an_account_that_is_not_there_is_not_found(browser: Browser) -> None:
    for path in ("/dashboard/accounts/99", "/dashboard/accounts/99/edit"):
        assert browser.get(path).status_code == 404
    for what in ("pause", "resume", "verify", "doctor", "authorize", "delete", "edit"):
        assert browser.post(f"/dashboard/accounts/99/{what}").status_code == 404


def test_a_limited_key_has_its_own_accounts_alone(troubled: Troubled) -> None:
    own, other = troubled.ids["open"], troubled.ids["learned"]
    browser = a_browser(troubled.application, accounts=frozenset({own}))

    listed = browser.get("/dashboard/accounts").text

    assert listed.count('<li class="card account">') == 1
    assert "Add an account" not in listed
    assert browser.get(f"/dashboard/accounts/{own}").status_code == 200
    assert browser.get(f"/dashboard/accounts/{other}").status_code == 404
    for what in ("pause", "resume", "verify", "doctor", "authorize", "delete", "edit"):
        assert browser.post(f"/dashboard/accounts/{other}/{what}").status_code == 404
    assert browser.get("/dashboard/accounts/new").status_code == 403
    assert browser.post("/dashboard/accounts/create", name="mine").status_code == 403
    assert troubled.account("learned").state(troubled.clock.now()) is AccountState.OPEN


@pytest.mark.parametrize(
    "path", ["new", "create", "1/edit", *(f"1/{w}" for w in ("pause", "resume", "verify"))]
)
@pytest.mark.parametrize("forged", [{"csrf": ""}, {"origin": "https://evil.example"}])
def test_a_form_without_its_token_does_nothing(
    service: Troubled, browser: Browser, path: str, forged: dict[str, str]
) -> None:
    service.add("main")
    reply = browser.post(f"/dashboard/accounts/{path}", name="x", reason="x", **forged)
    assert reply.status_code == 403
    assert service.account("main").health.pause is None


def offered(page: TestResponse) -> set[str]:
    """What the page offers of these: a button, or what opens a form."""
    labels = re.findall(r"<(?:summary|button[^>]*)>([^<]+)</", page.text)
    return {"Pause", "Keep it paused", "Resume", "Authorize"} & set(labels)


@pytest.mark.parametrize(
    ("matter", "labels"),
    [
        ("open", {"Pause"}),
        ("by_hand", {"Resume"}),
        ("auth_failed", {"Resume", "Keep it paused"}),
        ("password_missing", set()),
        ("needs_consent", {"Authorize"}),
        ("quota", {"Resume", "Keep it paused"}),
        ("unreachable", {"Resume", "Keep it paused"}),
        ("inactive", set()),
    ],
)
def test_an_account_offers_what_makes_sense_in_its_state(
    troubled: Troubled, reader: Browser, matter: str, labels: set[str]
) -> None:
    page = reader.get(f"/dashboard/accounts/{troubled.ids[matter]}")

    assert offered(page) == labels


def test_all_that_is_shown_of_an_account_is_kept_fresh(troubled: Troubled, reader: Browser) -> None:
    page = reader.get(f"/dashboard/accounts/{troubled.ids['open']}").text

    parts = re.findall(r'<section id="\w+" class="live".*?</section>', page, re.DOTALL)
    fresh = "".join(parts)

    for heading in ("Used", "Waiting", "Settings", "Learned limits", "Inbox for reports"):
        assert f"<h2>{heading}</h2>" in fresh
    assert "<input" not in fresh  # a form's fields must stay as they were typed


# -- done ------------------------------------------------------------------------------------------


def test_a_pause_keeps_its_reason_until_somebody_resumes(
    service: Troubled, browser: Browser
) -> None:
    service.add("main")

    reply = browser.post("/dashboard/accounts/1/pause", reason=" <b>wrong link</b> ")

    assert reply.status_code == 303
    page = browser.get(reply.headers["Location"])
    assert "Paused: nothing is handed off" in text_of(page)
    assert "Details: <b>wrong link</b>" in text_of(page)
    assert browser.post("/dashboard/accounts/1/resume").status_code == 303
    assert service.account("main").health.pause is None


@pytest.mark.parametrize(
    "reason", ["x" * 201, "two\nlines", "bell\a", "\N{RIGHT-TO-LEFT OVERRIDE}"]
)
def test_a_reason_that_is_no_short_line_is_refused_and_shown_again(
    service: Troubled, browser: Browser, reason: str
) -> None:
    service.add("main")
    reply = browser.post("/dashboard/accounts/1/pause", reason=reason)
    assert reply.status_code == 400
    assert "Reason: must be at most 200 printable characters" in text_of(reply)
    assert service.account("main").health.pause is None


def test_one_that_lacks_its_password_is_not_resumed(service: Troubled, browser: Browser) -> None:
    service.add("main", health=service.pause("password_missing"), sealed_password=None)
    reply = browser.post("/dashboard/accounts/1/resume")
    assert reply.status_code == 409
    assert "has no password: send it first" in text_of(reply)


def test_an_account_is_deleted_unless_mail_waits_for_it(
    service: Troubled, browser: Browser
) -> None:
    service.add("main")
    service.add("busy")
    service.wait(2, service.ids["busy"])

    held = browser.post(f"/dashboard/accounts/{service.ids['busy']}/delete")
    gone = browser.post(f"/dashboard/accounts/{service.ids['main']}/delete")

    assert (held.status_code, gone.status_code) == (409, 303)
    assert "2 emails wait on the account" in text_of(held)
    assert [a.name for a in service.store.read(lambda tx: tx.accounts.all())] == ["busy"]


def test_verify_says_how_far_it_got_and_what_to_do() -> None:
    rules = (Rule(Stage.AUTH, "535 5.7.8 no"),)
    service = a_quiet_service(sender=FakeSender(Script(rules)))
    service.add("main")
    text = text_of(a_browser(service.application).post("/dashboard/accounts/1/verify"))
    assert "It does not work" in text
    assert "failed AUTH 535 5.7.8 no What to do: Check username and password" in text


def test_verify_names_another_recipient(service: Troubled, browser: Browser) -> None:
    service.add("main", username="", sealed_password=None)
    path = "/dashboard/accounts/1/verify"
    assert "It works" in text_of(browser.post(path, recipient="ada@example.org"))
    refused = browser.post(path, recipient='"><script>')
    assert refused.status_code == 400
    assert 'value="&#34;&gt;&lt;script&gt;"' in refused.text


def test_the_doctor_says_what_to_mend(service: Troubled, browser: Browser) -> None:
    service.add("main")
    text = text_of(browser.post("/dashboard/accounts/1/doctor"))
    assert "Examined: example.com" in text
    assert text.index(" Connection ") < text.index(" SPF ") < text.index(" DMARC ")
    assert "What to do:" in text


def test_the_doctor_reads_a_message_that_was_sent(service: Troubled, browser: Browser) -> None:
    service.add("main")
    path = "/dashboard/accounts/1/doctor"
    message = "From: a@example.com\r\nDKIM-Signature: d=example.com; s=m1\r\n\r\nHi"
    assert "m1._domainkey.example.com" in text_of(browser.post(path, message=message))
    refused = browser.post(path, message="Subject: x\r\n\r\n")
    assert refused.status_code == 400
    assert "Message: " in text_of(refused)


# -- authorized ------------------------------------------------------------------------------------


def a_service_by_oauth(*, public_url: str | None = "https://mail.example.org") -> Any:
    clock = FakeClock()
    provider = PlayedProvider(clock=clock, clients={CLIENT: SECRET})
    service = a_quiet_service(
        clock=clock,
        rules=ServicePolicy(delivery=delivery_rules(), public_url=public_url),
        authorization=FakeAuthorizationServer(provider),
    )
    return service, provider


def added_by_oauth(browser: Browser, **fields: str) -> TestResponse:
    browser.get("/dashboard/accounts/new")
    form = form_of(browser.post("/dashboard/accounts/new", email_address="ada@outlook.com"))
    application = {"client_id": CLIENT, "client_secret": SECRET}
    wish = {**form, "login": "oauth", "oauth_provider": "microsoft", **application, **fields}
    return browser.post("/dashboard/accounts/create", **wish)


def test_a_person_adds_and_authorizes_an_account_by_oauth() -> None:
    service, provider = a_service_by_oauth()
    browser = a_browser(service.application)
    guide = text_of(found(browser, "ada@outlook.com"))
    assert "this redirect URI: https://mail.example.org/oauth/callback" in guide

    reply = added_by_oauth(browser)

    assert reply.status_code == 200
    link = unescape(re.search(r'href="(https://login\.microsoft[^"]+)"', reply.text)[1])
    assert SECRET not in reply.text
    back = urlsplit(provider.consent(link))
    assert browser.get(f"{back.path}?{back.query}").status_code == 200
    text = text_of(browser.get("/dashboard/accounts/1"))
    assert text.startswith("Accounts ada@outlook.com open ")
    assert "OAuth of microsoft, authorized" in text


def test_the_consent_of_another_browser_does_not_count() -> None:
    service, provider = a_service_by_oauth()
    reply = added_by_oauth(a_browser(service.application))
    link = unescape(re.search(r'href="(https://login\.microsoft[^"]+)"', reply.text)[1])
    back = urlsplit(provider.consent(link))
    assert parse_qs(back.query)["state"]
    other = a_browser(service.application)
    assert other.get(f"{back.path}?{back.query}").status_code == 404


def test_a_code_is_shown_for_another_device() -> None:
    service, _ = a_service_by_oauth()
    text = text_of(added_by_oauth(a_browser(service.application), oauth_flow="device"))
    assert "type the code in" in text
    assert re.search(r"Page https://\S+ Code \S+ Good until", text)


def test_without_a_public_url_nobody_is_sent_to_the_provider() -> None:
    service, _ = a_service_by_oauth(public_url=None)
    browser = a_browser(service.application)

    assert "only when PUBLIC_URL is set" in text_of(found(browser, "ada@outlook.com"))
    added = added_by_oauth(browser)
    again = browser.post("/dashboard/accounts/1/authorize")

    for reply in (added, again):
        assert reply.status_code == 409
        assert "PUBLIC_URL is not set: set it to where browsers reach" in text_of(reply)
        assert "paused Nobody has authorized it" in text_of(reply)


def test_an_account_with_a_password_is_not_authorized(service: Troubled, browser: Browser) -> None:
    service.add("main")
    reply = browser.post("/dashboard/accounts/1/authorize")
    assert reply.status_code == 409
    assert "It logs in by password: there is nothing to authorize" in text_of(reply)
    assert "/authorize" not in browser.get("/dashboard/accounts/1").text


# -- changed ---------------------------------------------------------------------------------------

EDIT = "/dashboard/accounts/1/edit"


def test_a_form_that_nobody_changed_changes_nothing(service: Troubled, browser: Browser) -> None:
    service.add("main")
    before = service.account("main")
    assert edited(browser, EDIT).status_code == 303
    assert service.account("main") == before


def test_the_usual_fields_are_changed(service: Troubled, browser: Browser) -> None:
    service.add("main")
    sealed = service.account("main").sealed_password
    fields = {
        "name": "second",
        "email_address": "b@example.com",
        "display_name": "Bo",
        "daily_limit": "7",
        "hourly_limit": "",
        "minute_limit": "3",
        "max_connections": "4",
        "priority_reserve": "20",
        "active": None,
    }

    reply = edited(browser, EDIT, **fields)

    assert reply.headers["Location"] == "/dashboard/accounts/1"
    assert "Changed: it counts from the next email on." in text_of(browser.get(EDIT[:-5]))
    account = service.account("main")
    assert (account.name, str(account.address), account.display_name) == (
        "second", "b@example.com", "Bo",
    )  # fmt: skip
    limits = account.limits
    assert (limits.daily, limits.hourly, limits.minute, limits.max_connections) == (7, None, 3, 4)
    assert (limits.priority_reserve, account.active) == (20, False)
    assert account.sealed_password == sealed
    assert edited(browser, EDIT, active="yes").status_code == 303
    assert service.account("main").active


def test_another_server_needs_the_password_again(service: Troubled, browser: Browser) -> None:
    service.add("main")
    moved = edited(browser, EDIT, smtp_host="other.example.com", smtp_port="465", security="tls")
    assert "needs its password again" in text_of(browser.get(moved.headers["Location"]))
    account = service.account("main")
    assert (account.host, account.port, account.security) == (
        "other.example.com", 465, Security.TLS,
    )  # fmt: skip
    assert account.awaits_password

    assert edited(browser, EDIT, password="new one").status_code == 303
    assert service.account("main").state(service.clock.now()) is AccountState.OPEN


@pytest.mark.parametrize(
    ("field", "text", "message"),
    [
        ("name", "", "Name: must not be empty"),
        ("name", "x" * 201, "Name: must have at most 200 characters"),
        ("email_address", "nobody", "Email address: "),
        ("smtp_host", "", "Mail server: "),
        ("smtp_port", "abc", "Port: must be an integer"),
        ("smtp_port", "70000", "Port: must be at most 65535"),
        ("daily_limit", "0", "Emails a day: must be at least 1"),
        ("daily_limit", "1.5", "Emails a day: must be an integer"),
        ("daily_limit", "9" * 5000, "Emails a day: must be an integer"),
        ("max_connections", "", "Connections at once: must be an integer"),
        ("priority_reserve", "91", "in percent: must be at most 90"),
        ("display_name", "a\nb", "Name of the sender: "),
    ],
)
def test_a_wrong_value_is_told_and_shown_again(
    service: Troubled, browser: Browser, field: str, text: str, message: str
) -> None:
    service.add("main")
    before = service.account("main")

    reply = edited(browser, EDIT, **{field: text, "password": "secret word"})

    assert reply.status_code == 400
    assert message in text_of(reply)
    assert re.search(rf'name="{field}"[^>]*aria-invalid="true"', reply.text)
    assert form_of(reply)[field] == text
    assert "secret word" not in reply.text
    assert service.account("main") == before


def test_plain_text_passwords_are_refused_and_the_field_is_named(
    service: Troubled, browser: Browser
) -> None:
    service.add("main")
    reply = edited(browser, EDIT, security="plain", password="x")
    assert reply.status_code == 400
    assert "Encryption: a password or token is sent only over TLS" in text_of(reply)


def test_a_name_that_is_taken_is_refused(service: Troubled, browser: Browser) -> None:
    service.add("main")
    service.add("other")
    reply = edited(browser, EDIT, name="other")
    assert reply.status_code == 409
    assert "other" in text_of(reply)


def test_what_somebody_else_has_changed_meanwhile_is_not_overwritten(
    service: Troubled, browser: Browser
) -> None:
    service.add("main")
    stale = form_of(browser.get(EDIT))
    service.clock.tick(1)
    assert edited(browser, EDIT, daily_limit="9").status_code == 303

    reply = browser.post(EDIT, **{**stale, "name": "mine"})

    assert reply.status_code == 409
    assert "Somebody has changed it meanwhile" in text_of(reply)
    assert service.account("main").name == "main"


# -- added -----------------------------------------------------------------------------------------


def found(browser: Browser, address: str) -> TestResponse:
    browser.get("/dashboard/accounts/new")
    return browser.post("/dashboard/accounts/new", email_address=address)


def test_an_address_and_a_password_are_enough_for_a_known_provider(
    service: Troubled, browser: Browser
) -> None:
    page = found(browser, "ada@gmail.com")
    assert "Make an app password" in text_of(page)
    assert "App password" in text_of(page)

    reply = browser.post("/dashboard/accounts/create", **{**form_of(page), "password": "abcd efgh"})

    assert "Added, and it works" in text_of(reply)
    account = service.store.read(lambda tx: tx.accounts.get(1))
    assert (account.host, account.port, account.username) == (
        "smtp.gmail.com", 587, "ada@gmail.com",
    )  # fmt: skip
    assert (account.limits.daily, account.limits.minute) == (500, 20)
    assert "abcd efgh" not in reply.text


def test_one_that_does_not_work_is_kept_and_says_what_to_mend() -> None:
    service = a_quiet_service(sender=FakeSender(Script((Rule(Stage.AUTH, "535 5.7.8 no"),))))
    browser = a_browser(service.application)
    form = form_of(found(browser, "ada@gmail.com"))
    reply = browser.post("/dashboard/accounts/create", **{**form, "password": "wrong"})
    assert "Added, but it does not work yet" in text_of(reply)
    assert 'href="/dashboard/accounts/1/edit"' in reply.text


def test_an_unknown_domain_leaves_the_server_to_the_person(
    service: Troubled, browser: Browser
) -> None:
    page = found(browser, "ada@unknown.example")
    assert "ask the provider for it, and type it in" in text_of(page)
    form = {**form_of(page), "password": "x"}
    refused = browser.post("/dashboard/accounts/create", **form)
    assert refused.status_code == 400
    assert "Mail server: is required without a provider" in text_of(refused)
    form["smtp_host"] = "mail.unknown.example"
    assert "it works" in text_of(browser.post("/dashboard/accounts/create", **form))


def test_a_relay_without_a_login_needs_no_password(service: Troubled, browser: Browser) -> None:
    form = {**form_of(found(browser, "ada@unknown.example")), "login": "none"}
    reply = browser.post("/dashboard/accounts/create", **{**form, "smtp_host": "relay.example"})
    assert "it works" in text_of(reply)
    assert service.store.read(lambda tx: tx.accounts.get(1)).username == ""


@pytest.mark.parametrize("address", ["", "nobody", SCRIPT, "a@b\r\nBcc: x@example.com", "x" * 400])
def test_what_is_no_address_is_refused_and_shown_again(browser: Browser, address: str) -> None:
    reply = found(browser, address)
    assert reply.status_code == 400
    assert "Email address: " in text_of(reply)
    assert SCRIPT not in reply.text


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"password": ""}, "Password: username and password are given together"),
        ({"smtp_port": "x"}, "Port: must be an integer"),
        ({"login": "oauth"}, "Client ID: is required for oauth"),
        (
            {
                "login": "oauth",
                "client_id": "x",
                "oauth_provider": "google",
                "oauth_flow": "device",
            },
            "Google allows no mail in the device flow",
        ),
        ({"login": "oauth", "client_id": "x", "oauth_flow": "odd"}, "How a person consents: "),
        ({"provider": "odd"}, "provider: is not known here"),
        ({"region": "odd"}, "Region: "),
        ({"smtp_host": "10.0.0.1"}, "Mail server: is not a server this service may connect to"),
    ],
)
def test_a_wrong_value_of_a_new_account_is_told_and_nothing_is_stored(
    service: Troubled, browser: Browser, changes: dict[str, str], message: str
) -> None:
    form = {**form_of(found(browser, "ada@gmail.com")), "password": "secret word", **changes}
    reply = browser.post("/dashboard/accounts/create", **form)
    assert reply.status_code == 400, text_of(reply)
    assert message in text_of(reply)
    assert "secret word" not in reply.text
    assert service.store.read(lambda tx: tx.accounts.all()) == []


def test_a_new_account_with_a_name_that_is_taken_is_refused(
    service: Troubled, browser: Browser
) -> None:
    service.add("taken", name="ada@gmail.com")
    form = {**form_of(found(browser, "ada@gmail.com")), "password": "x"}
    reply = browser.post("/dashboard/accounts/create", **form)
    assert reply.status_code == 409
    assert "Name: another account has this name" in text_of(reply)


def test_a_provider_with_regions_asks_for_one(browser: Browser, service: Troubled) -> None:
    path = "/dashboard/accounts/create"
    form = {**form_of(found(browser, "ada@unknown.example")), "password": "x", "provider": "ses"}

    page = browser.post(path, **form)
    assert page.status_code == 400
    assert "Region: is required: Amazon SES has regions" in text_of(page)
    assert 'name="region"' in page.text

    host = "email-smtp.us-east-1.amazonaws.com"  # that of another region is not kept
    browser.post(path, **{**form, "region": "eu-west-1", "smtp_host": host})
    account = service.store.read(lambda tx: tx.accounts.get(1))
    assert account.host == "email-smtp.eu-west-1.amazonaws.com"


def test_what_is_done_stands_in_the_audit(service: Troubled, browser: Browser) -> None:
    service.add("main")
    browser.post("/dashboard/accounts/1/pause", reason="x")
    edited(browser, EDIT, daily_limit="9")

    entries = service.application.api_keys.audit(limit=2)
    assert [entry.action for entry in entries] == ["account_updated", "account_paused"]
    assert all(entry.actor != "local" for entry in entries)
