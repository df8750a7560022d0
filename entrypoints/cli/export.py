"""The command that writes down what is stored of one person."""

import base64
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import click

from application.queries import EmailView, Queries
from domain.address import Address
from domain.email.listing import Search
from domain.errors import ContentPurged, NotFound
from entrypoints.addresses import email_address
from entrypoints.cli.service import opened, read_settings

_PAGE = 100


def _address(context: click.Context, parameter: click.Parameter, value: str) -> Address:
    try:
        return email_address(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


@click.command()
@click.option("--recipient", required=True, callback=_address, help="The person's email address.")
def export(recipient: Address) -> None:
    """Write every email to one person as a line of JSON, newest first.

    Each has its result for this person and its message in base64, if that is still there. Of the
    other recipients it has only what stands in the message.
    """
    with opened(read_settings()) as service:
        for line in lines(service.application.queries, recipient):
            click.echo(json.dumps(line, ensure_ascii=False))


def lines(queries: Queries, recipient: Address) -> Iterator[dict[str, Any]]:
    """What is stored of the emails to *recipient*; a few are read at a time."""
    before: int | None = None
    while True:
        page = queries.emails(Search(recipient=recipient), before=before, limit=_PAGE)
        for row in page.emails:
            try:
                yield _line(queries, queries.email(row.id), recipient)
            except NotFound:
                continue  # it was removed meanwhile
        before = page.next_before
        if before is None:
            return


def _line(queries: Queries, view: EmailView, recipient: Address) -> dict[str, Any]:
    email, names = view.email, dict(view.detail.names)
    return {
        "id": email.id,
        "subject": email.subject,
        "status": email.status.value,
        "created_at": _time(email.created_at),
        "sent_at": _time(email.sent_at),
        "message_id": email.message_id,
        "topic": view.detail.topic,
        "tags": list(view.labels.tags),
        "metadata": dict(view.labels.metadata),
        "recipient": [
            {
                "address": str(each.address),
                "name": names.get(position, ""),
                "field": each.field.value,
                "status": each.status.value,
                "reason": each.reason,
                "reply": str(each.reply) if each.reply else None,
            }
            for position, each in enumerate(email.recipients)
            if str(each.address).lower() == str(recipient).lower()
        ],
        "content_purged_at": _time(view.content_purged_at),
        "message_base64": _message(queries, email.id),
    }


def _message(queries: Queries, email_id: int) -> str | None:
    try:
        return base64.b64encode(b"".join(queries.message(email_id))).decode("ascii")
    except ContentPurged:
        return None


def _time(when: datetime | None) -> str | None:
    """UTC as RFC 3339."""
    if when is None:
        return None
    return f"{when.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='microseconds')}Z"
