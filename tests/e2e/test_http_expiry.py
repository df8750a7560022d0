"""expires_at of an email, as clients see it."""

import pytest

from adapters.fakes.clock import FakeClock
from tests.applications import a_client_with_config, an_application, an_email_body, pointers


def test_an_email_is_shown_with_the_time_when_it_expires():
    client = a_client_with_config()
    for changes in ({}, {"expires_at": "2026-01-05T11:00:00+01:00"}):
        client.post("/api/emails", json=an_email_body(**changes))

    shown = [client.get(f"/api/emails/{number}").json["expires_at"] for number in (1, 2)]
    assert shown == ["2026-01-08T09:00:00.000000", "2026-01-05T10:00:00.000000"]


def test_an_email_that_expires_late_expires_when_all_do():
    client = a_client_with_config()
    client.post("/api/emails", json=an_email_body(expires_at="2026-12-31T00:00:00Z"))

    assert client.get("/api/emails/1").json["expires_at"] == "2026-01-08T09:00:00.000000"


def test_an_expired_email_is_failed_with_the_reason():
    clock = FakeClock()
    application = an_application(clock=clock)
    client = a_client_with_config(application)
    client.post("/api/emails", json=an_email_body(expires_at="2026-01-05T09:00:01Z"))
    clock.tick(2)
    application.maintenance.sweep()

    shown = client.get("/api/emails/1").json
    assert (shown["status"], shown["reason_code"]) == ("failed", "expired")


@pytest.mark.parametrize(
    "wrong",
    [
        {"expires_at": "2026-01-05T09:00:00Z"},
        {"expires_at": "2026-01-05T10:00:00Z", "send_at": "2026-01-05T10:00:00Z"},
        {"expires_at": "tomorrow"},
        {"expires_at": None},
    ],
)
def test_a_wrong_time_is_refused_and_named(wrong):
    client = a_client_with_config()
    reply = client.post("/api/emails", json=an_email_body(**wrong))

    assert (reply.status_code, pointers(reply)) == (400, ["/expires_at"])
