"""X-Test-Id, a knob for tests from outside: it reaches the message, and only as one header."""

import json
import socket
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

import pytest

from adapters.fakes.sender import FakeSender
from tests.applications import a_client_with_config, an_application, an_email_body, deliver
from tests.running import Running, running, wait_until
from tests.smtp_server import SmtpServer

LONGEST = "word " * 39 + "words"  # 200 characters, folded on its way


def messages_after(value: str, path: str, body: object, *, test_ids: bool) -> list[EmailMessage]:
    """What was handed off after one call with the header."""
    sender = FakeSender()
    application = an_application(sender=sender)
    client = a_client_with_config(application, test_ids=test_ids)
    answer = client.post(path, json=body, headers={"X-Test-Id": value})
    assert answer.status_code == 201, answer.text
    deliver(application)
    return [message_from_bytes(one.octets, policy=policy.SMTP) for one in sender.accepted]


@pytest.mark.parametrize("value", ["run-7", "a b: c; d=e", "=?utf-8?q?no?=", LONGEST, "x" * 200])
def test_the_message_carries_it_as_it_was_given(value: str) -> None:
    [message] = messages_after(value, "/api/emails", an_email_body(), test_ids=True)
    assert message.get_all("X-Test-Id") == [value]
    assert message["Subject"] == "Welcome"


@pytest.mark.parametrize("mode", ["all", "each"])
def test_each_message_of_a_batch_carries_it(mode: str) -> None:
    body = {"emails": [an_email_body(), an_email_body()], "mode": mode}
    messages = messages_after("run-7", "/api/emails/batch", body, test_ids=True)
    assert [message["X-Test-Id"] for message in messages] == ["run-7", "run-7"]


def test_without_the_knob_it_is_a_header_that_nobody_reads() -> None:
    [message] = messages_after("run-7", "/api/emails", an_email_body(), test_ids=False)
    assert "X-Test-Id" not in message


@pytest.mark.parametrize(
    "value",
    [
        *("a\r\nBcc: eve@example.org", "a\nBcc: eve@example.org", "a\rb", "a\r\n b"),
        *("a\r\n\r\n<p>body</p>", "a\0b", "a\tb", "\x1b[2J", "caf\xe9", "", "x" * 201),
    ],
)
@pytest.mark.parametrize("path", ["/api/emails", "/api/emails/batch"])
def test_what_is_no_plain_value_is_refused_by_name_and_nothing_is_stored(
    path: str, value: str
) -> None:
    client = a_client_with_config(test_ids=True)
    body = an_email_body() if path == "/api/emails" else {"emails": [an_email_body()]}
    answer = client.post(path, json=body, environ_overrides={"HTTP_X_TEST_ID": value})

    assert answer.status_code == 400
    assert answer.content_type == "application/problem+json"
    assert answer.get_json()["code"] == "invalid_test_id"
    assert "X-Test-Id" in answer.get_json()["errors"][0]["message"]
    assert client.get("/api/emails").get_json() == []


def test_a_running_service_passes_it_on_if_the_knob_is_set(tmp_path: Path) -> None:
    with SmtpServer() as server, running(tmp_path, ALLOW_TEST_KNOBS=1) as service:
        service.account(server.port)
        assert raw_post(service, "X-Test-Id: run-7").startswith(b"HTTP/1.1 201")
        folded = raw_post(service, "X-Test-Id: run-8\r\n Bcc: eve@example.org")
        assert folded.startswith(b"HTTP/1.1 400")
        wait_until(lambda: server.taken == 1)
    assert [taken.test_id for taken in server.accepted] == ["run-7"]


def test_a_running_service_ignores_it_by_default(tmp_path: Path) -> None:
    with SmtpServer() as server, running(tmp_path) as service:
        service.account(server.port)
        assert raw_post(service, "X-Test-Id: run-7").startswith(b"HTTP/1.1 201")
        wait_until(lambda: server.taken)
    assert [taken.test_id for taken in server.accepted] == [""]


def raw_post(service: Running, header: str) -> bytes:
    """The answer to one submission whose *header* is written as it stands."""
    body = json.dumps(an_email_body())
    head = (
        f"POST /api/emails HTTP/1.1\r\nHost: 127.0.0.1:{service.port}\r\n{header}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\nConnection: close\r\n"
    )
    with socket.create_connection(("127.0.0.1", service.port), timeout=30) as line:
        line.sendall(f"{head}\r\n{body}".encode())
        answer = b""
        while octets := line.recv(65536):
            answer += octets
        return answer
