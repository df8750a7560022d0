"""The commands about the suppression list.

They work on the database itself and need no key: whoever may read it is its owner.
"""

from collections.abc import Callable, Iterator
from typing import Any, TextIO, TypeVar

import click

from application.suppressions import Entry, Suppressions
from domain.address import Address
from domain.suppression import EVERYTHING, Suppression, SuppressionReason
from entrypoints import suppression_csv
from entrypoints.addresses import email_address
from entrypoints.cli.service import opened, read_settings

F = TypeVar("F", bound=Callable[..., Any])
_PAGE = 500
_REASONS = click.Choice([reason.value for reason in SuppressionReason])


def _address(context: click.Context, parameter: click.Parameter, value: str) -> Address:
    try:
        return email_address(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def _filtered(command: F) -> F:
    scope = click.option("--scope", help="Only this one: *, account:1 or topic:newsletter.")
    reason = click.option("--reason", type=_REASONS, help="Only this one.")
    return scope(reason(command))


@click.group()
def suppressions() -> None:
    """List, add and remove the addresses that get no mail; import and export them as CSV."""


@suppressions.command("list")
@_filtered
def list_all(scope: str | None, reason: str | None) -> None:
    """List them, one a line."""
    with opened(read_settings()) as service:
        for page in _pages(service.application.suppressions, scope, reason):
            for one in page:
                click.echo(_told(one))


@suppressions.command()
@click.argument("address", callback=_address)
@click.option("--scope", default=EVERYTHING, show_default=True, help="Of which mail.")
@click.option("--reason", type=_REASONS, default="manual", show_default=True, help="Why.")
def add(address: Address, scope: str, reason: str) -> None:
    """Suppress ADDRESS: it gets no mail of the scope any more."""
    entry = Entry(address=address, scope=scope, reason=SuppressionReason(reason))
    with opened(read_settings()) as service:
        click.echo(_told(service.application.suppressions.put(entry)))


@suppressions.command()
@click.argument("address", callback=_address)
@click.option("--scope", help="Only this one.  [all]")
@click.option("--force", is_flag=True, help="Remove a complaint too.")
def remove(address: Address, scope: str | None, force: bool) -> None:
    """Remove ADDRESS from the list."""
    with opened(read_settings()) as service:
        number = service.application.suppressions.remove(address, scope=scope, force=force)
        click.echo(f"{number} removed")


@suppressions.command("import")
@click.argument("file", type=click.File(encoding="utf-8"))
def import_file(file: TextIO) -> None:
    """Add what FILE has, as CSV or one address a line; - is the standard input.

    Nothing is added if a line is wrong.
    """
    with opened(read_settings()) as service:
        try:
            entries = suppression_csv.read(file, now=service.now())
        except UnicodeDecodeError:
            raise click.BadParameter("must be UTF-8", param_hint="FILE") from None
        click.echo(f"{service.application.suppressions.import_all(entries)} imported")


@suppressions.command()
@_filtered
def export(scope: str | None, reason: str | None) -> None:
    """Write them as CSV to the standard output."""
    with opened(read_settings()) as service:
        click.echo(suppression_csv.HEADER, nl=False)
        for page in _pages(service.application.suppressions, scope, reason):
            click.echo(suppression_csv.written(page), nl=False)


def _pages(
    use_cases: Suppressions, scope: str | None, reason: str | None
) -> Iterator[list[Suppression]]:
    wanted = None if reason is None else SuppressionReason(reason)
    after: int | None = 0
    while after is not None:
        page = use_cases.page(scope=scope, reason=wanted, after=after, limit=_PAGE)
        yield list(page.suppressions)
        after = page.next_after


def _told(one: Suppression) -> str:
    until = "" if one.expires_at is None else f", until {one.expires_at:%Y-%m-%d %H:%M} UTC"
    return f"{one.address} {one.scope} {one.reason}{until}"
