"""What the calls under /api/suppressions take and answer."""

from typing import Annotated, Final, Literal, TypeAlias

from pydantic import AfterValidator, BeforeValidator, Field

from domain.intake import MOST_EMAILS
from domain.suppression import EVERYTHING, SCOPE, SCOPE_RULE
from entrypoints.http.emails.schemas import Moment, Topic
from entrypoints.http.paging import Cursor, PageSize
from entrypoints.http.schemas import (
    Absent,
    EmailAddress,
    Id,
    Instant,
    ReplyModel,
    RequestModel,
    Shown,
)

_Reason: TypeAlias = Literal["hard_bounce", "complaint", "unsubscribe", "manual"]
_WHAT_IT_IS: Final = (
    "Which mail the address does not get: * is all, account:1 that of the SMTP configuration 1,"
    " topic:newsletter that of a topic."
)


def _scope(text: str) -> str:
    if not SCOPE.fullmatch(text):
        raise ValueError(SCOPE_RULE)
    return text


_Scope: TypeAlias = Annotated[str, AfterValidator(_scope), Shown(pattern=f"^({SCOPE.pattern})$")]


def _flag(text: object) -> object:
    return {"true": True, "false": False}.get(text, text) if isinstance(text, str) else text


class SuppressionRequest(RequestModel):
    """An address that gets no mail."""

    address: Annotated[EmailAddress, Field(examples=["ada@example.org"])]
    scope: Annotated[_Scope, Field(description=_WHAT_IT_IS)] = EVERYTHING
    reason: Annotated[_Reason, Field(description="Why. Each reason is an entry of its own.")] = (
        "manual"
    )
    expires_at: Annotated[
        Absent[Moment],
        Field(
            description="When it ends. If left out: after 180 days for hard_bounce, else never."
            " A complaint has no end."
        ),
    ] = None
    email_id: Annotated[Absent[Id], Field(description="The email that was the occasion.")] = None


class SuppressedRequest(RequestModel):
    """Addresses that an email is meant for."""

    addresses: Annotated[
        list[EmailAddress],
        Field(min_length=1, max_length=MOST_EMAILS, examples=[["ada@example.org"]]),
    ]
    topic: Annotated[Absent[Topic], Field(description="The topic of the email.")] = None
    smtp_config_id: Annotated[
        Absent[Id], Field(description="The SMTP configuration that sends it.")
    ] = None


class SuppressedReply(ReplyModel):
    """Who would be left out."""

    suppressed: Annotated[
        list[str], Field(description="Those of the addresses, as they were given.")
    ]


class SuppressionsQuery(RequestModel):
    """Which part of the list; in the order in which the entries were made."""

    scope: Annotated[Absent[_Scope], Field(description="Only this one.")] = None
    reason: Annotated[Absent[_Reason], Field(description="Only this one.")] = None
    limit: PageSize = 100
    cursor: Cursor = None


class SuppressionQuery(RequestModel):
    """Which entries of an address."""

    scope: Annotated[Absent[_Scope], Field(description="Only this one. If left out: all.")] = None


class SuppressionRemovalQuery(SuppressionQuery):
    """What to remove."""

    force: Annotated[bool, BeforeValidator(_flag), Field(description="Remove a complaint too.")] = (
        False
    )


class SuppressionRow(ReplyModel):
    """An entry of the suppression list."""

    address: str
    scope: Annotated[str, Field(description=_WHAT_IT_IS)]
    reason: _Reason
    created_at: Instant
    expires_at: Annotated[Instant | None, Field(description="null: it has no end.")]
    email_id: Annotated[int | None, Field(description="The email that was the occasion.")]
