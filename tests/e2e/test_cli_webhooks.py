"""`email-service webhooks`: list, add, attempts, test, replay, enable, disable, rotate, remove."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from standardwebhooks import Webhook as Verifier

from entrypoints.cli import cli
from tests.running import Running, running, wait_until
from tests.webhook_receiver import WebhookReceiver

SECRET = r"whsec_[A-Za-z0-9+/]{43}="
URL = "https://example.org/hooks"


class Shell:
    """The command in this process, on a database of its own that no service uses."""

    def __init__(self, path: Path) -> None:
        environ = {"FLASK_ENV": "", "SECRET_KEY": "", "DATABASE_URL": f"sqlite:///{path}/s.db"}
        self._runner = CliRunner(env=environ)

    def run(self, *arguments: str) -> Result:
        return self._runner.invoke(cli, ["webhooks", *arguments])

    def told(self, *arguments: str) -> str:
        result = self.run(*arguments)
        assert result.exit_code == 0, result.output
        return result.stdout


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


def test_one_is_added_with_its_secret_listed_and_removed(shell: Shell) -> None:
    assert shell.told("list") == "no webhooks\n"
    secret = shell.told("add", URL, "--events", "email.failed, account.paused")
    assert re.fullmatch(SECRET, secret.strip())

    head, row = shell.told("list").splitlines()
    assert head.split() == "id state waiting untold since last call events URL".split()
    assert row.split() == ["1", "active", "0", "-", "-", "account.paused,email.failed", URL]
    assert secret.strip() not in shell.told("list", "--json")

    assert shell.told("remove", "1") == "the webhook 1 was removed\n"
    assert shell.told("list", "--json") == ""


def test_one_that_is_disabled_is_not_tried_and_may_be_enabled_again(shell: Shell) -> None:
    shell.told("add", URL)
    assert shell.told("disable", "1") == "the webhook 1 is disabled (request)\n"
    assert "disabled (request)" in shell.told("list")
    assert json.loads(shell.told("list", "--json"))["disabled_reason"] == "request"
    for command in (("test", "1"), ("replay", "1", "evt_1")):
        refused = shell.run(*command)
        assert (refused.exit_code, "enable it first" in refused.output) == (1, True)
    assert shell.told("enable", "1") == "the webhook 1 is active\n"


def test_a_new_secret_takes_the_place_of_the_old_one(shell: Shell) -> None:
    first = shell.told("add", URL)
    second = shell.told("rotate", "1")
    assert re.fullmatch(SECRET, second.strip())
    assert first != second


@pytest.mark.parametrize(
    ("arguments", "exit_code", "said"),
    [
        (["add", "http://example.org/"], 1, "https"),
        (["add", "https://169.254.1.1/"], 1, "url"),
        (["add", URL, "--events", "email.sent,mail.sent"], 1, "must name types of events"),
        (["attempts", "7"], 1, "there is no webhook 7"),
        (["test", "7"], 1, "there is no webhook 7"),
        (["enable", "7"], 1, "there is no webhook 7"),
        (["remove", "7"], 1, "there is no webhook 7"),
        (["remove", "0"], 2, "ID"),
        (["replay", "1", "12"], 2, "must be the id of an event, such as evt_12"),
        (["replay", "1", "evt_2", "evt_1"], 2, "must not come before"),
        (["replay", "1", "evt_1", "evt_2", "--to-the-end"], 2, "not both"),
    ],
)
def test_what_is_wrong_is_refused_in_words(
    shell: Shell, arguments: list[str], exit_code: int, said: str
) -> None:
    refused = shell.run(*arguments)
    assert (refused.exit_code, said in refused.output) == (exit_code, True), refused.output


def test_without_a_process_that_delivers_a_test_says_so(shell: Shell) -> None:
    shell.told("add", URL)
    assert shell.told("attempts", "1") == "no attempts\n"
    assert re.fullmatch(r"evt_test_\d+ is sent soon\n", shell.told("test", "1", "--wait", "0"))
    failed = shell.run("test", "1", "--wait", "0.3")
    assert failed.exit_code == 1
    assert "is a process running that delivers" in failed.output


@pytest.fixture(scope="module")
def receiver() -> Iterator[WebhookReceiver]:
    with WebhookReceiver(lambda call: 500 if b'"newsletter"' in call.body else 204) as receiver:
        yield receiver


@pytest.fixture(scope="module")
def service(
    receiver: WebhookReceiver, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("service")) as service:
        added = service.run("webhooks", "add", receiver.url)
        assert added.returncode == 0, added.stderr
        service.account(9, name="main")
        yield service


def test_a_test_is_called_by_the_service_and_its_answer_is_told(
    service: Running, receiver: WebhookReceiver
) -> None:
    tried = service.run("webhooks", "test", "1")
    assert tried.returncode == 0, tried.stderr
    assert re.fullmatch(r"evt_test_\d+: 204, after \d+ ms\n", tried.stdout)
    assert receiver.calls[-1].id == tried.stdout.partition(":")[0]


def test_calls_that_failed_are_shown_and_events_are_sent_again(
    service: Running, receiver: WebhookReceiver
) -> None:
    service.account(9, name="newsletter")
    for number in (1, 2):
        assert service.post(f"/api/smtp-configs/{number}/pause")[0] == 200
    wait_until(lambda: {"evt_1", "evt_2"} <= set(receiver.ids))
    wait_until(
        lambda: service.run("webhooks", "attempts", "1", "--failed").stdout != "no attempts\n"
    )

    failed = service.run("webhooks", "attempts", "1", "--failed", "--json").stdout.splitlines()
    assert {json.loads(line)["event_id"] for line in failed} == {"evt_2"}
    assert {json.loads(line)["status"] for line in failed} == {500}
    shown = service.run("webhooks", "attempts", "1", "-n", "1").stdout.splitlines()
    assert len(shown) == 2

    before = receiver.ids["evt_1"]
    replayed = service.run("webhooks", "replay", "1", "evt_1", "--to-the-end")
    assert replayed.stdout == "2 events are sent soon\n"
    wait_until(lambda: receiver.ids["evt_1"] > before)


def test_a_secret_of_the_command_verifies_calls(
    service: Running, receiver: WebhookReceiver
) -> None:
    secret = service.run("webhooks", "rotate", "1").stdout.strip()
    assert service.run("webhooks", "test", "1").returncode == 0
    call = receiver.calls[-1]
    assert Verifier(secret).verify(call.body, call.headers)["type"] == "webhook.test"
