"""The demo: three emails from their acceptance to their end, line by line, in seconds.

Everything is real (the API, the queue on a disk, SMTP over a socket) but for the mail server, which
is the sandbox, and the database, which is gone afterwards.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from flask.testing import FlaskClient

from domain.email.status import TERMINAL
from entrypoints.runtime import logs
from entrypoints.settings import Settings
from entrypoints.wiring import build

LONGEST_S: Final = 30.0
LOOK_S: Final = 0.02
# recipient, subject, and how it is to end
EMAILS: Final = (
    ("ada@example.com", "Welcome", "sent"),
    ("reply-451-once@example.com", "Your invoice", "sent"),
    ("reply-550@example.com", "To nobody", "failed"),
)


class DemoFailed(Exception):
    """An email did not end as it should."""


def run(tell: Callable[[str], None]) -> None:
    """Run the demo. DemoFailed if an email ends otherwise than it should."""
    started = time.monotonic()
    with TemporaryDirectory(prefix="email-service-demo-") as folder:
        settings = _settings(Path(folder))
        logs.configure(settings)
        with _service(settings) as (client, smtp_port):
            tell(f"A mail server for trying out listens on 127.0.0.1:{smtp_port} (the sandbox).")
            _create_account(client, smtp_port, tell)
            email_ids = [_submit(client, tell, *email[:2]) for email in EMAILS]
            _follow(client, email_ids, tell, started=started)
            _check(client, email_ids, tell)
    tell(f"Done in {time.monotonic() - started:.1f} seconds; nothing is left behind.")


def _settings(folder: Path) -> Settings:
    return Settings.from_environment(
        {
            "DATABASE_URL": f"sqlite:///{folder / 'demo.db'}",
            "RETRY_SCHEDULE": "1",
            "DRAIN_SECONDS": "2",
            "SANDBOX": "1",
            "SANDBOX_PORT": "0",
            "LOG_LEVEL": "ERROR",
        }
    )


@contextmanager
def _service(settings: Settings) -> Iterator[tuple[FlaskClient, int]]:
    service = build(settings)
    try:
        service.migrate()
        smtp_port = service.open_sandbox()
        service.start_delivery()
        yield service.http.test_client(), smtp_port
        service.drain()
    finally:
        service.close()


def _create_account(client: FlaskClient, smtp_port: int, tell: Callable[[str], None]) -> None:
    account = {
        "name": "demo",
        "email_address": "me@example.com",
        "display_name": "Demo",
        "smtp_host": "127.0.0.1",
        "smtp_port": smtp_port,
        "use_tls": False,
    }
    answer = _post(client, "/api/smtp-configs", account)
    tell(f"POST /api/smtp-configs  ->  201, config_id {answer['config_id']}: an SMTP configuration")


def _submit(client: FlaskClient, tell: Callable[[str], None], recipient: str, subject: str) -> int:
    email = {
        "subject": subject,
        "recipients": [recipient],
        "html_content": f"<h1>{subject}</h1><p>This is a demo.</p>",
    }
    email_id = int(_post(client, "/api/emails", email)["email_id"])
    tell(f"POST /api/emails        ->  201, email_id {email_id}: {subject!r} to {recipient}")
    return email_id


def _follow(
    client: FlaskClient, email_ids: list[int], tell: Callable[[str], None], *, started: float
) -> None:
    """Print every change of status until all emails have ended."""
    seen: dict[int, str] = {}
    while any(seen.get(email_id) not in TERMINAL for email_id in email_ids):
        if time.monotonic() - started > LONGEST_S:
            raise DemoFailed(f"not all emails ended within {LONGEST_S:g} seconds: {seen}")
        for email_id in email_ids:
            email = _get(client, f"/api/emails/{email_id}")
            status = str(email["status"])
            if seen.get(email_id) not in (status, *TERMINAL):
                seen[email_id] = status
                if status in (*TERMINAL, "retry"):
                    elapsed = time.monotonic() - started
                    tell(f"{elapsed:5.2f} s  email {email_id} -> {status}: {_why(email)}")
        time.sleep(LOOK_S)


def _why(email: dict[str, Any]) -> str:
    if email["status"] == "sent":
        return "the mail server accepted it"
    said = f"the mail server said {email['error_message']!r}"
    return f"{said}, so it is tried again" if email["status"] == "retry" else said


def _check(client: FlaskClient, email_ids: list[int], tell: Callable[[str], None]) -> None:
    """Compare the reported statuses with what is in the inbox."""
    for email_id, (_, subject, expected) in zip(email_ids, EMAILS, strict=True):
        status = _get(client, f"/api/emails/{email_id}")["status"]
        if status != expected:
            raise DemoFailed(f"email {email_id} ({subject!r}) is {status}, not {expected}")
    arrived = sorted(
        (message["subject"], *message["recipients"])
        for message in client.get("/sandbox/messages.json").get_json()
    )
    expected_mail = sorted((subject, to) for to, subject, end in EMAILS if end == "sent")
    if arrived != expected_mail:
        raise DemoFailed(f"the inbox has {arrived}, not {expected_mail}")
    tell(f"The inbox has: {', '.join(repr(subject) for subject, _ in arrived)}.")


def _post(client: FlaskClient, path: str, body: Mapping[str, object]) -> dict[str, Any]:
    reply = client.post(path, json=body)
    answer: dict[str, Any] = reply.get_json()
    if reply.status_code != 201:
        raise DemoFailed(f"POST {path} was answered {reply.status_code}: {answer.get('error')}")
    return answer


def _get(client: FlaskClient, path: str) -> dict[str, Any]:
    answer: dict[str, Any] = client.get(path).get_json()
    return answer
