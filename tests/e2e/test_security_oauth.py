"""What is secret of OAuth stands nowhere in the clear: not in the database, the logs, an answer."""

import re
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

from adapters.clock import SystemClock
from adapters.fakes.oauth_provider import PlayedAnswer, PlayedProvider
from tests.oauth_server import running_oauth_server
from tests.running import running

SECRET = "planted-client-secret-0123456789"


def test_no_secret_token_code_or_verifier_is_found_outside_of_the_wire(tmp_path: Path) -> None:
    provider = PlayedProvider(clock=SystemClock(), clients={"app": SECRET})
    answers: list[str] = []
    with (
        running_oauth_server(provider) as oauth,
        running(tmp_path, LOG_LEVEL="DEBUG") as service,
    ):
        client = oauth.client()
        body = {
            "name": "main",
            "email_address": "ada@example.com",
            "smtp_host": "127.0.0.1",
            "username": "ada@example.com",
            "auth": {
                "type": "oauth",
                "provider": "custom",
                "flow": "authorization_code",
                "client_id": "app",
                "client_secret": SECRET,
                "scope": "mail",
                "token_url": client.token_url,
                "authorize_url": client.authorize_url,
            },
        }
        answers.append(str(service.post("/api/smtp-configs", body)))
        # refused once, by a server that repeats what it was sent
        begun = service.post("/api/smtp-configs/1/authorize", {})[1]
        back = provider.consent(begun["authorize_url"])
        echo = PlayedAnswer.error("invalid_grant", f"{SECRET} {urlsplit(back).query}")
        provider.instead.append(echo)
        answers.append(_opened(f"{service.url}/oauth/callback?{urlsplit(back).query}"))
        # and granted
        begun = service.post("/api/smtp-configs/1/authorize", {})[1]
        back = provider.consent(begun["authorize_url"])
        answers.append(_opened(f"{service.url}/oauth/callback?{urlsplit(back).query}"))
        answers.append(str(service.get("/api/smtp-configs/1")))
        assert service.get("/api/smtp-configs/1")[1]["auth"]["authorized"] is True

        pid = service.process.pid
        outside = [Path(f"/proc/{pid}/{name}").read_bytes() for name in ("cmdline", "environ")]
        files = [path for path in tmp_path.rglob("*") if path.is_file()]
        assert any(path.name.endswith("-wal") for path in files)
        found = b"\n".join([*outside, *(path.read_bytes() for path in files)])
    found += "\n".join(answers).encode() + service.log.read_bytes()

    sent = " ".join(oauth.seen)
    secrets = {SECRET, *re.findall(r"(?:code|code_verifier)=([A-Za-z0-9._~-]+)", sent)}
    secrets |= {*provider._access, *provider._families}
    secrets |= set(parse_qs(urlsplit(back).query)["state"])
    assert len(secrets) >= 8, secrets
    for secret in secrets:
        for form in (secret, quote(secret), secret.encode().hex()):
            assert form.encode() not in found, secret


def _opened(url: str) -> str:
    """What a browser is shown, and the headers of it."""
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:
            return f"{answer.headers}{answer.read().decode()}"
    except urllib.error.HTTPError as error:
        with error:
            return f"{error.headers}{error.read().decode()}"
