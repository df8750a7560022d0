"""Who gets into the dashboard, for how long, and which forms are believed."""

import hmac
from datetime import timedelta

import pytest

from adapters.fakes.clock import FakeClock
from application import Application
from entrypoints.http.judgement import JUDGEMENT, Judgement
from tests.applications import a_key, a_keyed_client, an_application
from tests.dashboard import Browser, a_browser

LOOPBACK = {"base": "http://localhost:5000", "remote": "127.0.0.1"}
COOKIE = "__Host-email_service_login"


@pytest.fixture
def application() -> Application:
    application = an_application(closed=True)
    a_key(application, "admin")
    return application


def test_a_page_leads_to_the_login_and_back(application: Application) -> None:
    browser = Browser(application)
    key = a_key(application, "admin")

    reply = browser.get("/dashboard/unknown?page=2")
    assert reply.status_code == 303
    login = reply.headers["Location"]
    assert login == "/dashboard/login?next=/dashboard/unknown?page%3D2"

    browser.get(login)
    assert browser.post(login, key=key).headers["Location"] == "/dashboard/unknown?page=2"
    assert browser.get("/dashboard").status_code == 200


@pytest.mark.parametrize(
    "next_page",
    ["https://evil.example/", "//evil.example/dashboard/", "/dashboard/\\evil", "/api/emails", "x"],
)
def test_the_login_leads_to_pages_of_the_dashboard_only(
    application: Application, next_page: str
) -> None:
    browser = Browser(application)
    browser.get("/dashboard/login")

    reply = browser.client.post(
        "/dashboard/login",
        base_url=browser.base,
        query_string={"next": next_page},
        data={"csrf": browser.token, "key": a_key(application, "admin")},
    )

    assert reply.status_code == 303
    assert reply.headers["Location"] == "/dashboard"


def test_the_cookie_is_for_this_host_over_https_and_for_no_script(application: Application) -> None:
    reply = Browser(application).log_in(a_key(application, "admin"))

    (cookie,) = [one for one in reply.headers.getlist("Set-Cookie") if one.startswith(COOKIE)]
    for word in ("Secure", "HttpOnly", "Path=/", "SameSite=Strict", "Max-Age=43200"):
        assert word in cookie.split("; ")
    assert "Domain" not in cookie


def test_on_this_machine_plain_http_is_enough(application: Application) -> None:
    browser = Browser(application, **LOOPBACK)

    reply = browser.log_in(a_key(application, "admin"))

    assert reply.status_code == 303
    assert "Secure" not in reply.headers["Set-Cookie"]
    assert browser.get("/dashboard").status_code == 200


@pytest.mark.parametrize(
    ("base", "remote"),
    [
        ("http://mail.example.org", "192.0.2.7"),
        ("http://mail.example.org", "127.0.0.1"),
        ("http://localhost:5000", "192.0.2.7"),
    ],
)
def test_without_tls_nobody_logs_in_from_elsewhere_and_the_page_says_why(
    application: Application, base: str, remote: str
) -> None:
    browser = Browser(application, base=base, remote=remote)

    page = browser.get("/dashboard/login")
    assert "HTTPS" in page.text
    assert 'name="key"' not in page.text
    assert browser.post("/dashboard/login", key=a_key(application, "admin")).status_code == 403


def test_a_wrong_key_is_refused_and_many_are_slowed_down() -> None:
    browser = Browser(an_application(closed=True))

    statuses = [browser.log_in("es_00000000_" + "x" * 43).status_code for _ in range(25)]

    assert statuses[:5] == [401] * 5
    assert statuses[-1] == 429


@pytest.mark.parametrize("scopes", [("send",), ("read", "send"), ("metrics",)])
def test_a_key_without_the_scope_admin_is_told_so(
    application: Application, scopes: tuple[str, ...]
) -> None:
    reply = Browser(application).log_in(a_key(application, *scopes))

    assert reply.status_code == 403
    assert "scope admin" in reply.text


def test_the_login_ends_when_its_key_is_revoked(application: Application) -> None:
    browser = Browser(application)
    key = a_key(application, "admin")
    browser.log_in(key)
    assert browser.get("/dashboard").status_code == 200

    a_keyed_client(application, "admin").delete(f"/api/keys/{key.split('_')[1]}")

    assert browser.get("/dashboard").status_code == 303
    assert browser.get("/dashboard", headers={"HX-Request": "true"}).status_code == 401


def test_the_login_ends_after_twelve_hours() -> None:
    clock = FakeClock()
    browser = a_browser(an_application(clock=clock, closed=True))

    clock.tick(timedelta(hours=12).total_seconds() - 1)
    assert browser.get("/dashboard").status_code == 200
    clock.tick(1)
    assert browser.get("/dashboard").status_code == 303


def test_who_logs_out_is_out_also_with_a_copy_of_the_cookie(application: Application) -> None:
    browser = a_browser(application)
    cookie = browser.client.get_cookie(COOKIE, domain="mail.example.org")
    assert cookie is not None

    reply = browser.post("/dashboard/logout")
    assert reply.status_code == 303
    assert reply.headers["Clear-Site-Data"] == '"cache"'

    browser.client.set_cookie(
        COOKIE, cookie.value, domain="mail.example.org", secure=True, httponly=True
    )
    assert browser.get("/dashboard").status_code == 303


@pytest.mark.parametrize("form", ["/dashboard/logout", "/dashboard/nothing"])
@pytest.mark.parametrize(
    "forged",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"csrf": ""},
        {"csrf": "0" * 64},
        {"csrf": "\N{SNOWMAN}"},
    ],
)
def test_a_form_of_another_page_is_refused(
    application: Application, form: str, forged: dict[str, str]
) -> None:
    browser = a_browser(application)

    assert browser.post(form, **forged).status_code == 403
    assert browser.get("/dashboard").status_code == 200


