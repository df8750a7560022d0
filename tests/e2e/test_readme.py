"""The calls in README.md and docs/using are typed into a shell against a service that runs."""

import json
import re
import shutil
import subprocess
import sys
import urllib.request
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

from tests.applications import a_config_body
from tests.dkim_oracle import verified_signatures
from tests.missing import missing
from tests.running import ROOT, Running, free_port, running, wait_until

README, SENDING, DKIM, ATTACHMENTS, TEMPLATES, RAW = (
    re.findall(
        r"```sh\n((?:printf .*? \| )?curl .*?)```\n```json\n(.*?)```",
        document.read_text("utf-8"),
        re.DOTALL,
    )
    for document in (
        ROOT / "README.md",
        ROOT / "docs/using/sending.md",
        ROOT / "docs/using/dkim.md",
        ROOT / "docs/using/attachments.md",
        ROOT / "docs/using/templates.md",
        ROOT / "docs/using/raw.md",
    )
)
RAW_PAGE = (ROOT / "docs/using/raw.md").read_text("utf-8")
TEMPLATES_PAGE = (ROOT / "docs/using/templates.md").read_text("utf-8")
CLIENTS = (ROOT / "docs/using/clients.md").read_text("utf-8")
PYTHON = re.findall(r"```python\n(.*?)```", CLIENTS, re.DOTALL)
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}")


def typed(command: str, service: Running, sandbox_port: int) -> Any:
    line = command.replace("127.0.0.1:5000", f"127.0.0.1:{service.port}")
    line = line.replace('"smtp_port": 2525', f'"smtp_port": {sandbox_port}')
    done = subprocess.run(["bash", "-c", line], capture_output=True, check=True, timeout=60)
    return json.loads(done.stdout)


def shown(expected: Any, got: Any, sandbox_port: int) -> None:
    """The answer has what the page shows. Times only have to be times; more fields may come."""
    if isinstance(expected, dict):
        assert expected.keys() <= got.keys()
        for name, value in expected.items():
            shown(value, got[name], sandbox_port)
    elif isinstance(expected, list):
        assert len(expected) == len(got)
        for one, other in zip(expected, got, strict=True):
            shown(one, other, sandbox_port)
    elif isinstance(expected, str) and expected.endswith("…"):
        assert got.startswith(expected[:-1])
    elif isinstance(expected, str) and TIME.fullmatch(expected):
        assert TIME.fullmatch(got)
    else:
        assert (sandbox_port if expected == 2525 else expected) == got


def walk(calls: list[tuple[str, str]], service: Running, sandbox_port: int) -> None:
    """Type *calls* in order, and compare each answer with the one that is shown."""
    for command, expected in calls:
        if command.rstrip().endswith("/api/emails/1"):
            wait_until(lambda: service.get("/api/emails/1")[1]["status"] == "sent")
        shown(json.loads(expected), typed(command, service, sandbox_port), sandbox_port)


def test_the_readme_leads_from_nothing_to_an_email_that_was_sent(tmp_path: Path) -> None:
    sandbox_port = free_port()
    with running(tmp_path, SANDBOX="1", SANDBOX_PORT=sandbox_port) as service:
        walk(README, service, sandbox_port)
        _, [message] = service.get("/sandbox/messages.json")

    assert len(README) == 3
    assert (message["subject"], message["to"]) == ("Welcome", ["ada@example.org"])


def test_the_python_example_sends_one_email_however_often_it_is_run(tmp_path: Path) -> None:
    example, _ = PYTHON
    sandbox_port = free_port()
    with running(tmp_path, SANDBOX="1", SANDBOX_PORT=sandbox_port) as service:
        walk(README[:1], service, sandbox_port)
        code = example.replace("127.0.0.1:5000", f"127.0.0.1:{service.port}")
        printed = [
            subprocess.run(
                [sys.executable, "-c", code], capture_output=True, check=True, timeout=60
            ).stdout
            for _ in range(2)
        ]

    assert printed == [b"1\n", b"1\n"]


def test_the_python_example_finds_the_emails_that_have_its_labels(tmp_path: Path) -> None:
    _, example = PYTHON
    with running(tmp_path, SANDBOX="1", SANDBOX_PORT=free_port()) as service:
        labels = {"tags": ["invoice"], "metadata": {"order": "1042"}}
        for changes in (labels, {}):
            body = {"subject": "Hi", "recipients": ["ada@example.org"], "text_content": "Hi"}
            service.call("POST", "/api/smtp-configs", a_config_body())
            assert service.call("POST", "/api/emails", body | changes)[0] == 201
        code = example.replace("127.0.0.1:5000", f"127.0.0.1:{service.port}")
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, check=True, timeout=60
        )

    [line] = done.stdout.decode().splitlines()
    assert line.split()[0] == "1"
    assert line.endswith("['ada@example.org']")


