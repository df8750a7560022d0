"""What passes through the service, counted by the hour.

`throughput` is written with every commit that counts something: a row for each hour, account,
outcome and class of duration, and in PostgreSQL for each connection that writes, its slot. The
sweep folds the hours that are over into `throughput_total`, which only grows, and into
`throughput_hour`, which shows them; so all three stay small.

An older process counts nothing.
"""

from typing import Any

OLDEST_READER = 4

_SCRIPT = """
CREATE TABLE throughput (
    hour BIGINT NOT NULL,
    what TEXT NOT NULL,
    label TEXT NOT NULL,
    account_id BIGINT NOT NULL,
    place INTEGER NOT NULL,
    slot INTEGER NOT NULL,
    n BIGINT NOT NULL,
    duration BIGINT NOT NULL,
    PRIMARY KEY (hour, what, label, account_id, place, slot)
) {clustered};
CREATE TABLE throughput_total (
    what TEXT NOT NULL,
    label TEXT NOT NULL,
    account_id BIGINT NOT NULL,
    place INTEGER NOT NULL,
    n BIGINT NOT NULL,
    duration BIGINT NOT NULL,
    PRIMARY KEY (what, label, account_id, place)
) {clustered};
CREATE TABLE throughput_hour (
    hour BIGINT NOT NULL,
    what TEXT NOT NULL,
    label TEXT NOT NULL,
    n BIGINT NOT NULL,
    PRIMARY KEY (hour, what, label)
) {clustered}
"""
_POSTGRESQL = """
ALTER TABLE throughput SET (fillfactor = 20, autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_threshold = 1000)
"""


def up(migrator: Any, db: Any) -> None:
    """Create the tables."""
    sqlite = type(db).__name__.startswith("Sqlite")
    script = _SCRIPT.format(clustered="WITHOUT ROWID" if sqlite else "")
    for statement in (script if sqlite else f"{script};{_POSTGRESQL}").split(";"):
        db.execute_sql(statement)
