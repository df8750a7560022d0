"""`serve` whose SQLite file is taken away: it accepts and hands off nothing that would be lost."""

import shutil
from pathlib import Path

import pytest

from tests.running import Running, running, wait_until
from tests.smtp_server import SmtpServer


def refused(service: Running) -> bool:
    """Whether neither a write nor a read is answered, and it says so to whoever balances load."""
    email = {"subject": "x", "recipients": ["ada@example.org"], "html_content": "x"}
    asked = [
        service.post("/api/emails", email)[0],
        service.get("/api/emails")[0],
        service.get("/readyz")[0],
    ]
    return asked == [503, 503, 503]


def times_said(service: Running) -> int:
    """How often the log says what happened to the database."""
    return service.output().count("nothing is accepted or sent: the database")


@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.parametrize("harm", ["deleted", "replaced", "folder"])
def test_a_database_that_is_taken_away_is_a_503_within_a_second(
    harm: str, processes: int, tmp_path: Path
) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    database = folder / "mail.db"
    with (
        SmtpServer() as server,
        running(tmp_path, DATABASE_URL=f"sqlite:///{database}", PROCESSES=processes) as service,
    ):
        wait_until(lambda: service.output().count("delivery_started") == processes)
        service.account(server.port)
        service.submit("before")
        wait_until(service.all_sent)
        if harm == "folder":
            shutil.rmtree(folder)
        elif harm == "deleted":
            database.unlink()
        else:
            shutil.copy(database, folder / "copy.db")
            (folder / "copy.db").replace(database)
        wait_until(lambda: refused(service), patience=1.0)
        wait_until(lambda: times_said(service) == processes)
        assert service.get("/healthz")[0] == 200


def test_nothing_is_handed_off_while_its_result_could_not_be_stored(tmp_path: Path) -> None:
    database, away = tmp_path / "service.db", tmp_path / "away.db"
    with SmtpServer() as server, running(tmp_path) as service:
        account = service.account(server.port, active=False)
        emails = [service.submit(f"email {number}") for number in range(20)]
        assert service.call("PUT", f"/api/smtp-configs/{account}", {"active": True})[0] == 200
        database.rename(away)
        wait_until(lambda: refused(service), patience=1.0)
        taken = server.taken
        wait_until(lambda: refused(service) and service.get("/healthz")[0] == 200)
        assert server.taken == taken
        away.rename(database)
        wait_until(service.all_sent)
        assert server.taken == len(emails)


def test_a_process_begun_beside_another_makes_no_new_database(tmp_path: Path) -> None:
    ended = Running(tmp_path).run("worker", "--processes", "2", "--child", "1")
    assert ended.returncode == 1
    assert "is gone" in ended.stderr
    assert not (tmp_path / "service.db").exists()
