"""The calls about webhooks: add, look, change, try, replay, remove."""

from datetime import timedelta
from typing import ClassVar, Final

from flask import Blueprint, Response, url_for
from pydantic import TypeAdapter

from application import Application
from application.webhooks.registry import Listed, WebhookWish
from domain.access import Scope
from domain.errors import InvalidInput
from domain.webhook.delivery import LARGEST_EVENT, WebhookAttempt, event_number, message_id
from entrypoints.http.access import the_caller
from entrypoints.http.cursors import email_id_before
from entrypoints.http.fields import RequestError
from entrypoints.http.json_reader import read_object, read_optional_object
from entrypoints.http.openapi import NO_FIELDS, Answer, Body, Tag, add_routes, operation
from entrypoints.http.paging import link_next
from entrypoints.http.replies import reply, reply_list
from entrypoints.http.schemas import Done, NoFields
from entrypoints.http.times import rfc3339, rfc3339_if_any
from entrypoints.http.validation import parse, parse_query
from entrypoints.http.webhooks.schemas import (
    AttemptsQuery,
    ReplayReply,
    ReplayRequest,
    TestSent,
    WebhookAttemptReply,
    WebhookChanges,
    WebhookReply,
    WebhookRequest,
    WebhookWithSecret,
)

_REPLIES: Final = TypeAdapter(list[WebhookReply])
_ATTEMPTS: Final = TypeAdapter(list[WebhookAttemptReply])
_MILLISECOND: Final = timedelta(milliseconds=1)
_EXAMPLE: Final = {
    "id": 1,
    "url": "https://example.org/hooks/email",
    "events": ["*"],
    "smtp_config_ids": None,
    "active": True,
    "disabled_reason": None,
    "disabled_at": None,
    "failing_since": None,
    "waiting": 0,
    "untold_since": None,
    "previous_secret_until": None,
    "created_at": "2026-01-31T09:30:00.000000Z",
    "updated_at": "2026-01-31T09:30:00.000000Z",
}
_WITH_SECRET: Final = {**_EXAMPLE, "secret": "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oDQl6Q0Wnhzck="}


