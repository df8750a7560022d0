"""What an OAuth application needs by provider and flow, and what a change of an account forgets."""

import pytest

from domain.account.account import Security, Transport, check
from domain.account.network import NetworkPolicy
from domain.account.oauth import (
    Flow,
    OAuthProvider,
    client_errors,
    secret_errors,
    url_errors,
)
from domain.account.oauth_credentials import Credentials
from domain.errors import InvalidInput
from tests.builders import NOW, an_account, an_oauth_client, at, credentials

GOOGLE, MICROSOFT, CUSTOM = OAuthProvider.GOOGLE, OAuthProvider.MICROSOFT, OAuthProvider.CUSTOM
CODE, DEVICE = Flow.AUTHORIZATION_CODE, Flow.DEVICE
APP, KEY = Flow.CLIENT_CREDENTIALS, Flow.SERVICE_ACCOUNT
TOKEN, AUTHORIZE = "https://login.example.com/token", "https://login.example.com/authorize"
ON_DEVICE = "https://login.example.com/device"


def fields(errors):
    return sorted({error.field for error in errors})


def oauth_account(**changes):
    client = changes.pop("oauth", an_oauth_client())
    return an_account(oauth=client, sealed_password=None, **changes)


# -- which fields go together


@pytest.mark.parametrize(
    ("provider", "flow", "wrong"),
    [
        (GOOGLE, CODE, []),
        (GOOGLE, KEY, []),
        (GOOGLE, DEVICE, ["auth/flow"]),
        (GOOGLE, APP, ["auth/flow"]),
        (MICROSOFT, CODE, []),
        (MICROSOFT, DEVICE, []),
        (MICROSOFT, KEY, ["auth/flow"]),
        (MICROSOFT, APP, ["auth/tenant"]),
        (CUSTOM, CODE, ["auth/authorize_url", "auth/token_url"]),
        (CUSTOM, DEVICE, ["auth/device_url", "auth/token_url"]),
        (CUSTOM, APP, ["auth/token_url"]),
        (CUSTOM, KEY, ["auth/token_url"]),
    ],
)
def test_a_flow_needs_what_its_provider_does_not_tell(provider, flow, wrong):
    client = an_oauth_client(provider=provider, flow=flow)

    assert fields(client_errors(client, graph=False)) == wrong


@pytest.mark.parametrize(
    ("flow", "urls"),
    [
        (CODE, {"token_url": TOKEN, "authorize_url": AUTHORIZE}),
        (DEVICE, {"token_url": TOKEN, "device_url": ON_DEVICE}),
        (APP, {"token_url": TOKEN}),
        (KEY, {"token_url": TOKEN}),
    ],
)
def test_a_custom_provider_is_named_by_the_urls_of_its_flow_and_no_others(flow, urls):
    every = {"token_url": TOKEN, "authorize_url": AUTHORIZE, "device_url": ON_DEVICE}
    custom = an_oauth_client(provider=CUSTOM, flow=flow, **urls)

    assert fields(client_errors(custom, graph=False)) == []
    more = an_oauth_client(provider=CUSTOM, flow=flow, **every)
    unused = sorted(f"auth/{name}" for name in every.keys() - urls.keys())
    assert fields(client_errors(more, graph=False)) == unused


def test_a_known_provider_takes_no_urls_of_others():
    client = an_oauth_client(token_url=TOKEN)

    assert fields(client_errors(client, graph=False)) == ["auth/token_url"]


@pytest.mark.parametrize("tenant", ["a/b", "..", "a..b", "{x}", "a b", "-", "x" * 254, "ä.de"])
def test_a_tenant_that_would_lead_elsewhere_is_refused(tenant):
    assert fields(client_errors(an_oauth_client(tenant=tenant), graph=False)) == ["auth/tenant"]


@pytest.mark.parametrize("tenant", ["common", "Organizations", "consumers", ""])
def test_an_application_of_its_own_right_belongs_to_one_directory(tenant):
    client = an_oauth_client(flow=APP, tenant=tenant)

    assert fields(client_errors(client, graph=False)) == ["auth/tenant"]


def test_a_tenant_is_microsofts_alone():
    client = an_oauth_client(provider=GOOGLE, tenant="example.org")

    assert fields(client_errors(client, graph=False)) == ["auth/tenant"]


@pytest.mark.parametrize("scope", ["a  b", " a", "a\tb", 'a"b', "ä", "a\r\nb"])
def test_a_scope_is_words_with_one_blank_between_them(scope):
    client = an_oauth_client(provider=GOOGLE, scope=scope)

    assert fields(client_errors(client, graph=False)) == ["auth/scope"]