def test_the_token_of_another_browser_is_refused(application: Application) -> None:
    mine, other = a_browser(application), a_browser(application)

    assert mine.token != other.token
    assert mine.post("/dashboard/logout", csrf=other.token).status_code == 403
    assert mine.post("/dashboard/logout").status_code == 303


def test_an_api_key_opens_no_page_and_a_login_no_call(application: Application) -> None:
    key = a_key(application, "admin")
    stranger = Browser(application)
    browser = a_browser(application)
    secret = browser.client.get_cookie(COOKIE, domain="mail.example.org")
    assert secret is not None

    for headers in ({"X-API-Key": key}, {"Authorization": f"Bearer {key}"}):
        assert stranger.get("/dashboard", headers=headers).status_code == 303
    for name in (COOKIE, "X-API-Key", "api_key"):
        stranger.client.set_cookie(name, key, domain="mail.example.org", secure=True)
    assert stranger.get("/dashboard").status_code == 303
    assert browser.get("/api/emails").status_code == 401
    assert browser.get("/api/emails", headers={"X-API-Key": secret.value}).status_code == 401


def test_without_any_key_this_machine_sees_the_pages_and_no_other_does() -> None:
    application = an_application()

    here = Browser(application, **LOOPBACK)
    assert here.get("/dashboard").status_code == 200
    assert here.get("/dashboard", headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
    assert (
        Browser(application, base="http://evil.example", remote="127.0.0.1")
        .get("/dashboard")
        .status_code
        == 403
    )
    assert Browser(application).get("/dashboard").status_code == 403


def test_without_any_key_a_form_needs_its_token_too() -> None:
    here = Browser(an_application(), **LOOPBACK)

    here.get("/dashboard")
    visit = here.client.get_cookie("email_service_visit")
    assert visit is not None
    token = hmac.digest(visit.value.encode(), b"form", "sha256").hex()

    assert here.post("/dashboard/nothing", csrf=token).status_code == 404
    assert here.post("/dashboard/nothing", csrf="").status_code == 403


def test_who_follows_a_link_from_another_site_loads_the_page_once_more(
    application: Application,
) -> None:
    reply = Browser(application).get("/dashboard?x=1", headers={"Sec-Fetch-Site": "cross-site"})

    assert reply.status_code == 401
    assert '<meta http-equiv="refresh" content="0">' in reply.text


def test_a_page_that_has_not_changed_is_answered_without_a_body(application: Application) -> None:
    browser = a_browser(application)
    tag = browser.get("/dashboard").headers["ETag"]

    reply = browser.get("/dashboard", headers={"If-None-Match": tag})

    assert (reply.status_code, reply.text) == (304, "")


def test_every_page_carries_a_strict_policy(application: Application) -> None:
    browser = a_browser(application)

    for path in ("/dashboard", "/dashboard/login", "/dashboard/nothing"):
        someone = Browser(application) if path.endswith("login") else browser
        headers = someone.get(path).headers
        policy = headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'")
        assert "unsafe" not in policy


def test_a_login_is_in_the_audit(application: Application) -> None:
    a_browser(application)

    entry = application.api_keys.audit(limit=1)[0]

    assert (entry.action, entry.subject) == ("logged_in", "dashboard")


def test_a_logout_is_in_the_audit(application: Application) -> None:
    browser = a_browser(application)
    prefix = application.api_keys.all()[-1].prefix

    browser.post("/dashboard/logout")

    entry = application.api_keys.audit(limit=1)[0]
    assert (entry.actor, entry.action, entry.subject) == (prefix, "logged_out", "dashboard")


def test_a_refused_login_is_in_the_audit_without_the_key(application: Application) -> None:
    key = f"es_00000000_{'x' * 43}"

    for _ in range(3):
        assert Browser(application, remote="192.0.2.66").log_in(key).status_code == 401
    entries = application.api_keys.audit(limit=2)

    assert [one.action for one in entries].count("login_refused") == 1
    (entry, _) = entries
    assert (entry.actor, entry.subject) == ("nobody", "dashboard")
    assert entry.detail == {
        "address": "192.0.2.66",
        "reason": "this API key is unknown, revoked or expired",
    }
    assert "00000000" not in str(entry)


def test_a_login_with_a_key_that_is_no_administrators_names_it(application: Application) -> None:
    key = a_key(application, "send")

    Browser(application).log_in(key)

    entry = application.api_keys.audit(limit=1)[0]
    assert (entry.action, entry.actor) == ("login_refused", key.split("_")[1])
    assert "admin" in str(entry.detail["reason"])


def test_a_large_form_is_read_only_for_who_is_logged_in(application: Application) -> None:
    """The server asks before it reads a body of more than 64 KiB."""
    known, stranger = a_browser(application), Browser(application)
    stranger.get("/dashboard/login")

    for browser, status in ((stranger, 401), (known, 204)):
        judgement = passed = Judgement()
        reply = browser.client.post(
            "/dashboard/nothing", base_url=browser.base, environ_overrides={JUDGEMENT: judgement}
        )
        assert (reply.status_code, judgement.passed) == (status, status == 204)
    reply = known.client.post(
        "/dashboard/nothing",
        base_url=known.base,
        data={"csrf": "0" * 64},
        environ_overrides={JUDGEMENT: passed},
    )
    assert reply.status_code == 403  # the token is looked at when the body is there
