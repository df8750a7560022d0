"""`--processes`: several processes of one machine deliver from one SQLite file."""

import os
import signal
import sqlite3  # noqa: TID251 - it is another process that has the file open
import subprocess
import sys
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

from adapters.fakes.sender import Script
from entrypoints.http.server.server import THREADS
from tests.running import ROOT, Running, running, wait_until
from tests.smtp_server import SmtpServer

WORKER = (sys.executable, "-m", "entrypoints", "worker")
SERVE = (sys.executable, "-m", "entrypoints", "serve")


def copies(server: SmtpServer) -> Counter[str]:
    return Counter(received.subject for received in server.accepted)


def children(service: Running) -> list[int]:
    """The processes that it has begun."""
    assert service.process is not None
    pid = service.process.pid
    return [int(n) for n in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def gone(pids: list[int]) -> bool:
    return not any(Path(f"/proc/{pid}/cmdline").exists() for pid in pids)


def instances(folder: Path) -> int:
    """How many processes have made attempts."""
    with closing(sqlite3.connect(folder / "service.db")) as database:
        [(number,)] = database.execute("SELECT COUNT(DISTINCT owner) FROM attempt")
    return int(number)


def fill(service: Running, port: int, emails: int, accounts: int = 4, **account: object) -> None:
    for number in range(accounts):
        service.account(port, name=f"account {number}", **account)
    for number in range(emails):
        service.submit(f"email {number}")


def test_two_processes_share_a_backlog_and_deliver_each_email_once(tmp_path: Path) -> None:
    worker = Running(tmp_path, command=(*WORKER, "--processes", "2"))
    worker.log = tmp_path / "worker.log"
    with SmtpServer(Script(latency_s=0.01)) as server, running(tmp_path, DISPATCHER="none") as api:
        worker.start(ready=False)
        try:
            wait_until(lambda: worker.output().count("delivery_started") == 2)
            [child] = children(worker)
            fill(api, server.port, emails=200)
            wait_until(api.all_sent)
        finally:
            exit_code = worker.stop()

    assert exit_code == 0
    assert copies(server) == {f"email {number}": 1 for number in range(200)}
    assert instances(tmp_path) == 2
    assert gone([child])


def first_choice(pid: int) -> set[int]:
    """The processor that it settles on; a second later it may know of a better one."""
    return wait_until(
        lambda: chosen if len(chosen := os.sched_getaffinity(pid)) == 1 else None, every=0.005
    )


def test_two_processes_begin_on_different_processors(tmp_path: Path) -> None:
    worker = Running(tmp_path, command=(*WORKER, "--processes", "2"))
    worker.start(ready=False)
    try:
        assert worker.process is not None
        first = first_choice(worker.process.pid)
        [child] = wait_until(lambda: children(worker))
        second = first_choice(child)
        assert len(first | second) == min(2, len(os.sched_getaffinity(0)))
    finally:
        worker.stop()


def test_what_only_delivers_is_begun_without_what_answers_http() -> None:
    code = (
        "from entrypoints.cli.commands import worker; import sys;"
        " print({'flask', 'werkzeug', 'aiosmtpd'} & {*sys.modules})"
    )
    told = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert told.stdout == "set()\n"


def test_who_accepts_rings_for_the_process_that_owns_the_connection(tmp_path: Path) -> None:
    """With a poll of a minute nobody would look before."""
    with SmtpServer() as server, running(
        tmp_path, command=(*SERVE, "--processes", "2"), POLL_SECONDS=60,
        HEARTBEAT_SECONDS=120, LEASE_SECONDS=240, SWEEP_SECONDS=600,
    ) as service:  # fmt: skip
        wait_until(lambda: service.output().count("delivery_started") == 2)
        for number in range(6):
            service.account(server.port, name=f"account {number}", max_connections=1)
        for number in range(12):
            service.submit(f"email {number}", smtp_config_id=1 + number % 6)
        wait_until(service.all_sent, patience=20)

    assert set(copies(server).values()) == {1}


@pytest.mark.parametrize("whom", ["the first", "the other"])
def test_kill_9_of_one_of_them_loses_none(tmp_path: Path, whom: str) -> None:
    with SmtpServer(Script(latency_s=0.005)) as server, running(
        tmp_path, command=(*SERVE, "--processes", "2"), RETRY_SCHEDULE="1"
    ) as service:  # fmt: skip
        wait_until(lambda: service.output().count("delivery_started") == 2)
        fill(service, server.port, emails=150)
        wait_until(lambda: server.taken > 30)
        [child] = children(service)
        if whom == "the first":
            service.kill()
            wait_until(lambda: gone([child]))
            service.start()
        else:
            os.kill(child, signal.SIGKILL)
        wait_until(service.all_sent)

    assert set(copies(server)) == {f"email {number}" for number in range(150)}
    assert max(copies(server).values()) <= 2
    assert "Traceback" not in service.output()


def test_an_hourly_limit_holds_for_both_together(tmp_path: Path) -> None:
    with SmtpServer() as server, running(
        tmp_path, command=(*SERVE, "--processes", "2")
    ) as service:  # fmt: skip
        wait_until(lambda: service.output().count("delivery_started") == 2)
        fill(service, server.port, emails=80, accounts=1, hourly_limit=30, max_connections=6)
        wait_until(lambda: server.taken >= 30)
        wait_until(lambda: "sending" not in service.statuses())
        taken = server.taken

    assert taken == 30


def test_what_does_not_deliver_has_none_beside_it(tmp_path: Path) -> None:
    ended = Running(tmp_path, DISPATCHER="none").run("serve", "--processes", "2")

    assert ended.returncode == 2
    assert "PROCESSES must be 1 with DISPATCHER=none" in ended.stderr


def test_threads_that_answer_and_deliver_let_the_others_go_first(tmp_path: Path) -> None:
    """The store's writer, whom all of them wait for, is not interrupted by those it has woken."""

    def giving_way() -> tuple[int, int]:
        assert service.process is not None
        tasks = Path(f"/proc/{service.process.pid}/task")
        policies = [os.sched_getscheduler(int(task.name)) for task in tasks.iterdir()]
        return policies.count(os.SCHED_BATCH), policies.count(os.SCHED_OTHER)

    with (
        SmtpServer(Script()) as server,
        running(tmp_path, QUEUE_WORKERS=3, MAX_WORKERS=3) as service,
    ):
        fill(service, server.port, emails=4)
        wait_until(service.all_sent)
        yielding, others = giving_way()

    # those that answer and those that deliver, each of which may have begun to look up a name
    assert THREADS + 3 <= yielding <= THREADS + 6
    assert others >= 4  # the loop, the writer, the feeder, the sweeper
