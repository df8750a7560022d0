"""``email-service sendmail``: its arguments are those of sendmail, and read by the client."""

import click

from entrypoints.client import sendmail as client


class _Unread(click.Command):
    """Leaves its arguments, ``--help`` and ``--`` too, as they were given."""

    def parse_args(self, context: click.Context, args: list[str]) -> list[str]:
        context.args = args
        return args


@click.command(cls=_Unread, add_help_option=False)
@click.pass_context
def sendmail(context: click.Context) -> None:
    """Submit the message on standard input, in the place of sendmail."""
    client.main(context.args)
