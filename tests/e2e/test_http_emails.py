"""The calls about emails, as published and as added."""

from typing import Any

import pytest
from flask.testing import FlaskClient

from adapters.fakes.clock import FakeClock
from adapters.fakes.memory_store import MemoryStore
from adapters.fakes.sender import FakeSender, Fault, Rule, Script
from application import Application, ServicePolicy
from domain.account.account import OnUnknown
from domain.email.status import Status
from tests.applications import (
    a_client,
    a_client_with_config,
    a_config_body,
    a_keyed_client,
    an_application,
    an_email_body,
    deliver,
    delivery_rules,
    pointers,
)

NEEDS_CONTENT = "an email needs html_content, text_content or a template"


def submitted(client, **changes) -> int:
    """The id of an email that was accepted."""
    reply = client.post("/api/emails", json=an_email_body(**changes))
    assert reply.status_code == 201, reply.text
    return reply.json["email_id"]


def shown_after_one_attempt(*rules: Rule, **changes) -> dict:
    """An email as it is shown after its first attempt with a server that plays *rules*."""
    application = an_application(sender=FakeSender(Script(rules)))
    client = a_client_with_config(application)
    submitted(client, **changes)
    deliver(application)
    return client.get("/api/emails/1").json


# -- as published -----


def test_an_email_is_accepted_as_published():
    reply = a_client_with_config().post(
        "/api/emails",
        json={
            "subject": "Welcome",
            "recipients": ["ada@example.org", "bob@example.org"],
            "cc": ["cc@example.org"],
            "bcc": ["bcc@example.org"],
            "html_content": "<h1>Hello</h1>",
            "priority": 1,
            "smtp_config_id": 1,
        },
    )
    assert reply.status_code == 201
    assert reply.json == {"message": "Email created and queued successfully", "email_id": 1}
    assert reply.headers["Location"] == "/api/emails/1"


def test_an_accepted_email_is_shown_as_published():
    client = a_client_with_config()
    submitted(client, cc=["cc@example.org"], bcc=["bcc@example.org"], priority=2)
    reply = client.get("/api/emails/1")
    assert reply.status_code == 200
    assert reply.json == {
        "id": 1,
        "subject": "Welcome",
        "sender": "shop@example.com",
        "sender_name": "Example Shop",
        "from": {"address": "shop@example.com", "name": "Example Shop"},
        "recipients": ["ada@example.org"],
        "cc": ["cc@example.org"],
        "bcc": ["bcc@example.org"],
        "reply_to": [],
        "in_reply_to": None,
        "attachments": [],
        "status": "queued",
        "priority": 2,
        "retry_count": 0,
        "smtp_config": "main",
        "created_at": "2026-01-05T09:00:00.000000",
        "updated_at": "2026-01-05T09:00:00.000000",
        "sent_at": None,
        "send_at": None,
        "expires_at": "2026-01-08T09:00:00.000000",
        "error_message": None,
        "reason_code": None,
        "waiting_reason": "in_line",
        "next_attempt_at": "2026-01-05T09:00:00.000000",
        "message_id": "<019b8d627a8000000000000000000001@example.com>",
        "provider_message_id": None,
        "template": None,
        "at_most_once": False,
        "topic": None,
        "tags": [],
        "metadata": {},
        "partial": False,
        "possibly_delivered": False,
        "rejected_recipients": [],
        "recipient_status": [
            {
                "address": address,
                "name": "",
                "kind": kind,
                "status": "open",
                "reason": None,
                "code": None,
                "enhanced_code": None,
                "text": None,
                "bounced_at": None,
                "bounce_status": None,
                "bounce_text": None,
                "complained_at": None,
            }
            for address, kind in [
                ("ada@example.org", "to"),
                ("cc@example.org", "cc"),
                ("bcc@example.org", "bcc"),
            ]
        ],
        "attempts": [],
        "content_purged_at": None,
    }


