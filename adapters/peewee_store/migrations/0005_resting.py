"""The index of lists by status without what is sending.

Every email is sending once and leaves it within moments: to stand in the index meanwhile cost two
changes of it, a twelfth of a claim. What is sending is few, and has an index of its own.
"""

from typing import Any

OLDEST_READER = 4

_STATEMENTS = """
DROP INDEX email_by_status;
CREATE INDEX email_by_status ON email (status, id) WHERE status <> 'sending'
"""


def up(migrator: Any, db: Any) -> None:
    """Rebuild the index: a second or so for a million emails."""
    for statement in _STATEMENTS.split(";"):
        db.execute_sql(statement)
