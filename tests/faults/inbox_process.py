"""Reads the inbox of one account again and again, until it is killed."""

import sys
import time
from pathlib import Path

from adapters.clock import SystemClock
from adapters.peewee_store import SqliteStore
from tests.mail_servers.imap import a_reader
from tests.world import World


def main(database: str, port: int, authority: str) -> None:
    """As the threads of a process that delivers do, without a pause."""
    clock = SystemClock()
    store = SqliteStore(Path(database), clock=clock)
    reader = a_reader(Path(authority), port)
    inboxes = World(store=store, clock=clock, mailboxes=reader).application.inboxes
    while True:
        for inbox in store.read(lambda tx: tx.inboxes.all()):
            inboxes.read(inbox)
        time.sleep(0.05)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