def test_a_list_by_status_shows_the_published_fields():
    client = a_client_with_config()
    submitted(client)
    reply = client.get("/api/emails/status/queued?limit=50")
    assert reply.status_code == 200
    assert reply.json == [
        {
            "id": 1,
            "subject": "Welcome",
            "status": "queued",
            "priority": 3,
            "retry_count": 0,
            "created_at": "2026-01-05T09:00:00.000000",
            "recipients": ["ada@example.org"],
            "reason_code": None,
            "tags": [],
        }
    ]
    assert "Link" not in reply.headers


@pytest.mark.parametrize("status", Status)
def test_each_of_the_seven_statuses_can_be_listed(status):
    reply = a_client().get(f"/api/emails/status/{status}")
    assert (reply.status_code, reply.json) == (200, [])


# -- what became of it -----


def test_a_sent_email_tells_who_took_it_and_when():
    shown = shown_after_one_attempt()
    assert shown["status"] == "sent"
    assert shown["sent_at"] == "2026-01-05T09:00:00.000000"
    assert shown["waiting_reason"] is None
    assert shown["next_attempt_at"] is None
    assert [(r["status"], r["code"]) for r in shown["recipient_status"]] == [("accepted", 250)]
    (attempt,) = shown["attempts"]
    assert attempt == {
        "attempt": 1,
        "account": "main",
        "started_at": "2026-01-05T09:00:00.000000",
        "ended_at": "2026-01-05T09:00:00.000000",
        "stage": "dot",
        "code": 250,
        "enhanced_code": "2.0.0",
        "text": attempt["text"],
        "result": "sent",
        "reason": "accepted",
        "provider_message_id": None,
        "duration_ms": 0.0,
    }


def test_a_sent_email_tells_what_its_mail_server_calls_it():
    shown = shown_after_one_attempt(Rule("dot", "250 2.0.0 Ok: queued as 3DDFC23E5DA"))
    assert shown["provider_message_id"] == "3DDFC23E5DA"
    assert [one["provider_message_id"] for one in shown["attempts"]] == ["3DDFC23E5DA"]


def test_of_several_transactions_the_last_that_was_accepted_names_it():
    sender = FakeSender(
        Script(
            [
                Rule("rcpt", "450 4.2.0 later", recipient="bob@example.org", times=2),
                Rule("dot", "250 2.0.0 Ok: queued as AAAA1", times=1),
                Rule("dot", "250 2.0.0 Ok: queued as BBBB2"),
            ]
        )
    )
    clock = FakeClock()
    application = an_application(sender=sender, clock=clock)
    client = a_client_with_config(application)
    submitted(client, recipients=["ada@example.org", "bob@example.org"])
    names = []
    for _ in range(3):
        deliver(application)
        names.append(client.get("/api/emails/1").json["provider_message_id"])
        clock.tick(3600)
    assert names == ["AAAA1", "AAAA1", "BBBB2"]


def test_a_refused_email_has_no_name_at_its_mail_server():
    shown = shown_after_one_attempt(Rule("dot", "451 4.3.0 not queued as 3DDFC23E5DA"))
    assert shown["provider_message_id"] is None


def test_a_deferred_email_tells_why_and_when_it_is_tried_again():
    shown = shown_after_one_attempt(Rule("rcpt", "450 4.2.0 greylisted"))
    assert shown["status"] == "retry"
    assert shown["retry_count"] == 1
    assert "greylisted" in shown["error_message"]
    assert shown["waiting_reason"] == "retry_delay"
    assert shown["next_attempt_at"] == "2026-01-05T09:01:00.000000"
    assert shown["attempts"][0]["code"] == 450