def test_every_call_of_the_page_about_sending_gives_the_answer_it_shows(tmp_path: Path) -> None:
    sandbox_port = free_port()
    with running(tmp_path, SANDBOX="1", SANDBOX_PORT=sandbox_port) as service:
        walk(SENDING, service, sandbox_port)

        _, messages = service.get("/sandbox/messages.json")
        with urllib.request.urlopen(f"{service.url}/sandbox/1/raw", timeout=30) as answer:
            octets = answer.read()
        _, one = service.get("/api/emails/1")
        # after all these calls the service still sends
        after = service.submit("After the walk")
        wait_until(lambda: service.get(f"/api/emails/{after}")[1]["status"] == "sent", patience=10)

    assert len(SENDING) >= 12
    [message] = messages
    assert message["from"] == "me@example.com"
    assert message["to"] == ["ada@example.org"]
    assert message["cc"] == ["grace@example.org"]
    assert message["bcc"] == ["archive@example.org"]
    parsed = message_from_bytes(octets, policy=policy.default)
    assert parsed["From"] == "My Team <me@example.com>"
    assert (parsed["To"], parsed["Cc"]) == ("ada@example.org", "grace@example.org")
    assert parsed["Bcc"] is None
    assert parsed["Subject"] == "Welcome"
    assert parsed["Message-ID"] == one["message_id"]
    html = parsed.get_body(("html",))
    text = parsed.get_body(("plain",))
    assert html is not None
    assert text is not None
    assert html.get_content().strip() == "<h1>Hello Ada</h1><p>It works.</p>"
    assert text.get_content().split() == ["Hello", "Ada", "It", "works."]


def test_the_page_about_dkim_leads_to_mail_that_verifies(tmp_path: Path) -> None:
    sandbox_port = free_port()
    with running(tmp_path, SANDBOX="1", SANDBOX_PORT=sandbox_port) as service:
        walk(README[:1], service, sandbox_port)
        walk(DKIM, service, sandbox_port)
        _, [keys] = service.get("/api/smtp-configs/1/dkim")
        email_id = service.submit("Signed")
        wait_until(lambda: service.get(f"/api/emails/{email_id}")[1]["status"] == "sent")
        with urllib.request.urlopen(f"{service.url}/sandbox/1/raw", timeout=30) as answer:
            octets = answer.read()

    assert len(DKIM) == 2
    records = {record["name"]: record["value"] for record in keys["records"]}
    assert verified_signatures([octets], records) == [[True, True]]


UPLOAD = "ID-OF-THE-FILE"


def test_every_call_of_the_page_about_attachments_gives_the_answer_it_shows(
    tmp_path: Path,
) -> None:
    sandbox_port = free_port()
    upload_id = ""
    with running(tmp_path, SANDBOX="1", SANDBOX_PORT=sandbox_port) as service:
        walk(SENDING[:1], service, sandbox_port)
        for command, expected in ATTACHMENTS:
            got = typed(command.replace(UPLOAD, upload_id), service, sandbox_port)
            upload_id = got.get("attachment_id", upload_id)
            shown(json.loads(expected.replace(UPLOAD, upload_id)), got, sandbox_port)

    assert len(ATTACHMENTS) == 7


def test_every_example_of_the_page_about_templates_runs(tmp_path: Path) -> None:
    [python] = re.findall(r"```python\n(.*?)```", TEMPLATES_PAGE, re.DOTALL)
    [node] = re.findall(r"```js\n(.*?)```", TEMPLATES_PAGE, re.DOTALL)
    if shutil.which("node") is None:
        missing("node is not installed: apt-get install nodejs")
    sandbox_port = free_port()
    with running(tmp_path, SANDBOX="1", SANDBOX_PORT=sandbox_port) as service:
        walk(SENDING[:1], service, sandbox_port)
        walk(TEMPLATES, service, sandbox_port)
        printed = [
            subprocess.run(
                [*command, code.replace("127.0.0.1:5000", f"127.0.0.1:{service.port}")],
                capture_output=True,
                check=True,
                timeout=60,
            ).stdout
            for command, code in (
                ([sys.executable, "-c"], python),
                (["node", "--input-type=module", "-e"], node),
            )
        ]
        wait_until(lambda: len(service.get("/sandbox/messages.json")[1]) == 7)
        _, messages = service.get("/sandbox/messages.json")
        _, first = service.get("/api/emails/1")

    assert len(TEMPLATES) == 6
    assert printed == [b"2 emails created and queued successfully\n"] * 2
    assert first["template"] == {"name": "welcome", "version": 1, "locale": None}
    assert {message["subject"] for message in messages} == {"Welcome, Ada", "Welcome, Grace"}


def test_the_examples_of_the_page_about_raw_messages_run(tmp_path: Path) -> None:
    [python] = re.findall(r"```python\n(.*?)```", RAW_PAGE, re.DOTALL)
    sandbox_port = free_port()
    with running(tmp_path, SANDBOX="1", SANDBOX_PORT=sandbox_port) as service:
        walk(README[:1], service, sandbox_port)
        walk(RAW, service, sandbox_port)
        code = python.replace("127.0.0.1:5000", f"127.0.0.1:{service.port}")
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, check=True, timeout=60
        )
        wait_until(lambda: len(service.get("/sandbox/messages.json")[1]) == 2)
        _, messages = service.get("/sandbox/messages.json")

    assert len(RAW) == 1
    assert done.stdout == b"2\n"
    assert {message["subject"] for message in messages} == {"Hi", "Grüße"}
    assert {message["from"] for message in messages} == {"me@example.com"}
    assert all(message["to"] + message["bcc"] == ["ada@example.org"] for message in messages)
