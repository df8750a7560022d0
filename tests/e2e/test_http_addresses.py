"""Who an email is to, and whom it is answered to: addresses with and without names."""

from email import message_from_bytes, policy

import pytest

from adapters.fakes.sender import FakeSender
from tests.applications import (
    a_client_with_config,
    a_keyed_client,
    an_application,
    an_email_body,
    deliver,
    pointers,
)


def posted(**fields):
    """The answer to GET after an email with *fields* was accepted, and the message as it went."""
    sender = FakeSender()
    application = an_application(sender=sender)
    client = a_client_with_config(application)
    reply = client.post("/api/emails", json=an_email_body(**fields))
    assert reply.status_code == 201, reply.json
    deliver(application)
    [taken] = sender.accepted
    return client.get("/api/emails/1").json, message_from_bytes(taken.octets, policy=policy.default)


def refused(**fields):
    """The problem with an email with *fields*, of which nothing was stored."""
    client = a_client_with_config()
    reply = client.post("/api/emails", json=an_email_body(**fields))
    assert reply.status_code == 400, reply.json
    assert client.get("/api/emails").json == []
    return reply


def test_names_stand_in_the_headers_and_in_the_status_of_each_recipient():
    shown, message = posted(
        recipients=["Ada Lovelace <ada@example.org>", "bob@example.org"],
        cc=[{"address": "grace@example.org", "name": "Hopper, Grace"}],
        bcc=['"The Archive" <archive@example.org>'],
    )

    assert message["To"] == "Ada Lovelace <ada@example.org>, bob@example.org"
    assert message["Cc"] == '"Hopper, Grace" <grace@example.org>'
    assert "rchive" not in str(message)
    assert shown["recipients"] == ["ada@example.org", "bob@example.org"]
    assert (shown["cc"], shown["bcc"]) == (["grace@example.org"], ["archive@example.org"])
    assert [(one["address"], one["name"]) for one in shown["recipient_status"]] == [
        ("ada@example.org", "Ada Lovelace"),
        ("bob@example.org", ""),
        ("grace@example.org", "Hopper, Grace"),
        ("archive@example.org", "The Archive"),
    ]


def test_replies_are_asked_for_at_the_addresses_that_were_given():
    shown, message = posted(
        reply_to=["help@example.com", {"address": "büro@example.com", "name": "Büro"}]
    )

    assert str(message["Reply-To"]).startswith("help@example.com, Büro <")
    assert shown["reply_to"] == [
        {"address": "help@example.com", "name": ""},
        {"address": "büro@example.com", "name": "Büro"},
    ]


def test_an_email_without_names_shows_none():
    shown, message = posted()

    assert (message["To"], message["Reply-To"]) == ("ada@example.org", None)
    assert (shown["reply_to"], shown["recipient_status"][0]["name"]) == ([], "")


def test_whoever_is_named_twice_has_the_name_of_the_first_place():
    shown, message = posted(
        recipients=["ada@example.org", "Bob <bob@example.org>"],
        cc=["Bobby <bob@example.org>"],
        bcc=["Secret Ada <ada@example.org>"],
    )

    assert (message["To"], message["Cc"]) == ("ada@example.org, Bob <bob@example.org>", None)
    assert "Secret" not in str(message)
    assert [one["name"] for one in shown["recipient_status"]] == ["", "Bob"]


def test_a_refused_recipient_is_shown_without_its_name():
    sender = FakeSender()
    application = an_application(sender=sender)
    client = a_client_with_config(application)
    client.post("/api/emails", json=an_email_body(recipients=["Ada <ada@example.org>"]))
    assert client.get("/api/emails/1").json["rejected_recipients"] == []


def test_an_email_may_be_to_hidden_recipients_alone():
    shown, message = posted(recipients=[], bcc=["ada@example.org", "Bob <bob@example.org>"])

    assert (message["To"], message["Cc"]) == ("undisclosed-recipients:;", None)
    assert "bob" not in str(message).lower()
    assert (shown["recipients"], shown["status"]) == ([], "sent")
    assert shown["bcc"] == ["ada@example.org", "bob@example.org"]


def test_an_email_may_be_to_copied_recipients_alone():
    _, message = posted(recipients=[], cc=["ada@example.org"])

    assert (message["To"], message["Cc"]) == ("undisclosed-recipients:;", "ada@example.org")


def test_an_email_to_nobody_is_refused():
    assert pointers(refused(recipients=[])) == ["/recipients"]
    assert pointers(refused(recipients=[], reply_to=["ada@example.org"])) == ["/recipients"]


@pytest.mark.parametrize("field", ["recipients", "cc", "bcc", "reply_to"])
@pytest.mark.parametrize(
    ("item", "place"),
    [
        ("Ada <ada@example.org>, Bob <bob@example.org>", ""),
        ("Ada\r\nBcc: evil@example.net <ada@example.org>", ""),
        ("Team: ada@example.org;", ""),
        (7, ""),
        (None, ""),
        (["ada@example.org"], ""),
        ({}, "/address"),
        ({"name": "Ada"}, "/address"),
        ({"address": "Ada <ada@example.org>"}, "/address"),
        ({"address": "ada@example.org", "name": "A\nda"}, "/name"),
        ({"address": "ada@example.org", "name": None}, "/name"),
        ({"address": "ada@example.org", "name": "x" * 201}, "/name"),
        ({"address": "ada@example.org", "email": "x"}, "/email"),
    ],
)
def test_an_item_that_is_no_address_is_refused_at_its_place(field, item, place):
    reply = refused(**{field: ["bob@example.org", item]})

    assert pointers(reply) == [f"/{field}/1{place}"]


def test_more_than_25_addresses_for_replies_are_refused():
    assert pointers(refused(reply_to=["ada@example.org"] * 26)) == ["/reply_to"]


def test_an_address_counts_once_against_the_quota_whatever_its_name():
    application = an_application()
    a_client_with_config(application)
    client = a_keyed_client(application, "send", daily_recipients=1)
    body = an_email_body(
        recipients=[
            "ada@example.org",
            "Ada <ada@example.org>",
            {"address": "ada@example.org", "name": "A"},
        ],
        cc=["Ada <ada@example.org>"] * 3,
    )

    assert client.post("/api/emails", json=body).status_code == 201
