"""`email-service send`, as a person and as a program use it."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from domain.email.status import TERMINAL
from entrypoints.client.waiting import ENDED
from tests.running import ROOT, Running, free_port, running

COMMAND = (sys.executable, "-m", "entrypoints", "send")
WELL, REFUSED, UNUSABLE, OPEN, LATER = 0, 1, 2, 3, 75
SHORTEST = ("--to", "ada@example.org", "--subject", "Hi", "--text", "Hello")


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    port = free_port()
    with running(tmp_path_factory.mktemp("service"), SANDBOX=1, SANDBOX_PORT=port) as started:
        started.account(port)
        yield started.with_key("admin")


def send(
    service: Running, *arguments: str, stdin: str = "", **environ: str
) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [*COMMAND, *arguments],
        cwd=service.folder,
        input=stdin,
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "EMAIL_SERVICE_URL": service.url,
            "EMAIL_SERVICE_KEY": service.key or "",
            **environ,
        },
        capture_output=True,
        text=True,
        timeout=90,
    )


def sent(service: Running, *arguments: str, stdin: str = "") -> dict[str, Any]:
    """The email that the service has after a call that is accepted."""
    done = send(service, *arguments, "--json", stdin=stdin)
    assert done.returncode == WELL, done.stdout + done.stderr
    email: dict[str, Any] = service.get(f"/api/emails/{json.loads(done.stdout)['email_id']}")[1]
    return email


# -- what is sent ----------------------------------------------------------------------------------


def test_options_are_fields_of_the_email(service: Running) -> None:
    email = sent(
        service, "--to", "Ada <ada@example.org>", "--to", "b@example.org", "--cc", "c@example.org",
        "--bcc", "d@example.org", "--from", "Shop <me@example.com>", "--subject", "Grüße",
        "--html", "<p>Hi</p>", "--reply-to", "help@example.com", "--tag", "invoice",
        "--metadata", "order=10=42", "--header", "X-Shop=1", "--priority", "1",
        "--smtp-config", "1", "--send-at", "2026-01-01T00:00:00Z",
    )  # fmt: skip

    assert email["recipients"] == ["ada@example.org", "b@example.org"]
    assert (email["cc"], email["bcc"]) == (["c@example.org"], ["d@example.org"])
    assert (email["subject"], email["from"]["name"], email["priority"]) == ("Grüße", "Shop", 1)
    assert (email["tags"], email["metadata"]) == (["invoice"], {"order": "10=42"})


def test_the_text_comes_from_standard_input_or_a_file(service: Running, tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text("<p>Grüße</p>", "utf-8")
    for arguments in ((), ("--html-file", str(tmp_path / "page.html"))):
        given = ("--to", "ada@example.org", "--subject", "By a pipe", *arguments)
        email = sent(service, *given, stdin="Größe: 12\n")
        assert email["subject"] == "By a pipe"


def test_an_email_comes_as_json_on_standard_input(service: Running, tmp_path: Path) -> None:
    (tmp_path / 'Über "x".pdf').write_bytes(b"%PDF" * 1000)
    (tmp_path / "dot.gif").write_bytes(b"GIF89a")
    email = sent(
        service, "--attach", str(tmp_path / 'Über "x".pdf'),
        "--inline", f"dot={tmp_path / 'dot.gif'}",
        stdin=json.dumps({"subject": "JSON", "recipients": ["ada@example.org"],
                          "html_content": '<p>Hi <img src="cid:dot"></p>'}),
    )  # fmt: skip

    assert email["subject"] == "JSON"
    assert [
        (file["filename"], file["content_type"], file["size"], file["content_id"])
        for file in email["attachments"]
    ] == [('Über "x".pdf', "application/pdf", 4000, None), ("dot.gif", "image/gif", 6, "dot")]


def test_a_template_writes_it(service: Running) -> None:
    body = {"name": "welcome", "subject": "Welcome, {{ name }}", "html": "<p>x</p>"}
    assert service.post("/api/templates", body)[0] == 201
    assert service.post("/api/templates/welcome/publish", {})[0] == 200

    arguments = ("--to", "ada@example.org", "--template", "welcome", "--variable", "name=Ada")
    assert sent(service, *arguments)["subject"] == "Welcome, Ada"


def test_the_same_idempotency_key_is_one_email(service: Running) -> None:
    first, again = (sent(service, *SHORTEST, "--idempotency-key", "one") for _ in range(2))
    other = sent(service, *SHORTEST)
    assert first["id"] == again["id"] != other["id"]


# -- what became of it -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("recipients", "code", "status", "words"),
    [
        (["ada@example.org"], WELL, "sent", "sent"),
        (["reply-451@example.org"], OPEN, "retry", "has not ended within 2 s: retry"),
        (["reply-550@example.net"], REFUSED, "failed", "failed: "),
        (["ada@example.org", "reply-550@example.org"], REFUSED, "sent",
         "sent, but not to reply-550@example.org (rejected)"),
    ],
)  # fmt: skip
def test_wait_tells_how_it_ended(
    service: Running, recipients: list[str], code: int, status: str, words: str
) -> None:
    to = [word for one in recipients for word in ("--to", one)]
    arguments = (*to, "--subject", "Hi", "--text", "Hello", "--wait", "--timeout", "2")
    told = send(service, *arguments)
    shown = send(service, *arguments, "--json")

    assert (told.returncode, told.stderr) == (code, "")
    assert words in told.stdout
    assert shown.returncode == code
    assert json.loads(shown.stdout)["status"] == status


def test_a_key_that_may_not_read_waits_in_vain(service: Running) -> None:
    made = service.run("keys", "create", "--name", "sender", "--scope", "send")
    done = send(service, *SHORTEST, "--wait", EMAIL_SERVICE_KEY=made.stdout.strip())

    assert (done.returncode, done.stderr) == (OPEN, "")
    assert "its status cannot be read: " in done.stdout


def test_the_statuses_at_which_it_waits_no_longer_are_those_of_the_service() -> None:
    assert {status.value for status in TERMINAL} == ENDED


# -- what is refused -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "stdin", "environ", "code", "told"),
    [
        ((*SHORTEST, "--to", "nobody"), "", {}, REFUSED, "/recipients/1: must have an @"),
        ((), "{", {}, UNUSABLE, "standard input is not JSON"),
        ((), "[]", {}, UNUSABLE, "no JSON object"),
        ((), '{"subjekt": 1}', {}, REFUSED, "/subjekt"),
        (SHORTEST, "", {"EMAIL_SERVICE_KEY": "es_wrong"}, UNUSABLE, "refuses the API key"),
        (SHORTEST, "", {"EMAIL_SERVICE_URL": ""}, UNUSABLE, "EMAIL_SERVICE_URL is not set"),
    ],
)
def test_what_is_refused_is_told_to_people_and_programs(
    service: Running,
    arguments: tuple[str, ...],
    stdin: str,
    environ: dict[str, str],
    code: int,
    told: str,
) -> None:
    words = send(service, *arguments, stdin=stdin, **environ)
    shown = send(service, *arguments, "--json", stdin=stdin, **environ)

    assert (words.returncode, words.stdout) == (code, "")
    assert words.stderr.startswith("Error: ")
    assert told in words.stderr
    assert (shown.returncode, shown.stderr) == (code, "")
    problem = json.loads(shown.stdout)
    assert problem["code"]
    assert problem["detail"]
    assert "es_" not in words.stderr + shown.stdout


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--attach", "/no/file"), "does not exist"),
        (("--inline", "dot"), "is not CID=FILE"),
        (("--metadata", "order"), "is not NAME=VALUE"),
        (("--text", "x", "--variable", "a=b"), "--variable is for --template"),
    ],
)
def test_arguments_that_cannot_be_used_are_named(
    service: Running, arguments: tuple[str, ...], told: str
) -> None:
    done = send(service, *arguments)
    assert (done.returncode, told in done.stderr) == (UNUSABLE, True), done.stderr
