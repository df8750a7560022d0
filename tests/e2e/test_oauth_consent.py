"""A consent that ends while mail waits: the account pauses, a person consents again, it is sent."""

import urllib.request
from collections import Counter
from pathlib import Path
from typing import Any
from urllib.parse import quote

from adapters.clock import SystemClock
from adapters.fakes.bearer import BEARERS
from adapters.fakes.oauth_provider import PlayedProvider
from adapters.fakes.script import Script
from tests.oauth_server import running_oauth_server
from tests.running import Running, running, wait_until
from tests.smtp_server import SessionLimit, SmtpServer

SECRET = "planted-client-secret-9876543210"
WAITING = 5


def authorize(service: Running, provider: PlayedProvider) -> str:
    """What a person does with a browser; the page that ends it."""
    status, begun = service.post("/api/smtp-configs/1/authorize", {})
    assert status in (200, 201), begun
    with urllib.request.urlopen(provider.consent(begun["authorize_url"]), timeout=30) as page:
        return str(page.read().decode())


def test_mail_waits_for_a_consent_that_has_ended_and_is_sent_after_a_new_one(
    tmp_path: Path,
) -> None:
    provider = PlayedProvider(clock=SystemClock(), clients={"app": SECRET})
    shown: list[object] = []
    with (
        running_oauth_server(provider) as oauth,
        SmtpServer(
            Script(mechanisms=BEARERS),
            takes_token=lambda _user, token: provider.takes(token),
            limit=SessionLimit(messages=1),  # so that the next email logs in again
        ) as server,
        running(tmp_path, LOG_LEVEL="DEBUG") as service,
    ):
        client = oauth.client()
        service.account(
            server.port,
            username="me@example.com",
            auth={
                "type": "oauth",
                "provider": "custom",
                "flow": "authorization_code",
                "client_id": "app",
                "client_secret": SECRET,
                "scope": "mail",
                "token_url": client.token_url,
                "authorize_url": client.authorize_url,
            },
        )
        shown.append(authorize(service, provider))
        service.submit("before")
        wait_until(lambda: len(server.accepted) == 1)

        provider.revoke()  # as a new password of the person does
        ids = [service.submit(f"waiting {number}") for number in range(WAITING)]
        paused = wait_until(lambda: _paused(service))
        waiting = wait_until(lambda: _waiting(service, ids))
        shown += [paused, *waiting]
        assert "needs_consent" in str(paused)
        assert "email-service accounts authorize 1" in str(paused)
        assert [email["retry_count"] for email in waiting] == [0] * WAITING
        assert provider.asked["refresh_token"] == 1
        assert len(server.accepted) == 1

        shown.append(authorize(service, provider))
        wait_until(lambda: len(server.accepted) == 1 + WAITING)
        wait_until(service.all_sent)
        shown += [service.get("/api/smtp-configs/1"), service.get("/api/emails")]
        assert provider.asked["refresh_token"] == 1
        found = _outside(tmp_path, service) + str(shown).encode()

    assert Counter(one.subject for one in server.accepted) == Counter(
        ["before", *(f"waiting {number}" for number in range(WAITING))]
    )
    tokens = {login.token for login in server.logins}
    assert len(tokens) == 2, "each consent has its own"
    for secret in (SECRET, *tokens, *provider._families):
        for form in (secret, quote(secret), secret.encode().hex()):
            assert form.encode() not in found, secret


def _paused(service: Running) -> object:
    shown = service.get("/api/smtp-configs/1")[1]
    return shown if shown["state"] == "paused" else None


def _waiting(service: Running, ids: list[int]) -> list[Any] | None:
    """The emails once none of them is being tried any more."""
    shown = [service.get(f"/api/emails/{number}")[1] for number in ids]
    return shown if {email["status"] for email in shown} <= {"queued", "retry"} else None


def _outside(folder: Path, service: Running) -> bytes:
    """The logs, the database with its WAL, and what the system shows of the process."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert any(path.name.endswith("-wal") for path in files)
    files.append(service.log)
    files += [Path(f"/proc/{pid}/{name}") for pid in service.pids() for name in _PROC]
    return b"\n".join(path.read_bytes() for path in files)


_PROC = ("cmdline", "environ", "comm")
