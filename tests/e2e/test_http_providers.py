"""The calls under /api/providers, and what a provider fills in for an SMTP configuration."""

from typing import Any

import pytest

from tests.applications import a_client, a_keyed_client, an_application, pointers
from tests.shipped_rules import PROVIDERS

GMAIL = {
    "name": "main",
    "email_address": "ada@gmail.com",
    "provider": "gmail",
    "password": "abcd efgh ijkl mnop",
}


def created(**changes: Any) -> dict[str, Any]:
    """The SMTP configuration that a body with these changes makes."""
    client = a_client()
    reply = client.post("/api/smtp-configs", json={**GMAIL, **changes})
    assert reply.status_code == 201, reply.text
    shown: dict[str, Any] = client.get(reply.headers["Location"]).json
    return shown


def test_every_provider_is_listed_with_its_sources() -> None:
    reply = a_client().get("/api/providers")
    assert reply.status_code == 200
    assert [row["id"] for row in reply.json] == [row.id for row in PROVIDERS.all()]
    for row in reply.json:
        assert row["source"].startswith("https://")
        assert row["checked_on"] >= "2026-11-30"
        assert all(figure["source"] and figure["confidence"] for figure in row["figures"])


def test_one_is_shown_as_it_stands_in_the_list() -> None:
    client = a_client()
    listed = {row["id"]: row for row in client.get("/api/providers").json}
    assert client.get("/api/providers/outlook.com").json == listed["outlook.com"]
    assert listed["gmail"]["daily_limit"] == 500
    assert listed["ses"]["smtp_host"] is None


@pytest.mark.parametrize("provider", ["gmial", "GMAIL", "a" * 100, "%00"])
def test_one_that_is_not_there_is_not_found(provider: str) -> None:
    assert a_client().get(f"/api/providers/{provider}").status_code == 404


def test_a_key_that_only_sends_may_not_look() -> None:
    application = an_application(closed=True)
    assert a_keyed_client(application, "send").get("/api/providers").status_code == 403
    assert a_keyed_client(application, "read").get("/api/providers").status_code == 200


def test_a_provider_fills_in_what_is_left_out() -> None:
    shown = created()
    filled = {
        "smtp_host": "smtp.gmail.com",
        "smtp_port": 587,
        "use_tls": True,
        "use_ssl": False,
        "username": "ada@gmail.com",
        "daily_limit": 500,
        "hourly_limit": None,
        "minute_limit": 20,
        "limit_unit": "messages",
        "max_connections": 1,
        "max_message_bytes": 25_000_000,
    }
    assert {name: shown[name] for name in filled} == filled
    assert "provider" not in shown


def test_what_the_body_says_wins() -> None:
    said = {"smtp_port": 465, "daily_limit": None, "hourly_limit": 9, "max_message_bytes": None}
    shown = created(**said, username="somebody")
    assert {name: shown[name] for name in said} == said
    assert (shown["username"], shown["use_ssl"]) == ("somebody", True)


def test_a_region_chooses_the_server() -> None:
    shown = created(provider="ses", region="eu-west-1", username="AKIA")
    assert shown["smtp_host"] == "email-smtp.eu-west-1.amazonaws.com"
    assert (shown["limit_unit"], shown["minute_limit"]) == ("recipients", 60)


def test_ses_without_a_region_is_taken_with_a_host() -> None:
    shown = created(provider="ses", username="AKIA", smtp_host="smtp.example.com")
    assert shown["smtp_host"] == "smtp.example.com"


def test_an_unknown_provider_is_refused_with_the_list() -> None:
    reply = a_client().post("/api/smtp-configs", json={**GMAIL, "provider": "gmial"})
    assert pointers(reply) == ["/provider"]
    assert all(row.id in reply.json["detail"] for row in PROVIDERS.all())


@pytest.mark.parametrize(
    ("changes", "refused"),
    [
        ({"provider": "ses"}, ["/region"]),
        ({"provider": "ses", "region": "mars"}, ["/region"]),
        ({"region": "eu"}, ["/region"]),
        ({"provider": None}, ["/provider"]),
        ({"provider": 1}, ["/provider"]),
        ({"provider": ""}, ["/provider"]),
    ],
)
def test_a_provider_or_region_that_cannot_be_is_refused(
    changes: dict[str, Any], refused: list[str]
) -> None:
    reply = a_client().post("/api/smtp-configs", json={**GMAIL, **changes})
    assert pointers(reply) == refused


def test_without_a_provider_a_host_is_required_and_told_with_what_else_is_wrong() -> None:
    reply = a_client().post("/api/smtp-configs", json={"name": "", "email_address": "a@b.example"})
    assert pointers(reply) == ["/smtp_host", "/name"]
    reply = a_client().post(
        "/api/smtp-configs",
        json={
            "name": "x",
            "email_address": "a@b.example",
            "region": "eu",
            "smtp_host": "b.example",
        },
    )
    assert pointers(reply) == ["/region"]


def test_a_change_takes_no_provider() -> None:
    client = a_client()
    client.post("/api/smtp-configs", json=GMAIL)
    reply = client.put("/api/smtp-configs/1", json={"provider": "ses"})
    assert pointers(reply) == ["/provider"]
