"""The application on fake ports, and HTTP in front of it; a test replaces what it looks at."""

from typing import Any

import attrs
from flask.testing import FlaskClient
from werkzeug.datastructures import FileStorage, MultiDict
from werkzeug.test import TestResponse, encode_multipart

from adapters.dkim_signer import CryptographySigner
from adapters.fakes.authorization_server import FakeAuthorizationServer
from adapters.fakes.clock import FakeClock
from adapters.fakes.dns import FakeDns
from adapters.fakes.entropy import FakeEntropy
from adapters.fakes.mailbox import FakeMailboxReader
from adapters.fakes.memory_store import MemoryStore
from adapters.fakes.oauth_provider import PlayedProvider
from adapters.fakes.sender import FakeSender
from adapters.fakes.web import FakeWeb
from adapters.fernet_vault import FernetVault
from adapters.message_reader import BoundedMessageReader
from adapters.no_locks import NoLocks
from adapters.observers import ListObserver
from adapters.signatures import CryptographySignatures
from adapters.siv_cipher import SivCipher
from adapters.template_engine import MinijinjaTemplates
from application import Application, Ports, ServicePolicy, assemble
from application.api_keys import KeyWish
from application.delivery import DeliveryPolicy
from domain.access import Scope
from domain.intake import IntakeLimits
from entrypoints.http import create_http
from tests.shipped_rules import PROVIDERS, RULES


def delivery_rules(**changes: Any) -> DeliveryPolicy:
    """What delivery goes by, with the shipped reply rules."""
    return DeliveryPolicy(**{"replies": RULES, **changes})


def rules_of_intake(**limits: int) -> ServicePolicy:
    """What an owner decides who allows only so many recipients."""
    return ServicePolicy(delivery=delivery_rules(), intake=IntakeLimits(**limits))


def the_ports(**ports: Any) -> Ports:
    """Memory, a clock that stands still and a mail server that takes everything."""
    clock = ports.setdefault("clock", FakeClock())
    vault = ports.setdefault("vault", FernetVault("a secret key for tests only"))
    defaults = {
        "store": lambda: MemoryStore(clock=clock),
        "sender": lambda: FakeSender(vault=vault),
        "dkim": CryptographySigner,
        "entropy": FakeEntropy,
        "token_cipher": SivCipher,
        "signatures": CryptographySignatures,
        "engine": MinijinjaTemplates,
        "reader": BoundedMessageReader,
        "locks": NoLocks,
        "headroom": lambda: lambda: True,
        "web": FakeWeb,
        "dns": FakeDns,
        "mailboxes": FakeMailboxReader,
        "authorization": lambda: FakeAuthorizationServer(PlayedProvider(clock=clock)),
        "wake": lambda: lambda: None,
        "observe": ListObserver,
    }
    made = {name: make() for name, make in defaults.items() if name not in ports}
    return Ports(**ports, **made)


def an_application(
    *, rules: ServicePolicy | None = None, closed: bool = False, **ports: Any
) -> Application:
    """The use cases on `the_ports`, as in development; *closed* as in production."""
    rules = attrs.evolve(rules or ServicePolicy(delivery=delivery_rules()), providers=PROVIDERS)
    if not closed:
        rules = attrs.evolve(
            rules,
            access=attrs.evolve(rules.access, open_without_keys=True),
            network=attrs.evolve(rules.network, private=True),
        )
    return assemble(the_ports(**ports), rules, host="test", pid=1)


def deliver(application: Application) -> int:
    """Hand off whatever is due now, one batch after the other; how many emails were tried."""
    instance = application.membership.beat()
    tried = 0
    while batches := application.delivery.claim(instance, places=1):
        for batch in batches:
            application.delivery.deliver(batch, stopping=lambda: False)
            tried += len(batch.emails)
    return tried


def a_client(application: Application | None = None, **rules: Any) -> FlaskClient:
    """Someone who talks HTTP to *application*, or to a fresh one."""
    app = create_http(application or an_application(), version="1.2.3", **rules)
    app.test_client_class = _Client
    return app.test_client()


class _Client(FlaskClient):
    """Sends forms with a boundary of its own: that of Werkzeug now and then has more than the 70
    characters that are allowed.
    """

    def open(self, *args: Any, **options: Any) -> TestResponse:
        form = options.get("data")
        if isinstance(form, dict):
            fields = [(name, _part(one)) for name, each in form.items() for one in _all_of(each)]
            with_files = any(isinstance(part, FileStorage) for _, part in fields)
            if with_files or options.get("content_type") == "multipart/form-data":
                boundary, octets = encode_multipart(MultiDict(fields), boundary="b0undary")
                kind = f"multipart/form-data; boundary={boundary}"
                options |= {"data": octets, "content_type": kind}
        return super().open(*args, **options)


def _all_of(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _part(value: Any) -> Any:
    """A tuple is a file: its stream, its name and, if it has one, its type."""
    if not isinstance(value, tuple):
        return value
    stream, filename, *kind = value
    return FileStorage(stream, filename=filename, content_type=kind[0] if kind else None)


def a_key(application: Application, *scopes: str, **wish: Any) -> str:
    """The text of a new API key with these scopes."""
    wanted = KeyWish(name="test", scopes=frozenset(map(Scope, scopes)), **wish)
    return application.api_keys.create(wanted)[1]


def a_keyed_client(
    application: Application, *scopes: str, rules: dict[str, Any] | None = None, **wish: Any
) -> FlaskClient:
    """Someone with a new API key; *rules* are HTTP's, *wish* is the key's."""
    client = a_client(application, **(rules or {}))
    client.environ_base["HTTP_X_API_KEY"] = a_key(application, *scopes, **wish)
    return client


def a_config_body(**changes: Any) -> dict[str, Any]:
    """What creates an SMTP configuration that authenticates over STARTTLS."""
    body = {
        "name": "main",
        "email_address": "shop@example.com",
        "display_name": "Example Shop",
        "smtp_host": "smtp.example.com",
        "smtp_port": 587,
        "username": "shop@example.com",
        "password": "correct horse battery staple",
    }
    return {**body, **changes}


def an_email_body(**changes: Any) -> dict[str, Any]:
    """What submits an email to one recipient."""
    body = {
        "subject": "Welcome",
        "recipients": ["ada@example.org"],
        "html_content": "<h1>Hello</h1>",
    }
    return {**body, **changes}


def a_client_with_config(application: Application | None = None, **rules: Any) -> FlaskClient:
    """A client whose service has one SMTP configuration, with the id 1."""
    client = a_client(application, **rules)
    assert client.post("/api/smtp-configs", json=a_config_body()).status_code == 201
    return client


def pointers(reply: TestResponse) -> list[str]:
    """The fields that were refused."""
    assert reply.status_code == 400, reply.text
    assert reply.content_type == "application/problem+json"
    return [error["pointer"] for error in reply.json["errors"]]
