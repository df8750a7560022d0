"""The calls under /api/smtp-configs/{config_id}/hooks: the URLs that providers report to."""

from typing import Annotated, Any, ClassVar, Final, Literal

from flask import Blueprint, Response
from pydantic import Field, TypeAdapter

from application import Application
from domain.access import Scope
from domain.hook.hook import LONGEST_KEY, EventHook, HookKind
from entrypoints.http.access import the_caller
from entrypoints.http.json_reader import read_object
from entrypoints.http.openapi import Answer, Body, Tag, add_routes, operation
from entrypoints.http.replies import reply, reply_list
from entrypoints.http.requests import the_request
from entrypoints.http.schemas import Absent, Done, Instant, ReplyModel, RequestModel
from entrypoints.http.times import rfc3339
from entrypoints.http.validation import parse

_KIND = Literal["ses", "sendgrid", "mailgun", "postmark"]
_HOOK: Final[dict[str, Any]] = {
    "id": 1,
    "kind": "ses",
    "topic": "arn:aws:sns:eu-west-1:123456789012:bounces",
    "created_at": "2026-01-31T09:30:00.000000Z",
}
_SENDGRID_KEY: Final = (
    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEEDr2LjtURuePQzplybdC+u4CwrqDqBaWjcMMsTbhdbcwHBcepxo7"
    "yAQGhHPTnlvFYPAZFceEu/1FwCM/QmGUhA=="
)


class HookRequest(RequestModel):
    """Which provider will call, and what its calls are verified with."""

    kind: Annotated[_KIND, Field(description="Whose calls it takes.", examples=["ses"])]
    signing_key: Annotated[
        Absent[str],
        Field(
            min_length=1,
            max_length=LONGEST_KEY,
            description="SendGrid: the verification key. Mailgun: the HTTP webhook signing key. "
            "Postmark, which does not sign: name:password, if it is to send them. Not for Amazon "
            "SES. It is stored encrypted and never shown.",
        ),
    ] = None
    topic: Annotated[
        Absent[str],
        Field(
            min_length=1,
            max_length=400,
            description="Amazon SES only: the ARN of the one SNS topic that may call. If left out, "
            "the first topic that subscribes.",
            examples=["arn:aws:sns:eu-west-1:123456789012:bounces"],
        ),
    ] = None


class HookReply(ReplyModel):
    """An event hook, without its URL."""

    id: int
    kind: _KIND
    topic: Annotated[
        str | None,
        Field(description="The ARN of the SNS topic that may call; null until one has subscribed."),
    ]
    created_at: Instant


class NewHookReply(HookReply):
    """A new event hook with its URL."""

    url: Annotated[
        str,
        Field(
            description="What the provider is to call. It is shown this once: whoever has it may "
            "report bounces.",
        ),
    ]


_HOOKS: Final = TypeAdapter(list[HookReply])


def _fields(hook: EventHook) -> dict[str, Any]:
    return {
        "id": hook.id,
        "kind": hook.kind.value,
        "topic": hook.topic,
        "created_at": rfc3339(hook.created_at),
    }


class HookSettings:
    """The calls under /api/smtp-configs/{config_id}/hooks."""

    BLUEPRINT: ClassVar = "hook_settings"

    def __init__(self, application: Application) -> None:
        self._hooks = application.event_hooks

    def routes(self) -> Blueprint:
        """Every path with what answers it."""
        routes = Blueprint(self.BLUEPRINT, __name__)
        add_routes(routes, self)
        return routes

    @operation(
        "POST",
        "/api/smtp-configs/{config_id}/hooks",
        name="createEventHook",
        tag=Tag.HOOKS,
        scope=Scope.ADMIN,
        body=Body(
            model=HookRequest,
            examples={
                "Amazon SES": {"kind": "ses"},
                "SendGrid": {"kind": "sendgrid", "signing_key": _SENDGRID_KEY},
            },
        ),
        answer=Answer(
            status=201,
            description="Made.",
            model=NewHookReply,
            example={
                **_HOOK,
                "topic": None,
                "url": "https://mail.example.com/hooks/ses/SECRET",
            },
            links=("deleteEventHook",),
        ),
        refusals=(409,),
    )
    def create(self, config_id: int) -> Response:
        """Create an event hook.

        Answers a URL for the provider that sends the email of this SMTP configuration: it reports
        bounces and complaints there. Without PUBLIC_URL it is a URL of this machine in development,
        and a 409 in production. 409 also if there are ten hooks already.
        """
        wanted = parse(HookRequest, read_object())
        made = self._hooks.create(
            config_id,
            HookKind(wanted.kind),
            signing_key=wanted.signing_key,
            topic=wanted.topic,
            port=int(the_request().environ["SERVER_PORT"]),
            caller=the_caller(),
        )
        return reply(NewHookReply(**_fields(made.hook), url=made.url), 201)

    @operation(
        "GET",
        "/api/smtp-configs/{config_id}/hooks",
        name="listEventHooks",
        tag=Tag.HOOKS,
        scope=Scope.READ,
        answer=Answer(
            description="Every event hook, the oldest first.",
            model=HookReply,
            many=True,
            example=[_HOOK],
        ),
    )
    def index(self, config_id: int) -> Response:
        """List event hooks.

        Without their URLs, of which only digests are stored.
        """
        hooks = self._hooks.of(config_id, caller=the_caller())
        return reply_list(_HOOKS, [HookReply(**_fields(hook)) for hook in hooks])

    @operation(
        "DELETE",
        "/api/smtp-configs/{config_id}/hooks/{hook_id}",
        name="deleteEventHook",
        tag=Tag.HOOKS,
        scope=Scope.ADMIN,
        answer=Answer(
            description="Removed.",
            model=Done,
            example={"message": "Event hook deleted successfully"},
        ),
    )
    def delete(self, config_id: int, hook_id: int) -> Response:
        """Delete an event hook.

        Its URL answers 404 from now on.
        """
        self._hooks.delete(config_id, hook_id, caller=the_caller())
        return reply(Done(message="Event hook deleted successfully"))
