"""The calls about SMTP configurations, as published and as added."""

from typing import Any

import pytest

from adapters.fakes.clock import FakeClock
from adapters.fakes.sender import FakeSender, Fault, Rule, Script
from application import ServicePolicy
from domain.outcome.handoff import Stage
from entrypoints.http.smtp_configs.auth import AuthReply
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

PASSWORD = "correct horse battery staple"


def shown(client, config_id: int = 1) -> dict:
    """The SMTP configuration as it is now."""
    return client.get(f"/api/smtp-configs/{config_id}").json


# -- as published -----


def test_an_smtp_configuration_is_created_as_published():
    reply = a_client().post(
        "/api/smtp-configs",
        json={
            "name": "main",
            "email_address": "shop@example.com",
            "display_name": "Example Shop",
            "smtp_host": "smtp.example.com",
            "smtp_port": 587,
            "username": "shop@example.com",
            "password": PASSWORD,
            "use_tls": True,
            "use_ssl": False,
            "active": True,
            "daily_limit": 500,
            "hourly_limit": 50,
        },
    )
    assert reply.status_code == 201
    assert reply.json == {"message": "SMTP configuration created successfully", "config_id": 1}
    assert reply.headers["Location"] == "/api/smtp-configs/1"


def test_the_list_shows_the_published_fields():
    reply = a_client_with_config().get("/api/smtp-configs")
    assert reply.status_code == 200
    assert reply.json == [
        {
            "id": 1,
            "name": "main",
            "email_address": "shop@example.com",
            "active": True,
            "daily_limit": 500,
            "sent_count_today": 0,
            "sent_count_hour": 0,
            "state": "open",
        }
    ]


def test_one_is_shown_with_everything_but_its_password():
    reply = a_client_with_config().get("/api/smtp-configs/1")
    assert reply.status_code == 200
    assert reply.json == {
        "id": 1,
        "name": "main",
        "email_address": "shop@example.com",
        "display_name": "Example Shop",
        "aliases": [],
        "inbox": None,
        "transport": "smtp",
        "smtp_host": "smtp.example.com",
        "smtp_port": 587,
        "username": "shop@example.com",
        "password_set": True,
        "auth": {
            "type": "password",
            **dict.fromkeys(AuthReply.model_fields.keys() - {"type"}),
        },
        "auth_mechanism": None,
        "active": True,
        "use_tls": True,
        "use_ssl": False,
        "daily_limit": 500,
        "hourly_limit": 50,
        "minute_limit": None,
        "limit_unit": "messages",
        "max_connections": 2,
        "priority_reserve": 10,
        "on_unknown": None,
        "announce_next": False,
        "ses_headers": False,
        "sent_count_today": 0,
        "sent_count_hour": 0,
        "last_sent": None,
        "created_at": "2026-01-05T09:00:00.000000",
        "updated_at": "2026-01-05T09:00:00.000000",
        "state": "open",
        "pause_reason": None,
        "pause_text": None,
        "pause_until": None,
        "used_minute": 0,
        "used_hour": 0,
        "used_day": 0,
        "next_capacity_at": "2026-01-05T09:00:00.000000",
        "connections": {"max": 2, "allowed": 2, "in_flight": 0},
        "last_reply": None,
        "pace": None,
        "learned_limits": [],
        "dkim": [],
        "max_message_bytes": None,
    }


def test_an_smtp_configuration_is_changed_as_published():
    client = a_client_with_config()
    reply = client.put("/api/smtp-configs/1", json={"active": False, "daily_limit": 1000})
    assert reply.status_code == 200
    assert reply.json == {"message": "SMTP configuration updated successfully"}
    now = shown(client)
    assert (now["active"], now["daily_limit"], now["state"]) == (False, 1000, "inactive")


def test_what_is_not_named_stays_as_it_is():
    client = a_client_with_config()
    before = shown(client)
    client.put("/api/smtp-configs/1", json={"display_name": "Other"})
    assert shown(client) == {**before, "display_name": "Other"}


