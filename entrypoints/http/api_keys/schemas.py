"""What the calls under /api/keys take and answer."""

from typing import Annotated, Final, Literal, TypeAlias

from pydantic import AfterValidator, Field

from domain.access import LONGEST_KEY_NAME, Scope, key_name
from entrypoints.http.emails.schemas import Moment
from entrypoints.http.paging import Cursor, PageSize
from entrypoints.http.schemas import (
    NO_CONTROLS,
    Absent,
    Id,
    Instant,
    ReplyModel,
    RequestModel,
)
from entrypoints.ids import LARGEST_ID

_MOST_ACCOUNTS: Final = 1_000
_ScopeName: TypeAlias = Literal["send", "read", "metrics", "admin"]
_SCOPES: Final = "send: submit email. read: look it up. admin: everything."


class KeyRequest(RequestModel):
    """A key that is to be made: at most what the key that makes it may do itself."""

    name: Annotated[
        str,
        AfterValidator(key_name),
        Field(min_length=1, max_length=LONGEST_KEY_NAME, examples=["web"]),
        NO_CONTROLS,
    ]
    scopes: Annotated[
        list[_ScopeName], Field(min_length=1, max_length=len(Scope), description=_SCOPES)
    ]
    smtp_config_ids: Annotated[
        Absent[Annotated[list[Id], Field(min_length=1, max_length=_MOST_ACCOUNTS)]],
        Field(
            description="It sees no other SMTP configurations, and sends through no others. If left"
            " out: those of the key that makes it."
        ),
    ] = None
    daily_recipients: Annotated[
        Absent[Annotated[int, Field(ge=1, le=LARGEST_ID)]],
        Field(
            description="How many recipients it may name in 24 hours. If left out: as many as the"
            " key that makes it, or what KEY_DAILY_RECIPIENTS says."
        ),
    ] = None
    expires_at: Annotated[
        Absent[Moment],
        Field(description="When it ends. If left out: with the key that makes it, or never."),
    ] = None


class KeysQuery(RequestModel):
    """Which part of the list; in the order in which the keys were made."""

    limit: PageSize = 100
    cursor: Cursor = None


class KeyReply(ReplyModel):
    """An API key, without the key itself."""

    prefix: Annotated[
        str,
        Field(
            description="What the key begins with, behind es_. It is no secret.",
            examples=["0a1b2c3d"],
        ),
    ]
    name: str
    scopes: Annotated[list[_ScopeName], Field(description=_SCOPES)]
    smtp_config_ids: Annotated[
        list[int] | None, Field(description="Those that it is limited to. null: all.")
    ]
    daily_recipients: Annotated[
        int | None, Field(description="null: what KEY_DAILY_RECIPIENTS says.")
    ]
    usable: Annotated[bool, Field(description="Neither revoked nor expired.")]
    created_at: Instant
    expires_at: Annotated[Instant | None, Field(description="null: it has no end.")]
    revoked_at: Instant | None


class NewKey(KeyReply):
    """A new API key with the key itself."""

    key: Annotated[
        str,
        Field(
            description="Send it with each call, as X-API-Key or as a bearer token. It is not"
            " shown again.",
            pattern="^es_",
        ),
    ]
