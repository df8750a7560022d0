"""Erasing a person over HTTP."""

import pytest
from flask.testing import FlaskClient

from adapters.fakes.clock import FakeClock
from adapters.fakes.memory_store import MemoryStore
from adapters.fernet_vault import FernetVault
from application import Application
from domain.errors import Unavailable
from tests.applications import (
    a_client,
    a_client_with_config,
    a_keyed_client,
    an_application,
    pointers,
)

ADA = "ada@example.org"
PATH = "/api/erasures"


@pytest.fixture
def application() -> Application:
    return an_application()


@pytest.fixture
def client(application: Application) -> FlaskClient:
    return a_client_with_config(application)


def test_an_erasure_begins_and_says_where_it_stands(client: FlaskClient) -> None:
    begun = client.post(PATH, json={"address": "Ada@Example.org"})

    assert (begun.status_code, begun.headers["Location"]) == (202, f"{PATH}/1")
    assert begun.json["status"] == "running"
    assert begun.json["pseudonym"].endswith("@erased.invalid")
    assert client.get(f"{PATH}/1").json == begun.json


def test_waiting_email_to_the_person_is_cancelled_and_erased(
    application: Application, client: FlaskClient
) -> None:
    body = {"subject": "Hello", "text_content": "Hello", "recipients": [ADA]}
    email = client.post("/api/emails", json=body).headers["Location"]
    client.post(PATH, json={"address": ADA})
    application.erasing.go_on(budget_s=5)

    shown = client.get(email).json
    assert (shown["status"], shown["subject"]) == ("cancelled", "(erased)")
    assert ADA not in client.get(email).text
    assert client.get(f"{PATH}/1").json["emails_erased"] == 1


def test_the_same_person_has_the_same_pseudonym(client: FlaskClient) -> None:
    first, second = (client.post(PATH, json={"address": text}).json for text in (ADA, ADA.upper()))

    assert first["pseudonym"] == second["pseudonym"]
    assert first["id"] != second["id"]


def test_what_is_no_address_is_refused(client: FlaskClient) -> None:
    refused = client.post(PATH, json={"address": "ada"})

    assert (refused.status_code, pointers(refused)) == (400, ["/address"])


def test_there_is_no_other_erasure(client: FlaskClient) -> None:
    assert client.get(f"{PATH}/7").status_code == 404


def test_a_key_that_is_limited_to_accounts_may_not_erase(
    application: Application, client: FlaskClient
) -> None:
    limited = a_keyed_client(application, "admin", accounts=frozenset({1}))

    assert limited.post(PATH, json={"address": ADA}).status_code == 403
    assert limited.get(f"{PATH}/1").status_code == 403


def test_with_another_secret_key_nobody_is_erased_and_nothing_is_accepted() -> None:
    """An email would go to who was erased and is suppressed."""
    store = MemoryStore(clock=FakeClock())
    first = a_client_with_config(an_application(store=store, vault=FernetVault("the first key")))
    assert first.post(PATH, json={"address": ADA}).status_code == 202
    other = an_application(store=store, vault=FernetVault("quite another key"))
    client = a_client(other)
    email = {"subject": "Hello", "text_content": "Hello", "recipients": [ADA]}

    for path, body in ((PATH, {"address": ADA}), ("/api/emails", email)):
        refused = client.post(path, json=body)
        assert (refused.status_code, refused.json["code"]) == (503, "unavailable")
        assert "SECRET_KEY_PREVIOUS" in refused.json["detail"]
        assert int(refused.headers["Retry-After"]) > 0
    with pytest.raises(Unavailable):
        other.delivery.claim(other.membership.beat(), places=1)
    assert first.get(f"{PATH}/1").status_code == 200
