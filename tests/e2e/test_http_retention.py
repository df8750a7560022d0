"""An email whose message was removed because it was old, as clients see it."""

from datetime import timedelta

from adapters.fakes.clock import FakeClock
from domain.email.status import Status
from tests.applications import a_client_with_config, an_application, an_email_body

DAY_S = timedelta(days=1).total_seconds()


def test_the_message_of_an_old_email_is_gone_and_its_fate_is_still_told():
    clock = FakeClock()
    application = an_application(clock=clock)
    client = a_client_with_config(application)
    client.post("/api/emails", json=an_email_body())
    client.post("/api/emails/1/cancel")
    assert client.get("/api/emails/1").json["content_purged_at"] is None
    assert client.get("/api/emails/1/raw").status_code == 200

    clock.tick(2 * DAY_S)
    application.maintenance.sweep()

    shown = client.get("/api/emails/1").json
    assert shown["content_purged_at"] == "2026-01-07T09:00:00.000000"
    assert (shown["status"], shown["recipients"]) == ("cancelled", ["ada@example.org"])
    assert client.get("/api/emails/1/explain").json["content_purged_at"] is not None
    raw = client.get("/api/emails/1/raw")
    assert (raw.status_code, raw.json["code"]) == (410, "content_purged")
    assert raw.json["title"] == "Gone"


def test_an_email_without_its_message_is_not_retried():
    clock = FakeClock()
    application = an_application(clock=clock)
    client = a_client_with_config(application)
    client.post("/api/emails", json=an_email_body(expires_at="2026-01-05T09:00:01Z"))
    clock.tick(31 * DAY_S)
    application.maintenance.sweep()
    assert client.get("/api/emails/1").json["content_purged_at"] is None
    clock.tick(31 * DAY_S)
    application.maintenance.sweep()

    refused = client.post("/api/emails/1/retry")

    assert (refused.status_code, refused.json["code"]) == (409, "content_purged")
    assert client.get("/api/emails/1").json["status"] == Status.FAILED.value
