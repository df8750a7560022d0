"""The page about names, senders and replies: its calls and its programs do what it says."""

import re
import shutil
import subprocess
import sys
import urllib.request
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

import pytest

from tests.e2e.test_readme import walk
from tests.missing import missing
from tests.running import ROOT, Running, free_port, running, wait_until

PAGE = (ROOT / "docs/using/addresses.md").read_text("utf-8")
CALLS = re.findall(r"```sh\n(curl .*?)```\n```json\n(.*?)```", PAGE, re.DOTALL)
PROGRAMS = {
    "python": (sys.executable, "py", "python3"),
    "js": ("node", "mjs", "nodejs"),
    "php": ("php", "php", "php-cli"),
}


def sent(service: Running, number: int) -> list[EmailMessage]:
    """The messages that the sandbox has, once there are so many; by their subject."""

    def arrived() -> bool:
        return len(service.get("/sandbox/messages.json")[1]) == number

    wait_until(arrived)
    messages = []
    for n in range(1, number + 1):
        with urllib.request.urlopen(f"{service.url}/sandbox/{n}/raw", timeout=30) as answer:
            parsed = message_from_bytes(answer.read(), policy=policy.default)
        assert isinstance(parsed, EmailMessage)
        messages.append(parsed)
    return sorted(messages, key=lambda message: str(message["Subject"]))


def test_every_call_of_the_page_gives_the_answer_it_shows(tmp_path: Path) -> None:
    sandbox_port = free_port()
    with running(tmp_path, SANDBOX="1", SANDBOX_PORT=sandbox_port) as service:
        walk(CALLS, service, sandbox_port)
        reply, to_all, invoice = sent(service, 3)

    assert len(CALLS) == 6
    assert invoice.get_all("From") == ["Example Billing <billing@example.com>"]
    assert invoice["To"] == "Ada Lovelace <ada@example.org>"
    assert invoice["Cc"] == '"Hopper, Grace" <grace@example.org>'
    assert (invoice["Reply-To"], invoice["X-Invoice"]) == ("help@example.com", "1234")
    assert invoice["Message-ID"].endswith("@example.com>")
    assert reply.get_all("From") == ["My Team <me@example.com>"]
    assert reply["In-Reply-To"] == reply["References"] == invoice["Message-ID"]
    assert (to_all["To"], to_all["Bcc"]) == ("undisclosed-recipients:;", None)


@pytest.mark.parametrize("language", PROGRAMS)
def test_each_program_sends_the_email_once_however_often_it_runs(
    tmp_path: Path, language: str
) -> None:
    command, suffix, package = PROGRAMS[language]
    if shutil.which(command) is None:
        missing(f"{command} is not installed: apt-get install {package}")
    [code] = re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    program = tmp_path / f"example.{suffix}"
    sandbox_port = free_port()
    with running(tmp_path, SANDBOX="1", SANDBOX_PORT=sandbox_port) as service:
        walk(CALLS[:1], service, sandbox_port)
        program.write_text(code.replace("127.0.0.1:5000", f"127.0.0.1:{service.port}"))
        printed = [
            subprocess.run(
                [command, str(program)], capture_output=True, check=True, timeout=60
            ).stdout
            for _ in range(2)
        ]
        [message] = sent(service, 1)

    assert printed == [b"1\n", b"1\n"]
    assert message["From"] == "Example Orders <orders@news.example.com>"
    assert message["To"] == "Ada Lovelace <ada@example.org>"
    assert (message["Reply-To"], message["X-Order"]) == ("Example Help <help@example.com>", "1234")
