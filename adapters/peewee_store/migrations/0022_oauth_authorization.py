"""Authorizations that a person has begun and that are not over; rows live for minutes."""

from typing import Any

OLDEST_READER = 4

_TABLE = """
CREATE TABLE oauth_authorization (
    digest TEXT PRIMARY KEY,
    account_id BIGINT NOT NULL,
    version BIGINT NOT NULL,
    device INTEGER NOT NULL,
    sealed {octets} NOT NULL,
    redirect_uri TEXT NOT NULL,
    browser TEXT NOT NULL,
    key TEXT NOT NULL,
    expires_at BIGINT NOT NULL
)
"""


def up(migrator: Any, db: Any) -> None:
    """Create the table."""
    sqlite = type(db).__name__.startswith("Sqlite")
    db.execute_sql(_TABLE.format(octets="BLOB" if sqlite else "BYTEA"))
