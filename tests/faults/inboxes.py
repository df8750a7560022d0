"""INBOX: a mailbox with hostile mail, whose server goes away, and whose reader is killed."""

import random
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from adapters.clock import SystemClock
from adapters.peewee_store import SqliteStore
from domain.account.inbox import Inbox
from domain.email.status import Status
from domain.event.event import BEGINNING
from domain.event.types import EventType
from tests.benchmarks.inbox import a_report
from tests.builders import an_email
from tests.faults.harness import Numbers
from tests.mail_servers.imap import PASSWORD, USER, ImapServer, imap_server
from tests.running import ROOT, wait_until
from tests.world import World

SEED = 20
ADDRESS = "ada@example.org"


def every_bounce_once(
    folder: Path, *, bounces: int = 400, hostile: int = 1000, kills: int = 10
) -> Numbers:
    """Kill the reader, stop the server, number the mailbox anew; then each bounce is one event."""
    rng = random.Random(SEED)
    path = folder / "mail.db"
    clock = SystemClock()
    with imap_server() as server, closing(SqliteStore(path, clock=clock)) as store:
        store.migrate()
        world = World(store=store, clock=clock)
        account = world.account()
        sealed = world.vault.seal(PASSWORD, context=f"inbox:{account.id}")
        inbox = Inbox(
            account_id=account.id,
            host="localhost",
            port=server.port,
            username=USER,
            sealed_password=sealed,
        )
        store.write(lambda tx: tx.inboxes.save(inbox))
        references = [f"{rng.getrandbits(128):032x}" for _ in range(bounces)]
        for reference in references:
            email = an_email(message_id=f"<{reference}@example.com>", status=Status.SENT)
            store.write(lambda tx, email=email: tx.emails.add(email, b"x"))  # type: ignore[misc]  # now
        _deliver(server, references, hostile=hostile, rng=rng)
        goals = [(number + rng.random()) * bounces / (kills + 1) for number in range(kills + 1)]
        amid = 0
        for number, goal in enumerate(goals[:-1]):
            reader = _reader(path, server)
            _read_to(store, goal)
            reader.kill()
            reader.wait()
            amid += _place(store, account.id) < bounces + hostile
            if number % 3 == 1:
                server.stop()
                server.number_anew()
                server.start()
        reader = _reader(path, server)
        try:
            _read_to(store, goals[-1])
            server.stop()
            server.start()
            store.write(lambda tx: tx.inboxes.save(_ready(tx.inboxes.find(account.id))))
            wait_until(lambda: len(_events(store)) >= bounces, patience=300)
        finally:
            reader.kill()
            reader.wait()
        told = Counter(_events(store))
        left = store.read(lambda tx: tx.suppressions.page(limit=10))
    assert len(told) == bounces, (len(told), bounces)
    assert set(told.values()) == {1}, told.most_common(3)
    assert amid, "no process was killed while it read"
    assert [entry.address for entry in left] == [ADDRESS]
    numbers: Numbers = {"bounces": bounces, "hostile": hostile, "kills": kills, "told twice": 0}
    return numbers | {"killed amid a reading": amid}


def _read_to(store: SqliteStore, goal: float) -> None:
    """Until so many bounces are recorded."""
    wait_until(lambda: len(_events(store)) >= goal, patience=300, every=0.005)


def _place(store: SqliteStore, account_id: int) -> int:
    """The last message that was read."""
    inbox = _ready(store.read(lambda tx: tx.inboxes.find(account_id)))
    return 0 if inbox.place is None else inbox.place.uid


def _ready(inbox: Inbox | None) -> Inbox:
    assert inbox is not None
    return inbox


def _events(store: SqliteStore) -> Sequence[int | None]:
    found: list[int | None] = []
    after = BEGINNING
    while True:
        page = store.read(lambda tx, after=after: tx.events.page(after, limit=500))  # type: ignore[misc]  # now
        if not page.events:
            return found
        found += [one.email_id for one in page.events if one.type is EventType.EMAIL_BOUNCED]
        after = page.next


def _deliver(
    server: ImapServer, references: Sequence[str], *, hostile: int, rng: random.Random
) -> None:
    """Reports, and between them others that are torn, forged, endless or of octets at random."""
    mail = [a_report(reference, ADDRESS) for reference in references]
    mail += [_hostile(rng) for _ in range(hostile)]
    rng.shuffle(mail)
    for octets in mail:
        server.deliver(octets)


def _hostile(rng: random.Random) -> bytes:
    report = a_report(f"{rng.getrandbits(128):032x}", "victim@example.org")
    kind = rng.randrange(6)
    if kind == 0:
        return report[: rng.randrange(len(report))]
    if kind == 1:
        return rng.randbytes(rng.randrange(2000))
    if kind == 2:
        nested = b"".join(
            b'Content-Type: multipart/mixed; boundary="%d"\n\n--%d\n' % (n, n) for n in range(800)
        )
        return b"Subject: x\n" + nested
    if kind == 3:
        places = [rng.randrange(len(report)) for _ in range(40)]
        torn = bytearray(report)
        for place in places:
            torn[place] = rng.randrange(256)
        return bytes(torn)
    if kind == 4:
        return report.replace(b"boundary=", b"x=" + b"a" * 5000 + b"; boundary=")
    return report


def _reader(path: Path, server: ImapServer) -> "subprocess.Popen[bytes]":
    program = [sys.executable, "-m", "tests.faults.inbox_process"]
    return subprocess.Popen(
        [*program, str(path), str(server.port), str(server.authority)], cwd=ROOT
    )
