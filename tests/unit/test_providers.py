"""The catalogue of mail providers: every row is judged, and what it fills in."""

import re
from collections import Counter
from copy import deepcopy
from datetime import date
from typing import Any

import pytest

from application.account_writer import AccountFields
from application.provider_presets import with_preset
from domain.account.account import Security
from domain.account.limits import LimitUnit
from domain.account.network import NetworkPolicy
from domain.account.provider import SAFE, Confidence, Provider, ProviderKind
from domain.account.providers_file import parse_providers
from domain.errors import InvalidInput, NotFound
from entrypoints.addresses import server_name
from tests.builders import an_address
from tests.documents import ROOT
from tests.shipped_rules import PROVIDERS, PROVIDERS_TABLE

ROWS = PROVIDERS.all()
EXPECTED = (
    "gmail google-workspace google-relay microsoft-365 outlook.com ses sendgrid mailgun brevo "
    "postmark zoho icloud fastmail ovh yahoo gmx ionos mailjet sparkpost resend proton own-postfix"
).split()
WRITTEN_ON = date(2026, 11, 30)  # nothing was read before this file was begun
BY_PROVIDER = pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)


def fields(**changes: Any) -> AccountFields:
    """What an owner says who says the least."""
    return {"name": "main", "address": an_address("ada@example.com"), **changes}  # type: ignore[typeddict-item]


def filled(provider_id: str, region: str | None = None, **changes: Any) -> AccountFields:
    return with_preset(fields(**changes), PROVIDERS.named(provider_id), region)


def hosts(row: Provider) -> list[str]:
    """Every server of a provider, with a region of its form."""
    named = [row.host, *(region.host for region in row.regions)]
    named += [row.host_in("eu-west-1")] if row.region_host else []
    return [host for host in named if host]


# -- every row -------------------------------------------------------------------------------------


def test_the_providers_that_were_promised_are_there() -> None:
    assert [row.id for row in ROWS] == EXPECTED


@BY_PROVIDER
def test_a_row_says_where_each_figure_is_from_and_when_it_was_read(row: Provider) -> None:
    for origin in (row.origin, *(figure.origin for figure in row.figures)):
        assert re.fullmatch(r"https://\S+", origin.source)
        assert origin.checked_on >= WRITTEN_ON
        assert isinstance(origin.confidence, Confidence)


@BY_PROVIDER
def test_a_row_has_what_a_person_needs(row: Provider) -> None:
    assert row.title
    assert row.steps
    assert all(one.endswith((".", "?")) for one in (*row.steps, *row.notes))
    assert row.passwords or row.oauth or row.kind is ProviderKind.OWN


@BY_PROVIDER
def test_a_server_of_a_row_can_be_connected_to_in_production(row: Provider) -> None:
    policy = NetworkPolicy() if row.kind is not ProviderKind.OWN else NetworkPolicy(private=True)
    assert hosts(row)
    for host in hosts(row):
        assert server_name(host) == host
        assert policy.allows_host(host)
        assert all(policy.allows_port(host, port.number) for port in row.ports)


@BY_PROVIDER
def test_a_password_is_never_sent_in_the_clear(row: Provider) -> None:
    plain = [port for port in row.ports if port.security is Security.PLAIN]
    assert not plain or row.kind is ProviderKind.OWN


@BY_PROVIDER
def test_a_mailbox_has_a_limit_for_a_day(row: Provider) -> None:
    assert row.kind is not ProviderKind.MAILBOX or row.limits().daily is not None


@BY_PROVIDER
def test_a_provider_that_counts_recipients_says_how_many_a_minute(row: Provider) -> None:
    assert row.unit is LimitUnit.MESSAGES or row.limits().minute is not None


@BY_PROVIDER
def test_an_email_to_as_many_as_the_provider_takes_fits_the_limits_that_are_filled_in(
    row: Provider,
) -> None:
    most = row.figure("recipients_per_message")
    recipients = 1 if most is None or most.value is None else most.value
    assert row.limits().ever_fits(recipients, urgent=True)


@BY_PROVIDER
def test_what_is_not_published_is_no_more_than_the_safe_default(row: Provider) -> None:
    allowed = {**SAFE, "connections": 2}  # 2 for Google Workspace
    for figure in row.figures:
        if figure.origin.confidence is Confidence.UNPUBLISHED and figure.name in allowed:
            assert figure.value is not None
            assert figure.value <= allowed[figure.name]


def test_the_next_email_is_announced_only_to_a_server_that_was_tried() -> None:
    tried = (ROOT / "docs/mail-servers.md").read_text("utf-8").partition("turned on by hand")[2]
    assert re.search(r"^\| Postfix \| 0 \| 0 \| [\d.]+ s \| on \|$", tried, re.MULTILINE)
    assert [row.id for row in ROWS if row.announce_next] == ["own-postfix"]


