"""Numbers that no database holds are refused before they reach one; on real databases."""

from base64 import urlsafe_b64encode
from collections.abc import Iterator
from pathlib import Path
from zlib import crc32

import pytest
from flask.testing import FlaskClient

from adapters.fakes.clock import FakeClock
from adapters.peewee_store import PostgresStore, SqliteStore
from entrypoints.http.cursors import cursor_after
from tests.applications import a_client_with_config, an_application, an_email_body

TOO_LARGE = (2**63, 2**63 + 1, 2**64 - 1)
PATHS = ("/api/emails", "/api/emails/status/queued")


@pytest.fixture(params=["sqlite", "postgresql"])
def client(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[FlaskClient]:
    """Of a service with one SMTP configuration on a database of this kind."""
    clock = FakeClock()
    store: SqliteStore | PostgresStore
    if request.param == "sqlite":
        store = SqliteStore(tmp_path / "mail.db", clock=clock)
        store.migrate()
    else:
        database = request.getfixturevalue("postgres_database")
        store = PostgresStore(database.url, clock=clock)
    yield a_client_with_config(an_application(store=store, clock=clock))
    store.close()


def cursor_of(number: int) -> str:
    """A cursor whose checksum is right, for whatever number."""
    octets = number.to_bytes(8)
    return urlsafe_b64encode(octets + crc32(octets).to_bytes(4)).decode()


def test_a_cursor_that_no_page_could_give_is_refused(client: FlaskClient) -> None:
    for path in PATHS:
        for number in (0, *TOO_LARGE):
            reply = client.get(path, query_string={"cursor": cursor_of(number)})
            assert reply.status_code == 400, (path, number)
            assert [error["pointer"] for error in reply.json["errors"]] == ["/cursor"]


GARBAGE = """-1 1.5 1e400 9223372036854775808 ================ AAAAAAAAAAAAAAA=
 ____________AAAA AAAAAAAAAAEAAAAA NaN %00""".split()


@pytest.mark.parametrize("text", [*GARBAGE, "9" * 400, "\u0661" * 16, "A" * 16 + "\n", "\0" * 16])
def test_what_is_no_cursor_is_refused(client: FlaskClient, text: str) -> None:
    for path in PATHS:
        assert client.get(path, query_string={"cursor": text}).status_code == 400


def test_the_largest_cursor_gives_the_first_page(client: FlaskClient) -> None:
    client.post("/api/emails", json=an_email_body())

    for path in PATHS:
        reply = client.get(path, query_string={"cursor": cursor_after(2**63 - 1)})
        assert [row["id"] for row in reply.json] == [1]


@pytest.mark.parametrize("number", [*TOO_LARGE, 2**64, 10**30, 10**400])
def test_no_integer_in_a_path_or_a_query_is_a_fault_of_ours(
    client: FlaskClient, number: int
) -> None:
    for name in ("limit", "smtp_config_id"):
        assert client.get("/api/emails", query_string={name: number}).status_code == 400
        assert client.get("/api/emails", query_string={name: -number}).status_code == 400
    for path in ("/api/emails", "/api/smtp-configs"):
        assert client.get(f"{path}/{number}").status_code == 404
        assert client.get(f"{path}/-{number}").status_code == 404
    for action in ("cancel", "retry", "resolve"):
        assert client.post(f"/api/emails/{number}/{action}", json={}).status_code == 404
    assert client.get(f"/api/emails/{number}/explain").status_code == 404
    assert client.delete(f"/api/smtp-configs/{number}").status_code == 404


def test_the_largest_ids_are_not_found(client: FlaskClient) -> None:
    largest = 2**63 - 1

    assert client.get(f"/api/emails/{largest}").status_code == 404
    assert client.get(f"/api/smtp-configs/{largest}").status_code == 404
    reply = client.get("/api/emails", query_string={"smtp_config_id": largest})
    assert (reply.status_code, reply.json) == (200, [])
    reply = client.post("/api/emails", json=an_email_body(smtp_config_id=largest))
    assert reply.status_code == 404
