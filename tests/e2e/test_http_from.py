"""from: whom an email is from, and by which SMTP configuration it goes."""

from email import message_from_bytes, policy

import pytest

from adapters.fakes.sender import FakeSender, Rule, Script
from tests.applications import (
    a_client,
    a_config_body,
    a_keyed_client,
    an_application,
    an_email_body,
    deliver,
    pointers,
)

CONFIGS = (
    {"name": "shop", "email_address": "shop@example.com", "aliases": ["billing@example.com"]},
    {"name": "news", "email_address": "news@example.org", "aliases": ["*@news.example.org"]},
)


def a_client_with_both(application):
    client = a_client(application)
    for fields in CONFIGS:
        created = client.post("/api/smtp-configs", json=a_config_body(**fields))
        assert created.status_code == 201, created.json
    return client


def posted(**fields):
    """The answer to GET, and what was handed off."""
    sender = FakeSender()
    application = an_application(sender=sender)
    client = a_client_with_both(application)
    reply = client.post("/api/emails", json=an_email_body(**fields))
    assert reply.status_code == 201, reply.json
    deliver(application)
    [taken] = sender.accepted
    return client.get("/api/emails/1").json, taken


def refused(**fields):
    client = a_client_with_both(an_application())
    reply = client.post("/api/emails", json=an_email_body(**fields))
    assert reply.status_code == 400, reply.json
    assert client.get("/api/emails").json == []
    return reply


@pytest.mark.parametrize(
    "sender",
    [
        {"address": "weekly@news.example.org", "name": "The Weekly, Nr. 7"},
        '"The Weekly, Nr. 7" <weekly@news.example.org>',
    ],
)
def test_an_alias_chooses_the_configuration_and_stands_in_the_one_from_line(sender):
    shown, taken = posted(**{"from": sender})

    message = message_from_bytes(taken.octets, policy=policy.default)
    assert message.get_all("From") == ['"The Weekly, Nr. 7" <weekly@news.example.org>']
    assert str(taken.envelope.sender) == "news@example.org"
    assert shown["from"] == {"address": "weekly@news.example.org", "name": "The Weekly, Nr. 7"}
    assert (shown["sender"], shown["smtp_config"]) == ("news@example.org", "news")
    assert shown["message_id"].endswith("@news.example.org>")


def test_the_own_address_chooses_the_configuration_too():
    shown, taken = posted(**{"from": {"address": "news@example.org"}})

    assert taken.octets.startswith(b"From: Example Shop <news@example.org>\r\n")
    assert shown["from"] == {"address": "news@example.org", "name": "Example Shop"}


def test_without_from_the_one_of_the_configuration_is_shown():
    shown, _ = posted(smtp_config_id=2)

    assert shown["from"] == {"address": "news@example.org", "name": "Example Shop"}


@pytest.mark.parametrize(
    "fields",
    [
        {"from": {"address": "ceo@bank.example"}},
        {"from": {"address": "other@example.com"}},
        {"from": {"address": "billing@example.com"}, "smtp_config_id": 2},
        {"from": {"address": "news@example.org"}, "smtp_config_id": 1},
    ],
)
def test_an_address_that_is_no_alias_is_refused(fields):
    reply = refused(**fields)

    assert (reply.json["code"], pointers(reply)) == ("from_not_allowed", ["/from"])


@pytest.mark.parametrize(
    ("sender", "pointer"),
    [
        (None, "/from"),
        (7, "/from"),
        ([], "/from"),
        ("Shop <shop@example.com>, Bank <ceo@bank.example>", "/from"),
        ({"name": "Shop"}, "/from/address"),
        ({"address": "shop@example.com", "name": "a\r\nBcc: e@e.e"}, "/from/name"),
        ({"address": "shop@example.com>\r\nBcc: <e@e.e"}, "/from/address"),
    ],
    ids=ascii,
)
def test_what_is_no_mailbox_is_refused(sender, pointer):
    assert pointers(refused(**{"from": sender})) == [pointer]


def test_a_key_of_one_configuration_sends_as_no_other():
    application = an_application()
    a_client_with_both(application)
    client = a_keyed_client(application, "send", accounts=frozenset({1}))

    own = client.post("/api/emails", json=an_email_body(**{"from": "billing@example.com"}))
    other = client.post("/api/emails", json=an_email_body(**{"from": "news@example.org"}))

    assert own.status_code == 201
    assert (other.json["code"], pointers(other)) == ("from_not_allowed", ["/from"])


def test_a_batch_names_the_place_of_an_address_that_is_not_allowed():
    client = a_client_with_both(an_application())
    emails = [an_email_body(), an_email_body(**{"from": "ceo@bank.example"})]

    reply = client.post("/api/emails/batch", json={"emails": emails})

    assert (reply.json["code"], pointers(reply)) == ("from_not_allowed", ["/emails/1/from"])


def test_an_email_with_an_alias_is_retried_only_where_that_is_one_too():
    application = an_application(sender=FakeSender(Script([Rule("rcpt", "550 5.1.1 no")])))
    client = a_client_with_both(application)
    client.post("/api/emails", json=an_email_body(**{"from": "billing@example.com"}))
    deliver(application)

    elsewhere = client.post("/api/emails/1/retry", json={"smtp_config_id": 2})
    client.put("/api/smtp-configs/2", json={"aliases": ["*@example.com"]})
    allowed = client.post("/api/emails/1/retry", json={"smtp_config_id": 2})

    assert (elsewhere.json["code"], pointers(elsewhere)) == (
        "from_not_allowed",
        ["/smtp_config_id"],
    )
    assert allowed.status_code == 200
