"""``email-service alerts``: of what ALERT_EMAIL was told, and of what it could not be."""

import click

from domain.event.alert import AlertRecord
from entrypoints.cli.service import opened, read_settings
from entrypoints.cli.tables import table, time_text

_SHOWN = 100


@click.command()
def alerts() -> None:
    """List the last alert of each SMTP configuration and reason, the newest first."""
    with opened(read_settings()) as service:
        found = service.application.queries.alerts(limit=_SHOWN)
    if found:
        click.echo(table([("time", "SMTP configuration", "reason", "told"), *map(_row, found)]))
    else:
        click.echo("no alerts")


def _row(record: AlertRecord) -> tuple[str, ...]:
    account = "-" if record.account_id is None else str(record.account_id)
    told = f"not sent: {record.problem}" if record.email_id is None else f"email {record.email_id}"
    return (time_text(record.at), account, record.reason, told)
