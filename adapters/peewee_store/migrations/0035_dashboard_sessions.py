"""The browsers that are logged in to the dashboard.

The version before has no dashboard: it leaves the table alone.
"""

from typing import Any

OLDEST_READER = 4

_STATEMENTS = """
CREATE TABLE dashboard_session (
    digest {blob} NOT NULL PRIMARY KEY,
    key_prefix TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX dashboard_session_by_end ON dashboard_session (expires_at)
"""


def up(migrator: Any, db: Any) -> None:
    """Create the table and its index."""
    blob = "BLOB" if type(db).__name__.startswith("Sqlite") else "BYTEA"
    for statement in _STATEMENTS.format(blob=blob).split(";"):
        db.execute_sql(statement)
