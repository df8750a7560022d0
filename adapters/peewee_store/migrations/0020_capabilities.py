"""No process sends email in a form that it does not know, whatever its version is.

A process shows what it knows of in `instance.capabilities` (`domain.capability`), one of an older
version shows 0. While one is there, nobody accepts email that it would send wrong. The triggers
hold the other direction: none joins while such email waits (`live` = 1), and no email that has
ended waits again while one is there. They are triggers because they must bind programs that were
written before them.

In PostgreSQL, where works run at once, a joining process waits for those that accept such email,
and they for it: the lock of `adapters.peewee_store.instances`.
"""

# ruff: noqa: S608 - the texts are made of constants
from typing import Any

OLDEST_READER = 4

_ALL = 7
_LOCK = 0x696E7374  # "inst"

# what an email needs, by the bit of the capability
_BLOBS = "EXISTS (SELECT 1 FROM email_blob b WHERE b.email_id = {id})"
_PLAIN_BLOBS = "EXISTS (SELECT 1 FROM email_blob b WHERE b.email_id = {id} AND b.as_it_is <> 0)"
_OWN_FROM = {
    "sqlite": "EXISTS (SELECT 1 FROM email_detail d WHERE d.email_id = {id}"
    " AND json_extract(d.detail, '$.sender') IS NOT NULL)",
    "postgresql": "EXISTS (SELECT 1 FROM email_detail d WHERE d.email_id = {id}"
    " AND d.detail::json -> 'sender' IS NOT NULL)",
}
_JOINS = (
    "email waits that a process of this older version would send without its files or from another"
    " sender: stop this process and start the newer version"
)
_REVIVES = "a process of an older version delivers still, and would send this email wrong"


def up(migrator: Any, db: Any) -> None:
    """Make the triggers."""
    sqlite = type(db).__name__.startswith("Sqlite")
    for statement in _of_sqlite() if sqlite else _of_postgresql():
        db.execute_sql(statement)


def _waits(needs: str) -> str:
    return f"EXISTS (SELECT 1 FROM email e WHERE e.live = 1 AND {needs.format(id='e.id')})"


def _conditions(kind: str) -> tuple[str, str]:
    """When NEW of `instance` may not join, and when NEW of `email` may not wait again."""
    needs = {1: _BLOBS, 2: _OWN_FROM[kind], 4: _PLAIN_BLOBS}
    joins = [f"(NEW.capabilities & {bit} = 0 AND {_waits(each)})" for bit, each in needs.items()]
    revives = [
        f"(EXISTS (SELECT 1 FROM instance i WHERE i.capabilities & {bit} = 0)"
        f" AND {each.format(id='NEW.id')})"
        for bit, each in needs.items()
    ]
    return " OR ".join(joins), " OR ".join(revives)


def _of_sqlite() -> list[str]:
    joins, revives = _conditions("sqlite")
    return [
        "CREATE TRIGGER instance_joins BEFORE INSERT ON instance"
        f" WHEN NEW.capabilities & {_ALL} <> {_ALL}"
        f" BEGIN SELECT RAISE(ABORT, '{_JOINS}') WHERE {joins}; END",
        "CREATE TRIGGER email_revives BEFORE UPDATE OF live ON email"
        " WHEN OLD.live = 0 AND NEW.live = 1"
        f" BEGIN SELECT RAISE(ABORT, '{_REVIVES}') WHERE {revives}; END",
    ]


def _of_postgresql() -> list[str]:
    joins, revives = _conditions("postgresql")
    return [
        _function("instance_joins", "pg_advisory_xact_lock", joins, _JOINS),
        "CREATE TRIGGER instance_joins BEFORE INSERT ON instance FOR EACH ROW"
        f" WHEN (NEW.capabilities & {_ALL} <> {_ALL}) EXECUTE FUNCTION instance_joins()",
        _function("email_revives", "pg_advisory_xact_lock_shared", revives, _REVIVES),
        "CREATE TRIGGER email_revives BEFORE UPDATE OF live ON email FOR EACH ROW"
        " WHEN (OLD.live = 0 AND NEW.live = 1) EXECUTE FUNCTION email_revives()",
    ]


def _function(name: str, lock: str, condition: str, refusal: str) -> str:
    return (
        f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        f" PERFORM {lock}({_LOCK}, 0);"
        f" IF {condition} THEN"
        f" RAISE EXCEPTION USING ERRCODE = 'check_violation', MESSAGE = '{refusal}'; END IF;"
        " RETURN NEW; END $$"
    )
