"""What every request and reply of the API is made of: models that check and document them.

`emails/schemas.py` and `smtp_configs/schemas.py` build theirs on it.

Requests are strict: no coercion (``true`` is not 1, ``"3"`` is not 3), no unknown field, null only
where it means something. What is published here is a promise: names and types never change.
"""

import json
from typing import Annotated, Any, Final, Literal, TypeAlias, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    PlainValidator,
    ValidatorFunctionWrapHandler,
    WithJsonSchema,
)
from pydantic_core import CoreSchema
from pydantic_core.core_schema import no_info_wrap_validator_function

from domain.address import Address
from domain.mailbox import LONGEST_NAME, Mailbox
from domain.message.headers import unsafe_character
from entrypoints.addresses import email_address
from entrypoints.ids import LARGEST_ID
from entrypoints.mailboxes import LONGEST_MAILBOX, mailbox

T = TypeVar("T")
PUBLISHED_TIME: Final = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}$"


def _without_null_defaults(schema: dict[str, Any]) -> None:
    """A field that may be left out has no default that a client could send."""
    for field in schema.get("properties", {}).values():
        if field.get("default", ...) is None:
            del field["default"]


def without_defaults(schema: dict[str, Any]) -> None:
    """What may be left out has its default in words: generators of typed clients take a field that
    has one in the schema for a field that is always there, and let nobody leave it out.
    """
    for field in schema.get("properties", {}).values():
        default = field.pop("default", None)
        if default not in (None, [], (), ""):
            shown = json.dumps(default)
            before = f"{field['description']} " if "description" in field else ""
            field["description"] = f"{before}If left out: {shown}."


def of_one_field_at_least(schema: dict[str, Any]) -> None:
    """`without_defaults`, and empty is refused."""
    without_defaults(schema)
    schema["minProperties"] = 1


class RequestModel(BaseModel):
    """What a client sends."""

    model_config = ConfigDict(
        strict=True,
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
        json_schema_extra=without_defaults,
    )

    def given(self) -> dict[str, Any]:
        """The fields that were sent, by name."""
        return {name: getattr(self, name) for name in self.model_fields_set}


class ReplyModel(BaseModel):
    """What the service answers."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        serialize_by_alias=True,
        json_schema_extra=_without_null_defaults,
    )


class NotNull:
    """None stands for a field that was left out; sent as null it is a wrong type like any other."""

    def __get_pydantic_core_schema__(
        self, source: object, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        inner: CoreSchema = handler(source)["schema"]  # that of "nullable"
        return inner


Absent: TypeAlias = Annotated[T | None, NotNull()]


class Shown:
    """What the JSON schema tells of a check that a function makes."""

    def __init__(self, *, pattern: str) -> None:
        self._pattern = pattern

    def __get_pydantic_json_schema__(
        self, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {**handler(core_schema), "pattern": self._pattern}


# ECMA-262; half characters are left out, for no JSON that is read has them
NO_CONTROLS_PATTERN: Final = (
    r"^[^\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]*$"
)
NO_CONTROLS: Final = Shown(pattern=NO_CONTROLS_PATTERN)


def header_text(text: str) -> str:
    """*text*, if it may stand in a header. ValueError."""
    character = unsafe_character(text)
    if character is not None:
        raise ValueError(f"must not contain the character {character}")
    return text


EmailAddress: TypeAlias = Annotated[
    Address,
    PlainValidator(email_address),
    WithJsonSchema(
        {"type": "string", "format": "email", "maxLength": 254, "examples": ["ada@example.com"]}
    ),
]


class NamedAddress(RequestModel):
    """An address with the name that is shown for it."""

    address: EmailAddress
    name: Annotated[
        str,
        Field(max_length=LONGEST_NAME, examples=["Ada Lovelace"]),
        AfterValidator(header_text),
        NO_CONTROLS,
    ] = ""


class _AsMailbox:
    """A string, or an object of NamedAddress; without a name it is an Address."""

    def __get_pydantic_core_schema__(
        self, source: object, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return no_info_wrap_validator_function(_mailbox, handler(NamedAddress))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {"anyOf": [_WRITTEN_MAILBOX, handler(schema)]}


def _mailbox(value: object, check: ValidatorFunctionWrapHandler) -> Address | Mailbox:
    if not isinstance(value, dict):
        return mailbox(value)
    given: NamedAddress = check(value)
    return Mailbox(given.address, given.name) if given.name else given.address


_WRITTEN_MAILBOX: Final = {
    "type": "string",
    "maxLength": LONGEST_MAILBOX,
    "description": "An address, or one in angle brackets behind a name.",
    "examples": ["ada@example.com", "Ada Lovelace <ada@example.com>"],
}
AnyMailbox: TypeAlias = Annotated[Address | Mailbox, _AsMailbox()]
Id: TypeAlias = Annotated[int, Field(ge=1, le=LARGEST_ID)]
Time: TypeAlias = Annotated[
    str,
    # no "date-time": that is RFC 3339, which asks for an offset
    WithJsonSchema(
        {
            "type": "string",
            "description": "UTC, without a suffix.",
            "pattern": PUBLISHED_TIME,
            "examples": ["2023-05-24T10:30:00.000000"],
        }
    ),
]
# what this version adds is RFC 3339 whatever API_TIMES says
Instant: TypeAlias = Annotated[
    str,
    WithJsonSchema(
        {"type": "string", "format": "date-time", "examples": ["2023-05-24T10:30:00.000000Z"]}
    ),
]
Selector: TypeAlias = Annotated[
    str,
    Shown(pattern=r"^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$"),  # the domain checks it
    Field(
        max_length=40,
        description="What the names of the DKIM records begin with.",
        examples=["mail"],
    ),
]
StatusName: TypeAlias = Literal[
    "queued", "scheduled", "sending", "sent", "retry", "failed", "cancelled"
]


class FieldProblem(ReplyModel):
    """One thing wrong with the input."""

    pointer: Annotated[
        str,
        Field(description="The field, as a JSON pointer (RFC 6901).", examples=["/recipients/0"]),
    ]
    message: Annotated[str, Field(examples=["must be an email address such as ada@example.com"])]


class NoFields(RequestModel):
    """An object without fields; the body may be left out."""


class Done(ReplyModel):
    """The call succeeded."""

    message: str


class Health(ReplyModel):
    """ok: the process answers. ready: it accepts email."""

    status: Literal["ok", "ready"]


class Welcome(ReplyModel):
    """The name and version of the service, and links."""

    name: str
    version: str
    links: dict[str, str]


class Problem(ReplyModel):
    """Why a request was refused (RFC 9457)."""

    type: Annotated[str, Field(examples=["about:blank"])]
    title: Annotated[str, Field(examples=["Bad Request"])]
    status: Annotated[int, Field(examples=[400])]
    detail: str
    code: Annotated[str, Field(description="Stable, for programs.", examples=["invalid_input"])]
    error: Annotated[str, Field(description="The same text as detail.")]
    request_id: str
    errors: Annotated[
        list[FieldProblem] | None,
        Field(description="Every fault of the input; null for other problems."),
    ] = None
