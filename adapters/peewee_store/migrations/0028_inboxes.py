"""The mailboxes to which reports about the mail of accounts come; times in microseconds.

`uidvalidity` and `uid` tell how far one was read. The version before knows none of them: while it
is the one process that could, nobody reads them.
"""

from typing import Any

OLDEST_READER = 4

_TABLE = """
CREATE TABLE account_inbox (
    account_id {number} PRIMARY KEY,
    version BIGINT NOT NULL,
    host TEXT NOT NULL,
    port INTEGER NOT NULL,
    username TEXT NOT NULL,
    sealed_password {octets},
    folder TEXT NOT NULL,
    poll BIGINT NOT NULL,
    uidvalidity BIGINT,
    uid BIGINT,
    tried_at BIGINT,
    read_at BIGINT,
    failures INTEGER NOT NULL,
    last_error TEXT NOT NULL
)
"""


def up(migrator: Any, db: Any) -> None:
    """Create the table."""
    sqlite = type(db).__name__.startswith("Sqlite")
    octets, number = ("BLOB", "INTEGER") if sqlite else ("BYTEA", "BIGINT")
    db.execute_sql(_TABLE.format(octets=octets, number=number))