def test_aliases_are_stored_once_each_in_the_form_of_the_envelope():
    client = a_client_with_config()
    aliases = ["a@EXAMPLE.org", "a@example.org", "*@münchen.example", "*@münchen.example"]
    assert client.put("/api/smtp-configs/1", json={"aliases": aliases}).status_code == 200
    assert shown(client)["aliases"] == ["a@example.org", "*@xn--mnchen-3ya.example"]
    assert client.put("/api/smtp-configs/1", json={"aliases": []}).status_code == 200
    assert shown(client)["aliases"] == []


@pytest.mark.parametrize(
    "alias",
    [
        "*",
        "@example.org",
        "*@*",
        "*@",
        "*@example",
        "Ada <a@b.c>",
        "a@b.c\r\n",
        "*@*.example.org",
        1,
    ],
)
def test_an_alias_is_an_address_or_any_of_one_domain(alias):
    reply = a_client_with_config().put(
        "/api/smtp-configs/1", json={"aliases": ["a@example.org", alias]}
    )
    assert pointers(reply) == ["/aliases/1"]


def test_every_field_can_be_set_and_changed():
    fields = {
        "email_address": "other@example.org",
        "display_name": "Other",
        "aliases": ["billing@example.org", "*@news.example.org"],
        "smtp_host": "mail.example.org",
        "smtp_port": 465,
        "username": "other",
        "active": False,
        "use_tls": False,
        "use_ssl": True,
        "daily_limit": 7,
        "hourly_limit": None,
        "minute_limit": 3,
        "limit_unit": "recipients",
        "max_connections": 5,
        "priority_reserve": 10,
        "on_unknown": "hold",
        "auth_mechanism": "login",
        "announce_next": True,
        "ses_headers": True,
        "max_message_bytes": 26214400,
    }
    client = a_client_with_config()
    assert client.put("/api/smtp-configs/1", json=fields).status_code == 200
    created = client.post("/api/smtp-configs", json=a_config_body(**fields, name="second"))
    assert created.status_code == 201
    for config_id in (1, 2):
        assert fields.items() <= shown(client, config_id).items()


def test_used_and_sent_are_counted_apart():
    application = an_application()
    client = a_client_with_config(application)
    client.post("/api/emails", json=an_email_body())
    deliver(application)
    now = shown(client)
    assert (now["sent_count_today"], now["sent_count_hour"]) == (1, 1)
    assert (now["used_minute"], now["used_hour"], now["used_day"]) == (1, 1, 1)
    assert now["last_sent"] == "2026-01-05T09:00:00.000000"


def test_a_full_one_tells_when_there_is_room_again():
    clock = FakeClock()
    application = an_application(clock=clock)
    client = a_client_with_config(application)
    client.put("/api/smtp-configs/1", json={"hourly_limit": 1})
    client.post("/api/emails", json=an_email_body())
    deliver(application)
    assert shown(client)["next_capacity_at"] == "2026-01-05T10:00:01.000000"


# -- defaults and switches -----


def test_a_name_an_address_and_a_host_are_enough():
    client = a_client()
    body = {
        "name": "relay",
        "email_address": "shop@example.com",
        "smtp_host": "relay.example.com",
    }
    assert client.post("/api/smtp-configs", json=body).status_code == 201
    now = shown(client)
    assert (now["smtp_port"], now["use_tls"], now["use_ssl"]) == (587, True, False)
    assert (now["daily_limit"], now["hourly_limit"]) == (500, 50)
    assert (now["username"], now["password_set"]) == ("", False)


