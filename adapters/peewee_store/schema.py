"""Which migrations a database has, which this program knows, and whether the two go together.

Each migration says in ``OLDEST_READER`` the number of the migration that a program must know to run
on the schema that it makes. It is recorded beside the migration's name: a program that is older
reads it there, for it does not have the file. So a newer schema on which this program would do harm
is refused, and one that was made for a rolling upgrade is not.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import peewee
from playhouse.migrations import Migration, Runner

from domain.errors import SchemaTooNew

HISTORY: Final = "schema_migration"
_COLUMN: Final = "oldest_reader"


def pending(database: peewee.Database, directory: Path) -> Sequence[str]:
    """The names of the migrations that are to be applied. SchemaTooNew."""
    steps = Runner(database, str(directory)).status()
    _check(database, steps)
    return [step.name for step in steps if step.path is not None and not step.applied]


def upgrade(database: peewee.Database, directory: Path) -> Sequence[str]:
    """Apply what is pending and record what each asks of a program; the names. SchemaTooNew.

    The caller holds a lock and commits.
    """
    runner = Runner(database, str(directory))
    _check(database, runner.status())
    applied: Sequence[str] = runner.up()
    if applied:
        _record(database, {step.name: _asked_by(step) for step in runner.migrations()})
    return applied


def _check(database: peewee.Database, steps: Sequence[Migration]) -> None:
    newest = max((step.idx for step in steps if step.path is not None), default=0)
    unknown = [step.name for step in steps if step.path is None]
    if not unknown:
        return
    recorded = _recorded(database)
    for name in unknown:
        asked = recorded.get(name)
        if asked is None or asked > newest:
            raise SchemaTooNew(_refusal(name, asked, newest))


def _refusal(name: str, asked: int | None, newest: int) -> str:
    needed = (
        "and it is not recorded what that asks of a program"
        if asked is None
        else f"which needs a program that knows migration {asked:04d}"
    )
    return (
        f"the database is of a newer version: it has the migration {name}, {needed};"
        f" this program knows them up to {newest:04d}. Install the newer version,"
        " or restore a backup from before that migration"
    )


def _recorded(database: peewee.Database) -> Mapping[str, int | None]:
    if not _has_column(database):
        return {}
    rows = database.execute_sql(f"SELECT name, {_COLUMN} FROM {HISTORY}")  # type: ignore[no-untyped-call]  # noqa: S608
    return dict(rows.fetchall())


def _record(database: peewee.Database, asked: Mapping[str, int | None]) -> None:
    run: Any = database.execute_sql
    if not _has_column(database):
        run(f"ALTER TABLE {HISTORY} ADD COLUMN {_COLUMN} INTEGER")
    mark = database.param
    for name, number in asked.items():
        run(f"UPDATE {HISTORY} SET {_COLUMN} = {mark} WHERE name = {mark}", (number, name))  # noqa: S608


def _has_column(database: peewee.Database) -> bool:
    columns: Any = database.get_columns(HISTORY)
    return _COLUMN in {column.name for column in columns}


def _asked_by(step: Migration) -> int | None:
    """None if its file does not name it: then older programs refuse what it has made."""
    asked: int | None = getattr(step.load(), "OLDEST_READER", None)
    return asked
