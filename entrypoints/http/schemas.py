"""The shapes of the API: every request and every reply, as models that check and document it.

Requests are strict: no coercion (``true`` is not 1, ``"3"`` is not 3), no unknown field, null only
where it means something. What is published here is a promise: names and types never change.
"""

import json
from datetime import datetime
from typing import Annotated, Any, Final, Literal, TypeAlias, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    PlainValidator,
    ValidatorFunctionWrapHandler,
    WithJsonSchema,
    WrapValidator,
    model_validator,
)
from pydantic_core import CoreSchema

from domain.account.account import AuthMechanism, OnUnknown
from domain.account.limits import NEW_RESERVE, NORMAL, PRIORITIES, LimitUnit, Window
from domain.address import Address
from domain.intake import LARGEST_BODY, LONGEST_SUBJECT, MOST_EMAILS, is_too_large
from domain.message.headers import unsafe_character
from entrypoints.addresses import email_address, server_name
from entrypoints.http.times import moment

T = TypeVar("T")

PUBLISHED_TIME: Final = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}$"
LARGEST_ID: Final = 2**63 - 1


def _without_null_defaults(schema: dict[str, Any]) -> None:
    """A field that may be left out has no default that a client could send."""
    for field in schema.get("properties", {}).values():
        if field.get("default", ...) is None:
            del field["default"]


def _without_account_if_sent(schema: dict[str, Any]) -> None:
    """What is settled as sent goes by no configuration any more."""
    _without_defaults(schema)
    schema["not"] = {
        "properties": {"as": {"const": "sent"}},
        "required": ["as", "smtp_config_id"],
    }


def _of_one_field_at_least(schema: dict[str, Any]) -> None:
    _without_defaults(schema)
    schema["minProperties"] = 1


def _without_defaults(schema: dict[str, Any]) -> None:
    """What may be left out has its default in words: generators of typed clients take a field that
    has one in the schema for a field that is always there, and let nobody leave it out.
    """
    for field in schema.get("properties", {}).values():
        default = field.pop("default", None)
        if default not in (None, [], (), ""):
            shown = json.dumps(default)
            before = f"{field['description']} " if "description" in field else ""
            field["description"] = f"{before}If left out: {shown}."


class RequestModel(BaseModel):
    """What a client sends."""

    model_config = ConfigDict(
        strict=True,
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
        json_schema_extra=_without_defaults,
    )

    def given(self) -> dict[str, Any]:
        """The fields that were sent, by name."""
        return {name: getattr(self, name) for name in self.model_fields_set}


class ReplyModel(BaseModel):
    """What the service answers."""

    model_config = ConfigDict(extra="forbid", frozen=True, json_schema_extra=_without_null_defaults)


