"""Through which accounts Amazon SES may be given orders in the headers of a message.

The version before names the columns that it writes, and leaves this one as it is.
"""

from typing import Any

OLDEST_READER = 4


def up(migrator: Any, db: Any) -> None:
    """Add the column: accounts are few."""
    db.execute_sql("ALTER TABLE account ADD COLUMN ses_headers INTEGER NOT NULL DEFAULT 0")
