"""The suppression list over HTTP: who gets no mail, and who may say so."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from adapters.fakes.clock import FakeClock
from application import Application
from tests.applications import (
    a_client_with_config,
    a_config_body,
    a_keyed_client,
    an_application,
    deliver,
    pointers,
)
from tests.builders import NOW

ADA, GRACE = "ada@example.org", "grace@example.org"
PATH = "/api/suppressions"


@pytest.fixture
def application() -> Application:
    return an_application()


@pytest.fixture
def client(application: Application) -> FlaskClient:
    return a_client_with_config(application)


def suppress(client: FlaskClient, address: str = ADA, **fields: Any) -> TestResponse:
    return client.post(PATH, json={"address": address, **fields})


def send(client: FlaskClient, *to: str, **fields: Any) -> dict[str, Any]:
    """The email as it is shown after it was accepted."""
    body = {"subject": "Hello", "text_content": "Hello", "recipients": list(to), **fields}
    accepted = client.post("/api/emails", json=body)
    assert accepted.status_code == 201, accepted.json
    shown: dict[str, Any] = client.get(accepted.headers["Location"]).json
    return shown


def pages(client: FlaskClient, path: str) -> Iterator[list[dict[str, Any]]]:
    """Every page behind *path*."""
    following: str | None = path
    while following:
        answer = client.get(following)
        assert answer.status_code == 200, answer.json
        yield answer.json
        link = answer.headers.get("Link")
        following = link.partition("<")[2].partition(">")[0] if link else None


def test_an_address_is_suppressed_with_all_there_is_to_say():
    client = a_client_with_config()
    ends = NOW + timedelta(days=30)

    answer = suppress(
        client,
        "Ada@Example.org",
        scope="topic:news",
        reason="unsubscribe",
        email_id=7,
        expires_at=ends.isoformat(),
    )

    assert (answer.status_code, answer.headers["Location"]) == (201, f"{PATH}/{ADA}")
    assert answer.json == {
        "created_at": NOW.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "address": ADA,
        "scope": "topic:news",
        "reason": "unsubscribe",
        "expires_at": ends.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "email_id": 7,
    }
    assert client.get(answer.headers["Location"]).json == [answer.json]


def test_without_anything_else_it_is_suppressed_by_hand_for_ever_and_for_all_mail(client):
    row = suppress(client).json

    assert (row["scope"], row["reason"], row["expires_at"]) == ("*", "manual", None)


def test_a_hard_bounce_ends_after_180_days_unless_it_says_otherwise(client):
    row = suppress(client, reason="hard_bounce").json

    begins, ends = [datetime.fromisoformat(row[name]) for name in ("created_at", "expires_at")]
    assert ends - begins == timedelta(days=180)


def test_the_same_entry_is_replaced_and_another_reason_is_another_entry(client):
    suppress(client, email_id=1)
    suppress(client, reason="complaint")
    suppress(client, email_id=2)

    rows = client.get(f"{PATH}/{ADA}").json

    assert [(row["reason"], row["email_id"]) for row in rows] == [
        ("complaint", None),
        ("manual", 2),
    ]


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ({"address": "nobody"}, "/address"),
        ({"scope": "all"}, "/scope"),
        ({"scope": "topic:No"}, "/scope"),
        ({"scope": "account:01"}, "/scope"),
        ({"reason": "spam"}, "/reason"),
        ({"expires_at": "2001-01-01T00:00:00Z"}, "/expires_at"),
        ({"expires_at": None}, "/expires_at"),
        ({"reason": "complaint", "expires_at": "2999-01-01T00:00:00Z"}, "/expires_at"),
        ({"email_id": 0}, "/email_id"),
        ({"because": "so"}, "/because"),
    ],
)
def test_what_is_wrong_is_told_by_its_place(client, fields, place):
    answer = suppress(client, **{"address": ADA, **fields})

    assert (answer.status_code, pointers(answer)) == (400, [place])
    assert client.get(PATH).json == []


def test_the_scope_of_a_configuration_that_is_not_there_is_a_404(client):
    assert suppress(client, scope="account:9").status_code == 404
    assert client.get(f"{PATH}?scope=account:9").json == []


def test_the_list_is_read_page_by_page_and_filtered(client):
    everybody = [f"r{number}@example.org" for number in range(7)]
    for number, address in enumerate(everybody):
        suppress(client, address, reason=("manual", "complaint")[number % 2])
    suppress(client, GRACE, scope="account:1")

    found = list(pages(client, f"{PATH}?limit=3"))
    assert [[row["address"] for row in page] for page in found] == [
        everybody[:3],
        everybody[3:6],
        [everybody[6], GRACE],
    ]
    complaints = list(pages(client, f"{PATH}?limit=2&reason=complaint"))
    assert [row["address"] for page in complaints for row in page] == everybody[1::2]
    of_account = list(pages(client, f"{PATH}?limit=1&scope=account:1&reason=manual"))
    assert [row["address"] for page in of_account for row in page] == [GRACE]


@pytest.mark.parametrize("query", ["cursor=AAAAAAAAAAAAAAAA", "scope=x", "reason=x", "limit=0"])
def test_a_query_that_makes_no_sense_is_a_400(client, query):
    assert client.get(f"{PATH}?{query}").status_code == 400


def test_an_address_is_removed_from_one_scope_or_from_all(client):
    for scope in ("*", "topic:news", "topic:offers"):
        suppress(client, scope=scope)

    one = client.delete(f"{PATH}/{ADA}?scope=topic:news")
    assert one.json == {"message": "1 suppression removed"}
    assert client.delete(f"{PATH}/{ADA}?scope=topic:news").status_code == 404
    both = client.delete(f"{PATH}/ADA@example.org")

    assert both.json == {"message": "2 suppressions removed"}
    assert client.get(f"{PATH}/{ADA}").status_code == 404


def test_a_complaint_is_removed_by_force_alone(client):
    suppress(client, reason="complaint")
    suppress(client, scope="topic:news")

    assert client.delete(f"{PATH}/{ADA}").status_code == 409
    assert client.delete(f"{PATH}/{ADA}?force=false").status_code == 409
    assert client.delete(f"{PATH}/{ADA}?force=yes").status_code == 400
    assert len(client.get(f"{PATH}/{ADA}").json) == 2
    assert client.delete(f"{PATH}/{ADA}?force=true").status_code == 200
    assert client.get(f"{PATH}/{ADA}").status_code == 404


@pytest.mark.parametrize("address", ["a/b@example.org", "a+b@example.org", "o'hara@example.org"])
def test_an_address_of_unusual_characters_is_found_by_its_path(client, address):
    place = suppress(client, address).headers["Location"]

    assert [row["address"] for row in client.get(place).json] == [address]
    assert client.delete(place).status_code == 200


@pytest.mark.parametrize("path", ["nobody", "a@b@c", "a//b@example.org", "%00@example.org"])
def test_what_is_no_address_is_not_on_the_list(client, path):
    assert client.get(f"{PATH}/{path}").status_code == 404


# -- email ---------------------------------------------------------------------------------------


def test_who_is_suppressed_gets_no_email_and_the_others_do(application, client):
    suppress(client)

    alone = send(client, ADA)
    among = send(client, ADA, GRACE)
    deliver(application)

    assert (alone["status"], alone["reason_code"]) == ("failed", "suppressed")
    assert [one["status"] for one in alone["recipient_status"]] == ["suppressed"]
    shown = client.get(f"/api/emails/{among['id']}").json
    assert (shown["status"], shown["partial"]) == ("sent", True)
    assert [one["status"] for one in shown["recipient_status"]] == ["suppressed", "accepted"]


def test_email_that_waits_is_not_sent_to_who_was_suppressed_meanwhile(application, client):
    email_id = send(client, ADA)["id"]
    suppress(client)

    deliver(application)

    shown = client.get(f"/api/emails/{email_id}").json
    assert (shown["status"], shown["reason_code"]) == ("failed", "suppressed")


def test_an_administrator_may_write_to_who_has_bounced(application, client):
    suppress(client, reason="hard_bounce")

    email = send(client, ADA, bypass_suppression=["hard_bounce"])
    deliver(application)

    assert client.get(f"/api/emails/{email['id']}").json["status"] == "sent"


def test_all_emails_of_a_batch_may_go_to_who_has_bounced(application, client):
    suppress(client, reason="hard_bounce")
    made = {"name": "welcome", "subject": "Welcome", "html": "<p>Hello</p>"}
    assert client.post("/api/templates", json=made).status_code == 201
    assert client.post("/api/templates/welcome/publish", json={}).status_code == 200
    body = {
        "template": {"name": "welcome"},
        "common": {"bypass_suppression": ["hard_bounce"]},
        "to": [{"recipient": ADA}, {"recipient": GRACE}],
    }

    accepted = client.post("/api/emails/batch", json=body)
    deliver(application)

    assert accepted.status_code == 201, accepted.json
    statuses = [client.get(f"/api/emails/{n}").json["status"] for n in accepted.json["email_ids"]]
    assert statuses == ["sent", "sent"]
    sender = a_keyed_client(application, "send", "read")
    assert sender.post("/api/emails/batch", json=body).status_code == 403


# -- who may -------------------------------------------------------------------------------------


def test_no_key_without_admin_sees_or_changes_the_list_or_bypasses_it(application, client):
    suppress(client)
    sender = a_keyed_client(application, "send", "read")
    email = {"subject": "Hello", "text_content": "Hello", "recipients": [ADA]}

    answers = [
        sender.get(PATH),
        sender.get(f"{PATH}/{ADA}"),
        suppress(sender, GRACE),
        sender.delete(f"{PATH}/{ADA}"),
        sender.post("/api/emails", json={**email, "bypass_suppression": ["hard_bounce"]}),
    ]

    assert [answer.status_code for answer in answers] == [403] * 5


def test_a_key_of_some_configurations_sees_and_changes_only_their_entries(application, client):
    second = client.post("/api/smtp-configs", json=a_config_body(name="second"))
    assert second.status_code == 201
    for scope in ("*", "account:1", "account:2"):
        suppress(client, scope=scope)
    limited = a_keyed_client(application, "admin", accounts=frozenset({2}))

    assert [row["scope"] for row in limited.get(PATH).json] == ["account:2"]
    assert [row["scope"] for row in limited.get(f"{PATH}/{ADA}").json] == ["account:2"]
    assert suppress(limited, GRACE, scope="account:2").status_code == 201
    assert suppress(limited, GRACE, scope="account:1").status_code == 404
    assert suppress(limited, GRACE).status_code == 403
    assert limited.get(f"{PATH}?scope=*").status_code == 403
    assert limited.get(f"{PATH}?scope=account:1").status_code == 404
    assert limited.delete(f"{PATH}/{ADA}").json == {"message": "1 suppression removed"}
    admin = a_keyed_client(application, "admin")
    assert [(row["address"], row["scope"]) for row in admin.get(PATH).json] == [
        *((ADA, scope) for scope in ("*", "account:1")),
        (GRACE, "account:2"),
    ]


def test_the_audit_says_who_changed_the_list_and_names_no_address(application, client):
    suppress(client, scope="topic:news")
    client.delete(f"{PATH}/{ADA}")

    entries = application.api_keys.audit(limit=2)

    assert [entry.action for entry in entries] == ["suppression_deleted", "suppression_set"]
    assert {entry.subject for entry in entries} == {"suppression 1"}
    assert dict(entries[0].detail) == {"scope": "topic:news", "reason": "manual"}


# -- as a table ----------------------------------------------------------------------------------


def test_who_asks_for_csv_gets_a_table_and_the_link_to_the_next_page(client):
    for address in ("=a@example.org", GRACE):
        suppress(client, address)

    answer = client.get(f"{PATH}?limit=1", headers={"Accept": "text/csv"})

    assert answer.content_type.startswith("text/csv; charset=utf-8")
    assert answer.headers["Vary"] == "Accept"
    header, row = answer.text.split("\r\n")[:2]
    assert header == "address,scope,reason,created_at,expires_at,email_id"
    assert row == f"'=a@example.org,*,manual,{NOW.strftime('%Y-%m-%dT%H:%M:%S.%fZ')},,"
    assert 'rel="next"' in answer.headers["Link"]


@pytest.mark.parametrize("accept", ["*/*", "application/json", "text/csv;q=0.5, application/json"])
def test_who_prefers_json_or_takes_anything_gets_json(client, accept):
    assert client.get(PATH, headers={"Accept": accept}).json == []


# -- who of many is on it --------------------------------------------------------------------------


def look_up(client: FlaskClient, *addresses: str, **fields: Any) -> TestResponse:
    return client.post(f"{PATH}/lookup", json={"addresses": list(addresses), **fields})


def test_a_lookup_names_those_who_would_be_left_out_as_they_were_given(client: FlaskClient) -> None:
    suppress(client, ADA)

    answer = look_up(client, GRACE, "ADA@Example.org")

    assert (answer.status_code, answer.json) == (200, {"suppressed": ["ADA@Example.org"]})


@pytest.mark.parametrize(
    ("scope", "fields", "found"),
    [
        ("topic:news", {"topic": "news"}, True),
        ("topic:news", {"topic": "offers"}, False),
        ("topic:news", {}, False),
        ("account:1", {"smtp_config_id": 1}, True),
        ("account:1", {}, False),
    ],
)
def test_a_lookup_judges_the_scope_as_an_email_does(
    client: FlaskClient, scope: str, fields: dict[str, Any], found: bool
) -> None:
    suppress(client, ADA, scope=scope)

    assert look_up(client, ADA, **fields).json == {"suppressed": [ADA] if found else []}


def test_a_lookup_leaves_out_what_has_expired() -> None:
    clock = FakeClock()
    client = a_client_with_config(an_application(clock=clock))
    suppress(client, ADA, expires_at=(NOW + timedelta(hours=1)).isoformat())
    clock.tick(3601)

    assert look_up(client, ADA).json == {"suppressed": []}


def test_a_key_that_only_sends_may_look_up_and_one_that_only_reads_may_not(
    application: Application,
) -> None:
    suppress(a_client_with_config(application), ADA)

    assert look_up(a_keyed_client(application, "send"), ADA).json == {"suppressed": [ADA]}
    assert look_up(a_keyed_client(application, "read"), ADA).status_code == 403


def test_a_key_of_one_configuration_is_judged_by_that_one_and_may_not_name_others(
    application: Application,
) -> None:
    owner = a_client_with_config(application)
    assert owner.post("/api/smtp-configs", json=a_config_body(name="other")).status_code == 201
    suppress(owner, ADA, scope="account:1")
    client = a_keyed_client(application, "send", accounts=frozenset({1}))

    assert look_up(client, ADA).json == {"suppressed": [ADA]}
    assert look_up(client, ADA, smtp_config_id=2).status_code == 404


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ({"addresses": []}, "/addresses"),
        ({"addresses": [ADA] * 501}, "/addresses"),
        ({"addresses": [ADA, "nobody"]}, "/addresses/1"),
        ({"addresses": [ADA], "topic": "No"}, "/topic"),
        ({"addresses": [ADA], "smtp_config_id": 0}, "/smtp_config_id"),
    ],
)
def test_a_lookup_names_what_is_wrong(
    client: FlaskClient, fields: dict[str, Any], place: str
) -> None:
    answer = client.post(f"{PATH}/lookup", json=fields)

    assert (answer.status_code, pointers(answer)) == (400, [place])


def test_a_lookup_of_a_configuration_that_is_not_there_is_refused(client: FlaskClient) -> None:
    assert look_up(client, ADA, smtp_config_id=9).status_code == 404
