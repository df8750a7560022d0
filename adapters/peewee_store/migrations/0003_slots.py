"""The tally in slots, so that processes that write at once do not wait for each other's commits.

In SQLite there is one writer: all stand in slot 0, and the statements of the schema before go on.
In PostgreSQL the slot is part of the key; pages keep room for updates in place, and the tables that
change all the time are swept early.
"""

from typing import Any

OLDEST_READER = 3  # the key of the tally is another one in PostgreSQL

_STATEMENTS = """
ALTER TABLE tally ADD COLUMN slot INTEGER NOT NULL DEFAULT 0
"""

_POSTGRESQL = """
ALTER TABLE tally DROP CONSTRAINT tally_pkey;
ALTER TABLE tally ADD PRIMARY KEY (queue, status, slot);
ALTER TABLE tally SET (fillfactor = 20, autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_threshold = 1000);
ALTER TABLE account SET (fillfactor = 50, autovacuum_vacuum_threshold = 1000);
ALTER TABLE instance SET (fillfactor = 50);
ALTER TABLE email SET (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02,
    autovacuum_vacuum_threshold = 2000, autovacuum_analyze_scale_factor = 0.05);
ALTER TABLE attempt SET (fillfactor = 80);
ALTER TABLE ledger SET (autovacuum_vacuum_scale_factor = 0.05)
"""


def up(migrator: Any, db: Any) -> None:
    """Add a column; its default is what an older version's insert means."""
    sqlite = type(db).__name__.startswith("Sqlite")
    for statement in (_STATEMENTS if sqlite else f"{_STATEMENTS};{_POSTGRESQL}").split(";"):
        db.execute_sql(statement)
