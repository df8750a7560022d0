"""The service on PostgreSQL, chosen by DATABASE_URL alone: real processes, a real mail server."""

import sys
from collections import Counter
from pathlib import Path

from adapters.fakes.sender import Script
from adapters.peewee_store.postgres import MIGRATIONS
from tests.postgres import Database, Server
from tests.running import Running, running, wait_until
from tests.smtp_server import SmtpServer

WORKER = (sys.executable, "-m", "entrypoints", "worker")
CONNECTIONS = 4


def subjects(server: SmtpServer) -> Counter[str]:
    return Counter(received.subject for received in server.accepted)


def all_sent(database: Database) -> bool:
    return database.execute("SELECT DISTINCT status FROM email") == [("sent",)]


def test_a_post_to_one_process_is_sent_and_shown(postgres: Server, tmp_path: Path) -> None:
    with (
        postgres.database() as database,
        SmtpServer() as server,
        running(tmp_path, DATABASE_URL=database.url) as service,
    ):
        service.account(server.port)
        email_id = service.submit("from PostgreSQL", cc=["grace@example.org"])
        wait_until(service.all_sent)

        _, shown = service.get(f"/api/emails/{email_id}")
        assert service.stop() == 0
        assert database.execute("SELECT status FROM email") == [("sent",)]

    assert shown["status"] == "sent"
    assert subjects(server) == {"from PostgreSQL": 1}
    assert not list(tmp_path.glob("*.db"))


def test_migrate_check_tells_what_is_pending_and_changes_nothing(
    postgres: Server, tmp_path: Path
) -> None:
    with postgres.database() as database:
        service = Running(
            tmp_path, DATABASE_URL=database.url.replace("postgres@", "postgres:s3cret@")
        )
        before = service.run("migrate", "--check")
        tables = database.execute("SELECT 1 FROM pg_tables WHERE schemaname = 'public'")
        migrated = service.run("migrate")
        after = service.run("migrate", "--check")

    assert (before.returncode, migrated.returncode, after.returncode) == (1, 0, 0)
    every = sorted(path.stem for path in MIGRATIONS.glob("[0-9]*.py"))
    assert before.stdout.splitlines() == [f"pending {name}" for name in every]
    assert tables == []
    assert "postgres:***@" in after.stdout
    assert "s3cret" not in before.stdout + migrated.stdout + after.stdout + migrated.stderr


def test_a_server_that_is_not_there_is_told_in_one_line_without_the_password(
    tmp_path: Path,
) -> None:
    result = Running(
        tmp_path, DATABASE_URL="postgresql://me:s3cret@127.0.0.1:1/mail"
    ).run("worker")  # fmt: skip

    assert result.returncode == 1
    assert "the store is not available" in result.stderr
    assert "s3cret" not in result.stdout + result.stderr
    assert "Traceback" not in result.stderr


def test_of_two_workers_one_is_killed_and_nothing_is_lost(postgres: Server, tmp_path: Path) -> None:
    emails = 200
    with postgres.database() as database, SmtpServer(Script(latency_s=0.02)) as server:
        settings = {"DATABASE_URL": database.url, "RETRY_SCHEDULE": "1", "SWEEP_SECONDS": "0.5"}
        api = Running(tmp_path, DISPATCHER="none", **settings)
        workers = [Running(tmp_path, command=WORKER, **settings) for _ in range(2)]
        for number, worker in enumerate(workers):
            worker.log = tmp_path / f"worker-{number}.log"
        try:
            api.start()
            api.account(server.port, max_connections=CONNECTIONS)
            for worker in workers:
                worker.start(ready=False)
            wait_until(lambda: database.execute("SELECT COUNT(*) FROM instance") == [(2,)])
            for number in range(emails):
                api.submit(f"email {number}")
            wait_until(lambda: server.taken > emails // 4)
            shares = database.execute("SELECT COUNT(DISTINCT owner) FROM attempt")
            workers[0].kill()
            wait_until(lambda: all_sent(database))
            exit_codes = [api.stop(), workers[1].stop()]
        finally:
            for each in (api, *workers):
                if each.process is not None and each.process.poll() is None:
                    each.kill()

    got = subjects(server)
    assert shares == [(2,)], "both must have delivered"
    assert set(got) == {f"email {number}" for number in range(emails)}
    assert sum(got.values()) - emails <= CONNECTIONS, "at most what the dead one had under way"
    assert max(got.values()) <= 2
    assert exit_codes == [0, 0]
    assert not server.bad_wire