def test_a_refused_recipient_is_named_and_the_others_got_it():
    shown = shown_after_one_attempt(
        Rule("rcpt", "550 5.1.1 no such user", recipient="bob@example.org"),
        recipients=["ada@example.org", "bob@example.org"],
    )
    assert shown["status"] == "sent"
    assert shown["partial"] is True
    assert shown["rejected_recipients"] == ["bob@example.org"]
    bob = shown["recipient_status"][1]
    assert (bob["status"], bob["code"], bob["enhanced_code"]) == ("rejected", 550, "5.1.1")


def test_an_email_keeps_the_name_of_an_account_that_was_deleted():
    application = an_application()
    client = a_client_with_config(application)
    submitted(client)
    deliver(application)
    assert client.delete("/api/smtp-configs/1").status_code == 200
    shown = client.get("/api/emails/1").json
    assert (shown["smtp_config"], shown["sender"]) == ("main", None)


def test_explain_names_every_gate_and_the_one_that_is_closed():
    client = a_client_with_config()
    submitted(client)
    client.put("/api/smtp-configs/1", json={"active": False})
    explained = client.get("/api/emails/1/explain")
    assert explained.status_code == 200
    assert explained.json["id"] == 1
    assert explained.json["status"] == "queued"
    gates = {gate["name"]: gate for gate in explained.json["gates"]}
    assert set(gates["account_inactive"]) == {"name", "open", "detail", "until"}
    assert gates["account_inactive"]["open"] is False
    assert gates["hour_limit"] == {
        "name": "hour_limit",
        "open": True,
        "detail": "0 of 50 used, 5 kept for priorities 1 and 2",
        "until": None,
    }


# -- scheduling -----


def test_a_scheduled_email_waits_for_its_time():
    clock = FakeClock()
    application = an_application(clock=clock)
    client = a_client_with_config(application)
    submitted(client, send_at="2026-01-05T11:00:00+01:00")
    shown = client.get("/api/emails/1").json
    assert shown["status"] == "scheduled"
    assert shown["send_at"] == "2026-01-05T10:00:00.000000"
    assert shown["waiting_reason"] == "scheduled"
    assert deliver(application) == 0
    clock.tick(3600)
    assert deliver(application) == 1
    assert client.get("/api/emails/1").json["send_at"] is None


@pytest.mark.parametrize("past", ["2020-01-01T00:00:00Z", "0001-01-01T00:00:00Z"])
def test_a_time_in_the_past_is_now(past):
    client = a_client_with_config()
    submitted(client, send_at=past)
    shown = client.get("/api/emails/1").json
    assert shown["status"] == "queued"
    assert shown["next_attempt_at"] == "2026-01-05T09:00:00.000000"


def test_a_time_more_than_30_days_ahead_is_refused():
    client = a_client_with_config()
    reply = client.post("/api/emails", json=an_email_body(send_at="2026-02-04T09:00:01Z"))
    assert reply.status_code == 400
    assert [error["pointer"] for error in reply.json["errors"]] == ["/send_at"]
    submitted(client, send_at="2026-02-04T09:00:00Z")


# -- which account -----


def test_an_email_for_an_unknown_account_is_not_found():
    reply = a_client_with_config().post("/api/emails", json=an_email_body(smtp_config_id=7))
    assert (reply.status_code, reply.json["code"]) == (404, "not_found")
    assert reply.json["error"] == "there is no SMTP configuration 7"


def test_without_any_account_an_email_is_a_conflict():
    reply = a_client().post("/api/emails", json=an_email_body())
    assert (reply.status_code, reply.json["code"]) == (409, "conflict")


def test_an_inactive_accounts_email_is_accepted_and_waits():
    client = a_client()
    client.post("/api/smtp-configs", json=a_config_body(active=False))
    submitted(client, smtp_config_id=1)
    shown = client.get("/api/emails/1").json
    assert (shown["status"], shown["waiting_reason"]) == ("queued", "account_inactive")


# -- the same call twice -----


def keyed(client, key: str, **changes):
    """A submission under an Idempotency-Key."""
    headers = {"Idempotency-Key": key}
    return client.post("/api/emails", json=an_email_body(**changes), headers=headers)


