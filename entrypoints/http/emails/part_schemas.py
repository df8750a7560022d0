"""What the calls under /api/emails take and answer of attachments and calendars."""

from binascii import Error, a2b_base64
from typing import Annotated, Any, Final, Literal, TypeAlias

from pydantic import (
    AfterValidator,
    ConfigDict,
    Field,
    PlainValidator,
    WithJsonSchema,
    model_validator,
)

from domain.message.attachment import MAX_ATTACHMENTS, MAX_FILENAME
from domain.message.calendar import MAX_CALENDAR
from entrypoints.http.schemas import (
    NO_CONTROLS,
    Absent,
    ReplyModel,
    RequestModel,
    header_text,
    without_defaults,
)

_EXAMPLE: Final = "JVBERi0xLjcK"


def _octets(text: object) -> bytes:
    """ValueError for what is not exactly base64 (RFC 4648, section 4), with its padding."""
    if not isinstance(text, str):
        raise ValueError("must be a string")
    try:
        return a2b_base64(text, strict_mode=True)
    except (Error, ValueError):
        raise ValueError(
            "must be base64 with its padding, without line breaks and spaces (RFC 4648, section 4)"
        ) from None


Base64: TypeAlias = Annotated[
    bytes,
    PlainValidator(_octets),
    WithJsonSchema(
        {"type": "string", "contentEncoding": "base64", "format": "byte", "examples": [_EXAMPLE]}
    ),
]


def _of_one_content(schema: dict[str, Any]) -> None:
    """Strict clients leave `if` out; they would make a type of `oneOf` that nothing fits."""
    without_defaults(schema)
    schema |= {
        "if": {"required": ["content"]},
        "then": {"not": {"required": ["attachment_id"]}},
        "else": {"required": ["attachment_id"]},
    }


class AttachmentRequest(RequestModel):
    """A file to attach."""

    model_config = ConfigDict(json_schema_extra=_of_one_content)

    filename: Annotated[
        str,
        Field(
            min_length=1,
            max_length=MAX_FILENAME,
            description="The name that recipients see, without a path.",
            examples=["invoice.pdf"],
        ),
        AfterValidator(header_text),
        NO_CONTROLS,
    ]
    content: Annotated[
        Absent[Base64],
        Field(
            repr=False,
            description="The file in base64, without line breaks. One of content and"
            " attachment_id is needed.",
        ),
    ] = None
    attachment_id: Annotated[
        Absent[str],
        Field(
            min_length=1,
            max_length=64,
            description="A file that was uploaded before, with the same API key.",
            examples=["5f0c8b0e1d9a4c53b1f0a2d7c6e5f401"],
        ),
    ] = None
    content_type: Annotated[
        Absent[str],
        Field(
            max_length=600,
            description="Its media type. If left out: the one that the name suggests.",
            examples=["application/pdf"],
        ),
    ] = None
    content_id: Annotated[
        Absent[str],
        Field(
            max_length=200,
            description="Makes it an image within the HTML, which shows it as"
            ' <img src="cid:logo">: then it must do so.',
            examples=["logo"],
        ),
    ] = None

    @model_validator(mode="after")
    def _has_one_content(self) -> "AttachmentRequest":
        if (self.content is None) == (self.attachment_id is None):
            raise ValueError("must have content or attachment_id, and not both")
        return self


class CalendarRequest(RequestModel):
    """An invitation (iCalendar), which recipients can answer with one click."""

    content: Annotated[
        str,
        Field(
            min_length=1,
            max_length=MAX_CALENDAR,
            repr=False,
            description="The iCalendar object, whose METHOD is the same as method.",
        ),
    ]
    method: Annotated[
        Literal["REQUEST", "CANCEL", "REPLY"], Field(description="What recipients are asked for.")
    ]


# as the default of a list: pydantic copies one that could be changed, for every email
_NONE: Final[Any] = ()
Attachments: TypeAlias = Annotated[
    list[AttachmentRequest],
    Field(max_length=MAX_ATTACHMENTS, description="Files, and images that the HTML shows."),
]
NO_ATTACHMENTS: Final = _NONE


class AttachmentReply(ReplyModel):
    """A file of an email."""

    filename: str
    content_type: str
    size: Annotated[int, Field(description="Its octets.")]
    content_id: str | None
