"""The feed of events: what became of emails and SMTP configurations, page by page."""

from collections.abc import Iterable
from typing import ClassVar, Final
from urllib.parse import urlencode

from flask import Blueprint, Response

from application import Application
from application.event_feed import Shown
from domain.access import Scope
from domain.errors import InvalidInput
from domain.event.event import BEGINNING, Position
from domain.event.payload import payload_json
from domain.event.types import EventType
from entrypoints.event_cursors import cursor_of, position_of
from entrypoints.http.access import the_caller
from entrypoints.http.events.schemas import EventQuery, EventReply
from entrypoints.http.fields import RequestError
from entrypoints.http.openapi import Answer, Tag, add_routes, operation
from entrypoints.http.requests import the_request
from entrypoints.http.validation import parse_query

_EXAMPLE: Final = {
    "id": "evt_12",
    "type": "email.sent",
    "timestamp": "2023-05-24T10:30:00.000000Z",
    "data": {
        "email_id": 1,
        "status": "sent",
        "reason_code": "accepted",
        "recipients": [
            {
                "address": "ada@example.com",
                "status": "accepted",
                "reason": "accepted",
                "reply": "250 2.0.0 Ok: queued as 4F0C8B0E1D",
            }
        ],
        "recipients_left_out": 0,
        "message_id": "4f0c8b0e1d9a4c53b1f0@example.org",
        "provider_message_id": "4F0C8B0E1D",
        "tags": ["welcome"],
        "metadata": {"order": "7"},
        "labels_left_out": 0,
        "attempt": 1,
    },
}


class EventCalls:
    """The call under /api/events."""

    BLUEPRINT: ClassVar = "events"

    def __init__(self, application: Application) -> None:
        self._feed = application.event_feed

    def routes(self) -> Blueprint:
        """The path with what answers it."""
        routes = Blueprint(self.BLUEPRINT, __name__)
        add_routes(routes, self)
        return routes

    @operation(
        "GET",
        "/api/events",
        name="listEvents",
        tag=Tag.EVENTS,
        scope=Scope.READ,
        query=EventQuery,
        answer=Answer(
            description="One page.",
            model=EventReply,
            many=True,
            example=[_EXAMPLE],
            headers=("Link",),
        ),
    )
    def page(self) -> Response:
        """Read what happened to emails and SMTP configurations.

        Oldest first. Every page, an empty one too, has a Link header: ask for it again, and you
        get every event once. With types a page may be empty although more events follow: an empty
        page whose link differs from the one that you asked for is not the last. Without the scope
        admin a key reads the events of its own emails.
        """
        query = parse_query(EventQuery)
        page = self._feed.page(
            _after(query.after),
            types=_types(query.types),
            email_id=query.email_id,
            limit=query.limit,
            caller=the_caller(),
        )
        # without models: a page has hundreds, and a test compares them with EventReply
        response = Response(page_of(page.events), content_type="application/json")
        asked = the_request()
        following = urlencode({**query.given(), "after": cursor_of(page.next)}, safe=",")
        response.headers["Link"] = f'<{asked.script_root}{asked.path}?{following}>; rel="next"'
        return response


def page_of(events: Iterable[Shown]) -> bytes:
    """The answer: an array of JSON."""
    texts = [payload_json(event, labels, id=f"evt_{event.id}") for event, labels in events]
    return f"[{','.join(texts)}]\n".encode("utf-8", "backslashreplace")


def _after(cursor: str | None) -> Position:
    if cursor is None:
        return BEGINNING
    try:
        return position_of(cursor)
    except ValueError as error:
        raise InvalidInput(RequestError("/after", str(error))) from None


def _types(text: str | None) -> frozenset[EventType] | None:
    if text is None:
        return None
    try:
        return frozenset(map(EventType, text.split(",")))
    except ValueError:
        known = ", ".join(EventType)
        raise InvalidInput(RequestError("/types", f"must be some of {known}")) from None
