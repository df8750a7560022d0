"""`GET /api/events`: what a client learns without asking for each email."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, get_args

import pytest
from flask.testing import FlaskClient
from werkzeug.http import parse_options_header
from werkzeug.test import TestResponse

from adapters.fakes.sender import FakeSender, Rule, Script
from domain.email.recipient import RecipientStatus
from domain.event.payload import LARGEST_DATA
from domain.event.types import EventType
from domain.outcome.handoff import Stage
from entrypoints.http.events.schemas import EventRecipient, EventReply
from tests.applications import (
    a_client,
    a_config_body,
    a_keyed_client,
    an_application,
    an_email_body,
    deliver,
)


class World:
    """A service with two SMTP configurations and the keys of three programs."""

    def __init__(self) -> None:
        self.sender = FakeSender()
        self.application = an_application(closed=True, sender=self.sender)
        self.admin = a_keyed_client(self.application, "admin")
        for name in ("one", "two"):
            self.admin.post("/api/smtp-configs", json=a_config_body(name=name))
        self.limited = a_keyed_client(self.application, "admin", accounts=frozenset({2}))
        self.sends = a_keyed_client(self.application, "send", "read")

    def deliver(self) -> None:
        deliver(self.application)


@pytest.fixture
def world() -> World:
    return World()


def following(response: TestResponse) -> str:
    """Where its Link header leads."""
    target, options = parse_options_header(response.headers["Link"])
    assert options == {"rel": "next"}
    return target.strip("<>")


def walked(client: FlaskClient, path: str) -> Iterator[dict[str, Any]]:
    """All events of all pages, and the last page is asked for again."""
    for _ in range(50):
        response = client.get(path)
        assert response.status_code == 200, response.json
        yield from response.json
        again = following(response)
        if again.rpartition("after=")[2] == path.rpartition("after=")[2]:
            return
        path = again
    raise AssertionError("it never ends")


def told(events: Iterator[Mapping[str, Any]]) -> list[tuple[str, int]]:
    return [
        (event["type"], event["data"].get("email_id") or event["data"]["smtp_config_id"])
        for event in events
    ]


def test_the_feed_tells_what_became_of_an_email(world: World) -> None:
    body = an_email_body(smtp_config_id=1, tags=["welcome"], metadata={"order": "7"})
    world.admin.post("/api/emails", json=body)
    world.deliver()

    accepted, sent = world.admin.get("/api/events").json
    assert accepted["type"] == "email.accepted"
    assert sent["type"] == "email.sent"
    assert sent["id"].startswith("evt_")
    assert sent["timestamp"].endswith("Z")
    data = sent["data"]
    assert (data["email_id"], data["status"], data["attempt"]) == (1, "sent", 1)
    assert (data["tags"], data["metadata"]) == (["welcome"], {"order": "7"})
    assert data["recipients"][0]["status"] == "accepted"
    assert data["recipients"][0]["reply"].startswith("250 ")


def test_every_event_is_as_the_contract_says(world: World) -> None:
    world.sender.play(Script((Rule(Stage.RCPT, "550 5.1.1 no such user"),)))
    for number in range(3):
        world.admin.post("/api/emails", json=an_email_body(subject=f"{number}"))
    world.admin.post("/api/smtp-configs/1/pause", json={})
    world.deliver()

    for event in walked(world.admin, "/api/events"):
        EventReply.model_validate(event)
        text = json.dumps(event["data"], ensure_ascii=False, separators=(",", ":"))
        assert len(text.encode()) <= LARGEST_DATA


def test_the_contract_knows_every_status_of_a_recipient() -> None:
    statuses = get_args(EventRecipient.model_fields["status"].annotation)

    assert set(statuses) == set(RecipientStatus)


def test_pages_give_every_event_once_and_an_empty_page_leads_on(world: World) -> None:
    for number in range(5):
        world.admin.post("/api/emails", json=an_email_body(subject=f"{number}"))

    assert told(walked(world.admin, "/api/events?limit=2")) == [
        ("email.accepted", number) for number in range(1, 6)
    ]
    path = following(world.admin.get("/api/events"))
    empty = world.admin.get(path)
    assert empty.json == []
    world.admin.post("/api/emails", json=an_email_body(subject="one more"))
    assert told(world.admin.get(following(empty)).json) == [("email.accepted", 6)]


def test_a_feed_that_has_no_events_yet_leads_on(world: World) -> None:
    empty = world.admin.get("/api/events")
    assert empty.json == []
    world.admin.post("/api/emails", json=an_email_body())

    assert told(world.admin.get(following(empty)).json) == [("email.accepted", 1)]


def test_types_and_an_email_choose_and_stay_in_the_link(world: World) -> None:
    for number in range(3):
        world.admin.post("/api/emails", json=an_email_body(subject=f"{number}"))
    world.admin.post("/api/emails/2/cancel")
    world.admin.post("/api/emails/3/cancel")

    cancelled = "/api/events?types=email.cancelled,email.failed&limit=1"
    assert told(walked(world.admin, cancelled)) == [("email.cancelled", 2), ("email.cancelled", 3)]
    of_two = [("email.accepted", 2), ("email.cancelled", 2)]
    assert told(walked(world.admin, "/api/events?email_id=2&limit=1")) == of_two
    assert "types=email.cancelled,email.failed" in world.admin.get(cancelled).headers["Link"]


def test_a_paused_and_a_resumed_configuration_are_told(world: World) -> None:
    world.admin.post("/api/smtp-configs/2/pause", json={})
    world.admin.post("/api/smtp-configs/2/resume", json={})

    paused, resumed = world.admin.get("/api/events").json
    assert (paused["type"], paused["data"]["reason"]) == ("account.paused", "by_hand")
    assert paused["data"]["smtp_config_id"] == 2
    assert (resumed["type"], resumed["data"]["name"]) == ("account.resumed", "two")


def test_a_key_reads_the_events_of_its_own_emails_alone(world: World) -> None:
    world.sends.post("/api/emails", json=an_email_body(subject="mine"))
    world.admin.post("/api/emails", json=an_email_body(subject="not mine"))
    world.admin.post("/api/smtp-configs/1/pause", json={})

    assert told(walked(world.sends, "/api/events")) == [("email.accepted", 1)]
    assert told(walked(world.sends, "/api/events?email_id=2")) == []
    assert len(list(walked(world.admin, "/api/events"))) == 3


def test_a_limited_admin_reads_the_events_of_its_configurations_alone(world: World) -> None:
    for number in (1, 2):
        body = an_email_body(subject=f"{number}", smtp_config_id=number)
        world.admin.post("/api/emails", json=body)
        world.admin.post(f"/api/smtp-configs/{number}/pause", json={})

    expected = [("email.accepted", 2), ("account.paused", 2)]
    assert told(walked(world.limited, "/api/events")) == expected


def test_a_key_without_the_scope_read_is_refused(world: World) -> None:
    only_sends = a_keyed_client(world.application, "send")

    assert only_sends.get("/api/events").status_code == 403
    assert a_client(world.application).get("/api/events").status_code == 401


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("after=x", "/after"),
        ("after=" + "A" * 27, "/after"),
        ("after=" + "A" * 65, "/after"),
        ("types=email.opened", "/types"),
        ("types=", "/types"),
        ("types=email.sent,", "/types"),
        ("email_id=0", "/email_id"),
        ("email_id=x", "/email_id"),
        ("limit=501", "/limit"),
        ("limit=0", "/limit"),
        ("cursor=1", "/cursor"),
    ],
)
def test_what_cannot_be_asked_for_is_named(world: World, query: str, pointer: str) -> None:
    refused = world.admin.get(f"/api/events?{query}")

    assert refused.status_code == 400
    assert [error["pointer"] for error in refused.json["errors"]] == [pointer]


def test_every_type_can_be_asked_for(world: World) -> None:
    assert world.admin.get(f"/api/events?types={','.join(EventType)}").json == []
