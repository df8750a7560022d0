"""Who is not written to any more, which emails have a topic, and secrets of the service's own.

`email_topic` has a row for emails with a topic alone: by it whoever unsubscribes ends what waits.
"""

from typing import Any

OLDEST_READER = 4

_CREATE = """
CREATE TABLE suppression (
    address TEXT NOT NULL,
    scope TEXT NOT NULL,
    reason TEXT NOT NULL,
    email_id BIGINT,
    created_at BIGINT NOT NULL,
    expires_at BIGINT,
    PRIMARY KEY (address, scope, reason)
);
CREATE TABLE email_topic (
    email_id {reference} PRIMARY KEY REFERENCES email (id) ON DELETE CASCADE,
    address TEXT NOT NULL,
    topic TEXT NOT NULL
);
CREATE INDEX email_topic_by_address ON email_topic (address, topic, email_id);
CREATE TABLE secret (
    name TEXT PRIMARY KEY,
    sealed {octets} NOT NULL
)
"""


def up(migrator: Any, db: Any) -> None:
    """Create the tables."""
    sqlite = type(db).__name__.startswith("Sqlite")
    script = _CREATE.format(
        reference="INTEGER" if sqlite else "BIGINT", octets="BLOB" if sqlite else "BYTEA"
    )
    for statement in script.split(";"):
        db.execute_sql(statement)