def test_the_same_key_and_body_give_the_same_email():
    client = a_client_with_config()
    first, second = keyed(client, "order-1"), keyed(client, "order-1")
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json == second.json
    assert len(client.get("/api/emails").json) == 1


def test_the_order_and_spacing_of_a_body_do_not_matter_to_its_key():
    client = a_client_with_config()
    keyed(client, "order-1")
    again = client.post(
        "/api/emails",
        data='{"html_content": "<h1>Hello</h1>" , "recipients":["ada@example.org"],\n'
        ' "subject":"W\\u0065lcome"}',
        content_type="application/json",
        headers={"Idempotency-Key": "order-1"},
    )
    assert (again.status_code, again.json["email_id"]) == (201, 1)


def test_the_same_key_with_another_body_is_a_conflict():
    client = a_client_with_config()
    keyed(client, "order-1")
    reply = keyed(client, "order-1", subject="Another")
    assert (reply.status_code, reply.json["code"]) == (409, "idempotency_mismatch")


@pytest.mark.parametrize("key", ["", " ", "a b", "k" * 257, "k\t", "ü"])
def test_a_key_that_is_not_visible_ascii_is_refused(key):
    reply = keyed(a_client_with_config(), key)
    assert (reply.status_code, reply.json["code"]) == (400, "invalid_idempotency_key")


# -- lists -----


def test_the_pages_of_a_list_follow_each_other_to_its_end():
    client = a_client_with_config()
    for _ in range(5):
        submitted(client)
    found, following = [], "/api/emails/status/queued?limit=2"
    while following:
        reply = client.get(following)
        found.append([email["id"] for email in reply.json])
        link = reply.headers.get("Link", "")
        assert not link or link.endswith('; rel="next"')
        following = link.partition(">")[0].removeprefix("<")
    assert found == [[5, 4], [3, 2], [1]]


def test_a_list_is_filtered_by_status_and_account_on_every_page():
    client = a_client_with_config()
    client.post("/api/smtp-configs", json=a_config_body(name="second"))
    for account in (1, 2, 2, 1, 2):
        submitted(client, smtp_config_id=account)
    client.post("/api/emails/2/cancel")
    first = client.get("/api/emails?status=queued&smtp_config_id=2&limit=1")
    assert [email["id"] for email in first.json] == [5]
    second = client.get(first.headers["Link"].partition(">")[0].removeprefix("<"))
    assert [email["id"] for email in second.json] == [3]
    assert "Link" not in second.headers


def test_a_list_has_100_emails_unless_told_otherwise():
    client = a_client_with_config()
    for _ in range(101):
        submitted(client)
    assert len(client.get("/api/emails").json) == 100
    assert len(client.get("/api/emails/status/queued").json) == 100
    assert len(client.get("/api/emails?limit=500").json) == 101


# -- cancel, retry, resolve -----


def test_a_waiting_email_is_cancelled():
    client = a_client_with_config()
    submitted(client)
    reply = client.post("/api/emails/1/cancel")
    assert reply.status_code == 200
    assert reply.json == {"message": "Email cancelled successfully", "status": "cancelled"}


def test_a_failed_email_is_retried():
    application = an_application(sender=FakeSender(Script([Rule("rcpt", "550 5.1.1 no")])))
    client = a_client_with_config(application)
    submitted(client)
    deliver(application)
    assert client.get("/api/emails/1").json["status"] == "failed"
    reply = client.post("/api/emails/1/retry", json={})
    assert (reply.status_code, reply.json) == (
        200,
        {"message": "Email queued for retry", "status": "retry"},
    )