@pytest.mark.parametrize(
    ("switches", "tls", "ssl", "port"),
    [
        ({}, True, False, 587),
        ({"use_tls": True}, True, False, 587),
        ({"use_ssl": True}, False, True, 465),
        ({"use_ssl": True, "use_tls": False}, False, True, 465),
        ({"use_ssl": True, "smtp_port": 2465}, False, True, 2465),
        ({"smtp_port": 465}, False, True, 465),
        ({"smtp_port": 2465}, False, True, 2465),
        ({"smtp_port": 465, "use_ssl": True}, False, True, 465),
        ({"smtp_port": 465, "use_tls": True}, True, False, 465),
        ({"smtp_port": 465, "use_ssl": False}, True, False, 465),
        ({"smtp_port": 465, "use_tls": False}, False, True, 465),
        ({"smtp_port": 465, "use_tls": True, "use_ssl": False}, True, False, 465),
        ({"smtp_port": 587}, True, False, 587),
        ({"use_ssl": False}, True, False, 587),
    ],
)
def test_the_switches_name_one_protection_and_its_port(switches, tls, ssl, port):
    client = a_client()
    body = {**a_config_body(), **switches}
    if "smtp_port" not in switches:
        del body["smtp_port"]
    assert client.post("/api/smtp-configs", json=body).status_code == 201
    now = shown(client)
    assert (now["use_tls"], now["use_ssl"], now["smtp_port"]) == (tls, ssl, port)


def test_the_default_protection_follows_the_port_and_a_choice_stays():
    client = a_client_with_config()
    seen = []
    for change in (
        {"smtp_port": 465},
        {"smtp_port": 587},
        {"use_ssl": True},
        {"smtp_port": 2525},
        {"smtp_port": 465},
    ):
        client.put("/api/smtp-configs/1", json=change)
        now = shown(client)
        seen.append((now["use_tls"], now["use_ssl"]))
    assert seen == [(False, True), (True, False), (False, True), (False, True), (False, True)]


STARTTLS = {"use_tls": True, "use_ssl": False}
TLS = {"use_tls": False, "use_ssl": True}
NEITHER = {"use_tls": False, "use_ssl": False}


@pytest.mark.parametrize(
    ("before", "change", "after"),
    [
        (STARTTLS, {"use_ssl": True}, TLS),
        (STARTTLS, {"use_ssl": False}, STARTTLS),
        (STARTTLS, {"use_tls": False}, NEITHER),
        (STARTTLS, {"use_tls": True}, STARTTLS),
        (STARTTLS, NEITHER, NEITHER),
        (STARTTLS, TLS, TLS),
        (TLS, {"use_tls": True}, STARTTLS),
        (TLS, {"use_tls": False}, TLS),
        (TLS, {"use_ssl": False}, NEITHER),
        (TLS, STARTTLS, STARTTLS),
        (NEITHER, {"use_tls": True}, STARTTLS),
        (NEITHER, {"use_ssl": True}, TLS),
        (NEITHER, {"use_ssl": False}, NEITHER),
        # the port moves too: a switch counts, and not the port's default
        (STARTTLS, {"smtp_port": 465, "use_tls": True}, STARTTLS),
        (STARTTLS, {"smtp_port": 465, "use_ssl": False}, STARTTLS),
        (STARTTLS, {"smtp_port": 465, "use_tls": False}, NEITHER),
        # without a switch: a default follows the port, a choice stays
        (STARTTLS, {"smtp_port": 465}, TLS),
        (TLS, {"smtp_port": 465}, TLS),
        (NEITHER, {"smtp_port": 465}, NEITHER),
    ],
)
def test_a_put_with_one_switch_or_none_keeps_the_meaning_of_the_other(before, change, after):
    client = a_client()
    body = a_config_body(username="", password="", smtp_port=587, **before)
    assert client.post("/api/smtp-configs", json=body).status_code == 201

    assert client.put("/api/smtp-configs/1", json=change).status_code == 200

    now = shown(client)
    assert {name: now[name] for name in after} == after
    assert now["smtp_port"] == change.get("smtp_port", 587)


def test_the_two_switches_exclude_each_other():
    both = {"use_tls": True, "use_ssl": True}
    created = a_client().post("/api/smtp-configs", json=a_config_body(**both))
    assert pointers(created) == ["/use_ssl"]

    client = a_client_with_config()
    changed = client.put("/api/smtp-configs/1", json=both)
    assert pointers(changed) == ["/use_ssl"]
    assert (shown(client)["use_tls"], shown(client)["use_ssl"]) == (True, False)


