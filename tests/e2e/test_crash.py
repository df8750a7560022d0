"""kill -9, SIGTERM, several processes: nothing that was answered 201 is lost."""

import sqlite3  # noqa: TID251 - it is another process that has the file open
import sys
from collections import Counter
from contextlib import closing
from pathlib import Path

from adapters.fakes.sender import Fault, Rule, Script
from domain.outcome.handoff import Stage
from tests.running import Running, running, wait_until
from tests.smtp_server import SmtpServer

EMAILS = 200


def subjects(server: SmtpServer) -> Counter[str]:
    return Counter(received.subject for received in server.accepted)


def statuses_in(folder: Path) -> set[str]:
    """The statuses that occur in a database nobody has open."""
    with closing(sqlite3.connect(folder / "service.db")) as database:
        return {status for (status,) in database.execute("SELECT DISTINCT status FROM email")}


def test_kill_9_in_the_middle_of_200_emails_loses_none(tmp_path: Path) -> None:
    with SmtpServer(Script(latency_s=0.005)) as server, running(
        tmp_path, RETRY_SCHEDULE="1"
    ) as service:  # fmt: skip
        service.account(server.port, max_connections=4)
        wanted = []
        for number in range(EMAILS):
            wanted.append(f"email {number}")
            service.submit(f"email {number}")
            if number in (60, 120):
                wait_until(lambda n=number: server.taken > n // 3)
                service.kill()
                service.start()

        wait_until(service.all_sent)

    got = subjects(server)
    assert set(got) == set(wanted)
    assert max(got.values()) <= 2
    copies = sum(got.values()) - EMAILS
    assert copies <= 2 * 4, "at most what stood between the dot and its result at the two kills"
    assert not server.bad_wire


def told_and_true(folder: Path) -> tuple[Counter[tuple[str, int]], set[tuple[str, int]]]:
    """The events that a database tells of its emails, and what its rows say."""
    with closing(sqlite3.connect(folder / "service.db")) as database:
        told = Counter(database.execute("SELECT type, email_id FROM event"))
        rows = database.execute("SELECT status, id FROM email").fetchall()
    ends = {(f"email.{status}", email_id) for status, email_id in rows if status == "sent"}
    return told, ends | {("email.accepted", email_id) for _, email_id in rows}


def counted_and_true(folder: Path) -> tuple[dict[str, int], dict[str, int]]:
    """What a database has counted of its emails and attempts, and what its rows say."""
    with closing(sqlite3.connect(folder / "service.db")) as database:
        counted = dict(
            database.execute("SELECT what || ' ' || label, SUM(n) FROM throughput GROUP BY 1")
        )
        true = dict(
            database.execute(
                "SELECT 'accepted api', COUNT(*) FROM email"
                " UNION ALL SELECT 'ended sent', COUNT(*) FROM email WHERE status = 'sent'"
                " UNION ALL SELECT 'attempt ' || result, COUNT(*) FROM attempt"
                " WHERE ended_at IS NOT NULL GROUP BY 1"
            )
        )
    return counted, true


def test_kill_9_loses_no_event_and_no_count_and_has_none_without_its_commit(tmp_path: Path) -> None:
    with SmtpServer(Script(latency_s=0.005)) as server, running(
        tmp_path, RETRY_SCHEDULE="1", EVENTS="all"
    ) as service:  # fmt: skip
        service.account(server.port, max_connections=4)
        for number in range(EMAILS):
            service.submit(f"email {number}")
            if number in (60, 120, 180):
                wait_until(lambda n=number: server.taken > n // 3)
                service.kill()
                told, true = told_and_true(tmp_path)
                ends = {one for one in told if one[0] in ("email.sent", "email.accepted")}
                assert ends == true
                assert set(told.values()) == {1}
                counted, rows = counted_and_true(tmp_path)
                assert counted == rows
                service.start()

        wait_until(service.all_sent)
    told, true = told_and_true(tmp_path)
    assert true <= set(told)
    assert len(true) == 2 * EMAILS
    assert set(told.values()) == {1}


def test_sigterm_drains_and_loses_and_doubles_nothing(tmp_path: Path) -> None:
    slow_dot = Script(latency_s=0.02)
    with SmtpServer(slow_dot) as server, running(tmp_path, DRAIN_SECONDS=10) as service:
        service.account(server.port)
        for number in range(60):
            service.submit(f"email {number}")
        wait_until(lambda: server.taken >= 5)

        assert service.stop() == 0
        handed_off = server.taken
        assert "sending" not in statuses_in(tmp_path)
        service.start()
        wait_until(service.all_sent)

    assert handed_off < 60
    assert set(subjects(server).values()) == {1}
    assert len(subjects(server)) == 60


def test_a_dialogue_that_outlasts_the_drain_is_dropped_and_put_back(tmp_path: Path) -> None:
    hanging = Script((Rule(Stage.RCPT, Fault.HANG),))
    with SmtpServer(hanging) as server, running(tmp_path, DRAIN_SECONDS=1) as service:
        service.account(server.port)
        email_id = service.submit("waits")
        wait_until(lambda: service.get(f"/api/emails/{email_id}")[1]["status"] == "sending")

        assert service.stop() == 0
        server.play(Script())
        service.start()
        wait_until(service.all_sent)

        _, email = service.get(f"/api/emails/{email_id}")
    assert email["retry_count"] == 0
    assert subjects(server) == {"waits": 1}


def test_gunicorn_workers_share_one_database_and_send_nothing_twice(tmp_path: Path) -> None:
    gunicorn = (
        sys.executable, "-m", "gunicorn", "-b", "127.0.0.1:{port}", "-w", "3", "-c",
        str(Path(__file__).parents[2] / "gunicorn.conf.py"), "entrypoints.wsgi:create_app()",
    )  # fmt: skip
    with SmtpServer() as server:
        service = Running(tmp_path, command=gunicorn)
        try:
            service.start()
            service.account(server.port)
            for number in range(60):
                service.submit(f"email {number}")
            wait_until(service.all_sent)
            # before the end: one that stops later may take over for a moment
            assert service.output().count("delivery_started") == 1
        finally:
            assert service.process is not None
            exit_code = service.stop()

    assert exit_code == 0
    assert len(subjects(server)) == 60
    assert set(subjects(server).values()) == {1}


def test_a_second_process_says_that_it_stands_by_and_when_it_takes_over(tmp_path: Path) -> None:
    with running(tmp_path) as first:
        wait_until(lambda: "delivery_started" in first.output())
        second = Running(tmp_path)
        second.log = tmp_path / "second.log"
        try:
            second.start()
            wait_until(lambda: "delivery_stands_by" in second.output())
            wait_until(lambda: "  Standing by: another process delivers" in second.output())
            assert "delivery_started" not in second.output()
            first.kill()
            wait_until(lambda: "delivery_started" in second.output())
            wait_until(lambda: "  This process delivers now" in second.output())
        finally:
            second.kill()
    assert second.output().count("delivery_stands_by") == 1
    assert "tanding by" not in first.output()


def test_a_second_process_takes_over_when_the_first_is_killed(tmp_path: Path) -> None:
    with SmtpServer(Script(latency_s=0.01)) as server, running(tmp_path) as first:
        second = Running(tmp_path, RETRY_SCHEDULE="1")
        second.log = tmp_path / "second.log"
        try:
            second.start()
            first.account(server.port)
            for number in range(40):
                first.submit(f"email {number}")
            wait_until(lambda: server.taken >= 3)
            first.kill()

            wait_until(second.all_sent)
        finally:
            second.kill()

    assert len(subjects(server)) == 40
    assert max(subjects(server).values()) <= 2