@pytest.mark.parametrize(
    ("verdict", "message", "status"),
    [
        ("sent", "Email resolved as sent", "sent"),
        ("resend", "Email queued to be sent again", "retry"),
    ],
)
def test_an_unknown_outcome_is_resolved(verdict, message, status):
    application = an_application(
        sender=FakeSender(Script([Rule("dot", Fault.ACCEPT_CLOSE)])),
        rules=ServicePolicy(delivery=delivery_rules(on_unknown=OnUnknown.HOLD)),
    )
    client = a_client_with_config(application)
    submitted(client)
    deliver(application)
    shown = client.get("/api/emails/1").json
    assert (shown["status"], shown["reason_code"]) == ("failed", "outcome_unknown")
    assert shown["possibly_delivered"] is True
    reply = client.post("/api/emails/1/resolve", json={"as": verdict})
    assert (reply.status_code, reply.json) == (200, {"message": message, "status": status})


@pytest.mark.parametrize("call", ["cancel", "retry", "resolve"])
def test_what_the_state_machine_forbids_is_a_conflict(call):
    application = an_application()
    client = a_client_with_config(application)
    submitted(client)
    deliver(application)
    body = {"as": "sent"} if call == "resolve" else {}
    reply = client.post(f"/api/emails/1/{call}", json=body)
    assert (reply.status_code, reply.json["code"]) == (409, "illegal_transition")
    assert client.get("/api/emails/1").json["status"] == "sent"


@pytest.mark.parametrize(
    "body", [{}, {"as": "lost"}, {"as": None}, {"as": True}, {"verdict": "sent"}, {"as": ["sent"]}]
)
def test_resolve_takes_one_of_its_two_words(body):
    reply = a_client_with_config().post("/api/emails/1/resolve", json=body)
    assert reply.status_code == 400


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", ""),
        ("GET", "/explain"),
        ("POST", "/cancel"),
        ("POST", "/retry"),
        ("POST", "/resolve"),
    ],
)
@pytest.mark.parametrize("email_id", ["1", str(2**63 - 1)])
def test_an_email_that_is_not_there_is_not_found(method, path, email_id):
    body = {"as": "sent"} if path == "/resolve" else None
    reply = a_client().open(f"/api/emails/{email_id}{path}", method=method, json=body)
    assert (reply.status_code, reply.json["code"]) == (404, "not_found")


# -- what is handed off -----


def test_bcc_is_in_the_envelope_and_not_in_the_message():
    clock = FakeClock()
    sender = FakeSender()
    application = an_application(clock=clock, store=MemoryStore(clock=clock), sender=sender)
    client = a_client_with_config(application)
    submitted(client, cc=["cc@example.org"], bcc=["hidden@example.org"], text_content="Hello")
    deliver(application)
    (accepted,) = sender.accepted
    assert "hidden@example.org" in [str(a) for a in accepted.envelope.recipients]
    assert b"hidden" not in accepted.octets
    assert b"Bcc" not in accepted.octets


def test_international_domains_stand_in_the_envelope_in_ascii():
    sender = FakeSender()
    application = an_application(sender=sender)
    submitted(a_client_with_config(application), recipients=["a@bücher.de"])
    deliver(application)
    (accepted,) = sender.accepted
    assert [str(a) for a in accepted.envelope.recipients] == ["a@xn--bcher-kva.de"]


# -- retry on another SMTP configuration -----


def refused_everywhere() -> tuple[Application, FlaskClient]:
    """A service whose one email has failed and whose SMTP configuration 1 was then removed."""
    application = an_application(sender=FakeSender(Script([Rule("rcpt", "550 5.1.1 no")])))
    client = a_client_with_config(application)
    submitted(client, smtp_config_id=1)
    deliver(application)
    assert client.delete("/api/smtp-configs/1").status_code == 200
    return application, client


def test_an_email_whose_smtp_configuration_is_gone_is_not_retried_for_nothing():
    _, client = refused_everywhere()
    reply = client.post("/api/emails/1/retry")
    assert (reply.status_code, reply.json["code"]) == (409, "conflict")
    assert "SMTP configuration 1" in reply.json["detail"]
    assert "smtp_config_id" in reply.json["detail"]
    assert client.get("/api/emails/1").json["status"] == "failed"


