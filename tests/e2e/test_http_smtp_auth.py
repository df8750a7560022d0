"""The block ``auth`` of SMTP configurations: what it takes, what it shows, what it never shows."""

from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from flask.testing import FlaskClient

from adapters.fakes.clock import FakeClock
from adapters.fakes.memory_store import MemoryStore
from application import Application
from domain.account.oauth_credentials import SEALED, sealed_for
from domain.capability import ALL, Capability
from tests.applications import (
    a_client,
    a_config_body,
    a_keyed_client,
    an_application,
    pointers,
    the_ports,
)
from tests.builders import NOW, credentials
from tests.contract.authorization_suite import new_key

CLIENT = "11111111-2222-3333-4444-555555555555"
SECRET = "the-client-secret-of-a-test"
PEM = new_key().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def auth(**changes: Any) -> dict[str, Any]:
    """Microsoft, authorized by a person."""
    body = {"provider": "microsoft", "flow": "authorization_code", "client_id": CLIENT}
    return {"type": "oauth", **body, **changes}


def an_oauth_body(**changes: Any) -> dict[str, Any]:
    """An SMTP configuration that logs in by OAuth."""
    body = a_config_body()
    del body["password"]
    return {**body, "auth": auth(), **changes}


def shown(client: FlaskClient) -> Any:
    """Its block."""
    return client.get("/api/smtp-configs/1").json["auth"]


class Service:
    """An application and its store."""

    def __init__(self, **ports: Any) -> None:
        self.store = MemoryStore(clock=FakeClock())
        self.ports = the_ports(store=self.store, **ports)
        self.application: Application = an_application(store=self.store, vault=self.ports.vault)
        self.client = a_client(self.application)

    def create(self, **changes: Any) -> None:
        reply = self.client.post("/api/smtp-configs", json=an_oauth_body(**changes))
        assert reply.status_code == 201, reply.text

    def opened(self, what: str) -> str | None:
        stored = self.store.read(lambda tx: tx.credentials.find(1))
        sealed = getattr(stored, f"sealed_{what}", None)
        return (
            None if sealed is None else self.ports.vault.open(sealed, context=sealed_for(1, what))
        )


def test_a_new_configuration_waits_until_a_person_authorizes_it() -> None:
    service = Service()
    service.create()

    found = service.client.get("/api/smtp-configs/1").json

    assert (found["state"], found["pause_reason"]) == ("paused", "needs_consent")
    assert "email-service accounts authorize 1" in found["pause_text"]
    assert found["password_set"] is False
    assert found["auth"] == {
        "type": "oauth",
        "provider": "microsoft",
        "flow": "authorization_code",
        "client_id": CLIENT,
        "tenant": "common",
        "scope": "https://outlook.office.com/SMTP.Send offline_access",
        "token_url": "https://login.microsoftonline.com/common/oauth2/v2.0/token",
        "authorize_url": "https://login.microsoftonline.com/common/oauth2/v2.0/authorize",
        "device_url": None,
        "client_secret_set": False,
        "authorized": False,
        "authorized_at": None,
        "refreshed_at": None,
        "expires_at": None,
        "last_error": None,
    }


def test_a_configuration_with_a_password_says_so() -> None:
    client = a_client()
    client.post("/api/smtp-configs", json=a_config_body())

    assert shown(client)["type"] == "password"
    assert {value for name, value in shown(client).items() if name != "type"} == {None}


def test_what_is_secret_is_sealed_and_never_shown() -> None:
    service = Service()
    service.create(auth=auth(client_secret=SECRET))

    answers = [
        service.client.get(path).text for path in ("/api/smtp-configs", "/api/smtp-configs/1")
    ]

    assert service.opened("secret") == SECRET
    assert shown(service.client)["client_secret_set"] is True
    assert not [answer for answer in answers if SECRET in answer]
    stored = service.store.read(lambda tx: tx.credentials.find(1))
    audit = service.store.read(lambda tx: tx.audit.latest(limit=9))
    assert SECRET not in f"{stored} {audit}"


