"""Event hooks of a running service: a provider calls, and the secret stands in no file."""

import json
import urllib.error
import urllib.request
from pathlib import Path

from adapters.fakes.script import Script
from tests.hook_calls import (
    MAILGUN_KEY,
    mailgun_call,
    now_in_utc,
    sendgrid_event,
    sendgrid_headers,
    sendgrid_public_key,
)
from tests.running import Running, running, wait_until
from tests.smtp_server import SmtpServer

HOOKS = "/api/smtp-configs/1/hooks"


def call(service: Running, url: str, body: bytes, **headers: str) -> int:
    request = urllib.request.Request(
        url.replace("https://mail.example.com", service.url), data=body, headers=headers
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            status: int = answer.status
            return status
    except urllib.error.HTTPError as error:
        return error.code


def test_a_provider_tells_of_a_bounce_and_no_file_holds_the_secret(tmp_path: Path) -> None:
    with (
        SmtpServer(Script()) as server,
        running(tmp_path, LOG_LEVEL="DEBUG", PUBLIC_URL="https://mail.example.com") as service,
    ):
        service.account(server.port)
        urls = {}
        for kind, key in (("mailgun", MAILGUN_KEY), ("sendgrid", sendgrid_public_key())):
            status, made = service.post(HOOKS, {"kind": kind, "signing_key": key})
            assert status == 201, made
            urls[kind] = made["url"]
        service.submit("Bounces")
        wait_until(lambda: service.get("/api/emails/1")[1]["status"] == "sent")
        shown = service.get("/api/emails/1")[1]
        name = shown["message_id"].strip("<>")
        recipient = "ada@example.org"
        body = json.dumps(
            mailgun_call(
                at=now_in_utc(), recipient=recipient, message={"headers": {"message-id": name}}
            )
        ).encode()

        assert call(service, urls["mailgun"], body) == 200
        assert call(service, urls["mailgun"], body) == 200

        events = service.get("/api/events")[1]
        [bounced] = [one for one in events if one["type"] == "email.bounced"]
        assert bounced["data"]["email_id"] == 1
        assert service.get(f"/api/suppressions/{recipient}")[0] == 200
        assert service.get("/api/emails/1")[1]["status"] == "sent"

        # a batch that is longer than what is read of strangers
        batch = json.dumps([sendgrid_event(n) for n in range(2000)]).encode()
        assert 256 * 1024 < len(batch) < 1024 * 1024
        signed = sendgrid_headers(batch, at=now_in_utc())
        assert call(service, urls["sendgrid"], batch, **signed) == 200
        assert call(service, urls["sendgrid"], batch) == 403
        assert call(service, urls["sendgrid"], b" " * 1_200_000) == 413
        assert call(service, urls["sendgrid"][:-1] + "x", b" " * 200_000) == 404
        assert call(service, urls["mailgun"], b" " * (257 * 1024)) == 413
        assert call(service, urls["mailgun"], b"{") == 400

        secrets = [url.rsplit("/", 1)[1].encode() for url in urls.values()]
        secrets.append(MAILGUN_KEY.encode())
        for path in tmp_path.iterdir():
            octets = path.read_bytes()
            assert [secret for secret in secrets if secret in octets] == [], path.name
        assert service.stop() == 0
    for path in tmp_path.iterdir():
        octets = path.read_bytes()
        assert [secret for secret in secrets if secret in octets] == [], path.name
    assert "hook_refused" in service.output()
