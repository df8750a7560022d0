"""The commands about webhooks: which there are, what their calls came to, and calling them again.

They work on the database itself and need no key. They call nobody: the service does, which must
run.
"""

import json
import time
from datetime import datetime, timedelta
from typing import Any, Final

import click

from application.webhooks.registry import Listed, WebhookRegistry, WebhookWish
from domain.event.types import EventType
from domain.webhook.delivery import LARGEST_EVENT, WebhookAttempt, event_number, message_id
from domain.webhook.webhook import EVERY_TYPE, Webhook
from entrypoints.cli.service import opened, read_settings
from entrypoints.cli.tables import table, time_text

WAIT_S: Final = 30.0  # a call may last 15 s, and the process that makes it may have to begin
LOOK_AGAIN_S: Final = 0.2
_LAST: Final = 20  # attempts that are looked at for that of a test
_MILLISECOND: Final = timedelta(milliseconds=1)
_ID = click.argument("webhook_id", metavar="ID", type=click.IntRange(1, LARGEST_EVENT))
_JSON = click.option("--json", "as_json", is_flag=True, help="A JSON object a line.")


def _event(context: click.Context, parameter: click.Parameter, value: str | None) -> int | None:
    if value is None:
        return None
    try:
        return event_number(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


@click.group()
def webhooks() -> None:
    """List webhooks and what their calls came to; add, try, replay, disable and remove them."""


@webhooks.command("list")
@_JSON
def list_all(*, as_json: bool) -> None:
    """List them, and the last call of each."""
    with opened(read_settings()) as service:
        registry = service.application.webhooks
        found = [(one, _last(registry, one)) for one in registry.all()]
    if as_json:
        for listed, last in found:
            click.echo(json.dumps(_object(listed, last), ensure_ascii=False))
    elif found:
        head = ("id", "state", "waiting", "untold since", "last call", "events", "URL")
        click.echo(table([head, *(_row(*one) for one in found)]))
    else:
        click.echo("no webhooks")


@webhooks.command()
@click.argument("url")
@click.option(
    "--events",
    metavar="TYPE,TYPE…",
    default=EVERY_TYPE,
    help=f"Types of events: {', '.join(EventType)}.  [all but email.accepted and email.deferred]",
)
def add(url: str, events: str) -> None:
    """Call URL with what happens from now on.

    Prints the secret that signs every call, alone on the standard output. It is not shown again.
    """
    types = frozenset(name.strip() for name in events.split(","))
    with opened(read_settings()) as service:
        webhook, secret = service.application.webhooks.add(url, types)
    click.echo(f"The webhook {webhook.id} was added.", err=True)
    click.echo(secret)


@webhooks.command()
@_ID
@click.option(
    "-n", "number", type=click.IntRange(1, 1000), default=20, show_default=True, help="How many."
)
@click.option("--failed", is_flag=True, help="Only those that failed.")
@_JSON
def attempts(webhook_id: int, *, number: int, failed: bool, as_json: bool) -> None:
    """Show what the last calls of a webhook came to, the last one first; 1,000 are kept."""
    with opened(read_settings()) as service:
        found = [
            one
            for one in service.application.webhooks.attempts(webhook_id, limit=1000)
            if not (failed and one.outcome.succeeded)
        ][:number]
    if as_json:
        for one in found:
            click.echo(json.dumps(_attempt_object(one)))
    elif found:
        head = ("time", "event", "attempt", "ms", "came to")
        click.echo(table([head, *map(_attempt_row, found)]))
    else:
        click.echo("no attempts")


@webhooks.command()
@_ID
@click.option(
    "--wait",
    "wait_s",
    type=click.FloatRange(0, 600),
    default=WAIT_S,
    show_default=True,
    help="Seconds to wait for the answer; 0: do not.",
)
@click.pass_context
def test(context: click.Context, webhook_id: int, *, wait_s: float) -> None:
    """Have a webhook called once with the type webhook.test, and tell what that came to.

    Exit code 1 if the call failed, or was not made in time.
    """
    with opened(read_settings()) as service:
        registry = service.application.webhooks
        sent = registry.test(webhook_id)
        if not wait_s:
            click.echo(f"{sent} is sent soon")
            return
        attempt = _awaited(registry, webhook_id, sent, wait_s)
    if attempt is None:
        raise click.ClickException(
            f"{sent} was not sent within {wait_s:g} s: is a process running that delivers"
            " (email-service serve, or worker)?"
        )
    click.echo(f"{sent}: {_came_to(attempt)}, after {attempt.duration // _MILLISECOND} ms")
    context.exit(0 if attempt.outcome.succeeded else 1)


@webhooks.command()
@_ID
@click.argument("first", callback=_event)
@click.argument("last", callback=_event, required=False)
@click.option("--to-the-end", is_flag=True, help="All from FIRST on, in the place of LAST.")
def replay(webhook_id: int, first: int, last: int | None, *, to_the_end: bool) -> None:
    """Send the event FIRST to a webhook again, or those from FIRST to LAST, such as evt_12."""
    if to_the_end and last is not None:
        raise click.UsageError("name LAST or --to-the-end, not both")
    end = LARGEST_EVENT if to_the_end else last or first
    if end < first:
        raise click.UsageError("LAST must not come before FIRST")
    number, following = 0, first
    with opened(read_settings()) as service:
        while True:
            replayed = service.application.webhooks.replay(webhook_id, first=following, last=end)
            number += replayed.number
            if replayed.next_id is None:
                break
            following = replayed.next_id
    click.echo(f"{number} {'event is' if number == 1 else 'events are'} sent soon")


@webhooks.command()
@_ID
def enable(webhook_id: int) -> None:
    """Enable a webhook again: it gets the events that it missed, as far as they are kept."""
    _change(webhook_id, WebhookWish(active=True))


@webhooks.command()
@_ID
def disable(webhook_id: int) -> None:
    """Send a webhook nothing until it is enabled again."""
    _change(webhook_id, WebhookWish(active=False))


@webhooks.command()
@_ID
def rotate(webhook_id: int) -> None:
    """Give a webhook a new secret, printed alone on the standard output.

    For 24 hours each call is signed with both, the new one and the one before.
    """
    with opened(read_settings()) as service:
        _, secret = service.application.webhooks.rotate(webhook_id)
    click.echo(secret)


@webhooks.command()
@_ID
def remove(webhook_id: int) -> None:
    """Remove a webhook, with its attempts and with the events that wait for it."""
    with opened(read_settings()) as service:
        service.application.webhooks.remove(webhook_id)
    click.echo(f"the webhook {webhook_id} was removed")


def _change(webhook_id: int, wish: WebhookWish) -> None:
    with opened(read_settings()) as service:
        listed = service.application.webhooks.change(webhook_id, wish)
    click.echo(f"the webhook {webhook_id} is {_state(listed.webhook)}")


def _awaited(
    registry: WebhookRegistry, webhook_id: int, sent: str, wait_s: float
) -> WebhookAttempt | None:
    """The attempt of this message, once it was made."""
    give_up_at = time.monotonic() + wait_s
    while time.monotonic() < give_up_at:
        for attempt in registry.attempts(webhook_id, limit=_LAST):
            if message_id(attempt.event_id) == sent:
                return attempt
        time.sleep(LOOK_AGAIN_S)
    return None


def _last(registry: WebhookRegistry, listed: Listed) -> WebhookAttempt | None:
    return next(iter(registry.attempts(listed.webhook.id, limit=1)), None)


def _state(webhook: Webhook) -> str:
    if webhook.disabled is not None:
        return f"disabled ({webhook.disabled})"
    return "active" if webhook.failing_since is None else "failing"


def _row(listed: Listed, last: WebhookAttempt | None) -> tuple[str, ...]:
    webhook = listed.webhook
    called = "-" if last is None else f"{time_text(last.at)} {_came_to(last)}"
    types = ",".join(sorted(webhook.types))
    untold = _time(listed.untold_since) or "-"
    state, waiting = _state(webhook), str(listed.waiting)
    return (str(webhook.id), state, waiting, untold, called, types, webhook.url)


def _object(listed: Listed, last: WebhookAttempt | None) -> dict[str, Any]:
    webhook = listed.webhook
    return {
        "id": webhook.id,
        "url": webhook.url,
        "events": sorted(webhook.types),
        "active": webhook.active,
        "disabled_reason": webhook.disabled,
        "disabled_at": _time(webhook.disabled_at),
        "failing_since": _time(webhook.failing_since),
        "waiting": listed.waiting,
        "untold_since": _time(listed.untold_since),
        "last_attempt": None if last is None else _attempt_object(last),
    }


def _time(when: datetime | None) -> str | None:
    return None if when is None else time_text(when)


def _attempt_row(attempt: WebhookAttempt) -> tuple[str, ...]:
    return (
        time_text(attempt.at),
        message_id(attempt.event_id),
        str(attempt.number),
        str(attempt.duration // _MILLISECOND),
        _came_to(attempt),
    )


def _attempt_object(attempt: WebhookAttempt) -> dict[str, Any]:
    return {
        "event_id": message_id(attempt.event_id),
        "attempt": attempt.number,
        "at": time_text(attempt.at),
        "duration_ms": attempt.duration // _MILLISECOND,
        "succeeded": attempt.outcome.succeeded,
        "status": attempt.outcome.status,
        "problem": attempt.outcome.problem,
    }


def _came_to(attempt: WebhookAttempt) -> str:
    outcome = attempt.outcome
    return str(outcome.problem if outcome.status is None else outcome.status)
