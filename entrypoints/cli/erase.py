"""The command that erases a person."""

import time
from typing import Final

import click

from application.erasing import Erasing, Progress
from domain.address import Address
from domain.erasure import Step
from entrypoints.addresses import email_address
from entrypoints.cli.service import opened, read_settings

_RUN_S: Final = 1.0
_LOOK_S: Final = 0.5
_WAIT_S: Final = 30.0  # for what is being sent just now


def _address(context: click.Context, parameter: click.Parameter, value: str) -> Address:
    try:
        return email_address(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


@click.command()
@click.argument("address", callback=_address)
@click.pass_context
def erase(context: click.Context, address: Address) -> None:
    """Erase ADDRESS and what names it from the database. The service may run meanwhile.

    Exit code 1 if something is left that has to wait; then the service goes on with it by itself,
    and so does this command when it is run again.
    """
    with opened(read_settings()) as service:
        erasing = service.application.erasing
        erasure = erasing.request(address)
        click.echo(f"erasure {erasure.id}: {erasure.pseudonym}")
        progress = _run(erasing, erasure.id)
    found = progress.erasure
    if found.is_done:
        click.echo(f"done: {found.emails} emails erased")
        return
    click.echo(_why(progress))
    context.exit(1)


def _run(erasing: Erasing, erasure_id: int) -> Progress:
    """Until it is done, or has waited for long."""
    waiting_since = time.monotonic()
    before = erasing.of(erasure_id)
    while True:
        erasing.go_on(budget_s=_RUN_S)
        progress = erasing.of(erasure_id)
        if progress.erasure.is_done:
            return progress
        if progress != before:
            waiting_since = time.monotonic()
        elif time.monotonic() - waiting_since > _WAIT_S:
            return progress
        before = progress
        time.sleep(_LOOK_S)


def _why(progress: Progress) -> str:
    if progress.erasure.step is Step.SCRUB:
        return (
            "the address is in no row any more. The database file still has free pages, or a log,"
            " in which it may be read: a file that an earlier version made must be rewritten once,"
            " by `email-service compact` while the service is stopped"
        )
    return (
        f"waiting for {progress.waiting} emails that are being sent, or wait for other recipients"
        " too"
    )