def test_a_domain_belongs_to_one_provider() -> None:
    counted = Counter(domain for row in ROWS for domain in row.all_domains)
    assert [domain for domain, count in counted.items() if count > 1] == []


# -- whose a domain or a mail exchanger is ---------------------------------------------------------


@pytest.mark.parametrize(
    ("domain", "provider", "region"),
    [
        ("gmail.com", "gmail", None),
        ("Googlemail.com", "gmail", None),
        ("hotmail.co.uk", "outlook.com", None),
        ("me.com", "icloud", None),
        ("zoho.eu", "zoho", "eu"),
        ("gmx.de", "gmx", "net"),
        ("gmx.com", "gmx", "com"),
        ("yahoo.co.uk", "yahoo", None),
        ("fastmail.com", "fastmail", None),
    ],
)
def test_a_mail_domain_is_known(domain: str, provider: str, region: str | None) -> None:
    match = PROVIDERS.of_domain(domain)
    assert match is not None
    assert (match.provider.id, match.region) == (provider, region)


@pytest.mark.parametrize("domain", ["example.com", "mail.gmail.com", "com", ""])
def test_a_mail_domain_of_somebody_else_is_not(domain: str) -> None:
    assert PROVIDERS.of_domain(domain) is None


@pytest.mark.parametrize(
    ("exchanger", "provider", "region"),
    [
        ("ASPMX.L.GOOGLE.COM.", "google-workspace", None),
        ("alt1.aspmx.l.google.com", "google-workspace", None),
        ("example-com.mail.protection.outlook.com", "microsoft-365", None),
        ("example-com.o-v1.mx.microsoft", "microsoft-365", None),
        ("hotmail-com.olc.protection.outlook.com", "outlook.com", None),
        ("in1-smtp.messagingengine.com", "fastmail", None),
        ("mx.zoho.eu", "zoho", "eu"),
        ("mx01.mail.icloud.com", "icloud", None),
        ("mx1.mail.ovh.net", "ovh", None),
        ("mx00.kundenserver.de", "ionos", "de"),
        ("mta5.am0.yahoodns.net", "yahoo", None),
    ],
)
def test_a_mail_exchanger_is_known_by_the_end_of_its_name(
    exchanger: str, provider: str, region: str | None
) -> None:
    match = PROVIDERS.of_mail_exchanger(exchanger)
    assert match is not None
    assert (match.provider.id, match.region) == (provider, region)


@pytest.mark.parametrize(
    "exchanger",
    ["mx.example.com", "evilmail.ovh.net.example", "notmessagingengine.com", "mx.gm0.yahoodns.net"],
)
def test_a_mail_exchanger_of_somebody_else_is_not(exchanger: str) -> None:
    assert PROVIDERS.of_mail_exchanger(exchanger) is None


# -- what is filled in -----------------------------------------------------------------------------


def test_gmail_is_filled_in_from_its_name_alone() -> None:
    assert filled("gmail", password="secret") == {
        **fields(password="secret"),
        "host": "smtp.gmail.com",
        "port": 587,
        "security": Security.STARTTLS,
        "username": "ada@example.com",
        "daily": 500,
        "hourly": None,
        "minute": 20,
        "unit": LimitUnit.MESSAGES,
        "max_connections": 1,
        "allowed_octets": 25_000_000,
    }


def test_what_an_owner_says_goes_before_the_provider() -> None:
    said: dict[str, Any] = {
        "host": "smtp.example.com",
        "port": 2525,
        "username": "me",
        "password": "secret",
        "daily": None,
        "hourly": 7,
        "minute": 3,
        "max_connections": 4,
        "allowed_octets": None,
        "announce_next": False,
    }
    made: Any = filled("own-postfix", **said)
    assert {name: made[name] for name in said} == said


@pytest.mark.parametrize(
    ("given", "port", "security"),
    [
        ({}, 587, Security.STARTTLS),
        ({"security": Security.TLS}, 465, Security.TLS),
        ({"security": Security.STARTTLS}, 587, Security.STARTTLS),
        ({"port": 465}, 465, Security.TLS),
        ({"port": 2525}, 2525, Security.STARTTLS),
        ({"port": 2525, "security": Security.TLS}, 2525, Security.TLS),
    ],
)
def test_port_and_protection_go_together(
    given: dict[str, Any], port: int, security: Security
) -> None:
    made = filled("gmail", **given)
    assert (made["port"], made["security"]) == (port, security)


def test_a_postfix_on_this_machine_is_talked_to_without_tls_or_login() -> None:
    made = filled("own-postfix")
    assert (made["host"], made["port"]) == ("127.0.0.1", 25)
    assert (made["security"], made["announce_next"]) == (Security.PLAIN, True)
    assert "username" not in made
    assert (made["daily"], made["hourly"], made["minute"]) == (None, None, None)


