"""`email-service copy`: a person moves up, with services and kills in the way."""

import os
import pty
import signal
import sqlite3  # noqa: TID251 - it is another process that has the file open
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest

from entrypoints.wiring.copy import named
from tests.running import ROOT, Running, free_port, running, wait_until

MB = 2**20


def url(folder: Path, name: str) -> str:
    return f"sqlite:///{folder / name}.db"


def filled(folder: Path, emails: int) -> Running:
    """A service on old.db, stopped, with an account and this many emails that wait."""
    service = Running(folder, DATABASE_URL=url(folder, "old"))
    assert service.run("migrate").returncode == 0
    with closing(sqlite3.connect(folder / "old.db")) as connection, connection:
        connection.execute(
            "INSERT INTO email (subject, priority, status, queue, attempt_no, claim_count,"
            " retry_count, unknown_count, at_most_once, possibly_delivered, smtputf8, message_id,"
            " size, open_count, live, eligible_at, expires_at, created_at, updated_at)"
            " WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)"
            " SELECT 'n ' || i, 3, 'queued', 0, 0, 0, 0, 0, 0, 0, 0, i || '@x', 3, 1, 1,"
            " 1, 9e15, 1, 1 FROM n",
            (emails,),
        )
        connection.execute("INSERT INTO email_body SELECT id, randomblob(2000) FROM email")
        connection.execute(
            "INSERT INTO recipient SELECT id, 0, 'ada@example.org', 'to', 'open', NULL, NULL,"
            " NULL, NULL FROM email"
        )
        connection.execute(
            "INSERT INTO tally (queue, status, n) VALUES (0, 'queued', ?)", (emails,)
        )
    return service


def counted(folder: Path, name: str, table: str) -> int:
    """The rows of a table in a store that somebody may be writing; 0 before it is there."""
    if not (folder / f"{name}.db").exists():
        return 0
    with closing(sqlite3.connect(folder / f"{name}.db", timeout=5)) as connection:
        try:
            (number,) = connection.execute(f"SELECT COUNT(*) FROM {table}").fetchone()
        except sqlite3.OperationalError:
            return 0
    return int(number)


def wait_for_growth(process: "subprocess.Popen[bytes]", folder: Path, octets: int) -> None:
    """Until the new store is so large. AssertionError with what the copy said if it ends before.

    Nobody opens it to look: a copy refuses a store that another process has open.
    """

    def there() -> bool:
        assert process.poll() is None, (folder / "copy.log").read_text()
        return size(folder) >= octets

    wait_until(there, every=0.01)


def size(folder: Path) -> int:
    octets = 0
    for name in ("new.db", "new.db-wal"):
        with suppress(FileNotFoundError):
            octets += (folder / name).stat().st_size
    return octets


def contents(folder: Path, name: str) -> list[list[object]]:
    with closing(sqlite3.connect(folder / f"{name}.db")) as connection:
        return [
            sorted(connection.execute(f"SELECT * FROM {table}"))
            for table in ("account", "email", "email_body", "recipient", "tally")
        ]


@contextmanager
def copying(service: Running) -> Iterator["subprocess.Popen[bytes]"]:
    """The command under way."""
    arguments = ("copy", "--from", url(service.folder, "old"), "--to", url(service.folder, "new"))
    log = (service.folder / "copy.log").open("wb")
    process = subprocess.Popen(
        [sys.executable, "-m", "entrypoints", *arguments],
        cwd=service.folder,
        env=service.environ,
        stdout=subprocess.DEVNULL,
        stderr=log,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        log.close()


def copy(service: Running) -> "subprocess.CompletedProcess[str]":
    folder = service.folder
    return service.run("copy", "--from", url(folder, "old"), "--to", url(folder, "new"))


def test_a_service_moves_and_sends_what_waited_from_its_new_store(tmp_path: Path) -> None:
    smtp_port = free_port()
    sandbox = {"SANDBOX": 1, "SANDBOX_PORT": smtp_port, "SECRET_KEY": "3f9c1d07b2a84e65" * 2}
    with running(tmp_path, DATABASE_URL=url(tmp_path, "old"), **sandbox) as old:
        old.account(smtp_port, active=False)
        waiting = [old.submit(f"n {number}") for number in range(3)]
        old.stop()
        done = copy(old)
    assert done.returncode == 0, done.stderr
    assert "Counts and digests of all" in done.stdout
    assert f"DATABASE_URL={url(tmp_path, 'new')} " in done.stdout
    assert done.stderr == ""
    assert stat.S_IMODE((tmp_path / "new.db").stat().st_mode) == 0o600

    again = copy(old)
    assert (again.returncode, "earlier copy" in again.stdout) == (0, True)
    refused = old.run("worker")
    assert refused.returncode == 2
    assert "everything in it was copied to" in refused.stderr
    with running(tmp_path, DATABASE_URL=url(tmp_path, "new"), **sandbox) as new:
        status, _ = new.call("PUT", "/api/smtp-configs/1", {"active": True})
        assert status == 200
        wait_until(new.all_sent)
        assert sorted(waiting) == [1, 2, 3]
        assert new.submit("next") == 4
        assert new.stop() == 0


@pytest.mark.parametrize("dispatcher", ["threads", "none"])
def test_a_service_that_runs_is_not_copied(tmp_path: Path, dispatcher: str) -> None:
    with running(tmp_path, DATABASE_URL=url(tmp_path, "old"), DISPATCHER=dispatcher) as service:
        service.account(free_port())
        refused = copy(service)
        assert refused.returncode == 1
        assert "stop" in refused.stderr
        assert service.submit("it still accepts") == 1
    assert counted(tmp_path, "new", "moving") == 0


def test_nothing_is_started_on_either_while_a_copy_is_cut_off(tmp_path: Path) -> None:
    service = filled(tmp_path, 8_000)
    with copying(service) as process:
        wait_for_growth(process, tmp_path, 2 * MB)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert counted(tmp_path, "new", "recipient") < 8_000, "it was cut off in the middle"
    for name, reason in (("old", "is being copied"), ("new", "has begun to arrive")):
        service.environ["DATABASE_URL"] = url(tmp_path, name)
        refused = service.run("keys", "list")
        assert (refused.returncode, reason in refused.stderr) == (2, True), refused.stderr


def test_a_copy_that_was_killed_twice_is_whole_in_the_end(tmp_path: Path) -> None:
    service = filled(tmp_path, 8_000)
    before = contents(tmp_path, "old")
    for octets in (2 * MB, 20 * MB):
        with copying(service) as process:
            wait_for_growth(process, tmp_path, octets)
            process.send_signal(signal.SIGKILL)
            assert process.wait() == -signal.SIGKILL

    done = copy(service)

    assert done.returncode == 0, done.stderr
    assert contents(tmp_path, "new") == contents(tmp_path, "old") == before


def test_ctrl_c_ends_it_at_once_and_the_next_run_goes_on(tmp_path: Path) -> None:
    service = filled(tmp_path, 8_000)
    with copying(service) as process:
        wait_for_growth(process, tmp_path, MB)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=20) == 1
    assert counted(tmp_path, "new", "recipient") < 8_000, "it had not come to its end"

    done = copy(service)

    assert done.returncode == 0, done.stderr
    assert contents(tmp_path, "new") == contents(tmp_path, "old")


