"""A backlog that outlives its token: every email is sent once, with a token that was good."""

from collections import Counter
from pathlib import Path

from adapters.clock import SystemClock
from adapters.fakes.oauth_provider import PlayedProvider
from adapters.fakes.script import Script
from tests.oauth_server import running_oauth_server
from tests.running import running, wait_until
from tests.smtp_server import SessionLimit, SmtpServer

SECRET = "the client secret of a test"
EMAILS = 300
LIFETIME_S = 1


def test_a_token_that_ends_during_a_backlog_fails_and_doubles_nothing(tmp_path: Path) -> None:
    provider = PlayedProvider(clock=SystemClock(), clients={"app": SECRET}, lifetime=LIFETIME_S)
    # each connection is given up after a few messages: the next one needs a token that is good
    script, limit = Script(mechanisms=("XOAUTH2",), latency_s=0.005), SessionLimit(messages=5)
    with (
        running_oauth_server(provider) as oauth,
        SmtpServer(
            script, limit=limit, takes_token=lambda _, token: provider.takes(token)
        ) as server,
        running(tmp_path, RETRY_SCHEDULE="1") as service,
    ):
        client = oauth.client()
        made = service.post(
            "/api/smtp-configs",
            {
                "name": "main",
                "email_address": "ada@example.com",
                "smtp_host": "127.0.0.1",
                "smtp_port": server.port,
                "use_tls": False,
                "username": "ada@example.com",
                "daily_limit": None,
                "hourly_limit": None,
                "auth": {
                    "type": "oauth",
                    "provider": "custom",
                    "flow": "client_credentials",
                    "client_id": "app",
                    "client_secret": SECRET,
                    "token_url": client.token_url,
                },
            },
        )
        assert made[0] == 201, made
        service.post("/api/smtp-configs/1/pause", {})
        for number in range(EMAILS):
            service.submit(f"backlog {number}")
        service.post("/api/smtp-configs/1/resume", {})
        wait_until(lambda: len(server.accepted) >= EMAILS, patience=120)
        wait_until(lambda: service.get("/api/emails?status=sent&limit=1")[1])
        states = Counter(
            service.get(f"/api/emails/{number}")[1]["status"] for number in range(1, EMAILS + 1)
        )

    assert states == {"sent": EMAILS}
    assert len(server.accepted) == EMAILS
    assert provider.asked["client_credentials"] >= 3, "the token did not end in between"
    assert len(server.logins) >= EMAILS / limit.messages
    assert all(login.good for login in server.logins)