class WebhookCalls:
    """The calls under /api/webhooks."""

    BLUEPRINT: ClassVar = "webhooks"

    def __init__(self, application: Application) -> None:
        self._webhooks = application.webhooks

    def routes(self) -> Blueprint:
        """Every path with what answers it."""
        routes = Blueprint(self.BLUEPRINT, __name__)
        add_routes(routes, self)
        return routes

    @operation(
        "POST",
        "/api/webhooks",
        name="createWebhook",
        tag=Tag.WEBHOOKS,
        scope=Scope.ADMIN,
        body=Body(
            model=WebhookRequest,
            examples={
                "shortest": {"url": "https://example.org/hooks/email"},
                "some events": {
                    "url": "https://example.org/hooks/email",
                    "events": ["email.failed", "account.paused"],
                },
            },
        ),
        answer=Answer(
            status=201,
            description="It gets the events from now on.",
            model=WebhookWithSecret,
            example=_WITH_SECRET,
            headers=("Location",),
        ),
        refusals=(409,),
    )
    def create(self) -> Response:
        """Create a webhook.

        The service POSTs each event to the URL, signed as Standard Webhooks specifies. The secret
        is shown only in this answer. The webhook of an API key that is limited to some SMTP
        configurations gets only their events. 409 if there are 50 already.
        """
        wanted = parse(WebhookRequest, read_object())
        webhook, secret = self._webhooks.add(
            wanted.url, frozenset(wanted.events), caller=the_caller()
        )
        created = reply(_with_secret(Listed(webhook=webhook, waiting=0), secret), 201)
        created.headers["Location"] = url_for("webhooks.show", webhook_id=webhook.id)
        return created

    @operation(
        "GET",
        "/api/webhooks",
        name="listWebhooks",
        tag=Tag.WEBHOOKS,
        scope=Scope.ADMIN,
        answer=Answer(
            description="All of them.", model=WebhookReply, many=True, example=[_EXAMPLE]
        ),
    )
    def all(self) -> Response:
        """List webhooks.

        In the order in which they were made.
        """
        listed = self._webhooks.all(caller=the_caller())
        return reply_list(_REPLIES, [_reply(one) for one in listed])

    @operation(
        "GET",
        "/api/webhooks/{webhook_id}",
        name="showWebhook",
        tag=Tag.WEBHOOKS,
        scope=Scope.ADMIN,
        answer=Answer(description="The webhook.", model=WebhookReply, example=_EXAMPLE),
    )
    def show(self, webhook_id: int) -> Response:
        """Show a webhook."""
        return reply(_reply(self._webhooks.get(webhook_id, caller=the_caller())))

    @operation(
        "PUT",
        "/api/webhooks/{webhook_id}",
        name="changeWebhook",
        tag=Tag.WEBHOOKS,
        scope=Scope.ADMIN,
        body=Body(model=WebhookChanges, examples={"enable again": {"active": True}}),
        answer=Answer(description="Changed.", model=WebhookReply, example=_EXAMPLE),
    )
    def change(self, webhook_id: int) -> Response:
        """Change a webhook, disable it or enable it again.

        A field that is left out stays as it is; name at least one. A webhook that is enabled again
        gets the events that it missed, as far as they are kept.
        """
        wanted = parse(WebhookChanges, read_object())
        if not wanted.given():
            raise InvalidInput(RequestError("", "name at least one field to change"))
        wish = WebhookWish(
            url=wanted.url,
            types=None if wanted.events is None else frozenset(wanted.events),
            active=wanted.active,
        )
        return reply(_reply(self._webhooks.change(webhook_id, wish, caller=the_caller())))

    @operation(
        "DELETE",
        "/api/webhooks/{webhook_id}",
        name="deleteWebhook",
        tag=Tag.WEBHOOKS,
        scope=Scope.ADMIN,
        answer=Answer(
            description="Removed.", model=Done, example={"message": "Webhook deleted successfully"}
        ),
    )
    def remove(self, webhook_id: int) -> Response:
        """Delete a webhook.

        With its attempts, and with the events that wait for it.
        """
        self._webhooks.remove(webhook_id, caller=the_caller())
        return reply(Done(message="Webhook deleted successfully"))

    @operation(
        "POST",
        "/api/webhooks/{webhook_id}/rotate",
        name="rotateWebhookSecret",
        tag=Tag.WEBHOOKS,
        scope=Scope.ADMIN,
        body=NO_FIELDS,
        answer=Answer(
            description="Its new secret.",
            model=WebhookWithSecret,
            example={**_WITH_SECRET, "previous_secret_until": "2026-02-01T09:30:00.000000Z"},
        ),
    )
    def rotate(self, webhook_id: int) -> Response:
        """Give a webhook a new secret.

        For 24 hours each call is signed with both, the new one and the one before.
        """
        _no_fields()
        listed, secret = self._webhooks.rotate(webhook_id, caller=the_caller())
        return reply(_with_secret(listed, secret))

    @operation(
        "POST",
        "/api/webhooks/{webhook_id}/test",
        name="testWebhook",
        tag=Tag.WEBHOOKS,
        scope=Scope.ADMIN,
        body=NO_FIELDS,
        answer=Answer(
            status=202,
            description="The call is made soon; what it came to is among the attempts.",
            model=TestSent,
            example={"message_id": "evt_test_1769851800000000"},
        ),
        refusals=(409,),
    )
    def test(self, webhook_id: int) -> Response:
        """Call a webhook for nothing.

        Once, with the type webhook.test and a signature like any other. 409 while it is disabled.
        """
        _no_fields()
        sent = self._webhooks.test(webhook_id, caller=the_caller())
        return reply(TestSent(message_id=sent), 202)

    @operation(
        "POST",
        "/api/webhooks/{webhook_id}/replay",
        name="replayWebhook",
        tag=Tag.WEBHOOKS,
        scope=Scope.ADMIN,
        body=Body(
            model=ReplayRequest,
            examples={
                "one event": {"event_id": "evt_12"},
                "a range": {"first": "evt_12", "last": "evt_40"},
            },
        ),
        answer=Answer(
            status=202,
            description="The events are sent soon.",
            model=ReplayReply,
            example={"replayed": 1, "next": None},
        ),
        refusals=(409,),
    )
    def replay(self, webhook_id: int) -> Response:
        """Send events to a webhook again.

        One, or a range by their ids, of the types that the webhook gets. A call goes through
        1,000 ids; next is where the range goes on. 409 while it is disabled, or while 10,000 events
        wait for it.
        """
        wanted = parse(ReplayRequest, read_object())
        first, last = _range(wanted)
        replayed = self._webhooks.replay(webhook_id, first=first, last=last, caller=the_caller())
        following = None if replayed.next_id is None else message_id(replayed.next_id)
        return reply(ReplayReply(replayed=replayed.number, next=following), 202)

    @operation(
        "GET",
        "/api/webhooks/{webhook_id}/attempts",
        name="listWebhookAttempts",
        tag=Tag.WEBHOOKS,
        scope=Scope.ADMIN,
        query=AttemptsQuery,
        answer=Answer(
            description="One page.",
            model=WebhookAttemptReply,
            many=True,
            example=[
                {
                    "event_id": "evt_12",
                    "attempt": 1,
                    "at": "2026-01-31T09:30:00.000000Z",
                    "duration_ms": 12,
                    "succeeded": True,
                    "status": 204,
                    "problem": None,
                }
            ],
            headers=("Link",),
        ),
    )
    def attempts(self, webhook_id: int) -> Response:
        """List the calls of a webhook.

        The last one first, one page at a time; the last 1,000 are kept.
        """
        query = parse_query(AttemptsQuery)
        found = self._webhooks.attempts(
            webhook_id,
            before=None if query.cursor is None else email_id_before(query.cursor),
            limit=query.limit + 1,
            caller=the_caller(),
        )
        page = found[: query.limit]
        answer = reply_list(_ATTEMPTS, [_attempt(one) for one in page])
        last = page[-1].id if len(found) > len(page) else None
        return link_next(answer, query.given(), last)


