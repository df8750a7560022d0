"""GET /api/smtp-configs/<id>/forecast, and the forecast of an email in its explain."""

from datetime import datetime, timedelta

import pytest

from adapters.fakes.clock import FakeClock
from domain.account.limits import Window, WindowLengths
from entrypoints.http.times import rfc3339
from tests.applications import (
    a_client,
    a_config_body,
    a_keyed_client,
    an_application,
    an_email_body,
    deliver,
)

PATH = "/api/smtp-configs/1/forecast"
HOUR = WindowLengths().of(Window.HOUR)


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def application(clock):
    return an_application(clock=clock)


@pytest.fixture
def client(application):
    client = a_client(application)
    body = a_config_body(hourly_limit=50, daily_limit=None, priority_reserve=0)
    assert client.post("/api/smtp-configs", json=body).status_code == 201
    return client


def in_the_emails_form(at: datetime) -> str:
    """As the other times of an email are shown."""
    return rfc3339(at).removesuffix("Z")


def submit(client, number, **changes):
    body = an_email_body(**changes)
    return [client.post("/api/emails", json=body).json["email_id"] for _ in range(number)]


def test_an_empty_queue_is_drained(client, clock):
    assert client.get(PATH).json == {
        "config_id": 1,
        "waiting": 0,
        "waiting_shared": 0,
        "drains_at": rfc3339(clock.now()),
        "limited_by": None,
        "frees_at": rfc3339(clock.now()),
        "windows": [
            {
                "window": "hour",
                "limit": 50,
                "used": 0,
                "kept": 0,
                "frees_at": rfc3339(clock.now()),
            }
        ],
    }


def test_120_emails_at_50_an_hour_take_two_hours(client, clock):
    submit(client, 120)
    told = client.get(PATH).json
    assert told["waiting_shared"] == 120
    assert told["drains_at"] == rfc3339(clock.now() + 2 * HOUR)
    assert told["limited_by"] == "hour_limit"


def test_a_full_window_tells_when_it_has_room(client, application, clock):
    submit(client, 60, smtp_config_id=1)
    deliver(application)
    clock.tick(600)
    told = client.get(PATH).json
    frees_at = rfc3339(clock.now() - timedelta(seconds=600) + HOUR)
    assert told["waiting"] == 10
    assert told["drains_at"] == frees_at
    assert told["windows"][0]["used"] == 50
    assert told["windows"][0]["frees_at"] == told["frees_at"] == frees_at


def test_there_is_room_when_the_last_window_has_some(client, application, clock):
    client.put("/api/smtp-configs/1", json={"daily_limit": 50})
    submit(client, 50, smtp_config_id=1)
    deliver(application)
    told = client.get(PATH).json
    assert told["frees_at"] == rfc3339(clock.now() + WindowLengths().of(Window.DAY))


def test_without_limits_no_room_is_told(client):
    client.put("/api/smtp-configs/1", json={"hourly_limit": None})
    told = client.get(PATH).json
    assert (told["frees_at"], told["windows"]) == (None, [])


def test_a_pause_by_hand_has_no_end(client):
    submit(client, 1, smtp_config_id=1)
    client.post("/api/smtp-configs/1/pause")
    told = client.get(PATH).json
    assert (told["drains_at"], told["limited_by"]) == (None, "account_paused")


def test_explain_tells_when_an_email_goes_and_what_it_waits_for(client, clock):
    ids = submit(client, 101)
    told = [client.get(f"/api/emails/{ids[n]}/explain").json["forecast"] for n in (0, 50, 100)]
    assert [each["goes_at"] for each in told] == [
        in_the_emails_form(clock.now() + n * HOUR) for n in range(3)
    ]
    assert [each["limited_by"] for each in told] == [None, "hour_limit", "hour_limit"]


def test_an_urgent_email_goes_before_the_others(client, clock):
    submit(client, 101)
    (email_id,) = submit(client, 1, priority=1)
    told = client.get(f"/api/emails/{email_id}/explain").json["forecast"]
    assert told == {"goes_at": in_the_emails_form(clock.now()), "limited_by": None}


def test_an_email_that_was_sent_has_no_forecast(client, application):
    (email_id,) = submit(client, 1)
    deliver(application)
    assert client.get(f"/api/emails/{email_id}/explain").json["forecast"] is None


def test_a_limited_key_sees_the_forecast_of_its_own_configurations_only(client, application):
    body = a_config_body(name="other", hourly_limit=None, daily_limit=7_654_321)
    assert client.post("/api/smtp-configs", json=body).status_code == 201
    submit(client, 3)
    submit(client, 2, smtp_config_id=1)
    limited = a_keyed_client(application, "read", accounts=frozenset({1}))
    told = limited.get(PATH)
    assert (told.json["waiting"], told.json["waiting_shared"]) == (2, None)
    assert limited.get(PATH.replace("1", "2")).status_code == 404


def test_a_key_that_may_only_send_sees_no_forecast(client, application):
    assert a_keyed_client(application, "send").get(PATH).status_code == 403


def test_a_configuration_that_does_not_exist_has_no_forecast(client):
    assert client.get(PATH.replace("1", "9")).status_code == 404