@pytest.mark.parametrize(
    ("flow", "graph", "scope"),
    [
        (CODE, False, "https://outlook.office.com/SMTP.SendAsApp"),
        (CODE, False, "https://graph.microsoft.com/Mail.Send"),
        (CODE, True, "https://outlook.office.com/SMTP.Send"),
        (APP, False, "https://graph.microsoft.com/.default"),
        (APP, False, "https://outlook.office365.com/SMTP.SendAsApp"),
        (APP, True, "https://outlook.office365.com/.default"),
    ],
)
def test_a_scope_that_gives_no_token_for_this_mail_is_refused(flow, graph, scope):
    client = an_oauth_client(flow=flow, tenant="example.org", scope=scope)

    assert fields(client_errors(client, graph=graph)) == ["auth/scope"]


@pytest.mark.parametrize(
    ("provider", "flow", "graph", "scope"),
    [
        (GOOGLE, CODE, False, "https://mail.google.com/"),
        (GOOGLE, KEY, False, "https://mail.google.com/"),
        (MICROSOFT, CODE, False, "https://outlook.office.com/SMTP.Send offline_access"),
        (MICROSOFT, DEVICE, True, "https://graph.microsoft.com/Mail.Send offline_access"),
        (MICROSOFT, APP, False, "https://outlook.office365.com/.default"),
        (MICROSOFT, APP, True, "https://graph.microsoft.com/.default"),
        (CUSTOM, CODE, False, ""),
    ],
)
def test_a_scope_that_is_left_out_is_the_providers_own(provider, flow, graph, scope):
    client = an_oauth_client(provider=provider, flow=flow, tenant="")

    assert client.complete(graph=graph).scope == scope


def test_microsoft_is_always_asked_for_a_refresh_token():
    own = "https://outlook.office.com/IMAP.AccessAsUser.All"

    assert an_oauth_client(scope=own).complete(graph=False).scope == f"{own} offline_access"


@pytest.mark.parametrize(("tenant", "place"), [("", "common"), ("example.org", "example.org")])
def test_the_urls_of_microsoft_name_the_tenant(tenant, place):
    whole = an_oauth_client(tenant=tenant).complete(graph=False)

    base = f"https://login.microsoftonline.com/{place}/oauth2/v2.0"
    assert (whole.token_url, whole.authorize_url) == (f"{base}/token", f"{base}/authorize")
    assert whole.device_url == f"{base}/devicecode"


@pytest.mark.parametrize(
    ("provider", "flow", "secret", "key", "wrong"),
    [
        (GOOGLE, CODE, False, False, ["auth/client_secret"]),
        (MICROSOFT, CODE, False, False, []),
        (MICROSOFT, CODE, True, False, []),
        (MICROSOFT, APP, False, False, ["auth/client_secret"]),
        (CUSTOM, APP, False, False, ["auth/client_secret"]),
        (GOOGLE, KEY, False, False, ["auth/service_account"]),
        (GOOGLE, KEY, False, True, []),
        (GOOGLE, KEY, True, True, ["auth/client_secret"]),
        (MICROSOFT, DEVICE, False, True, ["auth/service_account"]),
    ],
)
def test_what_is_secret_is_given_where_the_flow_uses_it(provider, flow, secret, key, wrong):
    client = an_oauth_client(provider=provider, flow=flow)

    assert fields(secret_errors(client, secret=secret, key=key)) == wrong


@pytest.mark.parametrize(
    "url",
    [
        "http://login.example.com/token",
        "https://10.0.0.1/token",
        "https://169.254.169.254/token",
        "https://[::1]/token",
        "https://localhost/token",
        "https://user:pw@login.example.com/token",
        "https://login.example.com/token#part",
        "https:///token",
        "https://login.example.com:port/token",
        "https://login.example.com/ token",
        "file:///etc/passwd",
        "ftp://login.example.com/",
        "login.example.com/token",
        "https://[bad/token",
    ],
)
def test_only_https_urls_of_the_internet_are_taken_in_production(url):
    client = an_oauth_client(provider=CUSTOM, flow=APP, token_url=url)

    assert fields(url_errors(client, NetworkPolicy())) == ["auth/token_url"]


@pytest.mark.parametrize(
    ("url", "well"),
    [
        ("http://127.0.0.1:8080/token", True),
        ("http://localhost/token", True),
        ("http://10.0.0.1/token", False),
        ("http://login.example.com/token", False),
        ("https://login.example.com/token", True),
    ],
)
def test_in_development_plain_http_goes_to_this_machine_alone(url, well):
    client = an_oauth_client(provider=CUSTOM, flow=APP, token_url=url)

    assert fields(url_errors(client, NetworkPolicy(private=True))) == (
        [] if well else ["auth/token_url"]
    )