def test_it_is_retried_on_the_smtp_configuration_that_is_named():
    application, client = refused_everywhere()
    client.post("/api/smtp-configs", json=a_config_body(name="other"))
    reply = client.post("/api/emails/1/retry", json={"smtp_config_id": 2})
    assert (reply.status_code, reply.json["status"]) == (200, "retry")
    deliver(application)
    assert client.get("/api/emails/1").json["attempts"][-1]["account"] == "other"


@pytest.mark.parametrize("number", [1, 7])
def test_an_smtp_configuration_that_is_not_there_retries_nothing(number):
    _, client = refused_everywhere()
    reply = client.post("/api/emails/1/retry", json={"smtp_config_id": number})
    assert reply.status_code == 404
    assert reply.json["detail"] == f"there is no SMTP configuration {number}"
    assert client.get("/api/emails/1").json["status"] == "failed"


def test_an_unpinned_email_is_not_retried_while_there_is_no_smtp_configuration_at_all():
    application = an_application(sender=FakeSender(Script([Rule("rcpt", "550 5.1.1 no")])))
    client = a_client_with_config(application)
    submitted(client)
    deliver(application)
    client.delete("/api/smtp-configs/1")
    assert client.post("/api/emails/1/retry").status_code == 409
    client.post("/api/smtp-configs", json=a_config_body())
    assert client.post("/api/emails/1/retry").status_code == 200


def test_a_key_retries_on_its_own_smtp_configurations_only():
    application = an_application(sender=FakeSender(Script([Rule("rcpt", "550 5.1.1 no")])))
    client = a_client_with_config(application)
    for name in ("second", "third"):
        client.post("/api/smtp-configs", json=a_config_body(name=name))
    limited = a_keyed_client(application, "send", accounts=frozenset({1, 2}))
    submitted(limited, smtp_config_id=1)
    deliver(application)
    assert limited.post("/api/emails/1/retry", json={"smtp_config_id": 3}).status_code == 404
    assert limited.post("/api/emails/1/retry", json={"smtp_config_id": 2}).status_code == 200


def test_a_key_that_may_only_read_retries_nothing():
    application = an_application(sender=FakeSender(Script([Rule("rcpt", "550 5.1.1 no")])))
    client = a_client_with_config(application)
    submitted(client)
    deliver(application)
    reader = a_keyed_client(application, "read")
    assert reader.post("/api/emails/1/retry", json={"smtp_config_id": 1}).status_code == 403


def test_an_email_for_more_than_the_limits_allow_is_not_retried_there():
    application = an_application(sender=FakeSender(Script([Rule("rcpt", "550 5.1.1 no")])))
    client = a_client_with_config(application)
    submitted(client, recipients=["a@example.org", "b@example.org"])
    deliver(application)
    small = a_config_body(name="small", hourly_limit=1, limit_unit="recipients")
    client.post("/api/smtp-configs", json=small)
    reply = client.post("/api/emails/1/retry", json={"smtp_config_id": 2})
    assert pointers(reply) == ["/smtp_config_id"]


def unknown_of_a_removed_configuration() -> FlaskClient:
    application = an_application(
        sender=FakeSender(Script([Rule("dot", Fault.ACCEPT_CLOSE)])),
        rules=ServicePolicy(delivery=delivery_rules(on_unknown=OnUnknown.HOLD)),
    )
    client = a_client_with_config(application)
    submitted(client)
    deliver(application)
    assert client.delete("/api/smtp-configs/1").status_code == 200
    assert client.post("/api/smtp-configs", json=a_config_body(name="other")).status_code == 201
    return client


