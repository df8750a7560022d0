"""The largest message that the owner of an account allows.

The version before names the columns that it writes, and leaves this one as it is.
"""

from typing import Any

OLDEST_READER = 4


def up(migrator: Any, db: Any) -> None:
    """Add the column: accounts are few."""
    db.execute_sql("ALTER TABLE account ADD COLUMN allowed_octets BIGINT")
