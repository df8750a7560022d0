"""What reports have told of emails, and by what they find them.

`position` is the recipient's, -1 for a complaint that does not say whose it is. The index has what
stands in `X-Email-Ref`: the part of the Message-ID before its @. `provider_name` has the emails
whose provider reports by a name of its own, as it gave it in its reply.
"""

from typing import Any

OLDEST_READER = 4

_SCRIPT = """
CREATE TABLE bounce (
    email_id BIGINT NOT NULL REFERENCES email (id) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    type TEXT NOT NULL,
    kind TEXT NOT NULL,
    status TEXT,
    text TEXT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (email_id, position, type)
) {clustered};
CREATE TABLE provider_name (
    email_id BIGINT NOT NULL REFERENCES email (id) ON DELETE CASCADE,
    attempt_no INTEGER NOT NULL,
    name TEXT NOT NULL,
    PRIMARY KEY (email_id, attempt_no)
) {clustered};
CREATE INDEX provider_name_by_name ON provider_name (name);
CREATE INDEX email_by_reference ON email ({reference}{id})
"""
_SQLITE = "substr(message_id, 2, instr(message_id, '@') - 2)"
_POSTGRESQL = "substr(message_id, 2, strpos(message_id, '@') - 2)"


def up(migrator: Any, db: Any) -> None:
    """Create two tables, and an index: for a million emails that takes some seconds."""
    sqlite = type(db).__name__.startswith("Sqlite")
    script = _SCRIPT.format(
        clustered="WITHOUT ROWID" if sqlite else "",
        reference=_SQLITE if sqlite else _POSTGRESQL,
        id="" if sqlite else ", id",
    )
    for statement in script.split(";"):
        db.execute_sql(statement)
