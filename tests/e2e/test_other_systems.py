"""The service with SQLite, in one process, where what Windows or macOS lack is absent."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.other_systems import MACOS, WINDOWS, environment
from tests.running import Running, free_port, wait_until

SYSTEMS = {"macos": MACOS, "windows": WINDOWS}
ALL = (
    "import os, select, signal, socket, importlib.util\n"
    "print([n for n in ('posix_fallocate', 'sched_setaffinity', 'getloadavg', 'fork', 'getuid')"
    " if hasattr(os, n)], hasattr(select, 'poll'), hasattr(signal, 'SIGHUP'))\n"
    "import fcntl\n"
)


@pytest.fixture(params=SYSTEMS)
def system(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


def test_what_is_taken_away_is_away(tmp_path: Path) -> None:
    told = subprocess.run(
        [sys.executable, "-c", ALL],
        env=environment(tmp_path, WINDOWS),
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert told.stdout == "[] False False\n"
    assert "No module named 'fcntl'" in told.stderr


def test_the_reserve_on_the_disk_is_laid_out_without_fallocate(tmp_path: Path, system: str) -> None:
    code = (
        "from pathlib import Path; from adapters.disk_headroom import DiskHeadroom\n"
        "usage = lambda _: (10**12, 0, 10**12)\n"
        "print(DiskHeadroom(Path(), ballast=Path('ballast'), usage=usage)())"
    )
    told = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=environment(tmp_path, SYSTEMS[system]),
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert told.stdout == "True\n", told.stderr
    assert (tmp_path / "ballast").stat().st_size == 16 * 10**6


def test_serve_starts_sends_an_email_and_ends(tmp_path: Path, system: str) -> None:
    smtp_port = free_port()
    service = Running(
        tmp_path, SANDBOX=1, SANDBOX_PORT=smtp_port, **environment(tmp_path, SYSTEMS[system])
    )
    try:
        service.start()
        service.account(smtp_port)
        email_id = service.submit("From another system")
        wait_until(lambda: service.get(f"/api/emails/{email_id}")[1]["status"] == "sent")
        _, messages = service.get("/sandbox/messages.json")
        exit_code = service.stop()
    finally:
        if service.process is not None and service.process.poll() is None:
            service.kill()

    assert [message["subject"] for message in messages] == ["From another system"]
    assert exit_code == 0, service.output()
    assert "Traceback" not in service.output()


def test_two_services_on_one_file_do_not_both_deliver(tmp_path: Path, system: str) -> None:
    variables = environment(tmp_path, SYSTEMS[system])
    smtp_port = free_port()
    first = Running(tmp_path, SANDBOX=1, SANDBOX_PORT=smtp_port, **variables)
    second = Running(tmp_path, **variables)
    second.log = tmp_path / "second.log"
    try:
        first.start()
        second.start()
        first.account(smtp_port)
        subjects = [f"Number {number}" for number in range(20)]
        for number, subject in enumerate(subjects):
            (first, second)[number % 2].submit(subject)
        wait_until(first.all_sent)
        _, messages = first.get("/sandbox/messages.json")
        exit_codes = [second.stop(), first.stop()]
    finally:
        for service in (first, second):
            if service.process is not None and service.process.poll() is None:
                service.kill()

    assert sorted(message["subject"] for message in messages) == sorted(subjects)
    assert exit_codes == [0, 0]


@pytest.mark.parametrize("command", [("migrate",), ("demo",), ("audit",), ("keys", "list")])
def test_the_other_commands_run_too(tmp_path: Path, system: str, command: tuple[str, ...]) -> None:
    done = Running(tmp_path, **environment(tmp_path, SYSTEMS[system])).run(*command)

    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr


def test_a_store_is_copied_and_not_while_somebody_delivers(tmp_path: Path, system: str) -> None:
    smtp_port = free_port()
    service = Running(
        tmp_path, SANDBOX=1, SANDBOX_PORT=smtp_port, **environment(tmp_path, SYSTEMS[system])
    )
    urls = [f"sqlite:///{tmp_path / name}" for name in ("service.db", "copy.db")]
    copying = ("copy", "--from", urls[0], "--to", urls[1])
    try:
        service.start()
        refused = service.run(*copying)
        service.stop()
        copied = service.run(*copying)
    finally:
        if service.process is not None and service.process.poll() is None:
            service.kill()

    assert refused.returncode == 1
    assert "a process delivers from" in refused.stderr
    assert copied.returncode == 0, copied.stderr


def test_more_processes_are_refused_in_a_line_where_there_are_no_signals(tmp_path: Path) -> None:
    done = Running(tmp_path, **environment(tmp_path, WINDOWS)).run("serve", "--processes", "2")

    assert done.returncode == 2
    assert "PROCESSES must be 1 on this system" in done.stderr
    assert "Traceback" not in done.stderr