def _no_fields() -> None:
    parse(NoFields, read_optional_object())


def _range(wanted: ReplayRequest) -> tuple[int, int]:
    if wanted.event_id is not None:
        if wanted.first is not None or wanted.last is not None:
            raise InvalidInput(RequestError("", "name one event, or a range"))
        number = event_number(wanted.event_id)
        return number, number
    if wanted.first is None:
        raise InvalidInput(RequestError("", "name event_id, or first for a range"))
    first = event_number(wanted.first)
    last = LARGEST_EVENT if wanted.last is None else event_number(wanted.last)
    if last < first:
        raise InvalidInput(RequestError("/last", "must not come before first"))
    return first, last


def _fields(listed: Listed) -> dict[str, object]:
    webhook = listed.webhook
    return {
        "id": webhook.id,
        "url": webhook.url,
        "events": sorted(webhook.types),
        "smtp_config_ids": None if webhook.accounts is None else sorted(webhook.accounts),
        "active": webhook.active,
        "disabled_reason": None if webhook.disabled is None else webhook.disabled.value,
        "disabled_at": rfc3339_if_any(webhook.disabled_at),
        "failing_since": rfc3339_if_any(webhook.failing_since),
        "waiting": listed.waiting,
        "untold_since": rfc3339_if_any(listed.untold_since),
        "previous_secret_until": rfc3339_if_any(webhook.old_until),
        "created_at": rfc3339(webhook.created_at),
        "updated_at": rfc3339(webhook.updated_at),
    }


def _reply(listed: Listed) -> WebhookReply:
    return WebhookReply.model_validate(_fields(listed))


def _with_secret(listed: Listed, secret: str) -> WebhookWithSecret:
    return WebhookWithSecret.model_validate({**_fields(listed), "secret": secret})


def _attempt(attempt: WebhookAttempt) -> WebhookAttemptReply:
    return WebhookAttemptReply(
        event_id=message_id(attempt.event_id),
        attempt=attempt.number,
        at=rfc3339(attempt.at),
        duration_ms=attempt.duration // _MILLISECOND,
        succeeded=attempt.outcome.succeeded,
        status=attempt.outcome.status,
        problem=attempt.outcome.problem,
    )
