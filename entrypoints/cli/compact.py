"""The command that gives the room of what was removed back to the file system."""

from pathlib import Path
from typing import Final

import click

from entrypoints.cli.service import read_settings, told_plainly
from entrypoints.wiring.compacting import compact_file

_ON_A_SERVER: Final = (
    "PostgreSQL uses the room of what was removed again by itself (autovacuum), and keeps it.\n"
    "To give it back to the file system, while nothing is sent:\n\n"
    "  VACUUM (FULL, ANALYZE) email_body;   -- locks the table, and takes room for a copy of it"
)


@click.command()
def compact() -> None:
    """Give the room of removed emails back to the file system.

    The service may run meanwhile, but for the first time with a file that an earlier version made:
    that is rewritten once, which takes free disk of twice its size.
    """
    path = read_settings().database_path
    if path is None:
        click.echo(_ON_A_SERVER)
        return
    if not path.exists():
        raise click.ClickException(f"there is no database {path}")
    with told_plainly():
        _compact(path)


def _compact(path: Path) -> None:
    done = compact_file(path, tell=lambda text: click.echo(text, err=True))
    click.echo(f"{path}: {done.before:,} octets before, {done.after:,} now")
