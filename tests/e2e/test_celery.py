"""`serve`, `celery worker` and `celery beat` as real processes, over the real brokers."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from adapters.fakes.sender import Fault, Rule, Script
from domain.outcome.handoff import Stage
from tests.brokers import RABBITMQ, REDIS
from tests.celery_running import CELERY, a_trio, copies
from tests.postgres import Server
from tests.running import Running, free_port, wait_until
from tests.smtp_server import SmtpServer


@pytest.mark.parametrize(
    ("broker", "pool"), [(RABBITMQ, "prefork"), (REDIS, "prefork"), (RABBITMQ, "threads")]
)
def test_celery_delivers_each_email_once_and_stops_cleanly(
    tmp_path: Path, broker: str, pool: str
) -> None:
    with SmtpServer() as server, a_trio(tmp_path, broker, pool=pool) as trio:
        trio.api.account(server.port)
        for number in range(60):
            trio.api.submit(f"email {number}")
        wait_until(trio.api.all_sent)
        exit_codes = trio.stop()

    assert copies(server) == {f"email {number}": 1 for number in range(60)}
    assert exit_codes == [0, 0, 0]
    assert "Traceback" not in trio.worker.output() + trio.beat.output() + trio.api.output()


def test_the_process_that_serves_does_not_deliver(tmp_path: Path) -> None:
    with SmtpServer() as server, a_trio(tmp_path, RABBITMQ) as trio:
        trio.api.account(server.port)
        trio.api.submit("once")
        wait_until(trio.api.all_sent)
        trio.api.stop()

        assert "delivery_started" in trio.worker.output()
        assert "delivery_started" not in trio.api.output()
        assert "by Celery: run celery -A entrypoints.celery_app worker" in trio.api.output()


def test_mail_goes_without_any_hint(tmp_path: Path) -> None:
    """Every hint was lost: the process that accepts knows no broker at all."""
    with SmtpServer() as server, a_trio(tmp_path, RABBITMQ, SWEEP_SECONDS=600):
        api = Running(tmp_path, DISPATCHER="none")
        api.log = tmp_path / "mute.log"
        try:
            api.start()
            api.account(server.port)
            api.submit("unheard")
            wait_until(api.all_sent)
        finally:
            api.kill()

    assert copies(server) == {"unheard": 1}


def test_scheduled_mail_and_retries_go_when_they_are_due(tmp_path: Path) -> None:
    once = Script((Rule(Stage.RCPT, "451 4.3.0 later", times=1),))
    with SmtpServer(once) as server, a_trio(tmp_path, REDIS, RETRY_SCHEDULE="7") as trio:
        trio.api.account(server.port)
        email_id = trio.api.submit("again")

        wait_until(trio.api.all_sent)

        _, email = trio.api.get(f"/api/emails/{email_id}")
        # it was put off for longer than the workers look by themselves; the log comes a moment late
        wait_until(lambda: trio.worker.output().count("delivery_started") >= 2)
    assert [attempt["result"] for attempt in email["attempts"]] == ["retry", "sent"]


@pytest.mark.parametrize("to_all", [False, True], ids=["to the worker", "to its children too"])
def test_sigterm_drains_and_loses_and_doubles_nothing(tmp_path: Path, to_all: bool) -> None:
    with SmtpServer(Script(latency_s=0.02)) as server, a_trio(
        tmp_path, RABBITMQ, DRAIN_SECONDS=10
    ) as trio:  # fmt: skip
        trio.api.account(server.port)
        for number in range(60):
            trio.api.submit(f"email {number}")
        wait_until(lambda: server.taken >= 5)
        if to_all:  # as a supervisor does that asks the whole group
            for child in trio.worker.children():
                os.kill(child, signal.SIGTERM)

        trio.worker.stop()

        handed_off = server.taken
        assert "sending" not in trio.api.statuses()
        trio.worker.start(ready=False)
        wait_until(trio.api.all_sent)

    assert handed_off < 60
    assert copies(server) == {f"email {number}": 1 for number in range(60)}


def test_a_dialogue_that_outlasts_the_drain_is_dropped_and_put_back(tmp_path: Path) -> None:
    hanging = Script((Rule(Stage.RCPT, Fault.HANG),))
    with SmtpServer(hanging) as server, a_trio(tmp_path, RABBITMQ, DRAIN_SECONDS=1) as trio:
        trio.api.account(server.port)
        email_id = trio.api.submit("waits")
        wait_until(lambda: trio.api.get(f"/api/emails/{email_id}")[1]["status"] == "sending")

        assert trio.worker.stop() == 0

        _, email = trio.api.get(f"/api/emails/{email_id}")
    assert (email["status"], email["retry_count"]) == ("queued", 0)


def test_flower_shows_what_the_workers_do(tmp_path: Path) -> None:
    port = free_port()
    with SmtpServer() as server, a_trio(tmp_path, RABBITMQ) as trio:
        flower = Running(
            tmp_path,
            command=(*CELERY, "flower", "--address=127.0.0.1", f"--port={port}"),
            **{**trio.api.environ, "FLOWER_UNAUTHENTICATED_API": "true"},
        )
        flower.log, flower.url = tmp_path / "flower.log", f"http://127.0.0.1:{port}"

        def shown() -> set[str]:
            trio.api.submit("shown")
            try:
                return {task["name"] for task in flower.get("/api/tasks")[1].values()}
            except OSError:
                return set()

        try:
            flower.start(ready=False)
            trio.api.account(server.port)
            wait_until(lambda: {"email_service.deliver", "email_service.look"} <= shown())
        finally:
            flower.kill()


# -- what it refuses -------------------------------------------------------------------------------


def run(service: Running, *command: str) -> subprocess.CompletedProcess[str]:
    """The command to its end, on the settings of *service*."""
    return subprocess.run(
        command,
        cwd=service.folder,
        env=service.environ,
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize(
    ("environ", "code", "told"),
    [
        (
            {"DISPATCHER": "threads"},
            2,
            "DISPATCHER must be celery for Celery's processes, not threads",
        ),
        ({"DATABASE_URL": "sqlite:////nowhere/mail.db"}, 1, "the store is not available: "),
    ],
)
def test_what_keeps_a_worker_of_celery_from_starting_is_told_in_a_line(
    tmp_path: Path, environ: dict[str, str], code: int, told: str
) -> None:
    celery = {"DISPATCHER": "celery", "CELERY_BROKER_URL": "redis://127.0.0.1:1/0"}
    service = Running(tmp_path, **{**celery, "SECRET_KEY": "a1b2c3d4e5f6" * 4, **environ})
    ended = run(service, *CELERY, "worker")
    assert ended.returncode == code
    assert told in ended.stderr
    assert "Traceback" not in ended.stderr


def test_without_the_extra_it_says_what_to_install(tmp_path: Path) -> None:
    service = Running(tmp_path, DISPATCHER="celery", CELERY_BROKER_URL="redis://127.0.0.1:1/0")
    without = "import sys; sys.modules['celery'] = None; from entrypoints.cli import main; main()"
    ended = run(service, sys.executable, "-c", without, "serve")
    assert ended.returncode == 2
    assert "pip install '.[celery]' in the folder of its source" in ended.stderr


# -- on PostgreSQL ---------------------------------------------------------------------------------


@pytest.mark.parametrize("pool", ["prefork", "threads"])
def test_on_postgresql_celery_delivers_each_email_once(
    tmp_path: Path, postgres: Server, pool: str
) -> None:
    with postgres.database() as database, SmtpServer(Script(latency_s=0.01)) as server, a_trio(
        tmp_path, RABBITMQ, pool=pool, DATABASE_URL=database.url
    ) as trio:  # fmt: skip
        for number in range(4):
            trio.api.account(server.port, name=f"account {number}")
        for number in range(120):
            trio.api.submit(f"email {number}")
        wait_until(trio.api.all_sent)
        wait_until(lambda: not database.execute("SELECT 1 FROM instance"))  # all are at rest
        trio.api.submit("after the rest")
        wait_until(trio.api.all_sent)
        exit_codes = trio.stop()

    wanted = [f"email {number}" for number in range(120)] + ["after the rest"]
    assert copies(server) == dict.fromkeys(wanted, 1)
    assert exit_codes == [0, 0, 0]


def test_on_postgresql_several_children_share_a_backlog(tmp_path: Path, postgres: Server) -> None:
    with postgres.database() as database, SmtpServer(Script(latency_s=0.05)) as server, a_trio(
        tmp_path, RABBITMQ, children=3, DATABASE_URL=database.url
    ) as trio:  # fmt: skip
        for number in range(3):
            trio.api.account(server.port, name=f"account {number}", max_connections=3)
        for number in range(300):
            trio.api.submit(f"email {number}")
        wait_until(trio.api.all_sent)
        [(instances,)] = database.execute("SELECT count(DISTINCT owner) FROM attempt")

    assert instances >= 2
    assert max(copies(server).values()) == 1
