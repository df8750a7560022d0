"""What emails were submitted with, beyond what their delivery needs: a JSON object each.

Most emails have no row. A further field of the object needs no migration.
"""

from typing import Any

OLDEST_READER = 4

_CREATE = """
CREATE TABLE email_detail (
    email_id {reference} PRIMARY KEY REFERENCES email (id) ON DELETE CASCADE,
    detail TEXT NOT NULL
)
"""


def up(migrator: Any, db: Any) -> None:
    """Create the table."""
    sqlite = type(db).__name__.startswith("Sqlite")
    db.execute_sql(_CREATE.format(reference="INTEGER" if sqlite else "BIGINT"))
