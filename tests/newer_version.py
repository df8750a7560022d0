"""A database that a newer version has migrated, for tests."""

import shutil
from pathlib import Path

from adapters.peewee_store.sqlite import MIGRATIONS

SHIPPED = tuple(sorted(path.stem for path in MIGRATIONS.glob("[0-9]*.py")))
NEWEST = int(SHIPPED[-1][:4])


def newer_version(folder: Path, *, oldest_reader: int | None) -> Path:
    """The migrations of a version that has one more, 9999_later, which asks for *oldest_reader*."""
    shutil.copytree(MIGRATIONS, folder, ignore=shutil.ignore_patterns("__*"))
    says = "" if oldest_reader is None else f"OLDEST_READER = {oldest_reader}\n"
    (folder / "9999_later.py").write_text(
        f"{says}def up(migrator, db):\n    db.execute_sql('CREATE TABLE later (n INTEGER)')\n"
    )
    return folder
