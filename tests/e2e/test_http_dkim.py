"""DKIM keys over HTTP: made, published, used, removed."""

from typing import Any

import pytest
from flask.testing import FlaskClient

from adapters.fakes.sender import FakeSender
from tests.applications import (
    a_client,
    a_client_with_config,
    a_config_body,
    a_keyed_client,
    an_application,
    an_email_body,
    deliver,
    pointers,
)

KEYS = "/api/smtp-configs/1/dkim"


def made(client: FlaskClient, **wish: Any) -> dict[str, Any]:
    reply = client.post(KEYS, json=wish)
    assert reply.status_code == 201, reply.text
    return reply.json


def test_keys_are_made_with_the_records_to_publish_and_sign_nothing_yet() -> None:
    client = a_client_with_config()

    keys = made(client, selector="mail")

    assert (keys["selector"], keys["domain"], keys["active"]) == ("mail", "example.com", False)
    names = [record["name"] for record in keys["records"]]
    assert names == ["mail-rsa._domainkey.example.com", "mail-ed25519._domainkey.example.com"]
    for record in keys["records"]:
        assert record["type"] == "TXT"
        assert record["value"].startswith("v=DKIM1; k=")
        assert "".join(record["strings"]) == record["value"]
    assert client.get(KEYS).json == [keys]
    summary = {"selector": "mail", "domain": "example.com", "active": False}
    assert client.get("/api/smtp-configs/1").json["dkim"] == [summary]


def test_a_domain_of_another_script_is_the_one_of_the_dns() -> None:
    client = a_client()
    client.post("/api/smtp-configs", json=a_config_body(email_address="me@bücher.example"))

    keys = made(client, domain="Bücher.example.", selector="mail")

    assert keys["domain"] == "xn--bcher-kva.example"
    assert keys["records"][0]["name"] == "mail-rsa._domainkey.xn--bcher-kva.example"


def test_the_body_may_be_left_out() -> None:
    client = a_client_with_config()

    reply = client.post(KEYS)

    assert (reply.status_code, reply.json["domain"]) == (201, "example.com")
    assert reply.json["selector"].startswith("es1-")


def test_mail_is_signed_from_the_switch_on_until_the_keys_are_removed() -> None:
    sender = FakeSender()
    application = an_application(sender=sender)
    client = a_client_with_config(application)
    made(client, selector="mail")

    def signatures() -> int:
        assert client.post("/api/emails", json=an_email_body()).status_code == 201
        deliver(application)
        return sender.accepted[-1].octets.count(b"DKIM-Signature: ")

    assert signatures() == 0
    switched = client.patch(f"{KEYS}/mail", json={"active": True})
    assert (switched.status_code, switched.json["active"]) == (200, True)
    assert client.get("/api/smtp-configs/1").json["dkim"][0]["active"] is True
    assert signatures() == 2
    client.patch(f"{KEYS}/mail", json={"active": False})
    assert signatures() == 0
    client.patch(f"{KEYS}/mail", json={"active": True})
    assert client.delete(f"{KEYS}/mail").json == {"message": "DKIM keys deleted successfully"}
    assert signatures() == 0
    assert client.get(KEYS).json == client.get("/api/smtp-configs/1").json["dkim"] == []


@pytest.mark.parametrize(
    ("wish", "pointer"),
    [
        ({"domain": "example.org"}, "/domain"),
        ({"domain": ""}, "/domain"),
        ({"domain": "bücher.example"}, "/domain"),
        ({"domain": "192.0.2.1"}, "/domain"),
        ({"domain": None}, "/domain"),
        ({"selector": "Mail"}, "/selector"),
        ({"selector": "a.b"}, "/selector"),
        ({"selector": "mail\n"}, "/selector"),
        ({"active": True}, "/active"),
    ],
)
def test_a_wish_that_cannot_be_met_names_the_field(wish: dict[str, Any], pointer: str) -> None:
    reply = a_client_with_config().post(KEYS, json=wish)
    assert pointers(reply) == [pointer]
    assert "pattern" not in reply.text  # people do not read those


@pytest.mark.parametrize("body", [{}, {"active": None}, {"active": 1}, {"active": "true"}])
def test_the_switch_is_a_boolean(body: dict[str, Any]) -> None:
    client = a_client_with_config()
    made(client, selector="mail")

    assert pointers(client.patch(f"{KEYS}/mail", json=body)) == ["/active"]


