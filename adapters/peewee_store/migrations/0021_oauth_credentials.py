"""The secrets and tokens of accounts that log in by OAuth, sealed; times in microseconds.

A process of a version before knows no such account and would pause it for the want of a password.
`instance.capabilities` tells who does; a trigger lets none join that does not while there is one
(the other direction is asked where an account is written: `domain.capability`). In PostgreSQL both
take the lock of `adapters.peewee_store.instances`.
"""

from typing import Any

OLDEST_READER = 4

_OAUTH = 8  # the bit of the capability
_LOCK = 0x696E7374  # "inst"
_TABLE = """
CREATE TABLE account_oauth (
    account_id {number} PRIMARY KEY,
    sealed_secret {octets},
    sealed_key {octets},
    sealed_refresh {octets},
    sealed_access {octets},
    expires_at BIGINT,
    obtained_at BIGINT,
    refreshed_at BIGINT,
    generation BIGINT NOT NULL,
    held_by TEXT NOT NULL,
    failures INTEGER NOT NULL,
    retry_at BIGINT,
    last_error TEXT NOT NULL
)
"""
_LACKS = f"NEW.capabilities & {_OAUTH} = 0"
_THERE = "EXISTS (SELECT 1 FROM account WHERE oauth <> '')"
_JOINS = (
    "there are SMTP configurations that log in by OAuth, which a process of this older version"
    " would pause: stop this process and start the newer version"
)
_SQLITE = (
    f"CREATE TRIGGER instance_knows_oauth BEFORE INSERT ON instance WHEN {_LACKS}"
    f" BEGIN SELECT RAISE(ABORT, '{_JOINS}') WHERE {_THERE}; END",
)
_POSTGRESQL = (
    "CREATE FUNCTION instance_knows_oauth() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
    f" PERFORM pg_advisory_xact_lock({_LOCK}, 0);"
    f" IF {_THERE} THEN"
    f" RAISE EXCEPTION USING ERRCODE = 'check_violation', MESSAGE = '{_JOINS}'; END IF;"
    " RETURN NEW; END $$",
    "CREATE TRIGGER instance_knows_oauth BEFORE INSERT ON instance FOR EACH ROW"
    f" WHEN ({_LACKS}) EXECUTE FUNCTION instance_knows_oauth()",
)


def up(migrator: Any, db: Any) -> None:
    """Create the table and the trigger."""
    sqlite = type(db).__name__.startswith("Sqlite")
    octets, number = ("BLOB", "INTEGER") if sqlite else ("BYTEA", "BIGINT")
    db.execute_sql(_TABLE.format(octets=octets, number=number))
    for statement in _SQLITE if sqlite else _POSTGRESQL:
        db.execute_sql(statement)
