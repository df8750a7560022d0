"""``email-service bounce-report``: what reports about sent mail say of recipients.

It needs no settings and no database, and changes nothing: an owner looks at a report with it.
"""

import json
from typing import Final

import click

from domain.bounce.parse import LONGEST_REPORT, parse_report
from domain.bounce.report import ReportedRecipient
from entrypoints.os_errors import reason_of
from entrypoints.wiring import shipped_rules

_STANDARD_INPUT: Final = "-"


@click.command("bounce-report")
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.pass_context
def bounce_report(context: click.Context, files: tuple[str, ...]) -> None:
    """Say what delivery reports and complaints in FILEs tell of recipients. Changes nothing.

    A FILE is one message, or a notification of Amazon SES in JSON; - is standard input. Each
    recipient is one line of JSON, in the report's order. Mail that is no report prints nothing. The
    exit code is 1 if a FILE cannot be read; the others are read all the same.
    """
    rules = shipped_rules()
    exit_code = 0
    for file in files:
        try:
            with click.open_file(file, "rb") as opened:
                octets = opened.read(LONGEST_REPORT)
        except OSError as error:
            click.echo(f"{file}: {reason_of(error)}", err=True)
            exit_code = 1
            continue
        for one in parse_report(octets, rules=rules).recipients:
            click.echo(_line(file, one))
    context.exit(exit_code)


def _line(file: str, one: ReportedRecipient) -> str:
    # An email is named by random tokens, not by its id: only the database knows which it is.
    return json.dumps(
        {
            "file": file,
            "recipient": one.recipient,
            "status": one.status,
            "kind": one.kind.value,
            "diagnostic": one.diagnostic,
            "email_id": None,
        }
    )
