"""Email with a topic over HTTP: what is accepted, and the headers that it gets."""

import email
import email.policy
from email.message import EmailMessage
from typing import Any

import pytest
from flask.testing import FlaskClient

from adapters.fakes.clock import FakeClock
from adapters.fakes.memory_store import MemoryStore
from application import ServicePolicy
from tests.applications import (
    a_client_with_config,
    an_application,
    an_email_body,
    delivery_rules,
    pointers,
)

PUBLIC_URL = "https://mail.example.com/news"
LONGEST_ADDRESS = "a" * 64 + "@" + ".".join(["b" * 60] * 3) + ".org"


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore(clock=FakeClock())


@pytest.fixture
def client(store: MemoryStore) -> FlaskClient:
    return a_client(store, PUBLIC_URL)


def a_client(store: MemoryStore, public_url: str | None) -> FlaskClient:
    rules = ServicePolicy(delivery=delivery_rules(), public_url=public_url)
    return a_client_with_config(an_application(rules=rules, store=store))


def octets(store: MemoryStore, email_id: int) -> bytes:
    return store.read(lambda tx: tx.emails.octets(email_id))


def message(store: MemoryStore, email_id: int = 1) -> EmailMessage:
    parsed = email.message_from_bytes(octets(store, email_id), policy=email.policy.default)
    assert isinstance(parsed, EmailMessage)
    return parsed


def test_an_email_with_a_topic_gets_a_link_that_mail_clients_make_a_button_of(client, store):
    sent = client.post("/api/emails", json=an_email_body(topic="newsletter"))

    assert sent.status_code == 201, sent.text
    assert message(store)["List-Unsubscribe"].startswith(f"<{PUBLIC_URL}/u/")
    assert message(store)["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert message(store)["List-Id"] == "<newsletter.mail.example.com>"
    assert client.get("/api/emails/1").json["topic"] == "newsletter"


def test_a_list_that_the_client_names_itself_keeps_its_name(client, store):
    named = an_email_body(topic="news", headers={"List-ID": "News <news.example.org>"})
    client.post("/api/emails", json=named)

    assert message(store).get_all("List-Id") == ["News <news.example.org>"]


def test_an_email_without_a_topic_gets_no_link_and_no_rows_for_one(client, store):
    client.post("/api/emails", json=an_email_body())

    assert "List-Unsubscribe" not in message(store)
    assert client.get("/api/emails/1").json["topic"] is None
    assert store.read(lambda tx: tx.secrets.all()) == []


def test_the_link_stands_on_one_line_however_long_it_is(store):
    client = a_client(store, "https://mail.example.com/" + "p" * 275)
    sent = client.post(
        "/api/emails", json=an_email_body(recipients=[LONGEST_ADDRESS], topic="t" * 64)
    )

    assert sent.status_code == 201, sent.text
    [line] = [
        line for line in octets(store, 1).split(b"\r\n") if line.startswith(b"List-Unsubscribe:")
    ]
    assert line.endswith(b">")
    assert 600 < len(line) <= 998


@pytest.mark.parametrize(
    "more",
    [
        {"recipients": ["ada@example.org", "grace@example.org"]},
        {"cc": ["grace@example.org"]},
        {"bcc": ["grace@example.org"]},
    ],
)
def test_an_email_with_a_topic_has_exactly_one_recipient(client, more):
    refused = client.post("/api/emails", json=an_email_body(topic="news", **more))

    assert pointers(refused) == ["/topic"]
    assert "exactly one recipient, not 2" in refused.json["detail"]


def test_a_recipient_who_is_named_twice_is_one(client):
    body = an_email_body(topic="news", cc=["ada@example.org"])
    assert client.post("/api/emails", json=body).status_code == 201


@pytest.mark.parametrize(
    "topic", ["", "News", "-news", "a b", "n\u00e9ws", "t" * 65, "a\nb", 7, None, ["news"]]
)
def test_what_is_no_topic_is_refused(client, topic):
    assert pointers(client.post("/api/emails", json=an_email_body(topic=topic))) == ["/topic"]


def test_without_a_public_url_a_topic_is_refused_with_the_reason(store):
    refused = a_client(store, None).post("/api/emails", json=an_email_body(topic="news"))

    assert pointers(refused) == ["/topic"]
    assert refused.json["code"] == "no_public_url"
    assert "PUBLIC_URL" in refused.json["detail"]


def test_a_batch_may_have_emails_with_a_topic_among_others(client, store):
    batch = [
        an_email_body(topic="news"),
        an_email_body(recipients=["a@example.org", "b@example.org"]),
        an_email_body(recipients=["grace@example.org"], topic="news"),
    ]
    sent = client.post("/api/emails/batch", json={"emails": batch})

    assert sent.status_code == 201, sent.text
    links = [message(store, number)["List-Unsubscribe"] for number in (1, 2, 3)]
    assert links[1] is None
    assert links[0] != links[2]
    assert [client.get(f"/api/emails/{n}").json["topic"] for n in (1, 2, 3)] == [
        "news",
        None,
        "news",
    ]


def test_in_a_batch_a_topic_that_cannot_be_is_pointed_to(client):
    batch = [an_email_body(), an_email_body(topic="news", bcc=["grace@example.org"])]
    assert pointers(client.post("/api/emails/batch", json={"emails": batch})) == ["/emails/1/topic"]

    each = client.post("/api/emails/batch", json={"emails": batch, "mode": "each"})
    results: list[dict[str, Any]] = each.json["results"]
    assert [result["email_id"] for result in results] == [1, None]
    assert results[1]["error"]["errors"][0]["pointer"] == "/topic"
