"""Indexes to search emails by: the address of a recipient, and the beginning of the subject.

Letters of ASCII count in lower case, whatever language the database was made for: PostgreSQL's
collation "C" says so, and SQLite knows no other way. Of a subject as much is in the index as
usually tells one kind of email from another: it grows with every email that is accepted.
"""

from typing import Any

OLDEST_READER = 4

_SQLITE = (
    "CREATE INDEX recipient_by_address ON recipient (lower(address))",
    "CREATE INDEX email_by_subject ON email (lower(substr(subject, 1, 40)))",
)
_POSTGRESQL = (
    'CREATE INDEX recipient_by_address ON recipient (lower(address COLLATE "C"), email_id)',
    'CREATE INDEX email_by_subject ON email (lower(substr(subject, 1, 40) COLLATE "C"), id)',
)


def up(migrator: Any, db: Any) -> None:
    """Create two indexes: for a million emails that takes some seconds."""
    for statement in _SQLITE if type(db).__name__.startswith("Sqlite") else _POSTGRESQL:
        db.execute_sql(statement)