class _NotNull:
    """None stands for a field that was left out; sent as null it is a wrong type like any other."""

    def __get_pydantic_core_schema__(
        self, source: object, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        inner: CoreSchema = handler(source)["schema"]  # that of "nullable"
        return inner


Absent: TypeAlias = Annotated[T | None, _NotNull()]


class _Shown:
    """What the JSON schema tells of a check that a function makes."""

    def __init__(self, *, pattern: str) -> None:
        self._pattern = pattern

    def __get_pydantic_json_schema__(
        self, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {**handler(core_schema), "pattern": self._pattern}


# ECMA-262; half characters are left out, for no JSON that is read has them
_NO_CONTROLS: Final = _Shown(
    pattern=r"^[^\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]*$"
)
_NO_LINE_END: Final = _Shown(pattern=r"^[^\u0000\r\n]*$")
_NO_NUL: Final = _Shown(pattern=r"^[^\u0000]*$")


def _header_text(text: str) -> str:
    character = unsafe_character(text)
    if character is not None:
        raise ValueError(f"must not contain the character {character}")
    return text


def _secret_text(text: str) -> str:
    # AUTH PLAIN separates by NUL; a line end is the rest of a file that was pasted
    if any(character in text for character in "\0\r\n"):
        raise ValueError("must not contain a line end or NUL")
    return text


def _body_text(text: str) -> str:
    if "\0" in text:
        raise ValueError("must not contain the character U+0000")
    if is_too_large(text):
        raise ValueError(f"must have at most {LARGEST_BODY} octets")
    return text


def _decimal(text: object) -> object:
    """A query parameter as an integer; left as it is if it is none."""
    # digits of ASCII only, and so few that int() is quick
    if isinstance(text, str) and text.isascii() and text.isdecimal() and len(text) < len("9" * 20):
        return int(text)
    return text


EmailAddress: TypeAlias = Annotated[
    Address,
    PlainValidator(email_address),
    WithJsonSchema(
        {"type": "string", "format": "email", "maxLength": 254, "examples": ["ada@example.com"]}
    ),
]
Moment: TypeAlias = Annotated[
    datetime,
    PlainValidator(moment),
    WithJsonSchema(
        {
            "type": "string",
            "anyOf": [{"format": "date-time"}, {"pattern": PUBLISHED_TIME}],
            "examples": ["2026-01-31T09:30:00+01:00"],
        }
    ),
]
BodyText: TypeAlias = Annotated[
    str, Field(max_length=LARGEST_BODY), AfterValidator(_body_text), _NO_NUL
]
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
StatusName: TypeAlias = Literal[
    "queued", "scheduled", "sending", "sent", "retry", "failed", "cancelled"
]

# -- emails -----------------------------------------------------------------------------------


# as the default of a list: pydantic copies one that could be changed, for every email
_NOBODY: Final[Any] = ()


_TEXT_ALONE: Final = object()  # in the place of the HTML of an email that has none


def _unless_text_alone(html: object, check: ValidatorFunctionWrapHandler) -> object:
    return None if html is _TEXT_ALONE else check(html)


_HtmlText: TypeAlias = Annotated[BodyText, Field(min_length=1)]


_WITH_TEXT: Final[dict[str, Any]] = {
    "required": ["text_content"],
    "properties": {"text_content": {"minLength": 1}},
}


def _of_html_or_text(schema: dict[str, Any]) -> None:
    _without_defaults(schema)
    schema["required"].remove("html_content")
    schema["anyOf"] = [{"required": ["html_content"]}, _WITH_TEXT]


class EmailRequest(RequestModel):
    """An email to accept."""

    model_config = ConfigDict(json_schema_extra=_of_html_or_text)

    subject: Annotated[
        str,
        Field(min_length=1, max_length=LONGEST_SUBJECT, examples=["Welcome"]),
        AfterValidator(_header_text),
        _NO_CONTROLS,
    ]
    recipients: Annotated[
        list[EmailAddress],
        Field(min_length=1, description="To: everybody sees them.", examples=[["ada@example.com"]]),
    ]
    html_content: Annotated[
        _HtmlText | None,
        _NotNull(),
        Field(
            repr=False,
            description="The HTML part. An email needs it, text_content or both.",
            examples=["<h1>Hello</h1>"],
        ),
        WrapValidator(_unless_text_alone),
    ]
    text_content: Annotated[
        Absent[BodyText],
        Field(
            repr=False,
            description="The plain text part. If left out, it is made from the HTML; without"
            " html_content it is the whole email.",
        ),
    ] = None
    cc: Annotated[list[EmailAddress], Field(description="Cc: everybody sees them.")] = _NOBODY
    bcc: Annotated[list[EmailAddress], Field(description="Bcc: nobody sees them.")] = _NOBODY
    priority: Annotated[
        int,
        Field(ge=PRIORITIES[0], le=PRIORITIES[-1], description="1 is the most urgent."),
    ] = NORMAL
    smtp_config_id: Annotated[
        Absent[Id],
        Field(description="The SMTP configuration it stays on; else the one with most room."),
    ] = None
    send_at: Annotated[
        Absent[Moment],
        Field(
            description="Not before this time, at most 30 days ahead; in the past: now. RFC 3339"
            " with an offset, or a time as this API shows it, which is UTC."
        ),
    ] = None
    at_most_once: Annotated[
        bool,
        Field(description="Never send a second copy, even if nobody knows whether one arrived."),
    ] = False

    @model_validator(mode="before")
    @classmethod
    def _html_is_required_unless_there_is_text(cls, fields: Any) -> Any:
        if isinstance(fields, dict) and "html_content" not in fields and fields.get("text_content"):
            return {**fields, "html_content": _TEXT_ALONE}
        return fields


class EmailAccepted(ReplyModel):
    """The email is stored and will be sent."""

    message: Annotated[str, Field(examples=["Email created and queued successfully"])]
    email_id: Id


class FieldProblem(ReplyModel):
    """One thing wrong with the input."""

    pointer: Annotated[
        str, Field(description="Where: a JSON pointer (RFC 6901).", examples=["/recipients/0"])
    ]
    message: Annotated[str, Field(examples=["must be an email address such as ada@example.com"])]


class BatchRequest(RequestModel):
    """Many emails in one call."""

    emails: Annotated[
        list[EmailRequest],
        Field(min_length=1, max_length=MOST_EMAILS, description="Each as for POST /api/emails."),
    ]
    mode: Annotated[
        Literal["all", "each"],
        Field(description="all: every one or none. each: those that are right; see results."),
    ] = "all"


class LooseBatch(RequestModel):
    """A batch whose emails are judged one by one."""

    emails: Annotated[list[object], Field(min_length=1, max_length=MOST_EMAILS)]
    mode: Literal["each"]


class BatchError(ReplyModel):
    """Why one email of a batch was not accepted."""

    code: Annotated[str, Field(description="As in a problem.", examples=["invalid_input"])]
    detail: str
    errors: Annotated[list[FieldProblem], Field(description="The fields that are wrong.")]


class BatchResult(ReplyModel):
    """What became of one email of a batch: its id, or why it was not accepted."""

    email_id: Id | None
    error: BatchError | None


class BatchAccepted(ReplyModel):
    """What was accepted; ``results`` stands there for mode each, in the order of the emails."""

    message: Annotated[str, Field(examples=["2 emails created and queued successfully"])]
    email_ids: Annotated[list[Id], Field(description="Of those accepted, in order.")]
    results: list[BatchResult] | None
    go_now: Annotated[
        int | None,
        Field(
            description="How many fit the limits now, as far as can be told; null if nothing"
            " limits them or several SMTP configurations may take them."
        ),
    ]
    last_due_at: Annotated[
        Instant | None,
        Field(description="When the last one will fit the limits, as far as can be told now."),
    ]


class EmailRow(ReplyModel):
    """An email in a list."""

    id: Id
    subject: str
    status: StatusName
    priority: int
    retry_count: int
    created_at: Time


class AttemptReply(ReplyModel):
    """One try to hand an email to a mail server."""

    attempt: Annotated[int, Field(description="Its number, from 1.")]
    account: Annotated[str, Field(description="The name of the SMTP configuration.")]
    started_at: Time
    ended_at: Time | None
    stage: Annotated[str | None, Field(description="How far the dialogue got.", examples=["dot"])]
    code: Annotated[int | None, Field(description="The server's last reply.", examples=[250])]
    enhanced_code: Annotated[str | None, Field(examples=["2.0.0"])]
    text: str
    result: Annotated[str | None, Field(examples=["sent"])]
    reason: Annotated[str | None, Field(examples=["accepted"])]
    duration_ms: float | None


class RecipientReply(ReplyModel):
    """What became of one recipient."""

    address: str
    kind: Literal["to", "cc", "bcc"]
    status: Annotated[
        Literal["open", "accepted", "rejected", "unknown", "suppressed"],
        Field(description="Only an open one is tried again."),
    ]
    reason: str | None
    code: int | None
    enhanced_code: str | None
    text: str | None


class EmailReply(ReplyModel):
    """An email with everything that is known about it."""

    id: Id
    subject: str
    sender: Annotated[str | None, Field(description="The address of its SMTP configuration.")]
    sender_name: str | None
    recipients: list[str]
    cc: list[str]
    bcc: list[str]
    status: StatusName
    priority: int
    retry_count: Annotated[int, Field(description="Retries that were charged.")]
    smtp_config: Annotated[str | None, Field(description="The name of its SMTP configuration.")]
    created_at: Time
    updated_at: Time
    sent_at: Time | None
    send_at: Annotated[Time | None, Field(description="Only while it is scheduled.")]
    error_message: str | None
    reason_code: Annotated[str | None, Field(description="Stable word for the last result.")]
    waiting_reason: Annotated[
        str | None, Field(description="The first closed gate; in_line if it only waits its turn.")
    ]
    next_attempt_at: Annotated[
        Time | None, Field(description="As far as can be told; null if a person is needed.")
    ]
    message_id: str
    at_most_once: bool
    partial: Annotated[bool, Field(description="Sent, but not to everybody.")]
    possibly_delivered: Annotated[
        bool, Field(description="A server had the message and never said whether it took it.")
    ]
    rejected_recipients: list[str]
    recipient_status: list[RecipientReply]
    attempts: list[AttemptReply]


class GateReply(ReplyModel):
    """One condition between an email and its next attempt."""

    name: str
    open: bool
    detail: str
    until: Annotated[Time | None, Field(description="When it opens by itself, if that is known.")]


class ExplainReply(ReplyModel):
    """Why an email has not been sent yet: every gate, in the order they are passed."""

    id: Id
    status: StatusName
    waiting_reason: str | None
    next_attempt_at: Time | None
    gates: list[GateReply]


class StatusChanged(ReplyModel):
    """The email has another status now."""

    message: str
    status: StatusName


class NoFields(RequestModel):
    """Nothing needs to be said; the body may be left out."""


class RetryRequest(RequestModel):
    """How a failed email is tried again; the body may be left out."""

    smtp_config_id: Annotated[
        Absent[Id],
        Field(description="The SMTP configuration it goes by from now on; else as before."),
    ] = None


class ResolveRequest(RequestModel):
    """How an unknown outcome is settled."""

    model_config = ConfigDict(json_schema_extra=_without_account_if_sent)

    # "as" is the published name, and a word of the language
    verdict: Annotated[
        Literal["sent", "resend"],
        Field(alias="as", description="It was sent, as somebody saw; or it is to be sent again."),
    ]
    smtp_config_id: Annotated[
        Absent[Id],
        Field(description="With resend: the SMTP configuration it goes by from now on."),
    ] = None

    @model_validator(mode="after")
    def _nothing_is_sent_again_as_sent(self) -> "ResolveRequest":
        if self.verdict == "sent" and self.smtp_config_id is not None:
            raise ValueError("smtp_config_id goes with resend only")
        return self


_PageSize: TypeAlias = Annotated[int, Field(ge=1, le=500), BeforeValidator(_decimal)]
_Cursor: TypeAlias = Annotated[
    Absent[Annotated[str, Field(max_length=64), _Shown(pattern="^[A-Za-z0-9_-]{16}$")]],
    Field(description="From the Link header of the page before."),
]


class EmailQuery(RequestModel):
    """Which part of the list of emails; newest first."""

    status: Annotated[Absent[StatusName], Field(description="Only these.")] = None
    smtp_config_id: Annotated[
        Absent[Annotated[Id, BeforeValidator(_decimal)]], Field(description="Only this one's.")
    ] = None
    limit: _PageSize = 100
    cursor: _Cursor = None


class EmailsByStatusQuery(RequestModel):
    """Which part of the list of emails of one status; newest first."""

    limit: _PageSize = 100
    cursor: _Cursor = None


# -- SMTP configurations ------------------------------------------------------------------------

# tab and the spaces of every script; never a line end, which is refused wherever it stands
_BLANKS: Final = "\t \u00a0\u1680\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B)))


def _trimmed(text: object) -> object:
    """Without outer blanks, which a copied text often has and nobody sees."""
    return text.strip(_BLANKS) if isinstance(text, str) else text


_Name: TypeAlias = Annotated[
    str,
    Field(
        min_length=1,
        max_length=200,
        description="Unique; blanks around it are removed first.",
        examples=["main"],
    ),
    AfterValidator(_header_text),
    BeforeValidator(_trimmed),
    _NO_CONTROLS,
]
_DisplayName: TypeAlias = Annotated[
    str,
    Field(
        max_length=200,
        description="The name in the From line; blanks around it are removed.",
        examples=["Example Shop"],
    ),
    AfterValidator(_header_text),
    BeforeValidator(_trimmed),
    _NO_CONTROLS,
]
_Host: TypeAlias = Annotated[
    str,
    Field(
        min_length=1,
        max_length=254,
        description="Host name or IP address of the mail server; a trailing dot is removed.",
    ),
    AfterValidator(server_name),
    BeforeValidator(_trimmed),
]
_Port: TypeAlias = Annotated[int, Field(ge=1, le=65_535)]
_Username: TypeAlias = Annotated[
    str,
    Field(max_length=320, description="Empty for a server without AUTH."),
    AfterValidator(_secret_text),
    _NO_LINE_END,
]
_Password: TypeAlias = Annotated[
    str,
    Field(max_length=1_000, description="Sealed at rest, never shown."),
    AfterValidator(_secret_text),
    _NO_LINE_END,
]
_UseTls: TypeAlias = Annotated[
    bool, Field(description="STARTTLS, required and verified. Excludes use_ssl.")
]
_UseSsl: TypeAlias = Annotated[
    bool, Field(description="TLS from the first byte (port 465). Excludes use_tls.")
]
_TLS_DEFAULT: Final = (
    "STARTTLS, required and verified. Excludes use_ssl. If left out: true, but on the ports 465 "
    "and 2465 and with use_ssl."
)
_SSL_DEFAULT: Final = (
    "TLS from the first byte. Excludes use_tls. If left out: false, but on the ports 465 and 2465 "
    "and unless use_tls is given."
)
_Active: TypeAlias = Annotated[bool, Field(description="While false, its mail waits.")]
_Limit: TypeAlias = Annotated[int, Field(ge=1, le=1_000_000_000)]
_DailyLimit: TypeAlias = Annotated[
    _Limit | None, Field(description="In any 24 hours; null for no limit.")
]
_HourlyLimit: TypeAlias = Annotated[
    _Limit | None, Field(description="In any 60 minutes; null for no limit.")
]
_MinuteLimit: TypeAlias = Annotated[
    _Limit | None, Field(description="In any 60 seconds; null for no limit.")
]


def _limit_unit(name: str) -> LimitUnit:  # the enum itself has no signature since Python 3.12
    return LimitUnit(name)


def _auth_mechanism(name: str) -> AuthMechanism:
    return AuthMechanism(name)


def _on_unknown(name: str) -> OnUnknown:
    return OnUnknown(name)


_Unit: TypeAlias = Annotated[
    Literal["messages", "recipients"],
    Field(description="What the limits count."),
    AfterValidator(_limit_unit),
]
_Connections: TypeAlias = Annotated[
    int, Field(ge=1, le=100, description="At most so many to the mail server at once.")
]
_Reserve: TypeAlias = Annotated[
    int,
    Field(
        ge=0,
        le=90,
        description="Percent of each limit kept for priorities 1 and 2, rounded up; one is always"
        " left for other mail.",
    ),
]
_OnUnknown: TypeAlias = Annotated[
    Annotated[Literal["resend_once", "hold"], AfterValidator(_on_unknown)] | None,
    Field(
        description="What to do when nobody knows whether the server took an email; null for the "
        "installation's default."
    ),
]


_AuthMechanism: TypeAlias = Annotated[
    Annotated[Literal["plain", "login", "cram-md5"], AfterValidator(_auth_mechanism)] | None,
    Field(description="How to log in; null takes the first of the three that the server offers."),
]
_AnnounceNext: TypeAlias = Annotated[
    bool,
    Field(
        description="Write the next email's envelope together with the end of the one before it, "
        "without waiting for the reply. Saves a round trip; some servers break on it (Dovecot, "
        "Haraka). Turned off for good at the first bad sign."
    ),
]


class SmtpConfigRequest(RequestModel):
    """A new SMTP configuration."""

    name: _Name
    email_address: EmailAddress
    smtp_host: _Host
    smtp_port: Annotated[_Port, Field(description="465 is the default with use_ssl.")] = 587
    display_name: _DisplayName = ""
    username: _Username = ""
    password: Annotated[_Password | None, Field(repr=False)] = None
    auth_mechanism: _AuthMechanism = None
    use_tls: Annotated[Absent[_UseTls], Field(description=_TLS_DEFAULT)] = None
    use_ssl: Annotated[Absent[_UseSsl], Field(description=_SSL_DEFAULT)] = None
    active: _Active = True
    daily_limit: _DailyLimit = 500
    hourly_limit: _HourlyLimit = 50
    minute_limit: _MinuteLimit = None
    limit_unit: _Unit = "messages"
    max_connections: _Connections = 2
    priority_reserve: _Reserve = NEW_RESERVE
    on_unknown: _OnUnknown = None
    announce_next: _AnnounceNext = False


class SmtpConfigChanges(RequestModel):
    """What is to change, one field at least; what is left out stays as it is."""

    model_config = ConfigDict(json_schema_extra=_of_one_field_at_least)

    name: Absent[_Name] = None
    email_address: Absent[EmailAddress] = None
    smtp_host: Absent[_Host] = None
    smtp_port: Absent[_Port] = None
    display_name: Absent[_DisplayName] = None
    username: Absent[_Username] = None
    password: Annotated[_Password | None, Field(repr=False)] = None
    auth_mechanism: _AuthMechanism = None
    use_tls: Absent[_UseTls] = None
    use_ssl: Absent[_UseSsl] = None
    active: Absent[_Active] = None
    daily_limit: _DailyLimit = None
    hourly_limit: _HourlyLimit = None
    minute_limit: _MinuteLimit = None
    limit_unit: Absent[_Unit] = None
    max_connections: Absent[_Connections] = None
    priority_reserve: Absent[_Reserve] = None
    on_unknown: _OnUnknown = None
    announce_next: Absent[_AnnounceNext] = None


class SmtpConfigCreated(ReplyModel):
    """The SMTP configuration is stored."""

    message: Annotated[str, Field(examples=["SMTP configuration created successfully"])]
    config_id: Id


class Done(ReplyModel):
    """It is done."""

    message: str


_State: TypeAlias = Annotated[
    Literal["open", "inactive", "paused", "unreachable"],
    Field(description="Whether it may send now, limits aside."),
]


class SmtpConfigRow(ReplyModel):
    """An SMTP configuration in the list."""

    id: Id
    name: str
    email_address: str
    active: bool
    daily_limit: int | None
    sent_count_today: Annotated[int, Field(description="Handed off in the last 24 hours.")]
    sent_count_hour: Annotated[int, Field(description="Handed off in the last 60 minutes.")]
    state: _State


class ConnectionsReply(ReplyModel):
    """The connections of one SMTP configuration."""

    max: Annotated[int, Field(description="What its owner allows.")]
    allowed: Annotated[int, Field(description="What congestion control allows now.")]
    in_flight: Annotated[int, Field(description="Emails being sent now.")]


class LearnedLimitReply(ReplyModel):
    """A limit of the provider, as far as its refusals tell."""

    window: Window
    refused_after_least: Annotated[
        int, Field(description="Messages in the window before a refusal: the least.")
    ]
    refused_after_most: int
    times: Annotated[int, Field(description="How often it was met.")]
    last_at: Time
    put: Annotated[
        dict[str, int], Field(description="The PUT of this configuration that keeps below it.")
    ]


class SmtpConfigReply(SmtpConfigRow):
    """An SMTP configuration with everything but its password."""

    display_name: str
    smtp_host: str
    smtp_port: int
    username: str
    password_set: bool
    auth_mechanism: Literal["plain", "login", "cram-md5"] | None
    use_tls: bool
    use_ssl: bool
    hourly_limit: int | None
    minute_limit: int | None
    limit_unit: Literal["messages", "recipients"]
    max_connections: int
    priority_reserve: int
    on_unknown: Literal["resend_once", "hold"] | None
    announce_next: bool
    last_sent: Time | None
    created_at: Time
    updated_at: Time
    pause_reason: Annotated[
        str | None, Field(description="Why mail waits for it: a pause, its server or a limit.")
    ]
    pause_text: str | None
    pause_until: Annotated[
        Time | None, Field(description="null if a person, new credentials or a login must end it.")
    ]
    used_minute: Annotated[int, Field(description="Counts against the limit, reserved included.")]
    used_hour: int
    used_day: int
    next_capacity_at: Annotated[
        Time | None,
        Field(
            description="When there is room for one more of any priority; null if nobody can tell."
        ),
    ]
    connections: ConnectionsReply
    last_reply: Annotated[str | None, Field(description="The last trouble the server reported.")]
    pace: Annotated[
        int | None,
        Field(description="Messages a minute while the server finds us too fast; else null."),
    ]
    learned_limits: Annotated[
        list[LearnedLimitReply], Field(description="Limits of the provider that were met.")
    ]


class PauseChanged(ReplyModel):
    """The SMTP configuration was paused or resumed."""

    message: str
    state: _State


class VerifyRequest(RequestModel):
    """Whom to name as the recipient; nothing is sent to them."""

    recipient: Annotated[
        Absent[EmailAddress],
        Field(description="The SMTP configuration's own address if it is left out."),
    ] = None


class VerifyStage(ReplyModel):
    """What one stage of the connection came to."""

    stage: Annotated[str, Field(examples=["auth"])]
    ok: bool
    code: Annotated[int | None, Field(description="null where a stage has no reply.")]
    text: str
    advice: Annotated[str, Field(description="What a person should do; empty if it went well.")]


class VerifyReply(ReplyModel):
    """How far a connection got: connect, TLS, AUTH, MAIL and RCPT; nothing was sent."""

    ok: bool
    stage: Annotated[str | None, Field(description="Where it failed.", examples=["auth"])]
    problem: Annotated[str | None, Field(description="Why, if the server gave no reply.")]
    code: int | None
    enhanced_code: str | None
    text: str
    stages: Annotated[
        list[VerifyStage], Field(description="Every stage that was reached, in order.")
    ]


# -- operations and problems --------------------------------------------------------------------


class Health(ReplyModel):
    """The process answers, or it accepts email."""

    status: Literal["ok", "ready"]


class Welcome(ReplyModel):
    """What this is, and where to go from here."""

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
        list[FieldProblem] | None, Field(description="Everything wrong with the input, if it was.")
    ] = None
