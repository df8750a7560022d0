"""A process of an older version beside newer ones: it sends no email that it does not know."""

import os
import sys
from base64 import b64encode
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import cast

import pytest

from tests.running import Running, running, wait_until
from tests.smtp_server import SmtpServer

OLDER = (sys.executable, "-m", "tests.older_version", "serve")
LARGE = os.urandom(300_000)
NEEDED = {
    "a large file": {
        "attachments": [{"filename": "a.bin", "content": b64encode(LARGE).decode()}],
    },
    "a sender of its own": {"from": {"address": "me@example.com", "name": "Billing"}},
}


@pytest.mark.parametrize("needed", NEEDED)
def test_mail_waits_for_a_process_that_knows_it(tmp_path: Path, needed: str) -> None:
    with SmtpServer() as server:
        with running(tmp_path) as newer:
            account = newer.account(server.port)
            assert newer.post(f"/api/smtp-configs/{account}/pause")[0] == 200
            newer.submit("needs it", **NEEDED[needed])
            newer.submit("plain")
            assert newer.stop() == 0
        with running(tmp_path, command=OLDER) as older:
            assert older.post(f"/api/smtp-configs/{account}/resume")[0] == 200
            wait_until(lambda: older.output().count("older version") > 1)  # it has tried again
            assert server.taken == 0
            with running(tmp_path) as newer:
                assert older.stop() == 0
                wait_until(newer.all_sent)
                assert newer.stop() == 0

    by_subject = {received.subject: received for received in server.accepted}
    assert set(by_subject) == {"needs it", "plain"}
    message = message_from_bytes(by_subject["needs it"].octets, policy=default)
    if needed == "a large file":
        [part] = message.iter_attachments()
        assert cast(EmailMessage, part).get_content() == LARGE
    else:
        assert message.get_all("From") == ["Billing <me@example.com>"]


def test_while_an_older_process_delivers_such_mail_is_refused_and_other_mail_sent(
    tmp_path: Path,
) -> None:
    with SmtpServer() as server, running(tmp_path, command=OLDER) as older:
        older.account(server.port)
        newer = Running(tmp_path)
        try:
            newer.start()
            for fields in NEEDED.values():
                email = {"subject": "a", "recipients": ["a@example.org"], "text_content": "b"}
                status, answer = newer.post("/api/emails", email | fields)
                assert (status, answer["code"]) == (503, "not_accepting"), answer
            newer.submit("plain")
            wait_until(newer.all_sent)
        finally:
            newer.kill()
    assert [received.subject for received in server.accepted] == ["plain"]
