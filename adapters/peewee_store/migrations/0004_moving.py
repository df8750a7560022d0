"""What a store remembers of being copied to another one: see `adapters/peewee_store/copy.py`.

A few rows of words; a store that was never copied has none.
"""

from typing import Any

OLDEST_READER = 4  # an older program would start on a store that was copied away


def up(migrator: Any, db: Any) -> None:
    """Create the table."""
    clustered = "WITHOUT ROWID" if type(db).__name__.startswith("Sqlite") else ""
    db.execute_sql(
        f"CREATE TABLE moving (name TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL) {clustered}"
    )