def test_a_username_comes_with_a_password_only() -> None:
    assert "username" not in filled("gmail")
    assert filled("sendgrid", password="secret")["username"] == "apikey"
    assert "username" not in filled("postmark", password="secret")


def test_a_limit_on_recipients_holds_for_messages_and_not_the_other_way_round() -> None:
    by_message = filled("microsoft-365")
    by_recipient = filled("microsoft-365", unit=LimitUnit.RECIPIENTS)
    assert (by_message["daily"], by_message["minute"]) == (10_000, 30)
    assert (by_recipient["daily"], by_recipient["minute"]) == (10_000, None)
    assert by_recipient["unit"] is LimitUnit.RECIPIENTS


def test_where_a_provider_allows_thousands_of_connections_ten_are_filled_in() -> None:
    assert filled("sendgrid")["max_connections"] == 10
    assert filled("microsoft-365")["max_connections"] == 3


def test_a_region_chooses_the_server() -> None:
    assert filled("ses", "eu-west-1")["host"] == "email-smtp.eu-west-1.amazonaws.com"
    assert filled("ses", "us-gov-west-1")["host"] == "email-smtp.us-gov-west-1.amazonaws.com"
    assert filled("zoho", "pro.eu")["host"] == "smtppro.zoho.eu"
    assert filled("zoho")["host"] == "smtp.zoho.com"


@pytest.mark.parametrize(
    ("provider", "region"),
    [
        ("ses", None),
        ("ses", "EU-WEST-1"),
        ("ses", "eu-west-1.example.com/x"),
        ("ses", "evil"),
        ("zoho", "mars"),
        ("gmail", "eu"),
        ("gmx", None),
    ],
)
def test_a_region_that_is_missing_or_not_known_is_told(provider: str, region: str | None) -> None:
    with pytest.raises(InvalidInput) as refused:
        filled(provider, region)
    assert [error.field for error in refused.value.errors] == ["region"]


def test_a_host_makes_the_region_superfluous() -> None:
    assert filled("ses", host="email-smtp.mars.amazonaws.com")["minute"] == 60


def test_a_region_without_a_provider_is_refused() -> None:
    with pytest.raises(InvalidInput, match="region: is part of a provider"):
        with_preset(fields(host="smtp.example.com"), None, "eu-west-1")


def test_a_provider_that_is_not_known_is_refused_with_the_list() -> None:
    with pytest.raises(InvalidInput) as refused:
        PROVIDERS.named("gmial")
    assert all(row.id in str(refused.value) for row in ROWS)
    with pytest.raises(NotFound):
        PROVIDERS.get("gmial")


# -- the file --------------------------------------------------------------------------------------


def broken(**changes: Any) -> dict[str, Any]:
    """The table with its first row changed; None removes a field."""
    table = deepcopy(PROVIDERS_TABLE)
    first = table["provider"][0]
    for name, value in changes.items():
        if value is None:
            del first[name]
        else:
            first[name] = value
    return table


def a_figure(**changes: Any) -> dict[str, Any]:
    figure = {
        "value": 1,
        "source": "https://example.com/",
        "checked_on": WRITTEN_ON,
        "confidence": "published",
    }
    return {"messages_per_day": {**figure, **changes}}


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"title": None}, "gmail: 'title' is missing"),
        ({"colour": "red"}, "gmail: colour is unknown"),
        ({"id": "lookup"}, "lookup: the id must be"),
        ({"id": "ses"}, "ses: the id ses stands at ses too"),
        ({"domains": ["icloud.com"]}, "icloud: the domain icloud.com stands at gmail too"),
        ({"mx": ["mail.ovh.net"]}, "ovh: the mail exchanger mail.ovh.net stands at gmail too"),
        ({"domains": ["Gmail.com"]}, "must be a domain in small letters"),
        ({"source": "http://example.com/"}, "must be an https URL"),
        ({"checked_on": "2026-11-30"}, "checked_on must be a date"),
        ({"confidence": "sure"}, "'sure' is not a valid Confidence"),
        ({"ports": []}, "ports and steps must not be empty"),
        ({"steps": []}, "ports and steps must not be empty"),
        ({"host": None}, "a host or regions are missing"),
        ({"username": "{user}"}, "a username may have"),
        ({"figures": {"emails": {}}}, "emails is no figure"),
        ({"figures": a_figure(value=0)}, "must be a whole number from 1"),
        ({"figures": a_figure(value=True)}, "must be a whole number from 1"),
        ({"figures": a_figure(no_limit=True)}, "either a value or no_limit"),
        ({"figures": a_figure(source="a friend")}, "must be an https URL"),
        ({"figures": a_figure(per="day")}, "per is unknown"),
    ],
)
def test_a_row_that_is_wrong_is_refused_by_its_name(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=re.escape(told)):
        parse_providers(broken(**changes))
