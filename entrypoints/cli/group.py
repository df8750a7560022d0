"""The command ``email-service`` and its commands, each imported when it is called.

Exit codes: 0 all is well; 1 it failed, or an outcome was left unknown at the end; 2 the settings or
the arguments cannot be used. A command that has others tells them.
"""

from collections.abc import Mapping
from importlib import import_module
from typing import Final

import click

# name -> the module of entrypoints.cli that has it, and its name there
COMMANDS: Final[Mapping[str, tuple[str, str]]] = {
    "accounts": ("accounts", "accounts"),
    "alerts": ("alerts", "alerts"),
    "audit": ("keys", "audit"),
    "bounce-report": ("bounces", "bounce_report"),
    "call-webhooks": ("commands", "call_webhooks"),
    "compact": ("compact", "compact"),
    "copy": ("copy", "copy"),
    "demo": ("commands", "demo"),
    "doctor": ("doctor", "doctor"),
    "erase": ("erase", "erase"),
    "events": ("events", "events"),
    "explain-reply": ("explain", "explain_reply"),
    "export": ("export", "export"),
    "keys": ("keys", "keys"),
    "migrate": ("commands", "migrate"),
    "send": ("send", "send"),
    "send-csv": ("send_csv", "send_csv"),
    "sendmail": ("sendmail", "sendmail"),
    "serve": ("commands", "serve"),
    "suppressions": ("suppressions", "suppressions"),
    "templates": ("templates", "templates"),
    "webhooks": ("webhooks", "webhooks"),
    "top": ("top", "top"),
    "worker": ("commands", "worker"),
}


class LazyGroup(click.Group):
    """Its commands are those of `COMMANDS`. To import all of them takes a second."""

    def list_commands(self, context: click.Context) -> list[str]:
        """Their names, sorted."""
        return sorted(COMMANDS)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        """The command with this name; None if there is none."""
        if name not in COMMANDS:
            return None
        module, attribute = COMMANDS[name]
        command: click.Command = getattr(import_module(f"entrypoints.cli.{module}"), attribute)
        return command


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="email-service", prog_name="email-service")
def cli() -> None:
    """One safe HTTP endpoint in front of your SMTP accounts.

    Settings come from the environment and from the file .env; .env.example explains them all.
    """


def main() -> None:
    """Run the command."""
    cli(prog_name="email-service")
