"""How often an email has stepped aside because it may be to blame for its account's trouble."""

from typing import Any

OLDEST_READER = 4


def up(migrator: Any, db: Any) -> None:
    """Add the column: at once, however many emails there are."""
    db.execute_sql("ALTER TABLE email ADD COLUMN asides INTEGER NOT NULL DEFAULT 0")
