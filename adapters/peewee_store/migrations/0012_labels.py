"""Tags and metadata of emails: rows that only labelled emails have.

Each table is ordered for a search by label, newest email first; an index leads from an email to its
rows. `email_metadata.name` is the key.
"""

from typing import Any

OLDEST_READER = 4

_STATEMENTS = """
CREATE TABLE email_tag (
    tag TEXT NOT NULL,
    email_id BIGINT NOT NULL REFERENCES email (id) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    PRIMARY KEY (tag, email_id)
) {clustered};
CREATE UNIQUE INDEX email_tag_by_email ON email_tag (email_id, position);
CREATE TABLE email_metadata (
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    email_id BIGINT NOT NULL REFERENCES email (id) ON DELETE CASCADE,
    PRIMARY KEY (name, value, email_id)
) {clustered};
CREATE UNIQUE INDEX email_metadata_by_email ON email_metadata (email_id, name)
"""


def up(migrator: Any, db: Any) -> None:
    """Create two tables."""
    sqlite = type(db).__name__.startswith("Sqlite")
    for statement in _STATEMENTS.format(clustered="WITHOUT ROWID" if sqlite else "").split(";"):
        db.execute_sql(statement)