def test_a_selector_is_taken_once() -> None:
    client = a_client_with_config()
    made(client, selector="mail")

    assert client.post(KEYS, json={"selector": "mail"}).status_code == 409


def test_what_is_not_there_is_a_404_that_says_what() -> None:
    client = a_client_with_config()
    for reply in (
        client.patch(f"{KEYS}/x", json={"active": True}),
        client.delete(f"{KEYS}/x"),
    ):
        assert reply.status_code == 404
        assert reply.json["detail"] == "there are no DKIM keys with the selector x"
    for reply in (client.get("/api/smtp-configs/2/dkim"), client.post("/api/smtp-configs/2/dkim")):
        assert reply.status_code == 404
        assert reply.json["detail"] == "there is no SMTP configuration 2"


def test_keys_are_an_admins_to_change_and_a_readers_to_see() -> None:
    application = an_application(closed=True)
    admin = a_keyed_client(application, "admin")
    for name in ("main", "other"):
        body = a_config_body(name=name)
        assert admin.post("/api/smtp-configs", json=body).status_code == 201
    made(admin, selector="mail")
    reader = a_keyed_client(application, "read")
    elsewhere = a_keyed_client(application, "admin", accounts=frozenset({2}))

    assert reader.get(KEYS).status_code == 200
    for client, status in ((reader, 403), (elsewhere, 404)):
        assert client.post(KEYS).status_code == status
        assert client.patch(f"{KEYS}/mail", json={"active": True}).status_code == status
        assert client.delete(f"{KEYS}/mail").status_code == status
    assert elsewhere.get(KEYS).status_code == 404
    assert a_keyed_client(application, "send").get(KEYS).status_code == 403


def test_no_answer_holds_a_private_key() -> None:
    client = a_client_with_config()
    replies = [client.post(KEYS, json={"selector": "mail"}), client.get(KEYS)]
    replies.append(client.patch(f"{KEYS}/mail", json={"active": True}))
    replies.append(client.get("/api/smtp-configs/1"))

    for reply in replies:
        assert "PRIVATE" not in reply.text
        assert "sealed" not in reply.text


def test_keys_that_do_not_fit_a_new_address_are_told_at_the_change_and_by_verify() -> None:
    client = a_client_with_config()
    made(client, selector="mail")
    done = "SMTP configuration updated successfully"
    assert changed_to(client, "a@example.net") == done  # none signs
    assert changed_to(client, "a@example.com") == done
    assert client.patch(f"{KEYS}/mail", json={"active": True}).status_code == 200

    message = changed_to(client, "me@example.net")
    assert message.startswith(f"{done}, but ")
    assert "mail from me@example.net goes out without a signature" in message
    [warning] = client.post("/api/smtp-configs/1/verify").json["warnings"]
    assert warning in message
    assert changed_to(client, "you@example.net") == done  # it was told before

    assert changed_to(client, "me@news.example.com") == done
    assert client.post("/api/smtp-configs/1/verify").json["warnings"] == []


def test_mail_from_an_alias_is_signed_for_its_own_domain() -> None:
    sender = FakeSender()
    application = an_application(sender=sender)
    client = a_client(application)
    config = a_config_body(aliases=["*@news.example.net"])
    assert client.post("/api/smtp-configs", json=config).status_code == 201
    assert pointers(client.post(KEYS, json={"domain": "example.org"})) == ["/domain"]
    for domain in ("example.net", "example.com"):
        made(client, selector=domain.replace(".", "-"), domain=domain)
        switch = f"{KEYS}/{domain.replace('.', '-')}"
        assert client.patch(switch, json={"active": True}).status_code == 200
    for address in ("a@news.example.net", "shop@example.com"):
        body = an_email_body(**{"from": {"address": address, "name": ""}})
        assert client.post("/api/emails", json=body).status_code == 201
    deliver(application)

    signed = [one.octets.split(b"\r\nFrom:")[0] for one in sender.accepted]
    assert [head.count(b" d=example.net;") for head in signed] == [2, 0]
    assert [head.count(b" d=example.com;") for head in signed] == [0, 2]


def changed_to(client: FlaskClient, address: str) -> str:
    reply = client.put("/api/smtp-configs/1", json={"email_address": address})
    assert reply.status_code == 200, reply.text
    message: str = reply.json["message"]
    return message
