"""``email-service top``: accounts, the queue and the last failures, again and again.

It works on the database itself, like the other commands about accounts.
"""

import json
import signal
import sys
import time
from collections.abc import Mapping
from datetime import datetime
from types import FrameType
from typing import Any, Final

import click

from application.live import AccountLine, Live, LiveView, PriorityLine
from domain.account.account import AccountState
from domain.email.listing import EmailSummary
from entrypoints.cli.service import opened, read_settings

SECONDS: Final = 2.0


@click.command()
@click.option(
    "--interval",
    type=click.FloatRange(0.2, 3600),
    default=SECONDS,
    show_default=True,
    help="Seconds between two looks.",
)
@click.option("--once", is_flag=True, help="Print it once; as without a terminal.")
@click.option("--json", "as_json", is_flag=True, help="Print it once as a JSON object.")
def top(interval: float, once: bool, as_json: bool) -> None:
    """Show how accounts fare, what waits by priority, and the last failures. Ctrl+C ends it.

    Accounts with trouble come first, then those for which most waits.
    """
    with opened(read_settings()) as service:
        live = service.application.live
        if as_json:
            click.echo(json.dumps(_told(live.look())))
        elif once or not sys.stdout.isatty():
            _print(live)
        else:
            _follow(live, interval)


def _print(live: Live) -> None:
    from rich.console import Console

    from entrypoints.cli.live_table import rendered

    # a pipe has no width: lines are as long as they must be
    console = Console() if sys.stdout.isatty() else Console(width=200)
    console.print(rendered(ordered(live.look()), width=console.width, height=None))


def _follow(live: Live, interval: float) -> None:
    """On a screen of its own, until Ctrl+C or SIGTERM; the terminal is as it was afterwards."""
    # here: no other command needs it
    from rich.console import Console
    from rich.live import Live as Screen

    from entrypoints.cli.live_table import rendered

    console = Console()
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        with Screen(console=console, screen=True, auto_refresh=False) as screen:
            while True:
                view = ordered(live.look())
                shown = rendered(view, width=console.width, height=console.height)
                screen.update(shown, refresh=True)
                time.sleep(interval)
    except KeyboardInterrupt:
        return


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def ordered(view: LiveView) -> LiveView:
    """The same with those accounts first that somebody has to look at."""
    import attrs

    accounts = sorted(
        view.accounts,
        key=lambda one: (one.state is AccountState.OPEN, not one.why, -one.waiting, one.id),
    )
    return attrs.evolve(view, accounts=accounts)


def _told(view: LiveView) -> Mapping[str, Any]:
    """With the words and times of the API."""
    return {
        "at": _time(view.at),
        "emails": {status.value: number for status, number in view.emails.items()},
        "waiting_shared": view.shared,
        "smtp_configs": [_account(one) for one in view.accounts],
        "priorities": [_priority(one) for one in view.priorities],
        "failures": [_failure(one) for one in view.failures],
    }


def _account(line: AccountLine) -> Mapping[str, Any]:
    return {
        "id": line.id,
        "name": line.name,
        "state": line.state.value,
        "reason": line.why or None,
        "until": _time(line.until),
        "used": {window.value: number for window, number in line.used.items()},
        "limits": {window.value: number for window, number in line.limits.items()},
        "learned_limits": [
            {"window": one.window.value, "least": one.least, "most": one.most, "times": one.times}
            for one in line.learned
        ],
        "waiting": line.waiting,
        "handed_off_last_minute": line.handed_off,
    }


def _priority(line: PriorityLine) -> Mapping[str, Any]:
    return {
        "priority": line.priority,
        "due": line.due,
        "later": line.later,
        "due_since": _time(line.due_since),
    }


def _failure(email: EmailSummary) -> Mapping[str, Any]:
    return {
        "id": email.id,
        "subject": email.subject,
        "recipients": [str(one) for one in email.recipients],
        "smtp_config_id": email.account_id,
        "reason_code": email.reason_code,
        "created_at": _time(email.created_at),
    }


def _time(when: datetime | None) -> str | None:
    return None if when is None else when.isoformat(timespec="microseconds").replace("+00:00", "Z")
