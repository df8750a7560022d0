"""Searching the list of emails."""

import pytest

from adapters.fakes.sender import FakeSender, Fault, Rule, Script
from tests.applications import (
    a_client_with_config,
    a_keyed_client,
    an_application,
    an_email_body,
    deliver,
    pointers,
)


@pytest.fixture
def client():
    """Three emails: an invoice to Ada, an invoice to Bob with a copy for Ada, a letter to Eve."""
    client = a_client_with_config()
    for body in (
        an_email_body(
            subject="Invoice 7", recipients=["ada@example.org"], tags=["invoice", "a"],
            metadata={"order": "7", "a.b c": "x&y"},
        ),
        an_email_body(
            subject="invoice 71", recipients=["bob@example.org"], cc=["Ada@example.org"],
            tags=["invoice"], metadata={"order": "71"},
        ),
        an_email_body(subject="Hello", recipients=["eve@example.org", "eva@example.org"]),
    ):  # fmt: skip
        assert client.post("/api/emails", json=body).status_code == 201
    return client


def found(client, **query):
    """The ids of what is found."""
    reply = client.get("/api/emails", query_string=query)
    assert reply.status_code == 200, reply.text
    return [row["id"] for row in reply.json]


def test_emails_are_found_by_what_they_were_submitted_with(client):
    assert found(client, recipient="ADA@example.org") == [2, 1]
    assert found(client, tag="a") == [1]
    assert found(client, subject="INVOICE 7") == [2, 1]
    assert found(client, **{"metadata.order": "71"}) == [2]
    assert found(client, **{"metadata.a.b c": "x&y"}) == [1]
    assert found(client, since="2000-01-01T00:00:00Z") == [3, 2, 1]
    assert found(client, until="2000-01-01T00:00:00.000000") == []


def test_all_conditions_must_hold(client):
    client.post("/api/emails/2/cancel")

    assert found(client, tag="invoice", recipient="ada@example.org", status="cancelled") == [2]
    assert found(client, tag="invoice", recipient="eve@example.org") == []
    assert found(client, **{"metadata.order": "7", "metadata.a.b c": "x&y"}) == [1]
    assert found(client, **{"metadata.order": "7", "metadata.other": "x"}) == []
    assert found(client, tag="invoice", smtp_config_id=1) == found(
        client, tag="invoice", subject="invoice"
    )


def test_times_as_they_are_shown_can_be_searched_for(client):
    created = client.get("/api/emails/1").json["created_at"]

    assert found(client, since=created) == [3, 2, 1]
    assert found(client, until=created) == []


def test_pages_of_a_search_lead_on_with_everything_that_was_asked(client):
    query = {
        "recipient": "ada@example.org",
        "metadata.order": "7",
        "since": "2000-01-01T01:00:00+01:00",
        "tag": "invoice",
    }
    for _ in range(2):
        body = an_email_body(
            recipients=["ada@example.org"], tags=["invoice"], metadata={"order": "7"}
        )
        client.post("/api/emails", json=body)
    ids = []
    reply = client.get("/api/emails", query_string={**query, "limit": 1})
    while True:
        ids += [row["id"] for row in reply.json]
        if "Link" not in reply.headers:
            break
        address = reply.headers["Link"].partition("<")[2].partition(">")[0]
        reply = client.get(address)
        assert reply.status_code == 200, reply.text

    assert ids == [5, 4, 1]


def test_a_row_shows_recipients_tags_and_reason(client):
    rows = client.get("/api/emails").json

    assert [row["recipients"] for row in rows] == [
        ["eve@example.org", "eva@example.org"],
        ["bob@example.org"],
        ["ada@example.org"],
    ]
    assert [row["tags"] for row in rows] == [[], ["invoice"], ["invoice", "a"]]
    assert {row["reason_code"] for row in rows} == {None}


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ({"recipient": "nobody"}, "/recipient"),
        ({"tag": ""}, "/tag"),
        ({"tag": "x" * 65}, "/tag"),
        ({"subject": ""}, "/subject"),
        ({"subject": "a\n"}, "/subject"),
        ({"since": "yesterday"}, "/since"),
        ({"until": "2026-01-31"}, "/until"),
        ({"metadata.k": "x" * 501}, "/metadata/k"),
        ({"metadata": "x"}, "/metadata"),
        ({f"metadata.{n}": "x" for n in range(21)}, "/metadata"),
        ({"metadata.k": ["1", "2"]}, "/metadata.k"),
        ({"colour": "red"}, "/colour"),
    ],
)
def test_a_wrong_search_is_refused_and_named(client, query, pointer):
    reply = client.get("/api/emails", query_string=query)

    assert (reply.status_code, pointers(reply)) == (400, [pointer])


def test_a_key_finds_its_own_emails_only():
    application = an_application()
    a_client_with_config(application).post("/api/emails", json=an_email_body(tags=["a"]))
    client = a_keyed_client(application, "send", "read")
    assert found(client, tag="a") == []
    client.post("/api/emails", json=an_email_body(tags=["a"]))

    assert found(client, tag="a") == [2]


def test_a_list_hides_how_the_network_looks_as_an_email_does():
    script = Script((Rule("banner", Fault.CLOSE),))
    application = an_application(sender=FakeSender(script))
    a_client_with_config(application)
    owner = a_keyed_client(application, "admin")
    client = a_keyed_client(application, "send", "read")
    client.post("/api/emails", json=an_email_body())
    deliver(application)

    (row,) = client.get("/api/emails").json
    assert row["reason_code"] == client.get("/api/emails/1").json["reason_code"] == "unreachable"
    (seen,) = owner.get("/api/emails").json
    assert seen["reason_code"] == owner.get("/api/emails/1").json["reason_code"] != "unreachable"
