"""``email-service events``: what became of emails and SMTP configurations, as lines."""

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import click

from application.event_feed import EventFeed
from domain.email.labels import Labels
from domain.event.event import (
    BEGINNING,
    AccountFacts,
    EmailFacts,
    Position,
    QueueFacts,
    StoredEvent,
    SuppressionFacts,
    WebhookFacts,
)
from domain.event.payload import payload_json, payload_of
from domain.event.types import EventType
from entrypoints.cli.service import opened, read_settings
from entrypoints.event_cursors import cursor_of, position_of

LOOK_AGAIN_S: Final = 1.0
_PAGE: Final = 500


@click.command()
@click.option("--follow", "-f", is_flag=True, help="Go on with what comes, until Ctrl+C.")
@click.option(
    "--after",
    metavar="CURSOR",
    help="Only events behind this one: the cursor of a line of --json, or of the API.",
)
@click.option(
    "--types", metavar="TYPE,TYPE…", help=f"Only events of these types: {', '.join(EventType)}."
)
@click.option(
    "--json", "as_json", is_flag=True, help="A JSON object a line, as GET /api/events has them."
)
def events(*, follow: bool, after: str | None, types: str | None, as_json: bool) -> None:
    """List what became of emails and SMTP configurations, the oldest first."""
    position, wanted = _position(after), _types(types)
    with opened(read_settings()) as service:
        try:
            for event, labels in _read(
                service.application.event_feed, position, wanted, follow=follow
            ):
                click.echo(_object(event, labels) if as_json else _line(event, labels))
        except KeyboardInterrupt:
            return


def _read(
    feed: EventFeed, position: Position, types: frozenset[EventType] | None, *, follow: bool
) -> Iterator[tuple[StoredEvent, Labels]]:
    """Every event behind *position* that there is; those too that come later, to *follow*."""
    while True:
        page = feed.page(position, types=types, limit=_PAGE)
        yield from page.events
        if page.next == position:
            if not follow:
                return
            time.sleep(LOOK_AGAIN_S)
        position = page.next


def _object(event: StoredEvent, labels: Labels) -> str:
    return payload_json(event, labels, id=f"evt_{event.id}", cursor=cursor_of(event.position))


def _line(event: StoredEvent, labels: Labels) -> str:
    payload = payload_of(event, labels)
    data = payload["data"]
    words = _WORDS[type(event.facts)](data)
    return "  ".join([payload["timestamp"], f"{event.type:21}", *filter(None, words)])


def _of_email(data: Mapping[str, Any]) -> Iterator[str]:
    yield f"email {data['email_id']}"
    yield data["reason_code"] or ""
    shown, more = data["recipients"], data["recipients_left_out"]
    for recipient in shown[:1]:
        more += len(shown) - 1
        yield recipient["address"] + (f" and {more} more" if more else "")
        yield recipient["reply"] or ""


def _of_account(data: Mapping[str, Any]) -> Iterator[str]:
    yield f"SMTP configuration {data['smtp_config_id']} ({data['name']})"
    yield data["reason"] or ""
    yield f"until {data['until']}" if data["until"] else ""
    limit = data["limit"]
    if limit is not None:
        least, most = limit["least"], limit["most"]
        number = str(least) if least == most else f"{least} to {most}"
        yield f"refused after {number} messages in a {limit['window']}"
    yield data["text"]


def _of_suppression(data: Mapping[str, Any]) -> Iterator[str]:
    yield f"{data['address']} {data['scope']} {data['reason']}"
    yield f"until {data['expires_at']}" if data["expires_at"] else ""
    yield f"email {data['email_id']}" if data["email_id"] else ""


def _of_queue(data: Mapping[str, Any]) -> Iterator[str]:
    yield f"{data['waiting']} emails wait, {data['waiting_before']} did at {data['since']}"
    yield f"the oldest for {data['oldest_seconds']} s"


def _of_webhook(data: Mapping[str, Any]) -> Iterator[str]:
    yield f"webhook {data['webhook_id']}"
    yield data["reason"]
    yield data["host"]


_WORDS: Final[Mapping[type[object], Callable[[Mapping[str, Any]], Iterator[str]]]] = {
    EmailFacts: _of_email,
    AccountFacts: _of_account,
    SuppressionFacts: _of_suppression,
    QueueFacts: _of_queue,
    WebhookFacts: _of_webhook,
}


def _position(cursor: str | None) -> Position:
    try:
        return BEGINNING if cursor is None else position_of(cursor)
    except ValueError:
        raise click.BadParameter("is no cursor of an event", param_hint="--after") from None


def _types(text: str | None) -> frozenset[EventType] | None:
    try:
        return None if text is None else frozenset(map(EventType, text.split(",")))
    except ValueError:
        known = ", ".join(EventType)
        raise click.BadParameter(f"must be some of {known}", param_hint="--types") from None
