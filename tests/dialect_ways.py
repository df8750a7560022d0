"""Each way in that HTTP has, for tests that claim the same of all of them."""

from base64 import b64encode
from collections.abc import Callable, Mapping
from email import message_from_bytes, policy
from email.message import EmailMessage
from io import BytesIO
from typing import Any

import attrs
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from application import Application
from application.queries import EmailView
from tests.applications import a_client_with_config, a_key, a_keyed_client

Fields = dict[str, Any]


@attrs.frozen(kw_only=True)
class Way:
    """How one API is called: *fields* makes the body of an email to *to*, from *sender*.

    *subject*, *header* and *file* make more fields. *key* makes the headers that carry a key.
    *body_told* is what the body of an error says, and an AssertionError if it is none of this API.
    *moved* are its statuses for ours, by ours.
    """

    path: str
    key: Callable[[str], Mapping[str, str]]
    fields: Callable[..., Fields]
    body_told: Callable[[int, Any], str]
    content_type: str = "application/json"
    accepted: int = 200
    form: bool = False
    subject: Callable[[str], Fields] = lambda text: {"subject": text}
    header: Callable[[str, str], Fields] = lambda name, value: {"headers": {name: value}}
    file: Callable[[str], Fields] = lambda name: {
        "attachments": [{"filename": name, "content": "aGk="}]
    }
    lookups: tuple[tuple[str, str], ...] = ()
    moved: Mapping[int, int] = attrs.field(factory=dict)

    def send(
        self,
        client: FlaskClient,
        key: str | None,
        *,
        http: Mapping[str, str] | None = None,
        to: str = "ada@example.org",
        sender: str = "shop@example.com",
        **more: Any,
    ) -> TestResponse:
        """The reply to one email, with more headers of HTTP and fields of the body."""
        body = self.fields(to=to, sender=sender) | more
        given = {**(self.key(key) if key is not None else {}), **(http or {})}
        if self.form:
            return client.post(self.path, data=body, headers=given)
        return client.post(self.path, json=body, headers=given)

    def told(self, reply: TestResponse) -> str:
        """What an error says."""
        assert reply.content_type == self.content_type, reply.text
        return self.body_told(reply.status_code, reply.json)

    def status(self, ours: int) -> int:
        """The status that this API has for one of ours."""
        return self.moved.get(ours, ours)


def bearer(key: str) -> Mapping[str, str]:
    return {"Authorization": f"Bearer {key}"}


def basic(key: str) -> Mapping[str, str]:
    return {"Authorization": "Basic " + b64encode(f"api:{key}".encode()).decode()}


def _resend_told(status: int, body: Any) -> str:
    assert set(body) == {"statusCode", "name", "message"}
    assert body["statusCode"] == status
    return f"{body['name']}: {body['message']}"


def _sendgrid_told(status: int, body: Any) -> str:
    assert set(body) == {"errors"}
    assert all(set(error) == {"message", "field", "help"} for error in body["errors"])
    return "; ".join(f"{error['field']}: {error['message']}" for error in body["errors"])


def _sendgrid_fields(to: str, sender: str) -> Fields:
    return {
        "personalizations": [{"to": [{"email": to}]}],
        "from": {"email": sender},
        "subject": "Hi",
        "content": [{"type": "text/plain", "value": "Hello"}],
    }


def _postmark_told(status: int, body: Any) -> str:
    assert set(body) == {"ErrorCode", "Message"}
    assert body["ErrorCode"] > 0
    return str(body["Message"])


def _mailgun_told(status: int, body: Any) -> str:
    assert set(body) == {"message"}
    return str(body["message"])


DIALECTS: Mapping[str, Way] = {
    "resend": Way(
        path="/emails",
        key=bearer,
        fields=lambda to, sender: {"from": sender, "to": to, "subject": "Hi", "text": "Hello"},
        body_told=_resend_told,
        lookups=(("GET", "/emails"), ("GET", "/emails/x"), ("GET", "/emails/x/y")),
        moved={400: 422},
    ),
    "sendgrid": Way(
        path="/v3/mail/send",
        key=bearer,
        fields=_sendgrid_fields,
        body_told=_sendgrid_told,
        accepted=202,
        lookups=(("GET", "/v3/mail/send"), ("GET", "/v3/templates"), ("GET", "/v3/mail/x/y")),
    ),
    "postmark": Way(
        path="/email",
        key=lambda key: {"X-Postmark-Server-Token": key},
        fields=lambda to, sender: {
            "From": sender,
            "To": to,
            "Subject": "Hi",
            "TextBody": "Hello",
        },
        body_told=_postmark_told,
        subject=lambda text: {"Subject": text},
        header=lambda name, value: {"Headers": [{"Name": name, "Value": value}]},
        file=lambda name: {"Attachments": [{"Name": name, "Content": "aGk="}]},
        lookups=(("GET", "/email"), ("POST", "/email/x"), ("GET", "/messages/outbound")),
        moved={400: 422},
    ),
    "mailgun": Way(
        path="/v3/example.com/messages",
        key=basic,
        fields=lambda to, sender: {"from": sender, "to": to, "subject": "Hi", "text": "Hello"},
        body_told=_mailgun_told,
        form=True,
        header=lambda name, value: {f"h:{name}": value},
        file=lambda name: {"attachment": (BytesIO(b"hi"), name)},
        lookups=(("GET", "/v3/example.com/messages"), ("GET", "/v3/example.com/x")),
    ),
}


def _problem_told(status: int, body: Any) -> str:
    assert body["status"] == status
    return str(body["detail"])


WAYS: Mapping[str, Way] = {
    "ours": Way(
        path="/api/emails",
        key=lambda key: {"X-API-Key": key},
        fields=lambda to, sender: {
            "from": sender,
            "recipients": [to],
            "subject": "Hi",
            "text_content": "Hello",
        },
        body_told=_problem_told,
        content_type="application/problem+json",
        accepted=201,
    ),
    **DIALECTS,
}


def a_dialect_client(
    application: Application, key: Callable[[str], Mapping[str, str]]
) -> FlaskClient:
    """A client with a key in the header that *key* makes, of a service with one configuration."""
    client = a_client_with_config(application)
    for name, value in key(a_key(application, "send", "read")).items():
        client.environ_base[f"HTTP_{name.upper().replace('-', '_')}"] = value
    return client


def a_template(application: Application) -> None:
    """A published template named welcome, which takes a name."""
    admin = a_keyed_client(application, "admin")
    source = {"subject": "Hi {{ name }}", "html": "<p>Hello {{ name }}</p>"}
    made = admin.post("/api/templates", json={"name": "welcome", **source})
    assert made.status_code == 201, made.text
    assert admin.post("/api/templates/welcome/publish", json={}).status_code == 200


def stored(application: Application, number: int = 1) -> EmailView:
    """What is known of an email."""
    return application.queries.email(number)


def message(application: Application, number: int = 1) -> EmailMessage:
    """The message of an email."""
    octets = b"".join(application.queries.message(number))
    return message_from_bytes(octets, policy=policy.default)


def number_of_emails(application: Application) -> int:
    """How many were accepted."""
    return len(application.queries.emails(limit=200).emails)
