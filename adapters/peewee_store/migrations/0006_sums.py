"""What each account was charged, in sums of ten seconds and of ten minutes beside the ledger.

A claim asks what an account has used in its rolling windows; of a large account that was a hundred
thousand rows each time. The database itself keeps the sums with every charge: so they are exact
whoever writes, the version before this one, a copy from another store and the prune too.

In PostgreSQL each connection that writes has rows of its own, its slot: none waits for another
one's commit.
"""

from typing import Any

OLDEST_READER = 4

_WIDTHS = (10, 600)  # seconds

_TABLE = """
CREATE TABLE ledger_sum (
    account_id BIGINT NOT NULL,
    width INTEGER NOT NULL,
    start BIGINT NOT NULL,
    slot INTEGER NOT NULL DEFAULT 0,
    units BIGINT NOT NULL,
    number BIGINT NOT NULL,
    PRIMARY KEY (account_id, width, start, slot)
) {clustered}
"""

_ADD = """
INSERT INTO ledger_sum (account_id, width, start, slot, units, number) {sums}
    ON CONFLICT (account_id, width, start, slot) DO UPDATE
    SET units = ledger_sum.units + excluded.units, number = ledger_sum.number + excluded.number
"""

_SUMS = """
SELECT account_id, width, ts / (width * 1000000) * (width * 1000000), {slot},
        {sign} SUM(units), {sign} COUNT(*)
    FROM {rows} CROSS JOIN ({widths}) AS widths
    WHERE ts IS NOT NULL GROUP BY 1, 2, 3
"""

_FUNCTION = """
CREATE FUNCTION ledger_summed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'DELETE' THEN {come}; END IF;
    IF TG_OP <> 'INSERT' THEN {gone}; END IF;
    RETURN NULL;
END $$
"""


def up(migrator: Any, db: Any) -> None:
    """Make the table, what keeps it, and the sums of what is there: a second for a million rows."""
    sqlite = type(db).__name__.startswith("Sqlite")
    db.execute_sql(_TABLE.format(clustered="WITHOUT ROWID" if sqlite else ""))
    for statement in _of_sqlite() if sqlite else _of_postgresql():
        db.execute_sql(statement)
    # after the triggers: what others charge meanwhile waits for this, and is theirs
    db.execute_sql(_sums_of("ledger", slot="0"))


def _sums_of(rows: str, *, slot: str, sign: str = "") -> str:
    widths = " UNION ALL ".join(f"SELECT {width} AS width" for width in _WIDTHS)
    return _ADD.format(sums=_SUMS.format(rows=rows, slot=slot, sign=sign, widths=widths))


def _of_sqlite() -> list[str]:
    return [
        _for_each_row("come", "INSERT", "NEW", ""),
        _for_each_row("came", "UPDATE OF account_id, units, ts", "NEW", ""),
        _for_each_row("went", "UPDATE OF account_id, units, ts", "OLD", "-"),
        _for_each_row("gone", "DELETE", "OLD", "-"),
    ]


def _for_each_row(name: str, event: str, row: str, sign: str) -> str:
    steps = {width: width * 1_000_000 for width in _WIDTHS}
    additions = [
        _ADD.format(
            sums=f"VALUES ({row}.account_id, {width}, {row}.ts / {step} * {step}, 0,"
            f" {sign}{row}.units, {sign}1)"
        )
        for width, step in steps.items()
    ]
    return (
        f"CREATE TRIGGER ledger_sum_{name} AFTER {event} ON ledger WHEN {row}.ts IS NOT NULL"
        f" BEGIN {'; '.join(additions)}; END"
    )


def _of_postgresql() -> list[str]:
    come = _sums_of("come", slot="pg_backend_pid()")
    gone = _sums_of("gone", slot="pg_backend_pid()", sign="-")
    tables = {
        "INSERT": "NEW TABLE AS come",
        "UPDATE": "NEW TABLE AS come OLD TABLE AS gone",
        "DELETE": "OLD TABLE AS gone",
    }
    return [
        "ALTER TABLE ledger_sum SET (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05)",
        _FUNCTION.format(come=come, gone=gone),
        *(
            f"CREATE TRIGGER ledger_sum_{event.lower()} AFTER {event} ON ledger"
            f" REFERENCING {changed} FOR EACH STATEMENT EXECUTE FUNCTION ledger_summed()"
            for event, changed in tables.items()
        ),
    ]