def test_t_tls_a_password_goes_over_tls_or_to_this_machine_only():
    client = a_client()
    plain = a_config_body(use_tls=False)
    assert pointers(client.post("/api/smtp-configs", json=plain)) == ["/use_tls"]
    here = {**plain, "smtp_host": "127.0.0.1", "smtp_port": 2525}
    assert client.post("/api/smtp-configs", json=here).status_code == 201


def test_a_relay_without_auth_may_be_plain():
    body = a_config_body(use_tls=False, username="", password="")
    assert a_client().post("/api/smtp-configs", json=body).status_code == 201


@pytest.mark.parametrize(
    "move",
    [
        {"smtp_host": "evil.example.net"},
        {"smtp_port": 2525},
        {"username": "somebody.else"},
        {"use_ssl": True},
        {"use_tls": False, "use_ssl": True, "smtp_port": 465},
    ],
)
def test_a_password_is_not_taken_to_another_server_or_user(move):
    sender = FakeSender()
    client = a_client_with_config(an_application(sender=sender))

    reply = client.put("/api/smtp-configs/1", json=move)

    assert reply.status_code == 200
    assert "send the password again" in reply.json["message"]
    now = client.get("/api/smtp-configs/1").json
    assert (now["state"], now["pause_reason"]) == ("paused", "password_missing")
    assert (now["password_set"], now["username"]) == (False, move.get("username", now["username"]))
    verified = client.post("/api/smtp-configs/1/verify").json
    assert (verified["ok"], verified["stage"]) == (False, "auth")
    assert verified["problem"] == "password_missing"
    assert client.post("/api/smtp-configs/1/resume").status_code == 409
    assert client.post("/api/smtp-configs/1/pause").json["state"] == "paused"

    cured = client.put("/api/smtp-configs/1", json={"password": PASSWORD})
    assert cured.json == {"message": "SMTP configuration updated successfully"}
    now = client.get("/api/smtp-configs/1").json
    assert (now["state"], now["password_set"]) == ("open", True)


def test_the_values_that_it_has_already_cost_no_password():
    client = a_client_with_config()
    same = {name: a_config_body()[name] for name in ("smtp_host", "smtp_port", "username")}
    same |= {"use_tls": True, "use_ssl": False, "smtp_host": "SMTP.example.com"}

    reply = client.put("/api/smtp-configs/1", json=same)

    assert reply.json == {"message": "SMTP configuration updated successfully"}
    now = client.get("/api/smtp-configs/1").json
    assert (now["state"], now["password_set"]) == ("open", True)


@pytest.mark.parametrize("password", [None, ""])
def test_another_server_with_no_password_is_refused_while_there_is_a_username(password):
    client = a_client_with_config()
    before = client.get("/api/smtp-configs/1").json
    for body in (
        {"smtp_host": "mail.example.net", "password": password},
        {"password": password},
    ):
        assert pointers(client.put("/api/smtp-configs/1", json=body)) == ["/password"]
    assert client.get("/api/smtp-configs/1").json == before

    client.put("/api/smtp-configs/1", json={"smtp_host": "mail.example.net"})
    reply = client.put("/api/smtp-configs/1", json={"password": password})
    assert pointers(reply) == ["/password"]


def test_username_and_password_are_given_together():
    client = a_client()
    body = a_config_body(password="")
    assert pointers(client.post("/api/smtp-configs", json=body)) == ["/password"]
    body = a_config_body(username="")
    assert pointers(client.post("/api/smtp-configs", json=body)) == ["/username"]


def test_null_takes_the_password_away():
    client = a_client_with_config()
    reply = client.put("/api/smtp-configs/1", json={"username": "", "password": None})
    assert reply.status_code == 200
    assert shown(client)["password_set"] is False


@pytest.mark.parametrize("limit", ["daily_limit", "hourly_limit", "minute_limit"])
def test_null_is_no_limit(limit):
    client = a_client_with_config()
    assert client.put("/api/smtp-configs/1", json={limit: None}).status_code == 200
    assert shown(client)[limit] is None


