"""What the feed of events takes and answers."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from domain.event.types import EventType
from entrypoints.event_cursors import PATTERN
from entrypoints.http.paging import PageSize, decimal
from entrypoints.http.schemas import Absent, Id, Instant, ReplyModel, RequestModel, Shown

_TYPES = ", ".join(EventType)


class EventQuery(RequestModel):
    """Which events."""

    after: Annotated[
        Absent[Annotated[str, Field(max_length=64), Shown(pattern=PATTERN)]],
        Field(
            description="From the Link header of a page before; if left out: from the oldest event"
            " that is kept."
        ),
    ] = None
    types: Annotated[
        Absent[
            Annotated[
                str, Field(min_length=1, max_length=1000), Shown(pattern="^[a-z_.]+(,[a-z_.]+)*$")
            ]
        ],
        Field(
            description="Only events of these types, with commas between them.",
            examples=["email.sent,email.failed"],
        ),
    ] = None
    email_id: Annotated[
        Absent[Annotated[Id, BeforeValidator(decimal)]],
        Field(description="Only events of this email."),
    ] = None
    limit: PageSize = 100


class EventBounce(ReplyModel):
    """What a report says of a recipient."""

    kind: Literal["hard", "soft", "delayed", "complaint"]
    status: Annotated[str | None, Field(description="An enhanced status.", examples=["5.1.1"])]
    text: Annotated[str, Field(description="What the server said, at most 512 characters.")]


class EventRecipient(ReplyModel):
    """What had become of a recipient."""

    address: str
    status: Literal["open", "accepted", "rejected", "unknown", "suppressed"]
    reason: str | None
    reply: Annotated[
        str | None, Field(description="What the mail server said of it, at most 512 characters.")
    ]
    bounce: Annotated[
        EventBounce | None,
        Field(description="In `email.bounced`, `email.complained` and `email.delayed` only."),
    ] = None


class EmailEventData(ReplyModel):
    """An email at the time of the event. At most 4 KiB of JSON."""

    email_id: Id
    status: Literal["queued", "scheduled", "sending", "sent", "retry", "failed", "cancelled"]
    reason_code: str | None
    recipients: list[EventRecipient]
    recipients_left_out: Annotated[
        int, Field(ge=0, description="How many recipients did not fit: GET /api/emails/{email_id}.")
    ]
    message_id: str
    provider_message_id: Annotated[
        str | None, Field(description="What the server that accepted the message calls it.")
    ]
    tags: list[str]
    metadata: dict[str, str]
    labels_left_out: Annotated[
        int, Field(ge=0, description="How many tags and pairs of metadata did not fit.")
    ]
    attempt: Annotated[int, Field(ge=0, description="The number of the last attempt; 0 if none.")]


class EventLimit(ReplyModel):
    """A limit of a provider: it refused after so many messages in a window."""

    window: Literal["minute", "hour", "day"]
    least: Annotated[int, Field(ge=0)]
    most: Annotated[int, Field(ge=0)]


class AccountEventData(ReplyModel):
    """An SMTP configuration at the time of the event."""

    smtp_config_id: Id
    name: str
    reason: Annotated[str | None, Field(description="Of the pause that began, or has ended.")]
    text: str
    until: Annotated[Instant | None, Field(description="When the pause ends by itself.")]
    limit: Annotated[
        EventLimit | None,
        Field(description="Of the type account.learned_limit: of an SMTP configuration."),
    ]


class SuppressionEventData(ReplyModel):
    """An entry of the suppression list."""

    address: str
    scope: Annotated[str, Field(examples=["*"])]
    reason: Literal["hard_bounce", "complaint", "unsubscribe", "manual"]
    email_id: Annotated[Id | None, Field(description="The email that was its occasion.")]
    expires_at: Annotated[Instant | None, Field(description="When it ends by itself.")]


class QueueEventData(ReplyModel):
    """A queue that grows."""

    waiting: Annotated[
        int, Field(ge=0, description="How many emails wait for their first try or a retry.")
    ]
    waiting_before: Annotated[int, Field(ge=0, description="How many did at the time `since`.")]
    since: Instant
    oldest_seconds: Annotated[
        int, Field(ge=0, description="How long the oldest that is due has waited.")
    ]


class WebhookEventData(ReplyModel):
    """A webhook at the time of the event."""

    webhook_id: Id
    host: Annotated[str, Field(description="Of its URL.")]
    reason: str


class EventReply(ReplyModel):
    """Something that happened to an email, an SMTP configuration, a webhook or the suppressions."""

    id: Annotated[
        str,
        Field(
            pattern="^evt_[1-9][0-9]*$", description="No other event has it.", examples=["evt_12"]
        ),
    ]
    type: Annotated[
        str,
        Field(
            description=f"So far one of {_TYPES}. Others may come: pass over what you do not know.",
            examples=["email.sent"],
        ),
    ]
    timestamp: Instant
    data: Annotated[
        EmailEventData
        | AccountEventData
        | SuppressionEventData
        | QueueEventData
        | WebhookEventData,
        Field(
            description="Of an email (`email.`…), an SMTP configuration (`account.`…), the queue"
            " (`queue.`…), a webhook (`webhook.`…), or an entry of the suppression list"
            " (`suppression.`… and `email.unsubscribed`)."
        ),
    ]