def test_an_unknown_outcome_is_not_sent_again_on_what_was_removed():
    client = unknown_of_a_removed_configuration()
    reply = client.post("/api/emails/1/resolve", json={"as": "resend"})
    assert (reply.status_code, reply.json["code"]) == (409, "conflict")
    reply = client.post("/api/emails/1/resolve", json={"as": "resend", "smtp_config_id": 2})
    assert (reply.status_code, reply.json["status"]) == (200, "retry")


def test_an_unknown_outcome_that_was_sent_needs_no_smtp_configuration():
    client = unknown_of_a_removed_configuration()
    both = {"as": "sent", "smtp_config_id": 2}
    assert client.post("/api/emails/1/resolve", json=both).status_code == 400
    assert client.post("/api/emails/1/resolve", json={"as": "sent"}).status_code == 200


def test_a_batch_names_the_smtp_configuration_that_is_not_there():
    client = a_client_with_config()
    emails = [an_email_body(smtp_config_id=7)]
    for mode in ("all", "each"):
        reply = client.post("/api/emails/batch", json={"emails": emails, "mode": mode})
        detail = (
            reply.json["detail"] if mode == "all" else reply.json["results"][0]["error"]["detail"]
        )
        assert detail == "there is no SMTP configuration 7"


# -- a time that was answered is taken -----


def test_the_send_at_that_was_answered_can_be_sent_back():
    client = a_client_with_config()
    submitted(client, send_at="2026-01-05T11:00:00.250000+01:00")
    answered = client.get("/api/emails/1").json["send_at"]
    assert answered == "2026-01-05T10:00:00.250000"
    submitted(client, send_at=answered)
    assert client.get("/api/emails/2").json["send_at"] == answered


def test_what_is_wrong_with_each_field_is_said_in_its_own_words():
    items = ["ada", "Ada (home) <ada@example.org>", ["x"]]
    body = an_email_body(recipients=items, send_at="2026-01-31")
    errors = a_client_with_config().post("/api/emails", json=body).json["errors"]
    assert {error["pointer"]: error["message"].split(",")[0] for error in errors} == {
        "/recipients/0": "must have an @",
        "/recipients/1": 'must have the name in double quotes if it holds one of ()<>[]:;@\\"',
        "/recipients/2": "must be one address in a string",
        "/send_at": "must have a time of day after the date",
    }


# -- text alone ------------------------------------------------------------------------------------


def a_text_body(**fields: Any) -> dict[str, Any]:
    """An email without HTML."""
    body = an_email_body(text_content="Hello", **fields)
    del body["html_content"]
    return body


def test_an_email_may_have_text_alone():
    application = an_application()
    client = a_client_with_config(application)
    assert client.post("/api/emails", json=a_text_body()).status_code == 201
    batch = {"emails": [a_text_body(), an_email_body()]}
    assert client.post("/api/emails/batch", json=batch).status_code == 201
    each = {"emails": [a_text_body()], "mode": "each"}
    assert client.post("/api/emails/batch", json=each).json["results"][0]["email_id"] == 4


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({}, {"/html_content": NEEDS_CONTENT}),
        ({"text_content": ""}, {"/html_content": NEEDS_CONTENT}),
        (
            {"text_content": None},
            {"/html_content": NEEDS_CONTENT, "/text_content": "must be a string"},
        ),
        ({"html_content": "", "text_content": "x"}, {"/html_content": "must not be empty"}),
        ({"html_content": None, "text_content": "x"}, {"/html_content": "must be a string"}),
    ],
)
def test_an_email_needs_html_or_text(fields, wrong):
    client = a_client_with_config()
    body = {"subject": "Hello", "recipients": ["ada@example.org"], **fields}
    for path, sent, place in (
        ("/api/emails", body, ""),
        ("/api/emails/batch", {"emails": [body]}, "/emails/0"),
    ):
        errors = client.post(path, json=sent).json["errors"]
        assert {one["pointer"]: one["message"] for one in errors} == {
            place + pointer: message for pointer, message in wrong.items()
        }