# -- what is refused -----


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""),
        ("name", "n" * 201),
        ("name", "a\nb"),
        ("name", "a\u202eb"),
        ("name", 1),
        ("email_address", "shop"),
        ("email_address", ["shop@example.com"]),
        ("display_name", "d" * 201),
        ("display_name", "Shop\r\nBcc: e@e.com"),
        ("aliases", None),
        ("aliases", "a@example.org"),
        ("aliases", [f"a{n}@example.org" for n in range(101)]),
        ("smtp_host", ""),
        ("smtp_host", "https://smtp.example.com"),
        ("smtp_host", "user:secret@smtp.example.com"),
        ("smtp_host", "127.1"),
        ("smtp_port", 0),
        ("smtp_port", 65_536),
        ("smtp_port", True),
        ("smtp_port", 587.0),
        ("smtp_port", "587"),
        ("smtp_port", None),
        ("username", "a\0b"),
        ("username", "u" * 321),
        ("username", None),
        ("password", "a\0b"),
        ("password", "a\n"),
        ("password", "p" * 1001),
        ("password", 1),
        ("use_tls", 1),
        ("use_tls", "true"),
        ("use_tls", None),
        ("use_ssl", 0),
        ("auth_mechanism", "PLAIN"),
        ("auth_mechanism", "xoauth2"),
        ("announce_next", None),
        ("announce_next", 1),
        ("max_message_bytes", 0),
        ("max_message_bytes", "25 MB"),
        ("max_message_bytes", True),
        ("max_message_bytes", 2**31),
        ("ses_headers", None),
        ("ses_headers", "yes"),
        ("active", "yes"),
        ("daily_limit", 0),
        ("daily_limit", -1),
        ("daily_limit", 10**9 + 1),
        ("daily_limit", True),
        ("daily_limit", "3"),
        ("daily_limit", 1.0),
        ("hourly_limit", 0),
        ("minute_limit", 0),
        ("limit_unit", "bytes"),
        ("limit_unit", None),
        ("max_connections", 0),
        ("max_connections", 101),
        ("priority_reserve", -1),
        ("priority_reserve", 91),
        ("on_unknown", "drop"),
    ],
)
def test_a_value_that_cannot_be_is_refused_by_name(client, field, value):
    before = shown(client)
    created = client.post("/api/smtp-configs", json=a_config_body(name="x") | {field: value})
    assert pointers(created) == [f"/{field}"]
    assert pointers(client.put("/api/smtp-configs/1", json={field: value})) == [f"/{field}"]
    assert shown(client) == before
    assert len(client.get("/api/smtp-configs").json) == 1


@pytest.mark.parametrize(
    "field",
    [
        *["id", "sent_count_today", "sent_count_hour", "last_sent", "created_at", "updated_at"],
        *["password_set", "state", "pause_reason", "used_day", "connections", "last_reply"],
        *["__class__", "host", "sealed_password", "nobody"],
    ],
)
def test_t_json_5_read_only_and_unknown_fields_are_refused(client, field):
    created = client.post("/api/smtp-configs", json=a_config_body(name="second", **{field: 1}))
    changed = client.put("/api/smtp-configs/1", json={field: 1})
    for reply in (created, changed):
        assert pointers(reply) == [f"/{field}"]
        assert reply.json["code"] == "unknown_field"


def test_every_missing_field_is_named_at_once():
    reply = a_client().post("/api/smtp-configs", json={})
    assert pointers(reply) == ["/smtp_host", "/name", "/email_address"]


def test_a_change_of_nothing_is_refused():
    assert pointers(a_client_with_config().put("/api/smtp-configs/1", json={})) == [""]


