"""The command that moves everything from one store to another one."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click

from entrypoints.cli.service import read_settings, told_plainly
from entrypoints.wiring.copy import StoreCopy, named, open_copy, released


@click.command()
@click.option("--from", "source", required=True, metavar="URL", help="The database to copy from.")
@click.option("--to", "target", metavar="URL", help="The database to copy to: an empty one.")
@click.option(
    "--release",
    is_flag=True,
    help="Give up the copy: let --from be started again.",
)
def copy(source: str, target: str | None, release: bool) -> None:
    """Copy everything from one database to another one, and verify it.

    Stop the service first. Run it again if it was interrupted: it continues where it stopped. At
    the end, --from can no longer be started, so that no email is sent from both.
    """
    settings = read_settings()
    if release == (target is not None):
        raise click.UsageError("give either --to or --release")
    with told_plainly():
        if target is None:
            released(source, lease=settings.lease, tell=_aside)
            click.echo(f"{named(source)} can be started again; never start its copy too")
            return
        if source == target:
            raise click.UsageError("--from and --to are the same store")
        with open_copy(source, target, lease=settings.lease, tell=_aside) as copy:
            _run(copy, source, target)


def _run(copy: StoreCopy, source: str, target: str) -> None:
    with _bar(copy.rows()) as advanced:
        copied = copy.run(advanced=advanced)
    if copied.already:
        click.echo(f"{named(target)} has had all of {named(source)} since an earlier copy")
        return
    for name, number in copied.rows.items():
        click.echo(f"{name:<12}{number:>12,}")
    click.echo(f"Counts and digests of all {len(copied.rows)} tables are equal.")
    click.echo(
        f"Next: DATABASE_URL={named(target)} with the same SECRET_KEY (in development it lies in a"
        f" .key file beside the old database). {named(source)} can no longer be started."
    )


@contextmanager
def _bar(rows: int) -> Iterator[Callable[[int], object]]:
    """A progress bar on a terminal, nothing elsewhere."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    with click.progressbar(length=rows, label="Copying", file=sys.stderr) as bar:
        yield bar.update


def _aside(text: str) -> None:
    click.echo(text, err=True)
