"""What an API key may do is the same whichever way an email comes in: one test for each rule."""

from base64 import b64encode
from collections.abc import Callable
from typing import Any

import attrs
import pytest

from adapters.fakes.clock import FakeClock
from application import Application
from domain.access import DAY
from tests.applications import (
    a_client,
    a_client_with_config,
    a_config_body,
    a_key,
    an_application,
    an_email_body,
)
from tests.dialect_ways import DIALECTS
from tests.smtp_intake import listening, talking

# what became of an email: stored, no such key, not allowed, or put off
STORED, UNKNOWN, FORBIDDEN, LATER = "stored", "unknown key", "forbidden", "later"
OF_HTTP = {201: STORED, 401: UNKNOWN, 403: FORBIDDEN, 404: FORBIDDEN, 400: FORBIDDEN, 429: LATER}
OF_SMTP = {"250": STORED, "535": UNKNOWN, "550": FORBIDDEN, "451": LATER}
ADA, BOB = "ada@example.org", "bob@example.org"

Way = Callable[..., str]


def by_http(application: Application, key: str, path: str, body: dict[str, Any]) -> str:
    answer = a_client(application).post(path, json=body, headers={"X-API-Key": key})
    return OF_HTTP[answer.status_code]


def by_api(application: Application, key: str, *to: str, sender: str = "shop@example.com") -> str:
    body = an_email_body(recipients=list(to) or [ADA], **{"from": sender})
    return by_http(application, key, "/api/emails", body)


def in_a_batch(
    application: Application, key: str, *to: str, sender: str = "shop@example.com"
) -> str:
    body = an_email_body(recipients=list(to) or [ADA], **{"from": sender})
    return by_http(application, key, "/api/emails/batch", {"emails": [body]})


def raw(application: Application, key: str, *to: str, sender: str = "shop@example.com") -> str:
    octets = f"From: {sender}\r\nSubject: Hi\r\n\r\nHi\r\n".encode()
    body = {"raw": b64encode(octets).decode(), "recipients": list(to) or [ADA]}
    return by_http(application, key, "/api/emails/raw", body)


def by_smtp(application: Application, key: str, *to: str, sender: str = "shop@example.com") -> str:
    octets = f"From: {sender}\r\nSubject: Hi\r\n\r\nHi\r\n".encode()
    with listening(application) as listener, talking(listener.ports[0]) as talk:
        login = talk.log_in(key)
        if not login.startswith("235"):
            return OF_SMTP[login[:3]]
        begun = talk.say("MAIL FROM:<x@y.example>")
        if not begun.startswith("250"):
            return OF_SMTP[begun[:3]]
        talk.say("RSET")
        return OF_SMTP[talk.submit(octets, *(to or (ADA,)))[:3]]


def by_dialect(name: str) -> Way:
    """A vendor's API: its statuses are its own, its refusal of a key says so."""
    dialect = DIALECTS[name]

    def way(application: Application, key: str, *to: str, sender: str = "shop@example.com") -> str:
        more = SEVERAL[name](list(to)) if to else {}
        answer = dialect.send(a_client(application), key, sender=sender, **more)
        if answer.status_code in (dialect.accepted, 429):
            return STORED if answer.status_code == dialect.accepted else LATER
        refused_key = answer.status_code == 401 or "invalid_api_key" in dialect.told(answer)
        return UNKNOWN if refused_key else FORBIDDEN

    return way


# several recipients, in the fields of each
SEVERAL: dict[str, Callable[[list[str]], dict[str, Any]]] = {
    "resend": lambda to: {"to": to},
    "sendgrid": lambda to: {"personalizations": [{"to": [{"email": one} for one in to]}]},
    "postmark": lambda to: {"To": ",".join(to)},
    "mailgun": lambda to: {"to": to},
}
WAYS: dict[str, Way] = {
    "api": by_api,
    "batch": in_a_batch,
    "raw": raw,
    "smtp": by_smtp,
    **{name: by_dialect(name) for name in DIALECTS},
}
every_way = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)


@attrs.frozen
class Kept:
    """An application with two accounts, 1 of shop@example.com and 2 of b@b.example."""

    application: Application
    clock: FakeClock


@pytest.fixture
def kept() -> Kept:
    clock = FakeClock()
    application = an_application(clock=clock)
    client = a_client_with_config(application)
    other = a_config_body(name="b", email_address="b@b.example")
    assert client.post("/api/smtp-configs", json=other).status_code == 201
    return Kept(application, clock)


@every_way
@pytest.mark.parametrize(
    ("scope", "became"), [("send", STORED), ("admin", STORED), ("read", FORBIDDEN)]
)
def test_the_scope_decides_who_may_send(kept: Kept, way: Way, scope: str, became: str) -> None:
    assert way(kept.application, a_key(kept.application, scope)) == became


@every_way
def test_a_key_sends_through_its_accounts_alone(kept: Kept, way: Way) -> None:
    key = a_key(kept.application, "send", accounts=frozenset({2}))

    assert way(kept.application, key) == FORBIDDEN
    assert way(kept.application, key, sender="b@b.example") == STORED


@every_way
def test_a_key_names_so_many_recipients_a_day(kept: Kept, way: Way) -> None:
    key = a_key(kept.application, "send", daily_recipients=3)

    assert way(kept.application, key, ADA, BOB) == STORED
    assert way(kept.application, key, ADA, BOB) == LATER
    assert way(kept.application, key, ADA) == STORED
    assert way(kept.application, key, ADA) == LATER
    assert way(kept.application, a_key(kept.application, "send"), ADA) == STORED


@every_way
def test_what_one_way_has_used_of_the_day_is_gone_for_the_others(kept: Kept, way: Way) -> None:
    key = a_key(kept.application, "send", daily_recipients=1)

    assert way(kept.application, key) == STORED
    for other in WAYS.values():
        assert other(kept.application, key) == LATER


@every_way
def test_a_key_that_is_revoked_or_expired_or_wrong_sends_nothing(kept: Kept, way: Way) -> None:
    revoked = a_key(kept.application, "send")
    kept.application.api_keys.revoke(revoked.split("_")[1])
    expired = a_key(kept.application, "send", lifetime=DAY)
    kept.clock.tick(86_400)

    for key in (revoked, expired, revoked[:-1], "nonsense"):
        assert way(kept.application, key) == UNKNOWN
