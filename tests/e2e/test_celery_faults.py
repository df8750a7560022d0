"""Workers of Celery are killed, brokers drop everybody, forget all, and hang."""

import os
import signal
import statistics
import time
from pathlib import Path

import pytest

from adapters.fakes.sender import Script
from tests.brokers import RABBITMQ, REDIS, Gate, a_queue, found, throw_away
from tests.celery_running import CeleryTrio, a_trio, celery_running, copies
from tests.missing import missing
from tests.postgres import NoPostgres, Server, private_server
from tests.running import Running, running, wait_until
from tests.smtp_server import SmtpServer


@pytest.mark.parametrize("pool", ["prefork", "threads"])
def test_kill_9_of_the_worker_loses_nothing(tmp_path: Path, pool: str) -> None:
    slow = Script(latency_s=0.01)
    with SmtpServer(slow) as server, a_trio(
        tmp_path, RABBITMQ, pool=pool, RETRY_SCHEDULE="1", SWEEP_SECONDS=2
    ) as trio:  # fmt: skip
        nothing_is_lost_by_two_kills(trio, server)


def nothing_is_lost_by_two_kills(trio: CeleryTrio, server: SmtpServer) -> None:
    trio.api.account(server.port, max_connections=4)
    for number in range(120):
        trio.api.submit(f"email {number}")
        if number in (40, 80):
            wait_until(lambda n=number: server.taken > n // 3)
            trio.worker.kill()
            trio.worker.start(ready=False)
    wait_until(trio.api.all_sent)
    got = copies(server)
    assert set(got) == {f"email {number}" for number in range(120)}
    assert max(got.values()) <= 2
    assert sum(got.values()) - 120 <= 2 * 4, "at most what stood between the dot and its result"


def test_kill_9_of_the_child_that_delivers_loses_nothing(tmp_path: Path) -> None:
    with SmtpServer(Script(latency_s=0.01)) as server, a_trio(
        tmp_path, RABBITMQ, RETRY_SCHEDULE="1", SWEEP_SECONDS=2
    ) as trio:  # fmt: skip
        trio.api.account(server.port)
        for number in range(60):
            trio.api.submit(f"email {number}")
        wait_until(lambda: server.taken >= 10)
        for child in trio.worker.children():
            os.kill(child, signal.SIGKILL)

        wait_until(trio.api.all_sent)

    assert set(copies(server)) == {f"email {number}" for number in range(60)}
    assert max(copies(server).values()) <= 2


@pytest.mark.parametrize("broker", [RABBITMQ, REDIS])
def test_a_broker_that_drops_everybody_and_forgets_all_loses_nothing(
    tmp_path: Path, broker: str
) -> None:
    url = found(broker)
    with a_queue(url) as queue, Gate(url) as gate, SmtpServer() as server:
        trio = CeleryTrio(tmp_path, broker_url=gate.open().url, queue=queue)
        with celery_running(trio):
            trio.api.account(server.port)
            for number in range(3):
                for part in range(10):
                    trio.api.submit(f"email {number} {part}")
                wait_until(trio.api.all_sent)
                wait_until(lambda n=number: _rests(trio) > n)
                gate.cut()
                throw_away(url, queue)
            exit_codes = trio.stop()

    assert copies(server) == {f"email {n} {part}": 1 for n in range(3) for part in range(10)}
    assert exit_codes == [0, 0, 0]


def _rests(trio: CeleryTrio) -> int:
    return trio.worker.output().count("delivery_rests")


def test_a_broker_that_hangs_does_not_slow_a_post(tmp_path: Path) -> None:
    """Two services take turns: one rings at a broker that says nothing, one knows no broker."""
    folders = [tmp_path / name for name in ("hanging", "free")]
    for folder in folders:
        folder.mkdir()
    with Gate(found(RABBITMQ)) as gate, SmtpServer() as server, running(
        folders[0], DISPATCHER="celery", CELERY_BROKER_URL=gate.url
    ) as hanging, running(folders[1], DISPATCHER="none") as free:  # fmt: skip
        took: dict[Running, list[float]] = {hanging: [], free: []}
        for service in took:
            service.account(server.port)
        for number in range(100):
            for service, times in took.items():
                started = time.monotonic()
                service.submit(f"email {number}")
                times.append(time.monotonic() - started)
        wait_until(lambda: "broker_unreachable" in hanging.output())
        ready = hanging.get("/readyz")[0]

    assert statistics.median(took[hanging]) - statistics.median(took[free]) < 0.050
    assert ready == 200


def test_on_postgresql_kill_9_of_the_worker_loses_nothing(tmp_path: Path, postgres: Server) -> None:
    with postgres.database() as database, SmtpServer(Script(latency_s=0.01)) as server, a_trio(
        tmp_path,
        RABBITMQ,
        DATABASE_URL=database.url,
        RETRY_SCHEDULE="1",
        SWEEP_SECONDS=1,
        LEASE_SECONDS=2,
        HEARTBEAT_SECONDS=0.5,
    ) as trio:  # fmt: skip
        nothing_is_lost_by_two_kills(trio, server)


def test_a_worker_that_is_started_while_postgresql_is_down_waits_for_it(tmp_path: Path) -> None:
    try:
        with private_server() as database, SmtpServer() as server, a_trio(
            tmp_path, RABBITMQ, DATABASE_URL=database.url, SWEEP_SECONDS=1
        ) as trio:  # fmt: skip
            trio.api.account(server.port)
            trio.worker.kill()
            database.kill()
            trio.worker.start(ready=False)
            wait_until(lambda: "waiting for the database" in trio.worker.output())
            database.start()
            trio.worker.wait_until_ready()
            wait_until(lambda: trio.api.get("/readyz")[0] == 200)
            trio.api.submit("after it")
            wait_until(trio.api.all_sent)
            exit_code = trio.worker.stop()
    except NoPostgres as reason:
        missing(f"needs a server of its own: {reason}")

    assert copies(server) == {"after it": 1}
    assert exit_code == 0
