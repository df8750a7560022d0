"""The keys that accounts sign their mail with. The version before sends unsigned."""

from typing import Any

OLDEST_READER = 4

_TABLE = """
CREATE TABLE account_dkim (
    account_id BIGINT NOT NULL,
    selector TEXT NOT NULL,
    algorithm TEXT NOT NULL,
    domain TEXT NOT NULL,
    record TEXT NOT NULL,
    sealed_key {blob} NOT NULL,
    active INTEGER NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (account_id, selector, algorithm)
) {clustered}
"""


def up(migrator: Any, db: Any) -> None:
    """Create the table."""
    sqlite = type(db).__name__.startswith("Sqlite")
    words = ("BLOB", "WITHOUT ROWID") if sqlite else ("BYTEA", "")
    db.execute_sql(_TABLE.format(blob=words[0], clustered=words[1]))