def test_a_name_that_is_taken_is_a_conflict():
    client = a_client_with_config()
    created = client.post("/api/smtp-configs", json=a_config_body())
    client.post("/api/smtp-configs", json=a_config_body(name="second"))
    changed = client.put("/api/smtp-configs/2", json={"name": "main"})
    for reply in (created, changed):
        assert (reply.status_code, reply.json["code"]) == (409, "name_taken")
        assert reply.json["error"].startswith("another SMTP configuration has this name: choose")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", ""),
        ("PUT", ""),
        ("DELETE", ""),
        ("POST", "/pause"),
        ("POST", "/resume"),
        ("POST", "/verify"),
    ],
)
def test_one_that_is_not_there_is_not_found(client, method, path):
    body = {"active": True} if method == "PUT" else None
    reply = client.open(f"/api/smtp-configs/7{path}", method=method, json=body)
    assert (reply.status_code, reply.json["code"]) == (404, "not_found")
    assert reply.json["error"] == "there is no SMTP configuration 7"


# -- delete, pause, resume, verify -----


def test_an_smtp_configuration_is_deleted():
    client = a_client_with_config()
    reply = client.delete("/api/smtp-configs/1")
    assert reply.status_code == 200
    assert reply.json == {"message": "SMTP configuration deleted successfully"}
    assert client.get("/api/smtp-configs").json == []


def test_one_with_mail_that_waits_on_it_stays():
    client = a_client_with_config()
    client.post("/api/emails", json=an_email_body(smtp_config_id=1))
    reply = client.delete("/api/smtp-configs/1")
    assert (reply.status_code, reply.json["code"]) == (409, "conflict")
    assert len(client.get("/api/smtp-configs").json) == 1


def test_one_is_paused_and_resumed():
    application = an_application()
    client = a_client_with_config(application)
    paused = client.post("/api/smtp-configs/1/pause")
    assert (paused.status_code, paused.json["state"]) == (200, "paused")
    assert shown(client)["pause_reason"] == "by_hand"
    client.post("/api/emails", json=an_email_body())
    assert deliver(application) == 0
    resumed = client.post("/api/smtp-configs/1/resume")
    assert (resumed.status_code, resumed.json["state"]) == (200, "open")
    assert shown(client)["pause_reason"] is None
    assert deliver(application) == 1


def test_refused_credentials_pause_it_and_say_why():
    sender = FakeSender(Script([Rule("auth", "535 5.7.8 bad credentials")]))
    application = an_application(sender=sender)
    client = a_client_with_config(application)
    client.post("/api/emails", json=an_email_body())
    deliver(application)
    now = shown(client)
    assert now["state"] == "paused"
    assert now["pause_until"] is None
    assert "bad credentials" in now["last_reply"]
    assert client.get("/api/emails/1").json["waiting_reason"] == "account_paused"
    client.put("/api/smtp-configs/1", json={"password": "a new one"})
    assert shown(client)["state"] == "open"


def test_verify_says_that_all_is_well():
    reply = a_client_with_config().post("/api/smtp-configs/1/verify")
    assert reply.status_code == 200
    answer = dict(reply.json)
    stages = answer.pop("stages")
    assert answer == {
        "ok": True,
        "stage": None,
        "problem": None,
        "code": None,
        "enhanced_code": None,
        "text": "",
        "warnings": [],
    }
    assert [(each["stage"], each["code"]) for each in stages] == [
        ("connect", None),
        ("banner", 220),
        ("ehlo", 250),
        ("starttls", 220),
        ("tls", None),
        ("ehlo", 250),
        ("auth", 235),
        ("mail", 250),
        ("rcpt", 250),
    ]
    assert {(each["ok"], each["advice"]) for each in stages} == {(True, "")}


def test_verify_sends_nothing():
    sender = FakeSender()
    client = a_client_with_config(an_application(sender=sender))
    assert client.post("/api/smtp-configs/1/verify").json["ok"]
    assert not sender.accepted


def test_verify_says_what_a_person_should_do():
    rule = Rule("mail", "553 5.7.1 Sender address rejected: not owned by user")
    client = a_client_with_config(an_application(sender=FakeSender(Script([rule]))))
    reply = client.post("/api/smtp-configs/1/verify").json
    assert (reply["ok"], reply["stage"], reply["code"]) == (False, "mail", 553)
    last = reply["stages"][-1]
    assert last["text"] == "553 5.7.1 Sender address rejected: not owned by user"
    assert "email_address" in last["advice"]