def test_an_application_of_its_own_right_is_open_at_once() -> None:
    service = Service()
    own = auth(flow="client_credentials", tenant="example.org", client_secret=SECRET)
    service.create(auth=own)

    found = service.client.get("/api/smtp-configs/1").json

    assert (found["state"], found["auth"]["authorized"]) == ("open", True)


def test_a_service_account_is_given_by_the_file_of_its_key() -> None:
    service = Service()
    file = {
        "type": "service_account",
        "project_id": "p",
        "client_email": "robot@p.iam.gserviceaccount.com",
        "private_key": PEM,
        "token_uri": "https://elsewhere.example.com/token",
    }
    robot = {"type": "oauth", "provider": "google", "flow": "service_account"}
    service.create(auth={**robot, "service_account": file})

    assert shown(service.client)["client_id"] == "robot@p.iam.gserviceaccount.com"
    assert shown(service.client)["token_url"] == "https://oauth2.googleapis.com/token"
    assert shown(service.client)["authorized"] is True
    key = service.opened("key")
    assert key is not None
    assert "PRIVATE KEY" in key


@pytest.mark.parametrize(
    ("block", "wrong"),
    [
        ({"type": "oauth"}, ["/auth/client_id", "/auth/flow", "/auth/provider"]),
        ({"type": "magic"}, ["/auth/type"]),
        ({}, ["/auth/type"]),
        (
            {"type": "password", "client_id": "x", "tenant": "y"},
            ["/auth/client_id", "/auth/tenant"],
        ),
        (auth(flow="service_account"), ["/auth/flow"]),
        (auth(provider="google"), ["/auth/client_secret"]),
        (auth(tenant="a/b"), ["/auth/tenant"]),
        (auth(provider="yahoo"), ["/auth/provider"]),
        (auth(provider="custom"), ["/auth/authorize_url", "/auth/token_url"]),
        (auth(scope="https://graph.microsoft.com/Mail.Send"), ["/auth/scope"]),
        (auth(client_secret="a\r\nb"), ["/auth/client_secret"]),
        (auth(client_secret=""), ["/auth/client_secret"]),
        (auth(unknown=1), ["/auth/unknown"]),
        (
            {
                **auth(provider="google", flow="service_account"),
                "service_account": {"client_email": CLIENT, "private_key": "none"},
            },
            ["/auth/service_account/private_key"],
        ),
        (
            {
                **auth(provider="google", flow="service_account"),
                "service_account": {"client_email": "other", "private_key": PEM},
            },
            ["/auth/client_id"],
        ),
    ],
)
def test_what_does_not_go_together_is_refused_with_its_place(block: Any, wrong: list[str]) -> None:
    service = Service()
    reply = service.client.post("/api/smtp-configs", json=an_oauth_body(auth=block))

    assert sorted(pointers(reply)) == wrong
    assert service.store.read(lambda tx: tx.credentials.all()) == []


@pytest.mark.parametrize(
    "url",
    ["http://login.example.com/token", "https://10.0.0.1/token", "https://login.example.com:22/"],
)
def test_a_token_url_leads_to_the_internet_only(url: str) -> None:
    application = an_application(closed=True)
    client = a_keyed_client(application, "admin")
    custom = auth(provider="custom", flow="client_credentials", client_secret=SECRET, token_url=url)

    reply = client.post("/api/smtp-configs", json=an_oauth_body(auth=custom))

    assert pointers(reply) == ["/auth/token_url"]


def test_a_password_and_oauth_exclude_each_other() -> None:
    service = Service()
    both = an_oauth_body(password="hunter2")
    assert pointers(service.client.post("/api/smtp-configs", json=both)) == ["/password"]

    service.create()
    for body in ({"password": "hunter2"}, {"password": "hunter2", "auth": auth()}):
        assert pointers(service.client.put("/api/smtp-configs/1", json=body)) == ["/password"]


def test_a_configuration_goes_from_a_password_to_oauth_and_back() -> None:
    service = Service()
    service.client.post("/api/smtp-configs", json=a_config_body())
    there = service.client.put("/api/smtp-configs/1", json={"auth": auth(client_secret=SECRET)})
    assert there.status_code == 200
    assert "authorize 1" in there.json["message"]
    assert service.client.get("/api/smtp-configs/1").json["password_set"] is False

    back = {"auth": {"type": "password"}, "password": "hunter2"}
    assert service.client.put("/api/smtp-configs/1", json=back).status_code == 200

    found = service.client.get("/api/smtp-configs/1").json
    assert (found["state"], found["password_set"]) == ("open", True)
    assert found["auth"]["type"] == "password"
    [left] = service.store.read(lambda tx: tx.credentials.all())
    assert [getattr(left, f"sealed_{what}") for what in SEALED] == [None] * len(SEALED)


