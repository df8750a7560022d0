"""The command that authorizes an SMTP configuration, against a played provider over HTTP."""

import os
import re
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit

import pytest

from adapters.clock import SystemClock
from adapters.fakes.oauth_provider import PlayedProvider
from adapters.peewee_store import SqliteStore
from domain.account.oauth import Flow
from tests.builders import an_account
from tests.oauth_server import OAuthServer, running_oauth_server
from tests.running import ROOT


class Command:
    """The command in a process of its own, on a database with one configuration."""

    def __init__(self, folder: Path, oauth: OAuthServer, flow: Flow) -> None:
        self.oauth = oauth
        self.url = f"sqlite:///{folder / 'mail.db'}"
        store = SqliteStore(folder / "mail.db", clock=SystemClock())
        store.migrate()
        client = oauth.client(client_id="public", flow=flow)
        account = an_account(sealed_password=None, oauth=client).awaiting_consent(
            now=SystemClock().now()
        )
        store.write(lambda tx: tx.accounts.add(account))
        store.close()
        self.folder = folder

    def start(self, *options: str) -> "subprocess.Popen[str]":
        environ = {name: value for name, value in os.environ.items() if "DATABASE" not in name}
        return subprocess.Popen(
            [sys.executable, "-m", "entrypoints", "accounts", "authorize", "1", *options],
            cwd=self.folder,
            env=environ
            | {
                "PYTHONPATH": str(ROOT),
                "PYTHONUNBUFFERED": "1",
                "FLASK_ENV": "development",
                "DATABASE_URL": self.url,
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def sends(self) -> bool:
        store = SqliteStore(self.folder / "mail.db", clock=SystemClock())
        try:
            account, stored = store.read(lambda tx: (tx.accounts.get(1), tx.credentials.find(1)))
        finally:
            store.close()
        return account.health.pause is None and bool(stored and stored.sealed_refresh)


@pytest.fixture
def oauth() -> Iterator[OAuthServer]:
    provider = PlayedProvider(clock=SystemClock(), clients={"public": ""}, interval=1)
    with running_oauth_server(provider) as server:
        yield server


def read_until(process: "subprocess.Popen[str]", pattern: str) -> str:
    """What *pattern* finds in the output."""
    seen = ""
    while line := process.stdout.readline():  # type: ignore[union-attr]
        seen += line
        if found := re.search(pattern, seen):
            return found[1]
    raise AssertionError(f"{seen}{process.stderr.read()}")  # type: ignore[union-attr]


def ended(process: "subprocess.Popen[str]", answer: str | None = None) -> tuple[int, str]:
    """The exit code, and all that it wrote."""
    out, err = process.communicate(answer, timeout=60)
    return process.returncode, out + err


def browse(url: str) -> Any:
    """Open it as a browser does, which follows the provider's redirect."""
    with urllib.request.urlopen(url, timeout=30) as answer:
        return answer.read().decode()


def test_a_browser_on_this_machine_comes_back_to_the_command(tmp_path, oauth):
    command = Command(tmp_path, oauth, Flow.AUTHORIZATION_CODE)
    process = command.start()

    url = read_until(process, r"(http://127\S+)\n")
    place = re.search(r"localhost%3A(\d+)", url)
    assert place is not None
    for other in ("/favicon.ico", "/?code=c&state=another"):
        with pytest.raises(HTTPError):
            browse(f"http://127.0.0.1:{place[1]}{other}")
    page = browse(url)

    assert "close this page" in page
    code, told = ended(process)
    assert (code, "is authorized" in told) == (0, True), told
    assert command.sends()


def test_a_connection_that_a_browser_opens_ahead_of_need_keeps_nobody_waiting(tmp_path, oauth):
    command = Command(tmp_path, oauth, Flow.AUTHORIZATION_CODE)
    process = command.start()
    url = read_until(process, r"(http://127\S+)\n")
    port = re.search(r"localhost%3A(\d+)", url)
    assert port is not None

    with socket.create_connection(("127.0.0.1", int(port[1]))):
        browse(url)
        code, told = ended(process)

    assert (code, "is authorized" in told) == (0, True), told


def test_the_page_says_if_the_provider_gave_no_code(tmp_path, oauth):
    command = Command(tmp_path, oauth, Flow.AUTHORIZATION_CODE)
    process = command.start()
    url = read_until(process, r"(http://127\S+)\n")

    page = browse(oauth.provider.consent(url, error="access_denied"))

    assert "No code came back" in page
    assert ended(process)[0] == 1
    assert not command.sends()


def test_an_address_is_pasted_where_the_browser_is_elsewhere(tmp_path, oauth):
    command = Command(tmp_path, oauth, Flow.AUTHORIZATION_CODE)
    process = command.start("--paste", "--port", "1")

    url = read_until(process, r"(http://127\S+)\n")
    with pytest.raises(URLError):
        browse(url)  # nothing listens there, as on a person's own machine
    address = oauth.provider.consent(url)
    assert urlsplit(address).netloc == "localhost:1"
    code, told = ended(process, f"{address}\n")

    assert (code, "is authorized" in told) == (0, True), told
    assert command.sends()


def test_the_address_of_another_authorization_is_refused(tmp_path, oauth):
    command = Command(tmp_path, oauth, Flow.AUTHORIZATION_CODE)
    process = command.start("--paste")
    url = read_until(process, r"(http://127\S+)\n")
    address = re.sub(r"state=[^&]+", "state=another", oauth.provider.consent(url))

    code, told = ended(process, f"{address}\n")

    assert code == 1
    assert "not the address" in told
    assert not command.sends()


def test_a_code_is_typed_in_at_another_device(tmp_path, oauth):
    command = Command(tmp_path, oauth, Flow.DEVICE)
    process = command.start()

    user_code = read_until(process, r"type in (\S+)")
    oauth.provider.answer_device(user_code)

    code, told = ended(process)
    assert (code, "is authorized" in told) == (0, True), told
    assert command.sends()


def test_a_person_who_refuses_at_the_device_ends_the_command(tmp_path, oauth):
    command = Command(tmp_path, oauth, Flow.DEVICE)
    process = command.start()
    oauth.provider.answer_device(read_until(process, r"type in (\S+)"), yes=False)

    code, told = ended(process)

    assert code == 1
    assert "access_denied" in told
    assert not command.sends()


def test_what_has_no_such_page_is_told(tmp_path, oauth):
    command = Command(tmp_path, oauth, Flow.DEVICE)

    code, told = ended(command.start("--paste"))

    assert code == 1
    assert "typed in" in told
