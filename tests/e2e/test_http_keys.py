"""API keys over HTTP: who may make, see and revoke which, and that a key is shown only once."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from adapters.fakes.clock import FakeClock
from adapters.fakes.memory_store import MemoryStore
from adapters.observers import ListObserver
from application import Application
from application.api_keys import KeyWish
from domain.access import Caller, Scope
from domain.errors import Forbidden, Unauthorized
from tests.applications import (
    a_client,
    a_client_with_config,
    a_config_body,
    a_key,
    a_keyed_client,
    an_application,
    an_email_body,
    pointers,
)
from tests.builders import NOW
from tests.e2e.test_security import spellings

PATH = "/api/keys"
FAR = "2099-01-31T00:00:00.000000Z"


@pytest.fixture
def application() -> Application:
    """A service that needs a key, with three SMTP configurations and the key 0000000b."""
    application = an_application(closed=True)
    admin = a_keyed_client(application, "admin")
    for name in ("one", "two", "three"):
        assert admin.post("/api/smtp-configs", json=a_config_body(name=name)).status_code == 201
    return application


@pytest.fixture
def admin(application: Application) -> FlaskClient:
    return a_keyed_client(application, "admin")


def prefix_of(client: FlaskClient) -> str:
    prefix: str = client.environ_base["HTTP_X_API_KEY"].split("_")[1]
    return prefix


def create(client: FlaskClient, *scopes: str, **fields: Any) -> TestResponse:
    return client.post(PATH, json={"name": "web", "scopes": scopes or ("send",), **fields})


def made(client: FlaskClient, *scopes: str, **fields: Any) -> dict[str, Any]:
    answer = create(client, *scopes, **fields)
    assert answer.status_code == 201, answer.json
    return dict(answer.json)


def listed(client: FlaskClient) -> list[str]:
    answer = client.get(PATH)
    assert answer.status_code == 200
    return [one["prefix"] for one in answer.json]


def revoke(client: FlaskClient, prefix: str) -> int:
    return client.delete(f"{PATH}/{prefix}").status_code


def holder(application: Application, key: str) -> FlaskClient:
    client = a_client(application)
    client.environ_base["HTTP_X_API_KEY"] = key
    return client


# -- create --------------------------------------------------------------------------------------


def test_a_key_is_made_with_all_there_is_to_say_and_works_at_once(application, admin):
    answer = create(
        admin,
        "send",
        "read",
        smtp_config_ids=[2, 1],
        daily_recipients=500,
        expires_at="2099-01-31T01:00:00+01:00",
    )

    assert answer.status_code == 201
    shown = dict(answer.json)
    key = shown.pop("key")
    assert shown == {
        "prefix": key.split("_")[1],
        "name": "web",
        "scopes": ["read", "send"],
        "smtp_config_ids": [1, 2],
        "daily_recipients": 500,
        "usable": True,
        "created_at": NOW.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "expires_at": FAR,
        "revoked_at": None,
    }
    client = holder(application, key)
    assert client.post("/api/emails", json=an_email_body(smtp_config_id=2)).status_code == 201
    assert client.post("/api/emails", json=an_email_body(smtp_config_id=3)).status_code == 404
    assert client.get(PATH).status_code == 403


def test_a_key_of_one_scope_has_no_limits_if_the_one_that_makes_it_has_none(admin):
    key = made(admin)

    limits = [key[name] for name in ("smtp_config_ids", "daily_recipients", "expires_at")]
    assert limits == [None] * 3


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ({"name": " "}, "/name"),
        ({"name": "a\nb"}, "/name"),
        ({"name": "x" * 201}, "/name"),
        ({"scopes": []}, "/scopes"),
        ({"scopes": ["root"]}, "/scopes/0"),
        ({"smtp_config_ids": []}, "/smtp_config_ids"),
        ({"smtp_config_ids": None}, "/smtp_config_ids"),
        ({"smtp_config_ids": [0]}, "/smtp_config_ids/0"),
        ({"daily_recipients": 0}, "/daily_recipients"),
        ({"daily_recipients": True}, "/daily_recipients"),
        ({"expires_at": "2001-01-01T00:00:00Z"}, "/expires_at"),
        ({"expires_at": "90d"}, "/expires_at"),
        ({"prefix": "0a1b2c3d"}, "/prefix"),
        ({"key": "es_0a1b2c3d_x"}, "/key"),
    ],
)
def test_what_is_wrong_is_told_by_its_place_and_no_key_is_made(admin, fields, place):
    before = listed(admin)

    assert pointers(create(admin, **fields)) == [place]
    assert listed(admin) == before


def test_a_key_for_a_configuration_that_is_not_there_is_a_404(admin):
    answer = create(admin, smtp_config_ids=[9])

    assert (answer.status_code, answer.json["error"]) == (404, "there is no SMTP configuration 9")


@pytest.mark.parametrize("scopes", [("send",), ("read",), ("send", "read")])
def test_no_key_without_admin_makes_sees_or_revokes_keys(application, scopes):
    client = a_keyed_client(application, *scopes)

    answers = [create(client), client.get(PATH), client.delete(f"{PATH}/{prefix_of(client)}")]

    assert [answer.status_code for answer in answers] == [403] * 3


def test_the_use_cases_themselves_ask_for_the_scope(application):
    keys, nobody = application.api_keys, Caller(key_id=9, scopes=frozenset({Scope.READ}))

    with pytest.raises(Forbidden):
        keys.page(limit=1, caller=nobody)


def test_a_key_makes_no_key_that_may_do_more_than_itself(application):
    end = FakeClock().now() + timedelta(days=30)
    client = a_keyed_client(
        application,
        "admin",
        accounts=frozenset({1, 2}),
        daily_recipients=100,
        lifetime=timedelta(days=30),
    )
    later = (end + timedelta(microseconds=1)).isoformat()

    assert create(client, smtp_config_ids=[2, 3]).status_code == 404
    assert create(client, daily_recipients=101).status_code == 403
    assert create(client, expires_at=later).status_code == 403
    assert len(listed(client)) == 1
    least = made(client)
    assert (least["smtp_config_ids"], least["daily_recipients"]) == ([1, 2], 100)
    assert least["expires_at"] == end.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    most = made(client, "admin", "send", smtp_config_ids=[2], daily_recipients=100)
    assert (most["scopes"], most["smtp_config_ids"]) == (["admin", "send"], [2])
    grandchild = holder(application, most["key"])
    assert create(grandchild, smtp_config_ids=[1]).status_code == 404
    assert made(grandchild)["smtp_config_ids"] == [2]


def test_a_key_without_a_number_of_its_own_hands_on_what_the_settings_say_at_most(admin):
    assert create(admin, daily_recipients=10_001).status_code == 403
    assert create(admin, daily_recipients=10_000).status_code == 201


# -- see -----------------------------------------------------------------------------------------


def test_keys_are_listed_page_by_page_in_the_order_of_their_creation(application, admin):
    for _ in range(3):
        made(admin)
    whole = listed(admin)

    def pages() -> Iterator[list[str]]:
        path: str | None = f"{PATH}?limit=2"
        while path:
            answer = admin.get(path)
            yield [one["prefix"] for one in answer.json]
            path = answer.headers.get("Link", "").partition(">")[0].removeprefix("<")

    assert list(pages()) == [whole[:2], whole[2:4], whole[4:]]
    assert admin.get(f"{PATH}?cursor=AAAAAAAAAAAAAAAA").status_code == 400


def test_the_list_says_which_keys_may_be_used():
    clock = FakeClock()
    application = an_application(clock=clock, closed=True)
    admin = a_keyed_client(application, "admin")
    a_key(application, "send", lifetime=timedelta(hours=1))
    revoked = made(admin)
    assert [one["usable"] for one in admin.get(PATH).json] == [True] * 3

    assert revoke(admin, revoked["prefix"]) == 200
    clock.tick(3600)

    assert [one["usable"] for one in admin.get(PATH).json] == [True, False, False]
    assert [one["revoked_at"] is None for one in admin.get(PATH).json] == [True, True, False]


def test_a_limited_admin_sees_and_revokes_only_keys_within_its_configurations(application, admin):
    limited = a_keyed_client(application, "admin", accounts=frozenset({1, 2}))
    one, both, three = (made(admin, smtp_config_ids=ids) for ids in ([1], [1, 2], [2, 3]))
    unlimited = made(admin)

    assert listed(limited) == [prefix_of(limited), one["prefix"], both["prefix"]]
    for key in (three, unlimited, {"prefix": prefix_of(admin)}):
        answer = limited.delete(f"{PATH}/{key['prefix']}")
        absent = limited.delete(f"{PATH}/ffffffff")
        assert (answer.status_code, answer.json["error"]) == (404, absent.json["error"])
    assert revoke(limited, one["prefix"]) == 200
    assert revoke(limited, both["prefix"]) == 200
    assert holder(application, unlimited["key"]).get("/api/emails").status_code == 403


# -- revoke --------------------------------------------------------------------------------------


def test_a_revoked_key_stops_at_once_and_is_revoked_once(application, admin):
    key = made(admin, "read")
    client = holder(application, key["key"])
    assert client.get("/api/emails").status_code == 200

    answer = admin.delete(f"{PATH}/{key['prefix']}")

    assert (answer.status_code, answer.json) == (200, {"message": "API key revoked successfully"})
    assert client.get("/api/emails").status_code == 401
    assert revoke(admin, key["prefix"]) == 409


@pytest.mark.parametrize("prefix", ["ffffffff", "FFFFFFFF", "0", "%00", "' OR 1=1 --"])
def test_a_key_that_is_not_there_is_a_404(admin, prefix):
    assert revoke(admin, prefix) == 404


def test_a_key_in_a_path_is_no_prefix_and_is_not_repeated(admin):
    key = made(admin)

    answer = admin.delete(f"{PATH}/{key['key']}")

    assert answer.status_code == 404
    assert key["key"] not in answer.text


def test_a_key_may_revoke_itself_if_another_one_takes_its_place(application, admin):
    assert revoke(admin, prefix_of(admin)) == 200
    assert admin.get(PATH).status_code == 401
    limited = a_keyed_client(application, "admin", accounts=frozenset({1}))
    assert revoke(limited, prefix_of(limited)) == 200


def test_the_last_admin_key_is_revoked_by_command_alone():
    application = an_application(closed=True)
    admin = a_keyed_client(application, "admin", "read")
    made(admin, "send", "read")

    answer = admin.delete(f"{PATH}/{prefix_of(admin)}")

    assert (answer.status_code, answer.json["code"]) == (409, "conflict")
    assert "create another one first" in answer.json["detail"]
    assert admin.get(PATH).status_code == 200
    application.api_keys.revoke(prefix_of(admin))
    assert admin.get(PATH).status_code == 401


def test_a_call_whose_key_is_revoked_on_its_way_makes_no_key(application, admin):
    token = admin.environ_base["HTTP_X_API_KEY"]
    caller = application.access.authenticate(token, remote="192.0.2.1")
    application.api_keys.revoke(caller.prefix)
    keys = application.api_keys
    before = len(keys.all())

    with pytest.raises(Unauthorized):
        keys.create(KeyWish(name="late", scopes=frozenset({Scope.ADMIN})), caller=caller)
    with pytest.raises(Unauthorized):
        keys.revoke(keys.all()[0].prefix, caller=caller)
    assert len(keys.all()) == before


# -- without a key -------------------------------------------------------------------------------


def test_an_open_api_makes_the_first_key_and_is_closed_then():
    application = an_application()
    client = a_client_with_config(application)

    key = made(client, "admin")

    assert client.get(PATH).status_code == 401
    assert holder(application, key["key"]).get(PATH).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Host": "evil.example"},
    ],
)
@pytest.mark.parametrize("method", ["POST", "GET", "DELETE"])
def test_no_page_of_another_site_reaches_the_keys_of_an_open_api(method, headers):
    application = an_application()
    path = f"{PATH}/0a1b2c3d" if method == "DELETE" else PATH
    body = {"name": "web", "scopes": ["admin"]} if method == "POST" else None

    answer = a_client(application).open(path, method=method, json=body, headers=headers)

    assert answer.status_code == 403
    assert application.api_keys.all() == []


# -- what is known of it -------------------------------------------------------------------------


def test_the_audit_says_who_made_and_who_revoked_a_key(application, admin):
    key = made(admin, "send", "read")
    revoke(admin, key["prefix"])

    entries = application.api_keys.audit(limit=2)

    assert [(e.actor, e.action, e.subject) for e in entries] == [
        (prefix_of(admin), "key_revoked", f"key {key['prefix']}"),
        (prefix_of(admin), "key_created", f"key {key['prefix']}"),
    ]
    assert entries[1].detail["scopes"] == "read,send"


def test_t_sec_1_a_key_is_shown_once_and_found_nowhere_else(caplog):
    store, observe = MemoryStore(clock=FakeClock()), ListObserver()
    application = an_application(store=store, observe=observe, closed=True)
    admin = a_keyed_client(application, "admin")
    answer = create(admin, "admin", name="planted")
    key = answer.json["key"]
    secret = key.split("_", 2)[2]
    client = holder(application, key)
    prefix = answer.json["prefix"]

    replies = [
        *(client.get(path) for path in (PATH, "/api/events", "/api/emails", "/api/openapi.json")),
        create(client, name="planted", daily_recipients=10**9),
        client.post("/api/smtp-configs", json=a_config_body()),
        client.delete(f"{PATH}/{key}"),
        client.delete(f"{PATH}/{prefix}"),
        admin.delete(f"{PATH}/{prefix}"),
        admin.get(PATH),
        client.get(PATH),
    ]

    assert answer.headers["Cache-Control"] == "no-store"
    kept = [repr(store.read(lambda tx: (tx.keys.all(), tx.keys.find(prefix))))]
    kept += [repr(application.api_keys.audit(limit=99)), repr(observe.events), caplog.text]
    for said in (
        *kept,
        str(answer.headers),
        *(reply.text + str(reply.headers) for reply in replies),
    ):
        assert not [one for one in spellings(secret) if one in said]
