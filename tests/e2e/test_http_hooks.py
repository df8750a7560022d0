"""Event hooks over HTTP: made, shown once, called by providers, removed."""

import json
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from application import Application, ServicePolicy
from tests.applications import (
    a_client,
    a_config_body,
    a_keyed_client,
    an_application,
    an_email_body,
    deliver,
    delivery_rules,
    pointers,
)
from tests.hook_calls import (
    MAILGUN_KEY,
    TOPIC,
    postmark_call,
    sendgrid_event,
    sendgrid_headers,
    sendgrid_public_key,
)

HOOKS = "/api/smtp-configs/1/hooks"
PUBLIC = "https://mail.example.com/news"
KIB = 1024


def a_service(**rules: Any) -> Application:
    return an_application(
        rules=ServicePolicy(delivery=delivery_rules(), **{"public_url": PUBLIC, **rules})
    )


def with_config(application: Application, *names: str) -> FlaskClient:
    client = a_client(application)
    for name in names or ("main",):
        body = a_config_body(name=name)
        assert client.post("/api/smtp-configs", json=body).status_code == 201
    return client


@pytest.fixture
def application() -> Application:
    return a_service()


@pytest.fixture
def client(application: Application) -> FlaskClient:
    return with_config(application)


def made(client: FlaskClient, **wish: Any) -> dict[str, Any]:
    reply = client.post(HOOKS, json=wish)
    assert reply.status_code == 201, reply.text
    return reply.json


def path_of(hook: dict[str, Any]) -> str:
    url: str = hook["url"]
    assert url.startswith(PUBLIC)
    return url.removeprefix(PUBLIC)


def call(client: FlaskClient, path: str, body: object, **headers: str) -> TestResponse:
    """As a provider does: from anywhere, without a key."""
    return client.post(
        path,
        data=body if isinstance(body, bytes) else json.dumps(body),
        headers={"Content-Type": "application/json", **headers},
        environ_overrides={"REMOTE_ADDR": "203.0.113.9"},
    )


# -- made and listed -------------------------------------------------------------------------------


def test_the_url_is_shown_once_and_its_secret_has_256_bits(client: FlaskClient) -> None:
    hook = made(client, kind="ses")

    *_, hooks, kind, secret = hook["url"].split("/")
    assert (hooks, kind, len(bytes.fromhex(secret))) == ("hooks", "ses", 32)
    assert made(client, kind="ses")["url"] != hook["url"]
    listed = client.get(HOOKS)
    assert secret not in listed.text
    [first, _] = listed.json
    assert first == {name: value for name, value in hook.items() if name != "url"}
    assert first["topic"] is None


def test_a_topic_may_be_given(client: FlaskClient) -> None:
    assert made(client, kind="ses", topic=TOPIC)["topic"] == TOPIC


@pytest.mark.parametrize(
    ("wish", "wrong"),
    [
        ({}, ["/kind"]),
        ({"kind": "other"}, ["/kind"]),
        ({"kind": "sendgrid"}, ["/signing_key"]),
        ({"kind": "mailgun"}, ["/signing_key"]),
        ({"kind": "mailgun", "signing_key": ""}, ["/signing_key"]),
        ({"kind": "mailgun", "signing_key": "x" * 1001}, ["/signing_key"]),
        ({"kind": "mailgun", "signing_key": None}, ["/signing_key"]),
        ({"kind": "sendgrid", "signing_key": "no key"}, ["/signing_key"]),
        ({"kind": "ses", "signing_key": "x"}, ["/signing_key"]),
        ({"kind": "postmark", "signing_key": "no colon"}, ["/signing_key"]),
        ({"kind": "postmark", "signing_key": ":x"}, ["/signing_key"]),
        ({"kind": "ses", "topic": "arn:aws:sns:x"}, ["/topic"]),
        ({"kind": "postmark", "topic": TOPIC}, ["/topic"]),
        ({"kind": "ses", "other": 1}, ["/other"]),
    ],
)
def test_what_could_not_be_verified_is_refused_with_the_reason(
    client: FlaskClient, wish: dict[str, Any], wrong: list[str]
) -> None:
    assert pointers(client.post(HOOKS, json=wish)) == wrong
    assert client.get(HOOKS).json == []