def test_back_to_a_password_takes_a_password() -> None:
    service = Service()
    service.create()

    reply = service.client.put("/api/smtp-configs/1", json={"auth": {"type": "password"}})

    assert pointers(reply) == ["/password"]


def test_a_change_keeps_the_secret_while_server_user_and_application_stay() -> None:
    service = Service()
    service.create(auth=auth(client_secret=SECRET))

    service.client.put("/api/smtp-configs/1", json={"daily_limit": 7})
    service.client.put(
        "/api/smtp-configs/1", json={"auth": auth(scope="https://outlook.office.com/SMTP.Send")}
    )
    assert service.opened("secret") == SECRET

    service.client.put("/api/smtp-configs/1", json={"smtp_host": "elsewhere.example.com"})
    assert service.opened("secret") is None
    latest = service.store.read(lambda tx: tx.audit.latest(limit=1))[0]
    assert dict(latest.detail) == {"name": "main", "fields": "host", "oauth": "forgotten"}


def test_another_application_needs_its_own_secret() -> None:
    service = Service()
    own = auth(flow="client_credentials", tenant="example.org", client_secret=SECRET)
    service.create(auth=own)

    other = {**own, "client_id": "other"}
    del other["client_secret"]
    reply = service.client.put("/api/smtp-configs/1", json={"auth": other})

    assert pointers(reply) == ["/auth/client_secret"]
    assert service.opened("secret") == SECRET


def test_a_known_provider_fills_in_the_username_for_oauth_too() -> None:
    service = Service()
    body = an_oauth_body(provider="office365", auth=auth())
    for name in ("smtp_host", "smtp_port", "username"):
        del body[name]
    body["provider"] = "microsoft-365"

    assert service.client.post("/api/smtp-configs", json=body).status_code == 201
    assert service.client.get("/api/smtp-configs/1").json["username"] == body["email_address"]


def test_the_mailbox_of_oauth_is_the_address_unless_another_one_is_named() -> None:
    service = Service()
    body = an_oauth_body()
    del body["username"]

    assert service.client.post("/api/smtp-configs", json=body).status_code == 201
    assert service.client.get("/api/smtp-configs/1").json["username"] == body["email_address"]


def test_while_an_older_process_delivers_no_oauth_account_can_be_made() -> None:
    service = Service()
    service.client.post("/api/smtp-configs", json=a_config_body())
    older = ALL & ~Capability.OAUTH
    instance = service.store.write(
        lambda tx: tx.instances.join(host="old", pid=1, now=NOW, capabilities=older)
    )

    made = service.client.post("/api/smtp-configs", json=an_oauth_body(name="other"))
    changed = service.client.put("/api/smtp-configs/1", json={"auth": auth()})

    for reply in (made, changed):
        assert reply.status_code == 503
        assert reply.json["code"] == "not_accepting"
        assert int(reply.headers["Retry-After"]) > 0
    assert shown(service.client)["type"] == "password"
    service.store.write(lambda tx: tx.instances.leave(instance))
    assert service.client.put("/api/smtp-configs/1", json={"auth": auth()}).status_code == 200


def test_what_the_authorization_server_said_is_for_admins() -> None:
    store = MemoryStore(clock=FakeClock())
    application = an_application(store=store, closed=True)
    admin, reader = a_keyed_client(application, "admin"), a_keyed_client(application, "read")
    assert admin.post("/api/smtp-configs", json=an_oauth_body()).status_code == 201
    refused = credentials(1, last_error="invalid_scope: AADSTS70011")
    store.write(lambda tx: tx.credentials.save(refused))

    assert shown(admin)["last_error"] == "invalid_scope: AADSTS70011"
    assert shown(reader)["last_error"] is None
    assert shown(reader)["authorized"] is True
