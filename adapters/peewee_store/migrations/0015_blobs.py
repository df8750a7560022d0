"""Large parts of messages in chunks, the emails that carry them, and files that were uploaded.

A digest is SHA-256 in hexadecimal digits. `email_blob` says where in the octets of `email_body` the
lines of base64 of a blob stand. A process of the version before would send such an email without
its parts: `instance.capabilities` tells which processes know of them, and it is 0 for the others.
"""

from typing import Any

OLDEST_READER = 4

_SQLITE = {"blob": "BLOB", "email": "INTEGER", "clustered": "WITHOUT ROWID"}
_POSTGRESQL = {"blob": "BYTEA", "email": "BIGINT", "clustered": ""}

_STATEMENTS = """
CREATE TABLE blob (
    digest TEXT NOT NULL PRIMARY KEY,
    size BIGINT NOT NULL,
    complete INTEGER NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX blob_by_age ON blob (created_at);
CREATE TABLE blob_chunk (
    digest TEXT NOT NULL REFERENCES blob (digest),
    n INTEGER NOT NULL,
    octets {blob} NOT NULL,
    PRIMARY KEY (digest, n)
);
CREATE TABLE email_blob (
    email_id {email} NOT NULL REFERENCES email (id) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    place BIGINT NOT NULL,
    digest TEXT NOT NULL REFERENCES blob (digest),
    PRIMARY KEY (email_id, position)
) {clustered};
CREATE INDEX email_blob_by_digest ON email_blob (digest);
CREATE TABLE upload (
    id TEXT NOT NULL PRIMARY KEY,
    key_id BIGINT,
    digest TEXT NOT NULL REFERENCES blob (digest),
    content_type TEXT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX upload_by_age ON upload (created_at);
CREATE INDEX upload_by_digest ON upload (digest);
ALTER TABLE instance ADD COLUMN capabilities INTEGER NOT NULL DEFAULT 0
"""
# What people attach is compressed already.
_AS_IT_IS = "ALTER TABLE blob_chunk ALTER COLUMN octets SET STORAGE EXTERNAL"


def up(migrator: Any, db: Any) -> None:
    """Create four tables and a column."""
    sqlite = type(db).__name__.startswith("Sqlite")
    for statement in _STATEMENTS.format(**(_SQLITE if sqlite else _POSTGRESQL)).split(";"):
        db.execute_sql(statement)
    if not sqlite:
        db.execute_sql(_AS_IT_IS)
