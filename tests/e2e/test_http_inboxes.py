"""The inbox of an SMTP configuration, over HTTP."""

from typing import Any

import pytest

from application import ServicePolicy
from application.access import AccessPolicy
from tests.applications import (
    a_client_with_config,
    a_config_body,
    an_application,
    delivery_rules,
    pointers,
)

SECRET = "the password of the inbox"
INBOX = {"host": "imap.example.com", "password": SECRET}


def put(client: Any, inbox: object) -> Any:
    return client.put("/api/smtp-configs/1", json={"inbox": inbox})


def shown(client: Any) -> Any:
    return client.get("/api/smtp-configs/1").json["inbox"]


def test_an_inbox_is_shown_without_its_password() -> None:
    client = a_client_with_config()
    assert shown(client) is None

    assert put(client, INBOX).status_code == 200

    assert shown(client) == {
        "host": "imap.example.com",
        "port": 993,
        "username": shown(client)["username"],
        "password_set": True,
        "folder": "INBOX",
        "poll_seconds": 60,
        "last_read_at": None,
        "last_error": None,
    }
    assert SECRET not in client.get("/api/smtp-configs/1").text


def test_an_inbox_can_come_with_a_new_configuration_and_is_removed_by_null() -> None:
    client = a_client_with_config()
    body = a_config_body(name="second", inbox={**INBOX, "folder": "Reports", "poll_seconds": 10})
    assert client.post("/api/smtp-configs", json=body).status_code == 201
    assert client.get("/api/smtp-configs/2").json["inbox"]["folder"] == "Reports"

    assert client.put("/api/smtp-configs/2", json={"inbox": None}).status_code == 200

    assert client.get("/api/smtp-configs/2").json["inbox"] is None


@pytest.mark.parametrize(
    ("change", "kept"),
    [
        ({"folder": "Other"}, True),
        ({"poll_seconds": 90}, True),
        ({"host": "imap.example.net"}, False),
        ({"port": 143}, False),
        ({"username": "other"}, False),
    ],
)
def test_the_password_is_kept_for_the_same_server_and_username(
    change: dict[str, object], kept: bool
) -> None:
    client = a_client_with_config()
    put(client, INBOX)

    reply = put(client, {"host": "imap.example.com", **change})

    if kept:
        assert (reply.status_code, shown(client)["password_set"]) == (200, True)
    else:
        assert pointers(reply) == ["/inbox/password"]
        assert shown(client)["host"] == "imap.example.com"


@pytest.mark.parametrize(
    ("inbox", "pointer"),
    [
        ({}, "/inbox/host"),
        ({"host": "imap.example.com"}, "/inbox/password"),
        ({**INBOX, "port": 110}, "/inbox/port"),
        ({**INBOX, "poll_seconds": 9}, "/inbox/poll_seconds"),
        ({**INBOX, "folder": "Berichte ü"}, "/inbox/folder"),
        ({**INBOX, "password": "a\nb"}, "/inbox/password"),
        ({**INBOX, "ssl": True}, "/inbox/ssl"),
    ],
)
def test_what_is_wrong_with_an_inbox_is_named(inbox: dict[str, object], pointer: str) -> None:
    assert pointers(put(a_client_with_config(), inbox)) == [pointer]


@pytest.mark.parametrize("host", ["127.0.0.1", "169.254.169.254", "::ffff:10.0.0.1", "localhost"])
def test_a_forbidden_server_is_refused(host: str) -> None:
    open_api = AccessPolicy(open_without_keys=True)
    rules = ServicePolicy(delivery=delivery_rules(), access=open_api)
    client = a_client_with_config(an_application(rules=rules, closed=True))

    assert pointers(put(client, {**INBOX, "host": host})) == ["/inbox/host"]


def test_a_token_is_not_for_another_server() -> None:
    client = a_client_with_config()
    auth = {"type": "oauth", "provider": "google", "flow": "authorization_code"}
    body = {
        "auth": {**auth, "client_id": "c", "client_secret": "s"},
        "inbox": {"host": "imap.example.com"},
    }
    assert pointers(client.put("/api/smtp-configs/1", json=body)) == ["/inbox/password"]

    body["inbox"] = {"host": "imap.gmail.com"}
    assert client.put("/api/smtp-configs/1", json=body).status_code == 200
    assert shown(client)["password_set"] is False
