"""How long an inbox of 10,000 messages takes to read, and how much memory that is.

Run: python -m tests.benchmarks.inbox [messages]. It takes Dovecot, and a tenth of the messages are
reports about emails of the service. Printed are seconds, those of this process's processor time,
and by how much the process has grown.
"""

import resource
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

import attrs

from adapters.clock import SystemClock
from adapters.peewee_store import SqliteStore
from domain.account.inbox import Inbox
from domain.email.status import Status
from domain.message.client_headers import reference_of
from tests.builders import an_email
from tests.mail_servers.imap import PASSWORD, USER, ImapServer, a_reader, imap_server
from tests.world import World

MESSAGES = 10_000
ONE_IN = 10  # is a report
OTHER = b"From: a@example.org\nSubject: Hello\n\n" + b"It is a letter of one person.\n" * 100


def main(messages: int) -> None:
    """Print one line."""
    with imap_server() as server, tempfile.TemporaryDirectory() as folder:
        clock = SystemClock()
        with closing(SqliteStore(Path(folder, "mail.db"), clock=clock)) as store:
            store.migrate()
            reader = a_reader(server.authority, server.port)
            world = World(store=store, clock=clock, mailboxes=reader)
            inbox = _prepare(world, server, messages)
            before, began, used = _peak(), time.perf_counter(), time.process_time()
            while world.application.inboxes.read_next():
                pass
            seconds, cpu = time.perf_counter() - began, time.process_time() - used
            grown = _peak() - before
            done = store.read(lambda tx: tx.inboxes.find(inbox.account_id))
            assert done is not None
            assert done.place is not None, done.last_error
            told = len(world.heard.named("email_bounced"))
    print(
        f"{done.place.uid} messages read, {told} bounces recorded: {seconds:.1f} s,"
        f" {cpu:.1f} s of processor time, +{grown / 1024:.1f} MiB"
    )


def _prepare(world: World, server: ImapServer, messages: int) -> Inbox:
    account = world.account()
    for number in range(messages):
        if number % ONE_IN:
            server.deliver(OTHER)
            continue
        email = an_email(
            message_id=f"<{number:032x}@example.com>", status=Status.SENT, account_id=account.id
        )
        world.store.write(lambda tx, email=email: tx.emails.add(email, b"x"))  # type: ignore[misc]  # now
        server.deliver(
            a_report(f"{reference_of(email.message_id)}", str(email.recipients[0].address))
        )
    sealed = world.vault.seal(PASSWORD, context=f"inbox:{account.id}")
    inbox = Inbox(
        account_id=account.id,
        host="localhost",
        port=server.port,
        username=USER,
        sealed_password=sealed,
    )
    world.store.write(lambda tx: tx.inboxes.save(inbox))
    with a_reader(server.authority, server.port).open(
        inbox, world.application.inboxes.login(inbox)
    ) as mailbox:
        assert mailbox.uidnext == messages + 1  # the server has made its index
    return attrs.evolve(inbox)


def a_report(reference: str, address: str) -> bytes:
    """A delivery report as Postfix writes it."""
    return (
        "From: MAILER-DAEMON@mx.example.net\nSubject: Undelivered Mail Returned to Sender\n"
        'Content-Type: multipart/report; report-type=delivery-status; boundary="b"\n\n'
        "--b\n\nThis is the mail system. It could not be delivered.\n\n"
        "--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mx.example.net\n\n"
        f"Final-Recipient: rfc822; {address}\nAction: failed\nStatus: 5.1.1\n"
        "Diagnostic-Code: smtp; 550 5.1.1 no such user\n\n"
        f"--b\nContent-Type: text/rfc822-headers\n\nX-Email-Ref: {reference}\nSubject: x\n\n--b--\n"
    ).encode()


def _peak() -> int:
    """In KiB: what the process has held at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else MESSAGES)
