"""kill -9 in the middle of uploads and hand-offs: no file is lost, and nothing is left over."""

import os
import sqlite3  # noqa: TID251 - it is another process that has the file open
import threading
import time
import urllib.error
import urllib.request
from base64 import b64encode
from contextlib import closing, suppress
from datetime import timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import cast

import pytest

from adapters.clock import SystemClock
from adapters.fakes.clock import FakeClock
from adapters.fakes.sender import Script
from adapters.observers import ListObserver
from application.maintenance.leftovers import Leftovers
from entrypoints.stores import open_store
from tests.faults.harness import Answer, Client
from tests.running import Running, free_port, running, wait_until
from tests.smtp_server import SmtpServer

FILE = os.urandom(300_000)  # two chunks


def upload(service: Running, octets: bytes) -> None:
    """Upload a file; it may be that the service dies meanwhile."""
    request = urllib.request.Request(f"{service.url}/api/attachments", data=octets, method="POST")
    with suppress(urllib.error.URLError, OSError), urllib.request.urlopen(request, timeout=60):
        pass


def uploaded(service: Running, octets: bytes) -> str:
    """The id of an uploaded file."""
    with closing(Client(service.port)) as client:
        answer = client.send("/api/attachments", octets, kind="application/pdf")
    assert answer.status == 201, answer
    attachment_id: str = answer.body["attachment_id"]
    return attachment_id


def octets_of(folder: Path) -> int:
    """What the database has, without what is only in its log yet."""
    with closing(sqlite3.connect(folder / "service.db")) as database:
        query = "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size"
        return int(database.execute(query).fetchone()[0])


def rows(folder: Path, table: str) -> int:
    with closing(sqlite3.connect(folder / "service.db")) as database:
        (number,) = database.execute(f"SELECT COUNT(*) FROM {table}").fetchone()
    return int(number)


def swept(folder: Path) -> None:
    """What the sweep removes when a day has passed."""
    tomorrow = SystemClock().now() + timedelta(hours=25)
    store = open_store(f"sqlite:///{folder / 'service.db'}", clock=FakeClock(tomorrow))
    try:
        Leftovers(store=store, clock=FakeClock(tomorrow), observe=ListObserver()).run()
    finally:
        store.close()


def test_uploads_that_were_cut_off_leave_what_the_sweep_removes(tmp_path: Path) -> None:
    with running(tmp_path) as service:
        for chunks in (0, 5, 20):
            thread = threading.Thread(target=upload, args=(service, os.urandom(20_000_000)))
            before = rows(tmp_path, "blob_chunk")
            thread.start()
            wait_until(lambda n=before + chunks: rows(tmp_path, "blob_chunk") >= n, every=0.001)
            service.kill()
            thread.join()
            service.start()
        assert rows(tmp_path, "blob_chunk") > 20
        assert service.stop() == 0

    swept(tmp_path)
    for table in ("upload", "blob_chunk", "blob"):
        assert rows(tmp_path, table) == 0


def test_emails_with_large_files_survive_the_death_of_their_process(tmp_path: Path) -> None:
    attachments = [{"filename": "a.bin", "content": b64encode(FILE).decode()}]
    with SmtpServer(Script(latency_s=0.02)) as server, running(
        tmp_path, RETRY_SCHEDULE="1"
    ) as service:  # fmt: skip
        service.account(server.port, max_connections=2)
        for number in range(12):
            service.submit(f"email {number}", attachments=attachments)
            if number in (4, 8):
                wait_until(lambda n=number: server.taken > n // 4)
                service.kill()
                service.start()
        wait_until(service.all_sent)
        assert service.stop() == 0

    assert {received.subject for received in server.accepted} == {f"email {n}" for n in range(12)}
    assert not server.bad_wire
    for received in server.accepted:
        message = message_from_bytes(received.octets, policy=default)
        [part] = message.iter_attachments()
        assert cast(EmailMessage, part).get_content() == FILE
    swept(tmp_path)
    assert (rows(tmp_path, "blob"), rows(tmp_path, "email_blob")) == (1, 12)


@pytest.mark.parametrize("delay_s", [0.02, 0.1, 0.3])
def test_of_a_batch_that_shares_a_file_all_emails_are_stored_or_none(
    tmp_path: Path, delay_s: float
) -> None:
    with running(tmp_path, DISPATCHER="none") as service:
        service.account(free_port())
        attachment_id = uploaded(service, os.urandom(5_000_000))
        before = octets_of(tmp_path)
        one = {
            "subject": "a",
            "recipients": ["ada@example.org"],
            "text_content": "b",
            "attachments": [{"filename": "a.bin", "attachment_id": attachment_id}],
        }

        def post() -> Answer:
            with closing(Client(service.port)) as client:
                return client.post("/api/emails/batch", {"emails": [one] * 500}, key="batch")

        answers: list[Answer] = []
        thread = threading.Thread(target=lambda: answers.append(post()))
        thread.start()
        time.sleep(delay_s)
        service.kill()
        thread.join()
        stored = rows(tmp_path, "email")
        assert stored == rows(tmp_path, "email_blob")
        assert stored in ((500,) if answers[0].status == 201 else (0, 500))

        service.start()
        assert post().status == 201
        assert (rows(tmp_path, "email"), rows(tmp_path, "email_blob")) == (500, 500)
        assert service.stop() == 0
    assert rows(tmp_path, "blob") == 1
    assert octets_of(tmp_path) - before < 8_000_000