def test_the_signing_key_is_shown_nowhere_and_stored_sealed(client: FlaskClient) -> None:
    hook = made(client, kind="mailgun", signing_key=MAILGUN_KEY)

    assert MAILGUN_KEY not in json.dumps(hook) + client.get(HOOKS).text
    assert MAILGUN_KEY not in client.get("/api/smtp-configs/1").text


def test_without_a_public_url_nobody_could_call_it_in_production() -> None:
    rules = ServicePolicy(delivery=delivery_rules(), public_url=None)
    client = a_keyed_client(an_application(rules=rules, closed=True), "admin")
    assert client.post("/api/smtp-configs", json=a_config_body()).status_code == 201
    refused = client.post(HOOKS, json={"kind": "ses"})
    assert (refused.status_code, "PUBLIC_URL" in refused.json["detail"]) == (409, True)


def test_without_a_public_url_this_machine_can_call_it_in_development() -> None:
    client = with_config(a_service(public_url=None))
    base = {"SERVER_PORT": "5001", "HTTP_HOST": "localhost:80"}
    reply = client.post(HOOKS, json={"kind": "postmark"}, environ_overrides=base)
    url = reply.json["url"]

    assert reply.status_code == 201
    assert url.startswith("http://127.0.0.1:5001/hooks/postmark/")
    assert call(client, url.removeprefix("http://127.0.0.1:5001"), {}).status_code == 200


def test_there_are_at_most_ten(client: FlaskClient) -> None:
    for _ in range(10):
        made(client, kind="postmark")
    assert client.post(HOOKS, json={"kind": "postmark"}).status_code == 409


def test_a_hook_that_is_removed_is_not_known_any_more(client: FlaskClient) -> None:
    path = path_of(made(client, kind="postmark"))
    assert call(client, path, postmark_call()).status_code == 200

    assert client.delete(f"{HOOKS}/1").status_code == 200
    assert call(client, path, postmark_call()).status_code == 404
    assert client.delete(f"{HOOKS}/1").status_code == 404
    assert client.get(HOOKS).json == []


def test_hooks_go_with_their_account(client: FlaskClient) -> None:
    path = path_of(made(client, kind="postmark"))
    assert client.delete("/api/smtp-configs/1").status_code == 200
    assert call(client, path, postmark_call()).status_code == 404


def test_a_limited_key_sees_and_makes_the_hooks_of_its_own_accounts_only(
    application: Application,
) -> None:
    open_client = with_config(application, "one", "two")
    made(open_client, kind="ses")
    limited = a_keyed_client(application, "admin", accounts=frozenset({2}))

    assert limited.get(HOOKS).status_code == 404
    assert limited.post(HOOKS, json={"kind": "ses"}).status_code == 404
    assert limited.delete(f"{HOOKS}/1").status_code == 404
    assert limited.delete("/api/smtp-configs/2/hooks/1").status_code == 404
    assert limited.post("/api/smtp-configs/2/hooks", json={"kind": "ses"}).status_code == 201
    assert [hook["id"] for hook in limited.get("/api/smtp-configs/2/hooks").json] == [2]


def test_who_may_read_sees_hooks_and_only_administrators_change_them(
    application: Application,
) -> None:
    with_config(application)
    for scope in ("send", "read"):
        client = a_keyed_client(application, scope)
        assert client.get(HOOKS).status_code == (200 if scope == "read" else 403)
        assert client.post(HOOKS, json={"kind": "ses"}).status_code == 403
        assert client.delete(f"{HOOKS}/1").status_code == 403


# -- called ----------------------------------------------------------------------------------------