# -- the account


def test_an_oauth_account_has_a_username_and_no_password():
    assert check(oauth_account())
    with pytest.raises(InvalidInput, match="username"):
        check(oauth_account(username=""))


def test_a_token_is_sent_over_tls_only_as_a_password_is():
    with pytest.raises(InvalidInput, match="security"):
        check(oauth_account(security=Security.PLAIN))
    assert check(oauth_account(security=Security.PLAIN, host="127.0.0.1"))


def test_an_account_tells_what_is_wrong_with_its_application():
    with pytest.raises(InvalidInput) as raised:
        check(oauth_account(oauth=an_oauth_client(flow=KEY, tenant="/")))

    assert fields(raised.value.errors) == ["auth/flow", "auth/tenant"]


# -- what a change forgets


@pytest.mark.parametrize(
    "changes",
    [
        {"host": "smtp.elsewhere.example"},
        {"port": 2525},
        {"security": Security.TLS},
        {"username": "other@example.com"},
        {"oauth": an_oauth_client(client_id="other")},
        {"oauth": an_oauth_client(tenant="example.org")},
        {"oauth": an_oauth_client(flow=DEVICE)},
        {"oauth": an_oauth_client(provider=GOOGLE)},
        {"oauth": an_oauth_client(provider=CUSTOM, token_url=TOKEN, authorize_url=AUTHORIZE)},
    ],
)
def test_another_server_user_or_application_forgets_secret_and_tokens(changes):
    before = oauth_account()
    after = before.changed(now=at(1), **changes)

    left = credentials(before).after_change(before, after)

    assert left == Credentials(account_id=before.id, generation=2)
    assert after.version == before.version + 1
    assert after.health.pause.reason == "needs_consent"
    assert "accounts authorize" in after.health.pause.text


@pytest.mark.parametrize(
    "changes",
    [{"oauth": an_oauth_client(scope="other")}, {"transport": Transport.GRAPH}],
)
def test_another_scope_or_transport_forgets_the_tokens_and_keeps_the_secret(changes):
    before = oauth_account()
    after = before.changed(now=at(1), **changes)

    left = credentials(before).after_change(before, after)

    assert left == Credentials(account_id=before.id, generation=2, sealed_secret=b"secret")
    assert after.health.pause.reason == "needs_consent"


@pytest.mark.parametrize("changes", [{"name": "other"}, {"display_name": "x"}, {"active": False}])
def test_what_has_to_do_with_no_login_forgets_nothing(changes):
    before = oauth_account()
    after = before.changed(now=at(1), **changes)

    assert credentials(before).after_change(before, after) == credentials(before)
    assert (after.version, after.health) == (before.version, before.health)


def test_a_new_secret_leaves_the_tokens_and_ends_the_pause_of_the_old_one():
    before = oauth_account()
    refused = before.health.halted("oauth_client", now=NOW)
    before = oauth_account(health=refused)

    after = before.changed(now=at(1), secret_given=True)

    assert after.health.pause is None
    assert after.version == before.version + 1


def test_a_new_secret_is_no_consent():
    before = oauth_account().awaiting_consent(now=NOW)

    after = before.changed(now=at(1), secret_given=True)

    assert after.health.pause.reason == "needs_consent"


def test_an_application_of_its_own_right_whose_server_changed_asks_for_its_secret_again():
    before = oauth_account(oauth=an_oauth_client(flow=APP, tenant="example.org"))

    moved = before.changed(now=at(1), host="smtp.elsewhere.example")
    given = before.changed(now=at(1), host="smtp.elsewhere.example", secret_given=True)

    assert moved.health.pause.reason == "oauth_client"
    assert given.health.pause is None


def test_oauth_takes_the_place_of_the_password():
    after = an_account().changed(now=at(1), oauth=an_oauth_client())

    assert after.sealed_password is None
    assert not after.awaits_password


# -- times


def test_a_retry_time_in_the_far_future_of_this_clock_is_of_a_clock_set_back():
    waiting = credentials(retry_at=at(3600))

    assert waiting.waits(NOW)
    assert not waiting.waits(at(-1))


def test_no_secret_is_in_the_representation_of_credentials():
    text = repr(credentials(sealed_key=b"key"))

    assert not [word for word in ("secret", "refresh'", "access'", "b'key") if f"'{word}" in text]
    assert "sealed" not in text