def test_a_terminal_sees_how_far_it_is(tmp_path: Path) -> None:
    service = filled(tmp_path, 10)
    ours, theirs = pty.openpty()
    arguments = ("copy", "--from", url(tmp_path, "old"), "--to", url(tmp_path, "new"))
    done = subprocess.run(
        [sys.executable, "-m", "entrypoints", *arguments],
        cwd=tmp_path,
        env=service.environ | {"TERM": "xterm", "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=theirs,
        timeout=60,
    )
    os.close(theirs)
    shown = os.read(ours, 65536)
    os.close(ours)
    assert done.returncode == 0
    assert b"Copying" in shown
    assert b"100%" in shown


def test_a_source_that_was_given_up_can_be_released(tmp_path: Path) -> None:
    service = filled(tmp_path, 10)
    assert copy(service).returncode == 0

    released = service.run("copy", "--from", url(tmp_path, "old"), "--release")

    assert released.returncode == 0, released.stderr
    assert service.run("keys", "list").returncode == 0


@pytest.mark.parametrize("character", "@:/#%?&[]")
def test_no_part_of_a_password_is_in_a_stores_name(character: str) -> None:
    shown = named(f"postgresql://me:abcd{character}efgh@host/db")
    assert "abcd" not in shown
    assert "efgh" not in shown


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("sqlite:///old.db", "sqlite:///old.db"),
        ("sqlite:////var/old.db", "sqlite:////var/old.db"),
        ("postgresql://me:hunter2@host:5432/db", "postgresql://me@host:5432/db"),
        ("postgresql://me:a@b@host/db?password=hunter2", "postgresql://me@host/db"),
        ("postgresql://host/db", "postgresql://host/db"),
    ],
)
def test_a_store_is_named_without_its_password(given: str, shown: str) -> None:
    assert named(given) == shown


@pytest.mark.parametrize(
    ("source", "target", "told"),
    [
        ("sqlite:///missing.db", "sqlite:///new.db", "there is no"),
        ("sqlite:///old.db", "sqlite:///nowhere/new.db", "there is no folder"),
        ("sqlite:///old.db", "sqlite:///old.db", "the same store"),
        ("sqlite:///notes.txt", "sqlite:///new.db", "is not a database"),
        ("sqlite:///old.db", "sqlite:///../{here}/old.db", "stop it first"),
        ("mysql://me:hunter2@host/db", "sqlite:///new.db", "--from"),
        ("sqlite:///old.db", "", "not"),
    ],
)
def test_what_cannot_be_copied_is_told_in_a_line(
    tmp_path: Path, source: str, target: str, told: str
) -> None:
    service = filled(tmp_path, 1)
    (tmp_path / "notes.txt").write_text("this is no database " * 100)
    before = sorted(path.name for path in tmp_path.iterdir())

    refused = service.run(
        "copy", "--from", source, "--to", target.format(here=tmp_path.name)
    )  # fmt: skip

    assert refused.returncode in (1, 2)
    assert told in refused.stderr
    assert "Traceback" not in refused.stderr
    assert "hunter2" not in refused.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == before
