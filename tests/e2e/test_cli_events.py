"""`email-service events`: the feed as lines."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from adapters.clock import SystemClock
from adapters.peewee_store import SqliteStore
from domain.account.limits import Window
from domain.event.event import AccountFacts, OtherEvent
from domain.event.types import EventType
from domain.outcome.handoff import Reply
from entrypoints.cli import cli
from tests.builders import a_recipient, an_email, at
from tests.running import ROOT

LEARNED = OtherEvent(
    type=EventType.ACCOUNT_LEARNED_LIMIT,
    at=at(9),
    account_id=4,
    facts=AccountFacts(name="main", window=Window.DAY, least=400, most=500),
)


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """Three events: of two emails, and of an account."""
    path = tmp_path / "mail.db"
    store = SqliteStore(path, clock=SystemClock())
    store.migrate()
    refused = a_recipient("ada@example.org", reply=Reply.of(550, "5.1.1 no such user"))
    other = a_recipient("bob@example.org")
    email = an_email(id=7, recipients=(refused, other), reason_code="recipient_unknown")
    store.write(lambda tx: tx.events.tell_email(EventType.EMAIL_FAILED, email))
    store.write(lambda tx: tx.events.tell_email(EventType.EMAIL_SENT, an_email(id=8)))
    store.write(lambda tx: tx.events.tell(LEARNED))
    store.close()
    return path


def run(database: Path, *arguments: str) -> Result:
    environ = {"DATABASE_URL": f"sqlite:///{database}"}
    return CliRunner(env=environ).invoke(cli, ["events", *arguments])


def test_a_person_reads_a_line_of_each_event(database: Path) -> None:
    failed, sent, learned = run(database).stdout.splitlines()

    assert failed == (
        f"{at(0):%Y-%m-%dT%H:%M:%S}.000000Z  email.failed           email 7  recipient_unknown"
        "  ada@example.org and 1 more  550 5.1.1 no such user"
    )
    assert "email.sent             email 8  ada@example.org" in sent
    assert "SMTP configuration 4 (main)  refused after 400 to 500 messages in a day" in learned


def test_a_program_reads_json_and_goes_on_behind_a_cursor(database: Path) -> None:
    lines = [json.loads(line) for line in run(database, "--json").stdout.splitlines()]
    rest = run(database, "--json", "--after", lines[0]["cursor"]).stdout.splitlines()

    assert [line["id"] for line in lines] == ["evt_1", "evt_2", "evt_3"]
    assert [json.loads(line) for line in rest] == lines[1:]


def test_types_choose(database: Path) -> None:
    result = run(database, "--json", "--types", "email.sent,account.paused")

    assert [json.loads(line)["id"] for line in result.stdout.splitlines()] == ["evt_2"]


@pytest.mark.parametrize("wrong", [("--after", "x"), ("--types", "email.opened")])
def test_what_it_does_not_know_is_refused_by_name(database: Path, wrong: tuple[str, str]) -> None:
    result = run(database, *wrong)

    assert result.exit_code == 2
    assert wrong[0] in result.output


def test_it_follows_until_it_is_interrupted(database: Path) -> None:
    environ = {**os.environ, "DATABASE_URL": f"sqlite:///{database}", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "entrypoints", "events", "--follow", "--json"]
    with subprocess.Popen(
        command, env=environ, cwd=database.parent, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            before = [json.loads(process.stdout.readline())["id"] for _ in range(3)]
            store = SqliteStore(database, clock=SystemClock())
            store.write(lambda tx: tx.events.tell_email(EventType.EMAIL_SENT, an_email(id=9)))
            store.close()
            came = json.loads(process.stdout.readline())
            process.send_signal(signal.SIGINT)

            assert process.wait(timeout=20) == 0
        finally:
            process.kill()
    assert before == ["evt_1", "evt_2", "evt_3"]
    assert (came["id"], came["data"]["email_id"]) == ("evt_4", 9)
