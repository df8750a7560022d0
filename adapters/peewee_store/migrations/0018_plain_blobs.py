"""Which large parts stand in their message as they are: messages that are attached.

A process of the version before would write them in base64: `instance.capabilities` tells which
processes know of it. It names the columns that it writes, and leaves this one as it is.
"""

from typing import Any

OLDEST_READER = 4


def up(migrator: Any, db: Any) -> None:
    """Add a column: no row is written anew."""
    db.execute_sql("ALTER TABLE email_blob ADD COLUMN as_it_is INTEGER NOT NULL DEFAULT 0")
