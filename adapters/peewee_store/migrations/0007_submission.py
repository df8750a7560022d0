"""How each account logs in, and whether the next envelope may be written with a final dot.

Nobody was asked before: every account takes the first mechanism offered, and none announces.
"""

from typing import Any

OLDEST_READER = 4  # the version before names the columns that it writes

_STATEMENTS = """
ALTER TABLE account ADD COLUMN auth_mechanism TEXT;
ALTER TABLE account ADD COLUMN announce_next INTEGER NOT NULL DEFAULT 0
"""


def up(migrator: Any, db: Any) -> None:
    """Add the columns: at once, however many accounts there are."""
    for statement in _STATEMENTS.split(";"):
        db.execute_sql(statement)