@pytest.mark.parametrize(
    ("body", "failed"),
    [(None, True), ({}, True), ({"recipient": "ada@example.org"}, False)],
)
def test_verify_names_the_account_or_the_recipient_it_is_told(body, failed):
    rule = Rule("rcpt", "550 5.1.1 unknown", recipient="shop@example.com")
    client = a_client_with_config(an_application(sender=FakeSender(Script([rule]))))
    reply = client.post("/api/smtp-configs/1/verify", json=body)
    assert reply.json["stage"] == ("rcpt" if failed else None)


@pytest.mark.parametrize("recipient", ["nobody", "", None, 1, "a@b.c\n", "a@b.c> NOTIFY=NEVER"])
def test_verify_takes_no_recipient_that_is_no_address(client, recipient):
    reply = client.post("/api/smtp-configs/1/verify", json={"recipient": recipient})
    assert pointers(reply) == ["/recipient"]


def test_verify_says_at_which_stage_and_why_it_failed():
    sender = FakeSender(Script([Rule("auth", "535 5.7.8 bad credentials")]))
    client = a_client_with_config(an_application(sender=sender))
    reply = client.post("/api/smtp-configs/1/verify").json
    assert (reply["ok"], reply["stage"]) == (False, "auth")
    assert (reply["code"], reply["enhanced_code"]) == (535, "5.7.8")


def test_verify_names_the_problem_where_there_is_no_reply():
    sender = FakeSender(Script(starttls=False))
    client = a_client_with_config(an_application(sender=sender))
    reply = client.post("/api/smtp-configs/1/verify").json
    assert (reply["ok"], reply["stage"], reply["problem"]) == (False, "starttls", "not_offered")


# -- the password -----


def test_t_sec_1_no_reply_ever_holds_a_password(caplog):
    planted = "planted-secret-0123456789"
    client = a_client()
    replies = [
        client.post("/api/smtp-configs", json=a_config_body(password=planted)),
        client.post("/api/smtp-configs", json=a_config_body(password=planted)),
        client.post("/api/smtp-configs", json=a_config_body(password=planted + "\0")),
        client.post("/api/smtp-configs", json=a_config_body(password=[planted])),
        client.put("/api/smtp-configs/1", json={"password": planted, "smtp_port": 0}),
        client.put("/api/smtp-configs/1", json={"password": planted}),
        client.get("/api/smtp-configs/1"),
        client.get("/api/smtp-configs"),
        client.post("/api/smtp-configs/1/verify"),
    ]
    assert [reply.status_code for reply in replies[:4]] == [201, 409, 400, 400]
    for reply in replies:
        assert planted not in reply.text
        assert planted not in str(reply.headers)
    assert planted not in caplog.text


def troubled(*rules: Rule, **changes: object) -> dict[str, Any]:
    """An SMTP configuration for which mail waits because of what its server does."""
    sender = FakeSender()
    sender.play(Script(rules))
    application = an_application(sender=sender)
    client = a_client_with_config(application)
    client.put("/api/smtp-configs/1", json={"daily_limit": 1000, **changes})
    for name in ("ada", "bob", "cyd"):
        client.post("/api/emails", json=an_email_body(recipients=[f"{name}@example.org"]))
    deliver(application)
    return shown(client)


@pytest.mark.parametrize(
    ("rule", "changes", "reason", "text"),
    [
        (Rule(Stage.BANNER, Fault.CLOSE), {}, "connection_lost", "closed"),
        (Rule(Stage.MAIL, "451 4.3.0 try later"), {}, "server_busy", "451 4.3.0 try later"),
        (Rule(Stage.AUTH, "535 5.7.8 no"), {}, "auth_failed", "535 5.7.8 no"),
        (Rule(Stage.AUTH, "535 5.7.8 no", times=0), {"active": False}, "account_inactive", "not"),
        (Rule(Stage.AUTH, "535", times=0), {"hourly_limit": 1}, "hour_limit", "1 of 1 used"),
    ],
)
def test_while_mail_waits_for_it_an_smtp_configuration_says_why(rule, changes, reason, text):
    now = troubled(rule, **changes)

    assert now["pause_reason"] == reason
    assert text in now["pause_text"]


