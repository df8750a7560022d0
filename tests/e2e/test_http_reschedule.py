"""PATCH of send_at: an email that waits is sent at another time."""

import pytest

from adapters.fakes.clock import FakeClock
from adapters.fakes.sender import FakeSender, Rule, Script
from tests.applications import (
    a_client_with_config,
    a_keyed_client,
    an_application,
    an_email_body,
    deliver,
    pointers,
)

LATER = "2026-01-05T10:00:00.000000"
PAST = "2020-01-01T00:00:00Z"


def patch(client, send_at, number=1):
    return client.patch(f"/api/emails/{number}", json={"send_at": send_at})


def test_a_queued_email_is_scheduled_and_queued_again():
    client = a_client_with_config()
    client.post("/api/emails", json=an_email_body())

    reply = patch(client, "2026-01-05T11:00:00+01:00")
    assert (reply.status_code, reply.json) == (
        200,
        {"message": "Email rescheduled successfully", "status": "scheduled"},
    )
    shown = client.get("/api/emails/1").json
    assert (shown["status"], shown["send_at"]) == ("scheduled", LATER)
    assert shown["expires_at"] == "2026-01-08T10:00:00.000000"

    assert patch(client, PAST).json["status"] == "queued"
    shown = client.get("/api/emails/1").json
    assert (shown["status"], shown["send_at"]) == ("queued", None)


def test_it_is_sent_at_the_new_time():
    clock = FakeClock()
    application = an_application(clock=clock)
    client = a_client_with_config(application)
    client.post("/api/emails", json=an_email_body(send_at="2026-01-06T00:00:00Z"))
    patch(client, LATER)
    deliver(application)
    assert client.get("/api/emails/1").json["status"] == "scheduled"
    clock.tick(3600)
    deliver(application)

    assert client.get("/api/emails/1").json["status"] == "sent"


def test_an_email_that_was_tried_is_not_tried_sooner():
    application = an_application(sender=FakeSender(Script((Rule("dot", "451 4.7.1 later"),))))
    client = a_client_with_config(application)
    client.post("/api/emails", json=an_email_body())
    deliver(application)
    before = client.get("/api/emails/1").json
    assert before["status"] == "retry"

    assert patch(client, PAST).json["status"] == "retry"
    assert client.get("/api/emails/1").json["next_attempt_at"] == before["next_attempt_at"]
    assert patch(client, LATER).json["status"] == "retry"
    assert client.get("/api/emails/1").json["next_attempt_at"] == LATER


@pytest.mark.parametrize("ended", ["sent", "cancelled"])
def test_what_does_not_wait_is_409(ended):
    application = an_application()
    client = a_client_with_config(application)
    client.post("/api/emails", json=an_email_body())
    if ended == "sent":
        deliver(application)
    else:
        client.post("/api/emails/1/cancel")

    reply = patch(client, LATER)
    assert (reply.status_code, reply.json["code"]) == (409, "illegal_transition")


@pytest.mark.parametrize(
    ("send_at", "message"),
    [
        ("2026-02-28T00:00:00Z", "must be at most 30 days ahead"),
        ("2026-01-05T12:00:00Z", "must be before the email's expires_at"),
        ("tomorrow", "must be a time as in RFC 3339"),
        (None, "must be a string"),
    ],
)
def test_a_wrong_time_is_refused_and_changes_nothing(send_at, message):
    client = a_client_with_config()
    client.post("/api/emails", json=an_email_body(expires_at="2026-01-05T12:00:00Z"))
    before = client.get("/api/emails/1").json
    reply = patch(client, send_at)

    assert (reply.status_code, pointers(reply)) == (400, ["/send_at"])
    assert message in reply.json["errors"][0]["message"]
    assert client.get("/api/emails/1").json == before


def test_it_still_expires_when_its_client_said():
    client = a_client_with_config()
    client.post("/api/emails", json=an_email_body(expires_at="2026-01-05T12:00:00Z"))
    patch(client, LATER)

    assert client.get("/api/emails/1").json["expires_at"] == "2026-01-05T12:00:00.000000"


def test_only_what_can_change_may_be_sent():
    client = a_client_with_config()
    client.post("/api/emails", json=an_email_body())

    assert pointers(client.patch("/api/emails/1", json={})) == ["/send_at"]
    fields = {"send_at": LATER, "subject": "Other"}
    assert pointers(client.patch("/api/emails/1", json=fields)) == ["/subject"]


def test_a_key_reschedules_its_own_emails_with_the_scope_send_and_it_is_written_down():
    application = an_application()
    a_client_with_config(application)
    client = a_keyed_client(application, "send", "read")
    client.post("/api/emails", json=an_email_body())
    others = a_keyed_client(application, "send", "read")
    reader = a_keyed_client(application, "read")

    assert patch(others, LATER).status_code == 404
    assert patch(reader, LATER).status_code == 403
    assert patch(client, LATER).status_code == 200
    entries = application.queries._store.read(lambda tx: tx.audit.latest(limit=1))
    assert [(entry.action, entry.subject) for entry in entries] == [
        ("email_rescheduled", "email 1")
    ]
