"""How each account logs in without a password, and over what its mail leaves.

``oauth`` is a JSON object, or empty for an account with a password or without a login.
"""

from typing import Any

OLDEST_READER = 4


def up(migrator: Any, db: Any) -> None:
    """Add the columns: accounts are few."""
    db.execute_sql("ALTER TABLE account ADD COLUMN oauth TEXT NOT NULL DEFAULT ''")
    db.execute_sql("ALTER TABLE account ADD COLUMN transport TEXT NOT NULL DEFAULT 'smtp'")
