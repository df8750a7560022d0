"""The README's calls are typed, literally, into a shell, against a server it would have started."""

import json
import re
import subprocess
import urllib.request
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import pytest

from tests.running import ROOT, Running, free_port, running, wait_until

README = (ROOT / "README.md").read_text("utf-8")
CALLS = re.findall(r"```sh\n(curl .*?)```\n```json\n(.*?)```", README, re.DOTALL)
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}")


def typed(command: str, service: Running, sandbox_port: int) -> Any:
    line = command.replace("127.0.0.1:5000", f"127.0.0.1:{service.port}")
    line = line.replace('"smtp_port": 2525', f'"smtp_port": {sandbox_port}')
    done = subprocess.run(["bash", "-c", line], capture_output=True, check=True, timeout=60)
    return json.loads(done.stdout)


def shown(expected: Any, got: Any, sandbox_port: int) -> None:
    """What the README shows is what came; times only have to be times, more fields may come."""
    if isinstance(expected, dict):
        assert expected.keys() <= got.keys()
        for name, value in expected.items():
            shown(value, got[name], sandbox_port)
    elif isinstance(expected, list) and expected and isinstance(expected[0], dict):
        assert len(expected) == len(got)
        for one, other in zip(expected, got, strict=True):
            shown(one, other, sandbox_port)
    elif isinstance(expected, str) and TIME.fullmatch(expected):
        assert TIME.fullmatch(got)
    else:
        assert (sandbox_port if expected == 2525 else expected) == got


def test_every_call_of_the_readme_gives_the_answer_it_shows(tmp_path: Path) -> None:
    sandbox_port = free_port()
    with running(tmp_path, SANDBOX="1", SANDBOX_PORT=sandbox_port) as service:
        for command, expected in CALLS:
            if "/api/emails/1'" in command or command.rstrip().endswith("/api/emails/1"):
                wait_until(lambda: service.get("/api/emails/1")[1]["status"] == "sent")
            shown(json.loads(expected), typed(command, service, sandbox_port), sandbox_port)

        _, messages = service.get("/sandbox/messages.json")
        with urllib.request.urlopen(f"{service.url}/sandbox/1/raw", timeout=30) as answer:
            octets = answer.read()
        _, one = service.get("/api/emails/1")
        # whoever has typed all of it has a service that sends
        after = service.submit("After the walk")
        wait_until(lambda: service.get(f"/api/emails/{after}")[1]["status"] == "sent", patience=10)

    assert len(CALLS) >= 12
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


def test_the_diagram_is_the_table_of_arrows() -> None:
    from domain.email import ARROWS

    drawn = set(re.findall(r"^    (\w+) --> (\w+): (\w+)$", README, re.MULTILINE))

    assert drawn == {
        (before.value, after.value, happening.value)
        for (before, happening), targets in ARROWS.items()
        for after in targets
    }


@pytest.mark.parametrize("paper", ["docs/architecture.md", "docs/glossary.md", "LICENSE"])
def test_the_papers_the_readme_names_are_there(paper: str) -> None:
    assert (ROOT / paper).is_file()


def test_the_settings_of_the_readme_are_all_the_settings_there_are() -> None:
    from entrypoints.settings import variables

    table = README[README.index("### Settings") : README.index("## How it is built")]
    names = " ".join(re.findall(r"^\|(.*?)\|", table, re.MULTILINE))
    named = set(re.findall(r"`([A-Z][A-Z_]+)`", names))
    stages = {name for name in variables() if re.fullmatch(r"SMTP_[A-Z0-9]+_TIMEOUT", name)}

    assert named | stages == set(variables())
