"""A running service that logs in by tokens which end while it works through a backlog."""

from pathlib import Path

from adapters.clock import SystemClock
from adapters.fakes.bearer import BEARERS
from adapters.fakes.oauth_provider import PlayedProvider
from adapters.fakes.sender import Script
from tests.oauth_server import running_oauth_server
from tests.running import running, wait_until
from tests.smtp_server import SessionLimit, SmtpServer


def test_tokens_that_end_in_the_middle_of_a_backlog_cost_no_email_and_no_copy(
    tmp_path: Path,
) -> None:
    count = 300
    provider = PlayedProvider(clock=SystemClock(), clients={"app": "the secret"}, lifetime=1)
    with (
        running_oauth_server(provider) as oauth,
        SmtpServer(
            Script(mechanisms=BEARERS),
            takes_token=lambda _user, token: provider.takes(token),
            limit=SessionLimit(messages=10),  # so that it logs in again and again
        ) as server,
        running(tmp_path) as service,
    ):
        body = {
            "name": "office",
            "email_address": "shop@example.com",
            "smtp_host": "127.0.0.1",
            "smtp_port": server.port,
            "use_tls": False,
            "username": "shop@example.com",
            "daily_limit": None,
            "hourly_limit": None,
            "auth": {
                "type": "oauth",
                "provider": "custom",
                "flow": "client_credentials",
                "client_id": "app",
                "client_secret": "the secret",
                "token_url": oauth.client().token_url,
            },
        }
        assert service.post("/api/smtp-configs", body)[0] == 201
        for number in range(count):
            email = {"recipients": [f"ada-{number}@example.org"], "text_content": "Hello."}
            assert service.post("/api/emails", {"subject": "Hello", **email})[0] == 201
        wait_until(lambda: len(server.accepted) >= count)
        wait_until(lambda: service.get(f"/api/emails/{count}")[1]["status"] == "sent")
        shown = service.get("/api/smtp-configs/1")[1]

    whom = sorted(recipient for one in server.accepted for recipient in one.recipients)
    assert whom == sorted(f"ada-{number}@example.org" for number in range(count))
    assert provider.asked["client_credentials"] > 1
    assert shown["state"] == "open"