def test_a_full_smtp_configuration_takes_no_more_mail_by_name():
    rules = ServicePolicy(delivery=delivery_rules(), max_account_depth=1)
    client = a_client_with_config(an_application(rules=rules))
    assert client.post("/api/emails", json=an_email_body(smtp_config_id=1)).status_code == 201

    refused = client.post("/api/emails", json=an_email_body(smtp_config_id=1))

    assert (refused.status_code, refused.json["code"]) == (503, "account_queue_full")
    assert client.post("/api/emails", json=an_email_body()).status_code == 201


# -- what is trimmed -----


@pytest.mark.parametrize("name", [" main", "main ", "\tmain", "\u00a0main\u3000", "  main  "])
def test_blanks_around_a_name_are_removed_before_it_is_compared(name):
    client = a_client_with_config()
    assert client.get("/api/smtp-configs/1").json["name"] == "main"
    reply = client.post("/api/smtp-configs", json=a_config_body(name=name))
    assert (reply.status_code, reply.json["code"]) == (409, "name_taken")
    other = a_client()
    assert other.post("/api/smtp-configs", json=a_config_body(name=name)).status_code == 201
    assert other.get("/api/smtp-configs/1").json["name"] == "main"
    assert other.put("/api/smtp-configs/1", json={"name": f" {name} "}).status_code == 200
    assert other.get("/api/smtp-configs/1").json["name"] == "main"


@pytest.mark.parametrize("name", ["", " ", "\t", "\u00a0", "main\n", "\nmain", "ma\tin"])
def test_a_name_of_nothing_or_with_a_line_end_stays_refused(name):
    reply = a_client().post("/api/smtp-configs", json=a_config_body(name=name))
    assert pointers(reply) == ["/name"]


def test_a_host_may_end_with_a_dot_and_stand_between_blanks():
    client = a_client()
    body = a_config_body(smtp_host=" smtp.example.org. ", display_name="  Example Shop ")
    assert client.post("/api/smtp-configs", json=body).status_code == 201
    shown = client.get("/api/smtp-configs/1").json
    assert shown["smtp_host"] == "smtp.example.org"
    assert shown["display_name"] == "Example Shop"


@pytest.mark.parametrize("host", ["127.0.0.1.", "localhost.", "169.254.169.254."])
def test_a_dot_behind_it_opens_no_forbidden_server(host):
    client = a_keyed_client(an_application(closed=True), "admin")
    reply = client.post("/api/smtp-configs", json=a_config_body(smtp_host=host))
    assert pointers(reply) == ["/smtp_host"]


# -- the reserve for priorities 1 and 2 -----


def test_a_new_configuration_keeps_a_tenth_for_priorities_1_and_2_and_another_one_its_own():
    client = a_client()
    client.post("/api/smtp-configs", json=a_config_body())
    client.post("/api/smtp-configs", json=a_config_body(name="all", priority_reserve=0))
    assert client.put("/api/smtp-configs/2", json={"daily_limit": 7}).status_code == 200
    assert [shown(client, number)["priority_reserve"] for number in (1, 2)] == [10, 0]


def test_the_reserve_is_told_where_an_email_waits_for_it():
    application = an_application()
    client = a_client_with_config(application)
    client.put("/api/smtp-configs/1", json={"hourly_limit": 10})
    for _ in range(10):
        client.post("/api/emails", json=an_email_body())
    deliver(application)
    (gate,) = [g for g in client.get("/api/emails/10/explain").json["gates"] if not g["open"]]
    assert gate["name"] == "hour_limit"
    assert gate["detail"] == "9 of 10 used, 1 kept for priorities 1 and 2"
    assert gate["until"] == shown(client)["next_capacity_at"]
    assert client.post("/api/emails", json=an_email_body(priority=1)).status_code == 201
    assert deliver(application) == 1
