"""What holds for every dialect: who may call, what is guaranteed, and the shape of each error."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from flask.testing import FlaskClient

from adapters.fakes.clock import FakeClock
from adapters.fakes.memory_store import MemoryStore
from application import Application
from domain.errors import StoreUnavailable
from tests.applications import (
    a_client,
    a_client_with_config,
    a_config_body,
    a_key,
    a_keyed_client,
    an_application,
)
from tests.dialect_ways import DIALECTS, WAYS, Way, message, number_of_emails, stored

UNKNOWN = "es_00000000_" + 43 * "0"


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> Way:
    return WAYS[request.param]


@pytest.fixture(params=DIALECTS)
def dialect(request: pytest.FixtureRequest) -> Way:
    return DIALECTS[request.param]


@pytest.fixture
def application() -> Application:
    """A service with one SMTP configuration, that needs a key as in production."""
    application = an_application(closed=True)
    admin = a_keyed_client(application, "admin")
    assert admin.post("/api/smtp-configs", json=a_config_body()).status_code == 201
    return application


@pytest.fixture
def client(application: Application) -> FlaskClient:
    """A client without a key."""
    return a_client(application)


# -- who may call ---------------------------------------------------------------------------------


def test_a_key_that_may_send_sends(way: Way, application: Application, client: FlaskClient) -> None:
    reply = way.send(client, a_key(application, "send"))

    assert reply.status_code == way.accepted, reply.text
    assert number_of_emails(application) == 1


def test_a_dialect_demands_a_key_also_where_the_api_is_open(dialect: Way) -> None:
    application = an_application()
    client = a_client_with_config(application)
    reply = dialect.send(client, None)

    assert reply.status_code == dialect.status(401)
    assert dialect.told(reply)
    assert number_of_emails(application) == 0


def test_a_dialect_takes_the_key_from_its_own_header_alone(
    dialect: Way, application: Application, client: FlaskClient
) -> None:
    key = a_key(application, "send")
    foreign: list[Mapping[str, str]] = [{"X-API-Key": key}, {"Api-Key": key}]
    foreign += [other.key(key) for other in WAYS.values() if other.key(key) != dialect.key(key)]
    replies = [dialect.send(client, None, http=headers) for headers in foreign]

    assert {reply.status_code for reply in replies} == {dialect.status(401)}
    assert number_of_emails(application) == 0


@pytest.mark.parametrize("key", ["", "null", UNKNOWN, "x" * 200])
def test_a_wrong_key_is_refused(dialect: Way, client: FlaskClient, key: str) -> None:
    reply = dialect.send(client, key)

    assert reply.status_code in (401, 403)
    assert dialect.told(reply)


def test_a_key_that_may_only_read_sends_nothing(
    way: Way, application: Application, client: FlaskClient
) -> None:
    reply = way.send(client, a_key(application, "read"))

    assert reply.status_code == way.status(403)
    assert way.told(reply)


def test_a_key_sends_by_its_own_accounts_alone(
    way: Way, application: Application, client: FlaskClient
) -> None:
    admin = a_keyed_client(application, "admin")
    other = a_config_body(name="other", email_address="other@example.net")
    assert admin.post("/api/smtp-configs", json=other).status_code == 201
    key = a_key(application, "send", accounts=frozenset({2}))
    refused = way.send(client, key, sender="shop@example.com")
    accepted = way.send(client, key, sender="other@example.net")

    assert refused.status_code >= 400
    assert way.told(refused)
    assert accepted.status_code == way.accepted, accepted.text
    assert number_of_emails(application) == 1


def test_a_days_recipients_are_counted_over_all_ways(
    way: Way, application: Application, client: FlaskClient
) -> None:
    key = a_key(application, "send", daily_recipients=len(WAYS))
    accepted = [one.send(client, key).status_code for one in WAYS.values()]
    reply = way.send(client, key)

    assert accepted == [one.accepted for one in WAYS.values()]
    assert reply.status_code == 429
    assert int(reply.headers["Retry-After"]) > 0
    assert way.told(reply)


def test_calls_are_limited_by_key(way: Way, application: Application, client: FlaskClient) -> None:
    key = a_key(application, "send")
    replies = [way.send(client, key) for _ in range(101)]

    assert replies[-1].status_code == 429
    assert int(replies[-1].headers["Retry-After"]) > 0
    assert way.told(replies[-1])


def test_an_address_that_tries_keys_has_to_wait(dialect: Way, client: FlaskClient) -> None:
    replies = [dialect.send(client, UNKNOWN) for _ in range(21)]

    assert replies[-1].status_code == 429
    assert dialect.told(replies[-1])


def test_another_sites_page_may_not_call(
    dialect: Way, application: Application, client: FlaskClient
) -> None:
    key = a_key(application, "send")
    reply = dialect.send(client, key, http={"Sec-Fetch-Site": "cross-site"})

    assert reply.status_code == dialect.status(403)
    assert dialect.told(reply)


# -- what is guaranteed ---------------------------------------------------------------------------


def test_the_same_call_twice_is_one_email(
    way: Way, application: Application, client: FlaskClient
) -> None:
    key, once = a_key(application, "send"), {"Idempotency-Key": "once"}
    first, second = [way.send(client, key, http=once) for _ in range(2)]
    other = way.send(client, key, http=once, to="grace@example.org")

    assert (first.data, first.status_code) == (second.data, second.status_code)
    assert number_of_emails(application) == 1
    assert other.status_code == way.status(409)
    assert way.told(other)


def test_who_is_suppressed_gets_nothing(
    way: Way, application: Application, client: FlaskClient
) -> None:
    admin = a_keyed_client(application, "admin")
    body = {"address": "ada@example.org", "reason": "manual"}
    assert admin.post("/api/suppressions", json=body).status_code in (200, 201)
    way.send(client, a_key(application, "send"))
    (email,) = application.queries.emails(limit=2).emails

    assert (email.status, email.reason_code) == ("failed", "suppressed")


# -- what may not get into a message ---------------------------------------------------------------

CONTROLS = [
    "\r\n",
    "\n",
    "\r",
    "\0",
    "\x0b",
    "\x0c",
    "\x1c",
    "\x1d",
    "\x1e",
    "\x85",
    "\u2028",
    "\u2029",
]
ENCODED = [
    "=?utf-8?q?x=0D=0ABcc=3A_evil=40e.com?=",
    "=?utf-8?b?eA0KQmNjOiBldmlsQGUuY29t?=",
    "a =?utf-8?q?x=0D=0ABcc=3A_evil=40e.com?= b",
]


@pytest.mark.parametrize("control", CONTROLS)
@pytest.mark.parametrize("place", ["subject", "header", "sender", "to"])
def test_t_hdr_1_a_line_end_or_control_gets_into_no_header(
    dialect: Way, application: Application, client: FlaskClient, place: str, control: str
) -> None:
    text = f"x{control}Bcc: evil@e.com"
    fields = {
        "subject": dialect.subject(text),
        "header": dialect.header("X-Order", text),
        "sender": {"sender": f"{text} <shop@example.com>"},
        "to": {"to": f"{text} <ada@example.org>"},
    }[place]
    reply = dialect.send(client, a_key(application, "send"), **fields)

    assert reply.status_code == dialect.status(400), reply.text
    assert dialect.told(reply)
    assert number_of_emails(application) == 0


@pytest.mark.parametrize("text", ENCODED)
@pytest.mark.parametrize("place", ["subject", "header", "sender", "to", "file"])
def test_t_hdr_2_encoded_words_are_text_or_are_refused(
    dialect: Way, application: Application, client: FlaskClient, place: str, text: str
) -> None:
    fields = {
        "subject": dialect.subject(text),
        "header": dialect.header("X-Order", text),
        "sender": {"sender": f"{text} <shop@example.com>"},
        "to": {"to": f"{text} <ada@example.org>"},
        "file": dialect.file(text),
    }[place]
    reply = dialect.send(client, a_key(application, "send"), **fields)

    if reply.status_code != dialect.accepted:
        assert reply.status_code == dialect.status(400), reply.text
        return
    made = message(application)
    assert "Bcc" not in made
    assert all("Bcc" not in part for part in made.walk())
    assert [str(one.address) for one in stored(application).email.recipients] == ["ada@example.org"]


@pytest.mark.parametrize(
    "name",
    [
        *("X-A\r\nBcc", "Bcc", "Resent-To", "Sender", "From", "To", "Content-Type", "Received"),
        *("DKIM-Signature", "Message-ID", "Return-Path", "X" * 200, "X-Email-Ref"),
        "X-SES-Source-Arn",
    ],
)
def test_t_hdr_4_a_header_that_is_the_services_is_refused(
    dialect: Way, application: Application, client: FlaskClient, name: str
) -> None:
    reply = dialect.send(client, a_key(application, "send"), **dialect.header(name, "x@e.com"))

    assert reply.status_code == dialect.status(400), reply.text
    assert dialect.told(reply)
    assert number_of_emails(application) == 0


# -- the shape of errors --------------------------------------------------------------------------


@pytest.mark.parametrize("address", ["", "nobody", "a@b.com\r\nBcc: eve@example.org", "a@b@c.org"])
def test_what_is_no_address_is_refused(
    way: Way, application: Application, client: FlaskClient, address: str
) -> None:
    reply = way.send(client, a_key(application, "send"), to=address)

    assert reply.status_code == way.status(400)
    assert way.told(reply)
    assert number_of_emails(application) == 0


def test_a_from_that_no_account_has_is_refused(
    dialect: Way, application: Application, client: FlaskClient
) -> None:
    reply = dialect.send(client, a_key(application, "send"), sender="eve@example.net")

    assert 400 <= reply.status_code < 500
    assert "no SMTP configuration has this address" in dialect.told(reply)


def test_an_email_without_content_is_refused_without_a_word_of_ours(
    dialect: Way, application: Application, client: FlaskClient
) -> None:
    nothing = {"html": None, "text": None, "content": None, "HtmlBody": None, "TextBody": None}
    reply = dialect.send(client, a_key(application, "send"), **nothing)

    assert reply.status_code == dialect.status(400), reply.text
    assert "needs HTML, a text or a template" in dialect.told(reply)
    assert "_content" not in reply.text


def test_what_a_dialect_does_not_know_is_refused(
    dialect: Way, application: Application, client: FlaskClient
) -> None:
    reply = dialect.send(client, a_key(application, "send"), send_by_pigeon="yes")

    assert reply.status_code == dialect.status(400)
    assert "send_by_pigeon" in dialect.told(reply)


def test_an_unknown_query_is_refused(
    dialect: Way, application: Application, client: FlaskClient
) -> None:
    headers = dialect.key(a_key(application, "send"))
    reply = client.post(f"{dialect.path}?pigeon=1", json={}, headers=headers)

    assert reply.status_code == dialect.status(400)
    assert "pigeon" in dialect.told(reply)


@pytest.mark.parametrize("body", [b"", b"null", b"[]", b"{bad", b'{"a": NaN}', b"\xff"])
def test_a_body_that_cannot_be_read_is_refused(
    dialect: Way, application: Application, client: FlaskClient, body: bytes
) -> None:
    kind = "multipart/form-data; boundary=b" if dialect.form else "application/json"
    headers = {**dialect.key(a_key(application, "send")), "Content-Type": kind}
    reply = client.post(dialect.path, data=body, headers=headers)

    assert reply.status_code == dialect.status(400)
    assert dialect.told(reply)


def test_another_content_type_is_refused(
    dialect: Way, application: Application, client: FlaskClient
) -> None:
    headers = {**dialect.key(a_key(application, "send")), "Content-Type": "text/plain"}
    reply = client.post(dialect.path, data=b"x", headers=headers)

    assert reply.status_code == dialect.status(415)
    assert dialect.told(reply)


def test_a_path_or_a_method_that_is_not_there_is_told_in_the_dialect(
    dialect: Way, application: Application, client: FlaskClient
) -> None:
    headers = dialect.key(a_key(application, "send", "read"))
    replies = [
        client.open(path, method=method, headers=headers) for method, path in dialect.lookups
    ]
    without = [client.open(path, method=method) for method, path in dialect.lookups]

    assert {reply.status_code for reply in replies} <= {404, 405}
    assert all(map(dialect.told, replies))
    assert {reply.status_code for reply in without} == {dialect.status(401)}
    assert all(map(dialect.told, without))


def test_a_body_that_is_too_large_is_told_in_the_dialect(
    dialect: Way, application: Application
) -> None:
    client = a_client(application, max_body_bytes=1024)
    headers = dialect.key(a_key(application, "send"))
    kind = "application/x-www-form-urlencoded" if dialect.form else "application/json"
    reply = client.post(dialect.path, data=b" " * 2000, headers=headers, content_type=kind)

    assert reply.status_code == dialect.status(413)
    assert dialect.told(reply)


def test_while_the_service_stops_the_dialect_says_when_to_try_again(
    dialect: Way, application: Application, client: FlaskClient
) -> None:
    key = a_key(application, "send")
    application.admission.drain()
    reply = dialect.send(client, key)

    assert reply.status_code == dialect.status(503)
    assert int(reply.headers["Retry-After"]) > 0
    assert dialect.told(reply)


class Broken(MemoryStore):
    """A store whose reads fail with *error* once it is set."""

    error: Exception | None = None

    def read_latest(self, work: Callable[..., Any]) -> Any:
        if self.error is not None:
            raise self.error
        return super().read_latest(work)


@pytest.mark.parametrize(
    ("error", "status"), [(ValueError("secret"), 500), (StoreUnavailable("it is gone"), 503)]
)
def test_a_failure_before_the_handler_is_told_in_the_dialect(
    dialect: Way, error: Exception, status: int
) -> None:
    store = Broken(clock=FakeClock())
    application = an_application(store=store)
    client = a_client(application)
    key = a_key(application, "send")
    store.error = error
    reply = dialect.send(client, key)

    assert reply.status_code == dialect.status(status)
    assert dialect.told(reply)
    assert "secret" not in reply.text
