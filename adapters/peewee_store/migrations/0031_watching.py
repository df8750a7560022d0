"""What watching the service remembers: full mailboxes, alerts that were told, and notes.

An older process writes nothing here; what it is refused for full mailboxes is not counted.
"""

from typing import Any

OLDEST_READER = 4

_SCRIPT = """
CREATE TABLE full_mailbox (
    address TEXT NOT NULL,
    email_id BIGINT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (address, email_id)
);
CREATE INDEX full_mailbox_by_time ON full_mailbox (at);
CREATE TABLE alert (
    account_id BIGINT NOT NULL,
    reason TEXT NOT NULL,
    event_id BIGINT NOT NULL,
    at BIGINT NOT NULL,
    email_id BIGINT,
    problem TEXT,
    PRIMARY KEY (account_id, reason)
);
CREATE TABLE watch_note (
    name TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
)
"""


def up(migrator: Any, db: Any) -> None:
    """Create the tables."""
    for statement in _SCRIPT.split(";"):
        db.execute_sql(statement)
