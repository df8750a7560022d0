"""Mail comes in by SMTP into PostgreSQL, and a worker of Celery delivers it; both are killed."""

from collections import Counter
from pathlib import Path

from adapters.fakes.sender import Script
from tests.brokers import REDIS
from tests.celery_running import a_trio, copies
from tests.faults.submissions import Submitters
from tests.missing import missing
from tests.postgres import Database, NoPostgres, any_server
from tests.running import quiet_port, wait_until
from tests.smtp_server import SmtpServer

MESSAGES = 120


def test_each_250_is_stored_and_delivered_though_both_are_killed(tmp_path: Path) -> None:
    """A client that loses the reply sends again, or not: see `Submitters`."""
    try:
        with any_server() as postgres, postgres.database() as database:
            mail_comes_and_goes(tmp_path, database)
    except NoPostgres as reason:
        missing(reason)


def mail_comes_and_goes(folder: Path, database: Database) -> None:
    settings = {"INTAKE_PORT": quiet_port(), "RETRY_SCHEDULE": "1", "SWEEP_SECONDS": 2}
    with SmtpServer(Script(latency_s=0.005)) as server, a_trio(
        folder, REDIS, DATABASE_URL=database.url, **settings
    ) as trio:  # fmt: skip
        trio.api.account(server.port, max_connections=4)
        trio.api.with_key("send", "read")
        clients = Submitters(trio.api, messages=MESSAGES, connections=4).start()
        for goal, victim in ((30, trio.api), (60, trio.worker), (90, trio.api)):
            wait_until(lambda goal=goal: clients.done() >= goal, every=0.01)
            victim.kill()
            victim.start(ready=victim is trio.api)
        clients.join()
        wait_until(lambda: database.execute("SELECT DISTINCT status FROM email") == [("sent",)])
        stored = Counter(subject for (subject,) in database.execute("SELECT subject FROM email"))
        arrived = copies(server)

    assert max(stored.values()) == 1, "one of them is there twice"
    assert set(clients.answered) <= set(stored)
    assert set(stored) - set(clients.answered) <= clients.lost
    assert set(arrived) == set(stored)
    assert max(arrived.values()) <= 2
    assert sum(arrived.values()) - len(stored) <= 4, "at most what the worker was in the middle of"
