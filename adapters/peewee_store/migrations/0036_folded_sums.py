"""PostgreSQL: an index of the sums of the ledger that are not folded yet.

The sweep moves the sums of ten minutes of an hour that is over into one slot, -1, and adds them up
in a row of the width of an hour. Who asks for a day reads the hours, and by this index what was
charged since or came late. The triggers know no such slot: they write beside it.

An older process adds up all slots of the widths that it knows: for it nothing has changed. SQLite
has one slot, and folds nothing.
"""

from typing import Any

OLDEST_READER = 4

_INDEX = """
CREATE INDEX ledger_sum_unfolded ON ledger_sum (account_id, start)
    WHERE width + 0 = 600 AND slot >= 0
"""


def up(migrator: Any, db: Any) -> None:
    """Create the index: some milliseconds."""
    if not type(db).__name__.startswith("Sqlite"):
        db.execute_sql(_INDEX)
