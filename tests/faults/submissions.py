"""INTAKE: a process is killed at random while mail comes in by SMTP.

What is proved: whatever was answered 250 is stored once. A client that loses the reply and sends
the same message again stores no copy; one that does not may have stored it or not.
"""

import random
import smtplib
import threading
import time
from collections import Counter, deque
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path

from tests.faults.harness import Numbers, database_of, ended
from tests.running import Running, free_port, wait_until

_LOST = (smtplib.SMTPServerDisconnected, OSError)


class Submitters:
    """Clients that submit numbered messages, each over a connection of its own.

    Those of an even number send a message again until it is answered 250; the others give it up
    when the connection is lost.
    """

    def __init__(self, service: Running, *, messages: int, connections: int) -> None:
        self._service = service
        self._wanted = deque(range(messages))
        self.answered: dict[str, int] = {}
        self.lost: set[str] = set()
        self._threads = [
            threading.Thread(target=self._run, args=(number % 2 == 0,))
            for number in range(connections)
        ]
        self._failed: list[BaseException] = []

    def start(self) -> "Submitters":
        for thread in self._threads:
            thread.start()
        return self

    def done(self) -> int:
        """How many messages were answered 250. AssertionError if one was answered otherwise."""
        assert not self._failed, self._failed
        return len(self.answered)

    def join(self) -> None:
        for thread in self._threads:
            thread.join()
        self.done()

    def _run(self, again: bool) -> None:
        client: smtplib.SMTP | None = None
        try:
            while self._wanted:
                try:
                    number = self._wanted.popleft()
                except IndexError:
                    break
                client = self._submit(number, client, again=again)
        except BaseException as error:
            self._failed.append(error)
        finally:
            _close(client)

    def _submit(
        self, number: int, client: smtplib.SMTP | None, *, again: bool
    ) -> smtplib.SMTP | None:
        """The connection to go on with; None if it is lost."""
        subject, message = _message(number)
        while True:
            try:
                client = client or self._connect()
                self.answered[subject] = _sent(client, message)
                return client
            except _LOST:
                _close(client)
                client = None
                if not again:
                    self.lost.add(subject)
                    return None

    def _connect(self) -> smtplib.SMTP:
        """Once the service answers again."""
        while True:
            client = smtplib.SMTP()
            try:
                client.connect("127.0.0.1", int(self._service.environ["INTAKE_PORT"]))
                client.login("anybody", self._service.key or "")
                return client
            except _LOST:
                client.close()
                time.sleep(0.02)


def killed_while_mail_comes(
    folder: Path, *, messages: int = 5000, kills: int = 20, connections: int = 8, seed: int = 1
) -> Numbers:
    """INTAKE: kill -9 at random moments of a run, and start again at once."""
    chance = random.Random(seed)
    service = Running(
        folder, DISPATCHER="none", INTAKE_PORT=free_port(), KEY_DAILY_RECIPIENTS=10**9
    )
    database = database_of(service)
    with ended(service):
        service.start()
        service.account(2525)
        service.with_key("send", "read")
        clients = Submitters(service, messages=messages, connections=connections).start()
        for number in range(kills):
            goal = (number + chance.random()) * messages / (kills + 1)
            wait_until(lambda goal=goal: clients.done() >= goal, patience=300, every=0.005)
            time.sleep(chance.random() / 20)
            service.kill()
            service.start()
        clients.join()
        rows = database.rows("SELECT subject, id FROM email")
    stored = Counter(subject for subject, _ in rows)
    ids = dict(rows)
    assert max(stored.values()) == 1, "one of them is there twice"
    assert all(ids.get(subject) == told for subject, told in clients.answered.items())
    assert set(stored) - set(clients.answered) <= clients.lost
    assert len(clients.answered) + len(clients.lost) == messages
    return {
        "messages": messages,
        "kills": kills,
        "answered 250, and stored once": len(clients.answered),
        "reply lost, not sent again": len(clients.lost),
        "of these stored": len(set(stored) - set(clients.answered)),
        "seed": seed,
    }


def _close(client: smtplib.SMTP | None) -> None:
    if client is not None:
        client.close()


def _message(number: int) -> tuple[str, bytes]:
    message = EmailMessage()
    subject = message["Subject"] = f"intake {number}"
    message["From"], message["To"] = "me@example.com", "ada@example.org"
    message["Message-ID"] = f"<{number}@example.com>"
    message.set_content("Hello.\n" * 100)
    return subject, message.as_bytes(policy=SMTP)


def _sent(client: smtplib.SMTP, message: bytes) -> int:
    """The id in the reply. What is no 250 is a fault of the service."""
    for answer in (
        client.mail("me@example.com"), client.rcpt("ada@example.org"), client.data(message)
    ):  # fmt: skip
        assert answer[0] == 250, answer
    return int(answer[1].rpartition(b" ")[2])
