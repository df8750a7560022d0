"""SMTP configurations whose email leaves over Microsoft Graph."""

from typing import Any

import pytest

from adapters.fakes.clock import FakeClock
from adapters.fakes.memory_store import MemoryStore
from domain.account.graph import MOST_OCTETS
from tests.applications import (
    a_client,
    a_config_body,
    a_keyed_client,
    an_application,
    an_email_body,
    pointers,
)

AUTH = {
    "type": "oauth",
    "provider": "microsoft",
    "flow": "client_credentials",
    "client_id": "11111111-2222-3333-4444-555555555555",
    "client_secret": "the-client-secret-of-a-test",
    "tenant": "example.com",
}


def a_graph_body(**changes: Any) -> dict[str, Any]:
    """The least that it takes."""
    body = {"name": "office", "email_address": "shop@example.com", "transport": "graph"}
    return {**body, "auth": AUTH, **changes}


def created(**changes: Any) -> Any:
    """A client whose service has one such configuration, with the id 1."""
    client = a_client()
    reply = client.post("/api/smtp-configs", json=a_graph_body(**changes))
    assert reply.status_code == 201, reply.text
    return client


def shown(client: Any) -> Any:
    return client.get("/api/smtp-configs/1").json


def test_the_transport_fills_in_what_is_left_out() -> None:
    found = shown(created())

    wanted = {
        "transport": "graph",
        "smtp_host": "graph.microsoft.com",
        "smtp_port": 443,
        "use_tls": False,
        "use_ssl": True,
        "username": "shop@example.com",
        "daily_limit": 10_000,
        "hourly_limit": None,
        "minute_limit": 30,
        "max_connections": 4,
        "max_message_bytes": MOST_OCTETS,
        "state": "open",
    }
    assert {name: found[name] for name in wanted} == wanted
    assert found["auth"]["scope"] == "https://graph.microsoft.com/.default"


def test_a_person_consents_to_mail_send_of_graph() -> None:
    flow = {name: AUTH[name] for name in ("type", "provider", "client_id")}
    found = shown(created(auth={**flow, "flow": "device"}))

    assert found["auth"]["scope"] == "https://graph.microsoft.com/Mail.Send offline_access"
    assert found["pause_reason"] == "needs_consent"


def test_what_is_given_goes_before_what_is_filled_in() -> None:
    found = shown(created(minute_limit=10, max_connections=1, username="box@example.com"))

    assert found["minute_limit"] == 10
    assert found["max_connections"] == 1
    assert found["username"] == "box@example.com"


def test_the_provider_of_the_mailbox_may_be_named_too() -> None:
    found = shown(created(provider="microsoft-365"))

    assert (found["smtp_host"], found["smtp_port"]) == ("graph.microsoft.com", 443)
    assert (found["minute_limit"], found["max_connections"]) == (30, 4)


@pytest.mark.parametrize(
    ("changes", "wrong"),
    [
        ({"auth": None}, ["/auth"]),
        ({"auth": {"type": "password"}, "password": "x"}, ["/auth"]),
        (
            {"auth": {**AUTH, "provider": "google", "flow": "authorization_code", "tenant": None}},
            ["/auth/provider"],
        ),
        ({"smtp_host": "smtp.office365.com"}, ["/smtp_host"]),
        ({"smtp_host": "evil.example"}, ["/smtp_host"]),
        ({"smtp_port": 587}, ["/smtp_port"]),
        ({"use_tls": True}, ["/use_ssl"]),
        ({"use_ssl": False}, ["/use_ssl"]),
        ({"max_connections": 5}, ["/max_connections"]),
        ({"auth": {**AUTH, "scope": "https://outlook.office365.com/.default"}}, ["/auth/scope"]),
        ({"transport": "pigeon"}, ["/transport"]),
    ],
)
def test_what_does_not_go_together_is_refused(changes: dict[str, Any], wrong: list[str]) -> None:
    body = a_graph_body(**changes)
    auth = body["auth"]
    if auth is None:
        del body["auth"]
    else:
        body["auth"] = {name: value for name, value in auth.items() if value is not None}

    assert set(wrong) <= set(pointers(a_client().post("/api/smtp-configs", json=body)))


def test_a_server_on_this_machine_may_play_graph_in_development_only() -> None:
    played = {"smtp_host": "127.0.0.1", "smtp_port": 4430, "use_tls": False, "use_ssl": False}
    found = shown(created(**played))
    assert (found["smtp_host"], found["use_ssl"]) == ("127.0.0.1", False)

    closed = a_keyed_client(an_application(closed=True), "admin")
    reply = closed.post("/api/smtp-configs", json=a_graph_body(**played))
    assert pointers(reply) == ["/smtp_host", "/smtp_port"]


def test_mail_that_left_by_smtp_leaves_over_graph_after_a_change() -> None:
    client = a_client()
    client.post("/api/smtp-configs", json=a_config_body())

    reply = client.put("/api/smtp-configs/1", json={"transport": "graph", "auth": AUTH})

    assert reply.status_code == 200, reply.text
    found = shown(client)
    assert (found["transport"], found["smtp_host"]) == ("graph", "graph.microsoft.com")
    assert (found["smtp_port"], found["use_ssl"], found["use_tls"]) == (443, True, False)
    assert found["max_connections"] == 2
    assert found["password_set"] is False


def test_without_its_secret_a_change_to_graph_is_refused() -> None:
    client = a_client()
    client.post("/api/smtp-configs", json=a_config_body())

    assert pointers(client.put("/api/smtp-configs/1", json={"transport": "graph"})) == ["/auth"]
    assert shown(client)["transport"] == "smtp"


def test_back_to_smtp_a_server_must_be_named() -> None:
    client = created()
    assert pointers(client.put("/api/smtp-configs/1", json={"transport": "smtp"})) == ["/smtp_host"]

    body = {
        "transport": "smtp",
        "smtp_host": "smtp.example.com",
        "auth": {"type": "password"},
        "password": "correct horse",
    }
    reply = client.put("/api/smtp-configs/1", json=body)

    assert reply.status_code == 200, reply.text
    found = shown(client)
    assert (found["transport"], found["smtp_host"]) == ("smtp", "smtp.example.com")
    assert (found["smtp_port"], found["use_tls"], found["use_ssl"]) == (587, True, False)
    assert found["max_message_bytes"] is None


def test_a_change_of_the_transport_forgets_what_was_meant_for_the_other_server() -> None:
    store = MemoryStore(clock=FakeClock())
    client = a_client(an_application(store=store))
    assert client.post("/api/smtp-configs", json=a_graph_body()).status_code == 201

    client.put("/api/smtp-configs/1", json={"transport": "smtp", "smtp_host": "smtp.example.com"})

    stored = store.read(lambda tx: tx.credentials.find(1))
    assert stored is not None
    assert stored.sealed_secret is None


def test_more_than_3_mb_are_refused_where_only_graph_could_take_them() -> None:
    client = created()
    body = an_email_body(html_content=None, text_content=("x" * 70 + "\n") * 43_700)
    del body["html_content"]

    reply = client.post("/api/emails", json=body)

    assert reply.status_code == 413
    assert "3000000" in reply.text


def test_graph_without_oauth_is_told_alone_and_not_as_a_password_that_is_missing() -> None:
    body = {"name": "g", "email_address": "a@example.com", "transport": "graph"}

    assert pointers(a_client().post("/api/smtp-configs", json=body)) == ["/auth"]
