"""When the message of an email was removed, and from when on the ages count.

The index has the emails that have ended and have their message, by status and time. A database in
which there are emails already gets the one row of `retention`: what has ended before the upgrade
counts from it. The trigger keeps whoever does not know of this, the version before among them, from
sending an email whose message is gone.
"""

from typing import Any

OLDEST_READER = 4

_COLUMN = "ALTER TABLE email ADD COLUMN content_purged_at BIGINT"
_INDEX = (
    "CREATE INDEX email_with_content ON email (status, updated_at{id})"
    " WHERE live = 0 AND content_purged_at IS NULL"
)
_TABLE = """
CREATE TABLE retention (
    id INTEGER PRIMARY KEY,
    counts_from BIGINT NOT NULL,
    told INTEGER NOT NULL
)
"""
_ROW = (
    "INSERT INTO retention (id, counts_from, told)"
    " SELECT 1, {now}, 0 WHERE EXISTS (SELECT 1 FROM email)"
)
_NOW = {
    "sqlite": "CAST(strftime('%s', 'now') AS INTEGER) * 1000000",
    "postgresql": "CAST(EXTRACT(EPOCH FROM now()) * 1000000 AS BIGINT)",
}
# Of a large table a fifth would be free before it is vacuumed: the messages of weeks.
_VACUUM = (
    "ALTER TABLE email_body SET (autovacuum_vacuum_scale_factor = 0.02,"
    " toast.autovacuum_vacuum_scale_factor = 0.02)"
)
_REVIVES = "OLD.live = 0 AND NEW.live = 1 AND OLD.content_purged_at IS NOT NULL"
_REFUSAL = "the message of this email was removed: it cannot be sent again"


def up(migrator: Any, db: Any) -> None:
    """Add a column; the index takes some seconds for a million emails."""
    kind = "sqlite" if type(db).__name__.startswith("Sqlite") else "postgresql"
    for statement in (
        _COLUMN,
        _INDEX.format(id=", id" if kind == "postgresql" else ""),
        _TABLE,
        _ROW.format(now=_NOW[kind]),
        *(_of_sqlite() if kind == "sqlite" else _of_postgresql()),
    ):
        db.execute_sql(statement)


def _of_sqlite() -> list[str]:
    return [
        "CREATE TRIGGER email_without_content BEFORE UPDATE OF live ON email"
        f" WHEN {_REVIVES} BEGIN SELECT RAISE(ABORT, '{_REFUSAL}'); END"
    ]


def _of_postgresql() -> list[str]:
    return [
        _VACUUM,
        "CREATE FUNCTION email_without_content() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " RAISE EXCEPTION USING ERRCODE = 'check_violation',"
        f" MESSAGE = '{_REFUSAL}'; END $$",
        "CREATE TRIGGER email_without_content BEFORE UPDATE OF live ON email FOR EACH ROW"
        f" WHEN ({_REVIVES}) EXECUTE FUNCTION email_without_content()",
    ]