def test_a_provider_needs_no_key_and_may_call_from_anywhere(application: Application) -> None:
    with_config(application)
    admin = a_keyed_client(application, "admin")
    path = path_of(made(admin, kind="postmark"))
    provider = a_client(application)

    for headers in (
        {},
        {"Origin": "https://other.example", "Sec-Fetch-Site": "cross-site"},
        {"Host": "mail.example.com"},
        {"X-API-Key": "wrong"},
        {"Content-Type": "text/plain; charset=UTF-8"},
    ):
        assert call(provider, path, postmark_call(), **headers).status_code == 200
    assert call(provider, "/api/emails", {}).status_code == 401


def test_a_bounce_is_recorded_before_the_call_is_answered(
    application: Application, client: FlaskClient
) -> None:
    path = path_of(made(client, kind="sendgrid", signing_key=sendgrid_public_key()))
    assert client.post("/api/emails", json=an_email_body()).status_code == 201
    deliver(application)
    name = client.get("/api/emails/1").json["message_id"]
    body = json.dumps([sendgrid_event(**{"smtp-id": name})]).encode()

    for _ in range(2):
        assert call(client, path, body, **sendgrid_headers(body)).status_code == 200

    [event] = [one for one in client.get("/api/events").json if one["type"] == "email.bounced"]
    assert event["data"]["email_id"] == 1
    listed = client.get("/api/suppressions/ada@example.org").json
    assert "hard_bounce" in json.dumps(listed)
    assert client.get("/api/emails/1").json["status"] == "sent"


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "PATCH"])
def test_no_other_method_is_allowed(client: FlaskClient, method: str) -> None:
    path = path_of(made(client, kind="postmark"))
    assert client.open(path, method=method).status_code == 405


@pytest.mark.parametrize(
    ("kind", "key", "most"),
    [("postmark", None, 256 * KIB), ("sendgrid", sendgrid_public_key(), 1024 * KIB)],
)
def test_a_body_that_is_too_long_is_not_read(
    client: FlaskClient, kind: str, key: str | None, most: int
) -> None:
    wish = {"kind": kind} | ({} if key is None else {"signing_key": key})
    path = path_of(made(client, **wish))

    assert call(client, path, b" " * (most + 1)).status_code == 413
    assert call(client, path, b" " * (most + KIB)).status_code == 413
    assert call(client, path, b" " * most).status_code in (400, 403)


def test_ten_thousand_events_in_one_call_are_taken(client: FlaskClient) -> None:
    path = path_of(made(client, kind="sendgrid", signing_key=sendgrid_public_key()))
    events = [
        {"event": "bounce", "email": f"a{n}@b.cd", "sg_message_id": f"i{n}", "sg_event_id": str(n)}
        for n in range(10_000)
    ]
    body = json.dumps(events, separators=(",", ":")).encode()

    assert call(client, path, body, **sendgrid_headers(body)).status_code == 200
    assert client.get("/api/suppressions").json == []


def test_what_cannot_be_read_or_is_not_signed_is_refused(client: FlaskClient) -> None:
    postmark = path_of(made(client, kind="postmark"))
    for body in (b"", b"[]", b"{", b"[" * 100_000, b"\xff", b'{"a":' * 40_000):
        assert call(client, postmark, body).status_code == 400
    assert call(client, postmark, b"{}", **{"Content-Encoding": "gzip"}).status_code == 415
    mailgun = path_of(made(client, kind="mailgun", signing_key=MAILGUN_KEY))
    assert call(client, mailgun, {}).status_code == 403


def test_who_guesses_secrets_has_to_wait(client: FlaskClient) -> None:
    path = path_of(made(client, kind="postmark"))
    wrong = path[:-1] + ("0" if path[-1] != "0" else "1")
    statuses = [call(client, wrong, {}).status_code for _ in range(21)]

    assert statuses == [404] * 20 + [429]
    # the owner of a good one, at the same address, has not
    assert call(client, path, postmark_call()).status_code == 200


def test_while_the_store_is_down_the_provider_is_to_call_again(
    application: Application, client: FlaskClient
) -> None:
    path = path_of(made(client, kind="postmark"))
    application.queries._store.close()  # type: ignore[attr-defined]
    reply = call(client, path, postmark_call())
    assert (reply.status_code, int(reply.headers["Retry-After"]) > 0) == (503, True)
