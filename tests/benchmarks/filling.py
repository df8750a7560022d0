"""Databases full of waiting emails, made in seconds.

One email is accepted by the service's own code; its rows are then copied in SQL, whatever columns
they have, without durability, which is not needed while a database is being made. What is measured
afterwards opens the file with every setting of the service.
"""

import os
import sqlite3  # noqa: TID251 - while no store has the file open
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Final

import attrs

from adapters.clock import SystemClock
from adapters.entropy import SystemEntropy
from adapters.peewee_store import SqliteStore
from domain.account.account import Account, Security
from domain.account.limits import Limits
from domain.address import Address
from domain.email.lifecycle import Email
from domain.message.compose import Content, compose
from entrypoints.stores import open_store
from tests.builders import an_account, an_email

TEN_KB_HTML: Final = "<html><body>\n" + "<p>Some words of a letter that somebody reads.</p>\n" * 140
TEN_KB_TEXT: Final = "Some words of a letter that somebody reads.\n" * 60
SHORT_HTML: Final = "<p>Hello</p>"
_FAR: Final = 10**12  # microseconds: eleven days


@attrs.frozen(kw_only=True)
class Filling:
    """What a database is to hold. *accounts* share the emails unless they are *pinned* to one."""

    emails: int
    port: int
    accounts: int = 1
    connections: int = 2
    short: bool = False
    pinned: bool = False
    announce_next: bool = False
    not_yet_due: int = 0


def fill(path: Path, filling: Filling) -> None:
    """Make the database *path* with what *filling* says."""
    clock = SystemClock()
    store = open_store(f"sqlite:///{path}", clock=clock)
    try:
        store.migrate()
        accounts = [_add_account(store, number, filling) for number in range(filling.accounts)]
        if filling.emails:
            _add_template(store, accounts[0], filling, clock)
    finally:
        store.close()
    if filling.emails > 1:
        _multiply(path, filling)


def _add_account(store: SqliteStore, number: int, filling: Filling) -> Account:
    account = an_account(
        name=f"account-{number}",
        host="127.0.0.1",
        port=filling.port,
        security=Security.PLAIN,
        username="",
        announce_next=filling.announce_next,
        limits=Limits(daily=None, hourly=None, max_connections=filling.connections),
    )
    return store.write(lambda tx: tx.accounts.add(account))


def _add_template(
    store: SqliteStore, account: Account, filling: Filling, clock: SystemClock
) -> Email:
    now = clock.now() - timedelta(hours=1)
    octets = message(short=filling.short)
    email = an_email(
        subject="Hello",
        account_id=account.id,
        pinned=filling.pinned,
        size=len(octets),
        eligible_at=now,
        expires_at=now + timedelta(days=30),
        created_at=now,
        updated_at=now,
    )
    return store.write(lambda tx: tx.emails.add(email, octets))


def message(*, short: bool = False) -> bytes:
    """A composed message: 10 KB of HTML and text, or a short one."""
    token = SystemEntropy().token()
    content = Content(
        subject="Hello",
        html=SHORT_HTML if short else TEN_KB_HTML,
        text=None if short else TEN_KB_TEXT,
        to=(Address.parse("ada@example.org"),),
    )
    return compose(
        content,
        message_id=f"<{token}@example.com>",
        date=SystemClock().now(),
        boundary=f"=_{token}",
    )


def _multiply(path: Path, filling: Filling) -> None:
    database = sqlite3.connect(path, isolation_level=None)
    try:
        database.execute("PRAGMA synchronous = OFF")
        database.execute("PRAGMA cache_size = -200000")
        (template,) = database.execute("SELECT MIN(id) FROM email").fetchone()
        more = filling.emails - 1
        due = more - filling.not_yet_due
        database.execute("BEGIN")
        # those that are not due stand in every priority, where a claim looks first
        _copy(database, "email", "id", template, more, {
            "eligible_at": f"eligible_at + n + (n > {due}) * {_FAR}",
            "expires_at": f"expires_at + n + (n > {due}) * {_FAR}",
            "priority": f"CASE WHEN n > {due} THEN 1 + n % 5 ELSE priority END",
            "status": f"CASE WHEN n > {due} THEN 'scheduled' ELSE status END",
            "message_id": "'<' || n || '@example.com>'",
        })  # fmt: skip
        for table in ("email_body", "recipient"):
            _copy(database, table, "email_id", template, more, {})
        _tally(database)
        database.execute("COMMIT")
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    finally:
        database.close()
    _flush(path)


def _flush(path: Path) -> None:
    """Onto the disk: else the first checkpoint of whoever is measured waits for hundreds of MB."""
    with path.open("rb") as database:
        os.fsync(database.fileno())


def _tally(database: sqlite3.Connection) -> None:
    database.execute("DELETE FROM tally")
    database.execute(
        "INSERT INTO tally (queue, status, n)"
        " SELECT queue, status, COUNT(*) FROM email GROUP BY queue, status"
    )


def _copy(
    database: sqlite3.Connection,
    table: str,
    key: str,
    template: int,
    more: int,
    changed: Mapping[str, str],
) -> None:
    columns = [row[1] for row in database.execute(f"PRAGMA table_info({table})")]
    values = ", ".join(
        "id_of + n" if column == key else changed.get(column, column) for column in columns
    )
    database.execute(
        "WITH RECURSIVE more(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM more WHERE n < ?)"
        f" INSERT INTO {table} ({', '.join(columns)}) SELECT {values}"
        f" FROM more, (SELECT *, {key} AS id_of FROM {table} WHERE {key} = ?)",
        (more, template),
    )


def status_counts(database: sqlite3.Connection) -> dict[str, int]:
    """How many emails stand in each status, from the tally."""
    found = database.execute("SELECT status, SUM(n) FROM tally GROUP BY status")
    return dict(found.fetchall())
