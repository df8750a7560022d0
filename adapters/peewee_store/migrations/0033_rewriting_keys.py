"""Which API keys send as their account what they submit with another From.

The version before names the columns that it writes, and refuses such email as before.
"""

from typing import Any

OLDEST_READER = 4


def up(migrator: Any, db: Any) -> None:
    """Add the column: keys are few."""
    db.execute_sql("ALTER TABLE api_key ADD COLUMN rewrites_from INTEGER NOT NULL DEFAULT 0")
