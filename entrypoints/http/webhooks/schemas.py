"""What the calls under /api/webhooks take and answer."""

import re
from typing import Annotated, Final, Literal, TypeAlias

from pydantic import AfterValidator, ConfigDict, Field

from domain.account.web_url import MOST_CHARACTERS
from domain.event.types import EventType
from domain.webhook.delivery import event_number
from domain.webhook.webhook import EVERY_TYPE
from entrypoints.http.paging import Cursor, PageSize
from entrypoints.http.schemas import (
    Absent,
    Id,
    Instant,
    ReplyModel,
    RequestModel,
    Shown,
    of_one_field_at_least,
)

_TYPES: Final = ", ".join(EventType)
_NAMES: Final = frozenset({EVERY_TYPE, *EventType})


def _event_id(text: str) -> str:
    event_number(text)
    return text


def _event_type(name: str) -> str:
    if name not in _NAMES:
        raise ValueError(f'must be "{EVERY_TYPE}" or one of {_TYPES}')
    return name


_Url: TypeAlias = Annotated[
    str,
    Field(
        min_length=1,
        max_length=MOST_CHARACTERS,
        description="https, on port 443 or 8443, of a server with public addresses. In development"
        " also http on this machine.",
        examples=["https://example.org/hooks/email"],
    ),
]
_Events: TypeAlias = Annotated[
    list[
        Annotated[
            str,
            AfterValidator(_event_type),
            Shown(pattern="^({})$".format("|".join(re.escape(name) for name in sorted(_NAMES)))),
        ]
    ],
    Field(
        min_length=1,
        max_length=50,
        description=f"Types of events: {_TYPES}; {EVERY_TYPE} stands for all but email.accepted and"
        " email.deferred, and for those that will come.",
        examples=[[EVERY_TYPE], ["email.failed", "account.paused"]],
    ),
]
_EventId: TypeAlias = Annotated[
    str,
    AfterValidator(_event_id),
    Field(max_length=30),
    Shown(pattern="^evt_[1-9][0-9]{0,17}$"),
]


class WebhookRequest(RequestModel):
    """A receiver of events."""

    url: _Url
    events: _Events = [EVERY_TYPE]  # noqa: RUF012 - pydantic copies it


class WebhookChanges(RequestModel):
    """What is to change; at least one field."""

    model_config = ConfigDict(json_schema_extra=of_one_field_at_least)

    url: Absent[_Url] = None
    events: Absent[_Events] = None
    active: Annotated[
        Absent[bool],
        Field(description="false: it gets no events. true: it goes on where it stopped."),
    ] = None


class ReplayRequest(RequestModel):
    """Which events are sent again: one, or a range."""

    event_id: Annotated[Absent[_EventId], Field(description="This one.")] = None
    first: Annotated[Absent[_EventId], Field(description="The first one of a range.")] = None
    last: Annotated[
        Absent[_EventId],
        Field(description="The last one of the range. If left out: the last one there is."),
    ] = None


class AttemptsQuery(RequestModel):
    """Which part of the list; the last attempt comes first."""

    limit: PageSize = 100
    cursor: Cursor = None


class WebhookReply(ReplyModel):
    """A webhook."""

    id: Id
    url: str
    events: list[str]
    smtp_config_ids: Annotated[
        list[int] | None,
        Field(
            description="It gets only events of these SMTP configurations: those of the API key"
            " that made it. null: of all."
        ),
    ]
    active: Annotated[bool, Field(description="Whether it gets events.")]
    disabled_reason: Annotated[
        Literal["request", "gone", "failing"] | None,
        Field(
            description="request: by PUT. gone: the receiver answered 410. failing: no call"
            " succeeded for five days."
        ),
    ]
    disabled_at: Instant | None
    failing_since: Annotated[
        Instant | None, Field(description="The first failure since the last success.")
    ]
    waiting: Annotated[int, Field(ge=0, description="How many events wait for another attempt.")]
    untold_since: Annotated[
        Instant | None,
        Field(
            description="When the oldest event happened that was not sent yet at all. If that is"
            " long ago and the webhook is active, no process makes calls, 1,000 events wait, or"
            " on PostgreSQL a transaction holds events back."
        ),
    ]
    previous_secret_until: Annotated[
        Instant | None,
        Field(description="Until when the secret before the rotation signs beside the new one."),
    ]
    created_at: Instant
    updated_at: Instant


class WebhookWithSecret(WebhookReply):
    """A webhook with its new secret."""

    secret: Annotated[
        str,
        Field(description="It signs every call. It is not shown again.", pattern="^whsec_"),
    ]


class TestSent(ReplyModel):
    """The call is made soon."""

    __test__ = False  # pytest takes the name for one of its own

    message_id: Annotated[
        str, Field(description="The webhook-id of the call.", examples=["evt_test_1"])
    ]


class ReplayReply(ReplyModel):
    """The events are sent soon."""

    replayed: Annotated[int, Field(ge=0, description="How many.")]
    next: Annotated[
        str | None,
        Field(
            description="Where the range goes on: call again with it as first. null: that was all."
        ),
    ]


class WebhookAttemptReply(ReplyModel):
    """A call that was made."""

    event_id: Annotated[str, Field(description="The webhook-id of the call.", examples=["evt_12"])]
    attempt: Annotated[int, Field(ge=1, description="Its number, for this event.")]
    at: Instant
    duration_ms: Annotated[int, Field(ge=0)]
    succeeded: bool
    status: Annotated[int | None, Field(description="Of the answer; null if there was none.")]
    problem: Annotated[
        str | None,
        Field(
            description="Why there was no answer: forbidden, not_found, unreachable, tls, timeout,"
            " too_large, protocol, secret_unreadable or internal_error."
        ),
    ]
