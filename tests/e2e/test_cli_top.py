"""`email-service top`: once, as JSON, and on a terminal that is as before when it ends."""

import fcntl
import json
import os
import pty
import signal
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.running import ROOT, Running, quiet_port, running

ALTERNATE, BACK, CURSOR = b"\x1b[?1049h", b"\x1b[?1049l", b"\x1b[?25h"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("service"), DISPATCHER="none") as started:
        config_id = started.account(quiet_port(), hourly_limit=5)
        started.submit("Hello", smtp_config_id=config_id)
        yield started


def test_once_it_prints_the_tables_and_ends(service: Running) -> None:
    for arguments in (("--once",), ()):  # without a terminal it is the same
        done = service.run("top", *arguments)

        assert done.returncode == 0, done.stderr
        head, titles, account, *_ = done.stdout.splitlines()
        assert head.endswith("1 queued")
        assert titles.split() == [
            "ID", "NAME", "STATE", "WAITING", "/MIN", "MINUTE", "HOUR", "DAY", "LEARNED", "WHY",
        ]  # fmt: skip
        assert account.split()[2:] == ["open", "1", "0", "0", "0/5", "0"]
        assert "\x1b" not in done.stdout


def test_as_json_it_is_one_object(service: Running) -> None:
    done = service.run("top", "--json")

    told = json.loads(done.stdout)
    assert told["emails"]["queued"] == 1
    assert told["smtp_configs"][0]["limits"] == {"hour": 5}
    assert [one["due"] for one in told["priorities"]] == [1]
    assert (told["waiting_shared"], told["failures"]) == (0, [])


@pytest.mark.parametrize("ends", [signal.SIGINT, signal.SIGTERM])
def test_on_a_terminal_it_has_a_screen_of_its_own_until_it_is_ended(
    service: Running, ends: signal.Signals
) -> None:
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-m", "entrypoints", "top", "--interval", "0.2"],
        cwd=service.folder,
        env={**service.environ, "TERM": "xterm", "PYTHONPATH": str(ROOT)},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    shown = b""
    while shown.count(b"WAITING") < 2:  # it looks again and again
        shown += os.read(ours, 65_536)
    process.send_signal(ends)
    while piece := _read(ours):
        shown += piece
    os.close(ours)

    assert process.wait(60) == 0
    assert shown.startswith(ALTERNATE)
    left = shown.rpartition(b"WAITING")[2]
    assert BACK in left
    assert CURSOR in left
    assert b"Traceback" not in shown


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65_536)
    except OSError:  # the other end is closed
        return b""


def test_its_options_are_on_the_page(service: Running) -> None:
    page = Path(ROOT / "docs/operating/watching.md").read_text("utf-8")

    for option in ("--once", "--json", "--interval"):
        assert option in page
