"""What the calls under /api/emails take and answer."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Final, Literal, TypeAlias

from pydantic import (
    AfterValidator,
    AliasChoices,
    BeforeValidator,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    PlainValidator,
    ValidatorFunctionWrapHandler,
    WithJsonSchema,
    WrapValidator,
    model_validator,
)

from domain.account.limits import NORMAL, PRIORITIES
from domain.email.labels import (
    LONGEST_KEY,
    LONGEST_TAG,
    LONGEST_VALUE,
    MOST_METADATA,
    MOST_TAGS,
)
from domain.intake import (
    LARGEST_BODY,
    LONGEST_SUBJECT,
    MOST_EMAILS,
    MOST_REPLY_TO,
    is_too_large,
)
from domain.message.client_headers import LONGEST_HEADER, MOST_HEADERS
from domain.message.template import LOCALE, NAME
from domain.message.threads import LONGEST_ID, message_id
from domain.suppression import TOPIC, TOPIC_RULE
from entrypoints.http.emails.part_schemas import (
    NO_ATTACHMENTS,
    AttachmentReply,
    Attachments,
    Base64,
    CalendarRequest,
)
from entrypoints.http.fields import NEEDS_CONTENT
from entrypoints.http.forecasts import LimitedBy
from entrypoints.http.paging import Cursor, PageSize, decimal
from entrypoints.http.schemas import (
    NO_CONTROLS,
    NO_CONTROLS_PATTERN,
    PUBLISHED_TIME,
    Absent,
    AnyMailbox,
    EmailAddress,
    FieldProblem,
    Id,
    Instant,
    NotNull,
    ReplyModel,
    RequestModel,
    Shown,
    StatusName,
    Time,
    header_text,
    without_defaults,
)
from entrypoints.http.times import moment
from entrypoints.ids import LARGEST_ID

_NO_NUL: Final = Shown(pattern=r"^[^\u0000]*$")


def _body_text(text: str) -> str:
    if "\0" in text:
        raise ValueError("must not contain the character U+0000")
    if is_too_large(text):
        raise ValueError(f"must have at most {LARGEST_BODY} octets")
    return text


def _topic(text: str) -> str:
    if not TOPIC.fullmatch(text):
        raise ValueError(TOPIC_RULE)
    return text


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


_BodyText: TypeAlias = Annotated[
    str, Field(max_length=LARGEST_BODY), AfterValidator(_body_text), _NO_NUL
]


def _answered(value: object) -> int | str:
    if isinstance(value, str):
        return message_id(value)
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= LARGEST_ID:
        return value
    raise ValueError("must be the id of an email, or a Message-ID in a string")


_Answered: TypeAlias = Annotated[
    int | str,
    PlainValidator(_answered),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 1, "maximum": LARGEST_ID},
                {"type": "string", "minLength": 3, "maxLength": LONGEST_ID},
            ],
            "examples": [1, "<1a2b@example.com>"],
        }
    ),
]


def _without_account_if_sent(schema: dict[str, Any]) -> None:
    """What is settled as sent goes by no configuration any more."""
    without_defaults(schema)
    schema["not"] = {
        "properties": {"as": {"const": "sent"}},
        "required": ["as", "smtp_config_id"],
    }


# as the default of a list: pydantic copies one that could be changed, for every email
_NOBODY: Final[Any] = ()
_NOTHING_TO_READ: Final = object()  # in the place of HTML where there is no text either
_TEXT_ALONE: Final = object()  # in the place of the HTML of an email that has none
_BY_TEMPLATE: Final = object()  # in the place of what a template writes
_BESIDE_TEMPLATE: Final = object()  # in the place of what was given though a template writes it
_WITHOUT_TEMPLATE: Final = object()  # in the place of variables that nothing takes


def _unless_text_alone(html: object, check: ValidatorFunctionWrapHandler) -> object:
    if html is _NOTHING_TO_READ:
        raise ValueError(NEEDS_CONTENT)
    return None if html is _TEXT_ALONE else _unless_misplaced(html, check)


Tag: TypeAlias = Annotated[
    str, Field(min_length=1, max_length=LONGEST_TAG), AfterValidator(header_text), NO_CONTROLS
]
MetadataKey: TypeAlias = Annotated[
    str, Field(min_length=1, max_length=LONGEST_KEY), AfterValidator(header_text), NO_CONTROLS
]
MetadataValue: TypeAlias = Annotated[
    str, Field(max_length=LONGEST_VALUE), AfterValidator(header_text), NO_CONTROLS
]
_VALUE_SCHEMA: Final[dict[str, Any]] = {
    "type": "string",
    "maxLength": LONGEST_VALUE,
    "pattern": NO_CONTROLS_PATTERN,
}
_HtmlText: TypeAlias = Annotated[_BodyText, Field(min_length=1)]


_WITH_TEXT: Final[dict[str, Any]] = {
    "required": ["text_content"],
    "properties": {"text_content": {"minLength": 1}},
}
_WRITTEN: Final = ("subject", "html_content", "text_content")  # by a template, where there is one


def _of_template_html_or_text(schema: dict[str, Any]) -> None:
    """One of the three is needed. Of an `anyOf` beside the properties generators of strict clients
    make a type that nothing can be assigned to; `if` they leave out.
    """
    without_defaults(schema)
    schema["required"] = ["recipients"]
    schema |= {
        "if": {"required": ["template"]},
        "then": {"properties": dict.fromkeys(_WRITTEN, False)},
        "else": {
            "required": ["subject"],
            "properties": {"variables": False},
            "if": {"required": ["html_content"]},
            "else": _WITH_TEXT,
        },
    }


def _locale(text: str) -> str:
    if not LOCALE.fullmatch(text):
        raise ValueError("must be a language tag such as de or de-AT")
    return text


def _template_name(text: str) -> str:
    if not NAME.fullmatch(text):
        raise ValueError("must be 1 to 64 of a-z, 0-9, _ and -, and begin with a letter or a digit")
    return text


TemplateName: TypeAlias = Annotated[
    str,
    AfterValidator(_template_name),
    Shown(pattern=f"^{NAME.pattern}$"),
    Field(examples=["welcome"]),
]
TemplateVersion: TypeAlias = Annotated[int, Field(ge=1, le=2**31 - 1)]
Locale: TypeAlias = Annotated[
    str,
    AfterValidator(_locale),
    Shown(pattern=f"^{LOCALE.pattern}$"),
    Field(examples=["de-AT"]),
]


class TemplateUse(RequestModel):
    """The template that writes an email."""

    name: TemplateName
    version: Annotated[
        Absent[TemplateVersion],
        Field(
            description="A version that was published, of exactly this locale. If left out: the"
            " one that was published last."
        ),
    ] = None
    locale: Annotated[
        Absent[Locale],
        Field(
            description="The recipient's language. Of de-AT, de and the template without a locale"
            " the first one that is published is taken."
        ),
    ] = None


def _unless_misplaced(value: object, check: ValidatorFunctionWrapHandler) -> object:
    if value is _BY_TEMPLATE:
        return None
    if value is _BESIDE_TEMPLATE:
        raise ValueError("must be left out: the template has it")
    if value is _WITHOUT_TEMPLATE:
        raise ValueError("needs a template")
    return check(value)


Variables: TypeAlias = Annotated[dict[str, Any], Field(examples=[{"name": "Ada", "items": [1, 2]}])]


def _subject_unless_misplaced(subject: object, check: ValidatorFunctionWrapHandler) -> object:
    return "" if subject is _BY_TEMPLATE else _unless_misplaced(subject, check)


# what an email and the common part of a batch have both
Topic: TypeAlias = Annotated[str, AfterValidator(_topic), Shown(pattern=f"^{TOPIC.pattern}$")]
_TopicField: TypeAlias = Annotated[
    Absent[Topic],
    Field(
        description="What the recipient may unsubscribe from, for newsletters and the like: the"
        " email gets a link for it, in headers that mail clients show as a button. It must have"
        " exactly one recipient; the service needs PUBLIC_URL. Once the recipient has"
        " unsubscribed, email of this topic to that address fails with the reason_code"
        " suppressed.",
        examples=["newsletter"],
    ),
]
_BypassSuppression: TypeAlias = Annotated[
    Absent[Annotated[list[Literal["hard_bounce"]], Field(max_length=1)]],
    Field(
        description="Send it also to recipients that are suppressed for this reason. Takes the"
        " scope admin. Complaints, unsubscriptions and manual entries hold all the same.",
        examples=[["hard_bounce"]],
    ),
]
_Sender: TypeAlias = Annotated[
    Absent[AnyMailbox],
    Field(
        alias="from",
        description="The From line: the address of an SMTP configuration, or one of its"
        " aliases; else a 400 with the code from_not_allowed. Without smtp_config_id it"
        " chooses among those that may send as it. Without a name: that of the configuration.",
        examples=[{"address": "billing@example.com", "name": "Example Billing"}],
    ),
]
_ReplyTo: TypeAlias = Annotated[
    list[AnyMailbox],
    Field(
        max_length=MOST_REPLY_TO,
        description="Where replies go; if left out, to the address in the From line.",
    ),
]
_Headers: TypeAlias = Annotated[
    Absent[
        dict[
            str,
            Annotated[
                str,
                Field(min_length=1, max_length=LONGEST_HEADER),
                AfterValidator(header_text),
                NO_CONTROLS,
            ],
        ]
    ],
    Field(
        max_length=MOST_HEADERS,
        description="Further headers: X-… (but X-Email-Ref and X-Google-…; four of X-SES-…, where"
        " the SMTP configuration that smtp_config_id names has ses_headers), Auto-Submitted,"
        " Feedback-ID, Importance, List-Help, List-Id, List-Unsubscribe and"
        " List-Unsubscribe-Post. Any other one is a 400 with the code header_reserved.",
        examples=[{"X-Order": "1234"}],
    ),
]
_Calendar: TypeAlias = Annotated[
    Absent[CalendarRequest],
    Field(description="An invitation that recipients can answer with one click."),
]
_Priority: TypeAlias = Annotated[
    int, Field(ge=PRIORITIES[0], le=PRIORITIES[-1], description="1 is the most urgent.")
]
_AccountId: TypeAlias = Annotated[
    Absent[Id],
    Field(
        description="The SMTP configuration that sends it. If left out: the active one with"
        " the most room within its limits."
    ),
]
_SendAt: TypeAlias = Annotated[
    Absent[Moment],
    Field(
        description="Do not send before this time, at most 30 days ahead. A time in the past"
        " means now. RFC 3339 with an offset, or a time as this API shows it, in UTC."
    ),
]
_ExpiresAt: TypeAlias = Annotated[
    Absent[Moment],
    Field(
        description="Do not send after this time: the email fails with the reason expired. At"
        " the latest it expires MAX_AGE_SECONDS after it is due. A time like send_at, and"
        " after it."
    ),
]
_Tags: TypeAlias = Annotated[
    list[Tag],
    Field(
        max_length=MOST_TAGS,
        description="Words to find the email by; the same one counts once.",
        examples=[["welcome"]],
    ),
]
_Metadata: TypeAlias = Annotated[
    Absent[dict[MetadataKey, MetadataValue]],
    Field(
        max_length=MOST_METADATA,
        description="Keys and values of your own, to find the email by.",
        examples=[{"order": "1042"}],
    ),
    WithJsonSchema(
        {
            "type": "object",
            "maxProperties": MOST_METADATA,
            "propertyNames": {
                "minLength": 1,
                "maxLength": LONGEST_KEY,
                "pattern": NO_CONTROLS_PATTERN,
            },
            "additionalProperties": _VALUE_SCHEMA,
        }
    ),
]
_AtMostOnce: TypeAlias = Annotated[
    bool,
    Field(description="Never send a second copy, even if it is unknown whether the first arrived."),
]


class EmailRequest(RequestModel):
    """An email to send."""

    model_config = ConfigDict(json_schema_extra=_of_template_html_or_text)

    subject: Annotated[
        str,
        Field(min_length=1, max_length=LONGEST_SUBJECT, examples=["Welcome"]),
        AfterValidator(header_text),
        NO_CONTROLS,
    ]
    recipients: Annotated[
        list[AnyMailbox],
        Field(
            description="The To line: every recipient sees these addresses. Each is an address,"
            " Ada Lovelace <ada@example.com>, or an object with address and name. May be empty if"
            " cc or bcc is not.",
            examples=[["ada@example.com"]],
        ),
    ]
    # "from" is the published name, and a word of the language
    sender: _Sender = None
    html_content: Annotated[
        _HtmlText | None,
        NotNull(),
        Field(
            repr=False,
            description="The HTML part. An email needs it, text_content or both, or a template.",
            examples=["<h1>Hello</h1>"],
        ),
    ]
    text_content: Annotated[
        Absent[_BodyText],
        Field(
            repr=False,
            description="The plain text part. If left out, it is made from the HTML; without"
            " html_content it is the whole email.",
        ),
    ] = None
    template: Annotated[
        Absent[TemplateUse],
        Field(
            description="Writes subject, HTML and text, which are left out then. It is rendered"
            " now: what is published later changes nothing."
        ),
    ] = None
    variables: Annotated[
        Absent[Variables],
        Field(repr=False, description="The values for the template."),
    ] = None
    cc: Annotated[
        list[AnyMailbox], Field(description="The Cc line: every recipient sees these addresses.")
    ] = _NOBODY
    bcc: Annotated[
        list[AnyMailbox], Field(description="Recipients that no other recipient sees.")
    ] = _NOBODY
    reply_to: _ReplyTo = _NOBODY
    in_reply_to: Annotated[
        Absent[_Answered],
        Field(
            description="What it answers: the id of an email of this service, or the Message-ID of"
            " any message. Sets In-Reply-To and References."
        ),
    ] = None
    headers: _Headers = None
    attachments: Attachments = NO_ATTACHMENTS
    calendar: _Calendar = None
    priority: _Priority = NORMAL
    smtp_config_id: _AccountId = None
    send_at: _SendAt = None
    expires_at: _ExpiresAt = None
    tags: _Tags = _NOBODY
    metadata: _Metadata = None
    at_most_once: _AtMostOnce = False
    topic: _TopicField = None
    bypass_suppression: _BypassSuppression = None

    @model_validator(mode="wrap")
    @classmethod
    def _of_its_kind(
        cls, fields: Any, check: ModelWrapValidatorHandler["EmailRequest"]
    ) -> "EmailRequest":
        """Most emails have HTML of their own: with the checks of the others in every field, an
        email of a batch takes 3 % more instructions.
        """
        if cls is not EmailRequest or not isinstance(fields, dict) or _has_own_html(fields):
            return check(fields)
        return _EmailWithoutHtml.model_validate(_marked(fields))


def _has_own_html(fields: Mapping[str, Any]) -> bool:
    return "html_content" in fields and not ("template" in fields or "variables" in fields)


class _EmailWithoutHtml(EmailRequest):
    """An email of text alone or of a template; one with variables, or without anything, is refused.

    The fields are told apart by marks, so that each error stands at its field, with all others.
    """

    subject: Annotated[
        str,
        Field(min_length=1, max_length=LONGEST_SUBJECT),
        AfterValidator(header_text),
        WrapValidator(_subject_unless_misplaced),
    ]
    html_content: Annotated[
        _HtmlText | None, NotNull(), Field(repr=False), WrapValidator(_unless_text_alone)
    ]
    text_content: Annotated[
        Absent[_BodyText], Field(repr=False), WrapValidator(_unless_misplaced)
    ] = None
    variables: Annotated[Absent[Variables], Field(repr=False), WrapValidator(_unless_misplaced)] = (
        None
    )


def _marked(fields: Mapping[str, Any]) -> Mapping[str, Any]:
    """*fields* with a mark in the place of what is missing or misplaced."""
    if "template" in fields:
        written = {one: _BESIDE_TEMPLATE if one in fields else _BY_TEMPLATE for one in _WRITTEN}
        return {**fields, **written}
    if "variables" in fields:
        fields = {**fields, "variables": _WITHOUT_TEMPLATE}
    if "html_content" not in fields:
        html = _TEXT_ALONE if fields.get("text_content") else _NOTHING_TO_READ
        return {**fields, "html_content": html}
    return fields


class RawEmailRequest(RequestModel):
    """A message that you made yourself."""

    raw: Annotated[
        Base64,
        Field(
            repr=False,
            description="The message (RFC 5322) in base64, without line breaks. It is ASCII: what"
            " is not is encoded in it.",
            examples=["RnJvbTogbWVAZXhhbXBsZS5jb20KU3ViamVjdDogSGkKCkhlbGxvCg=="],
        ),
    ]
    recipients: Annotated[
        list[AnyMailbox],
        Field(
            min_length=1,
            description="Who gets it, each as for POST /api/emails. The headers of the message say"
            " what people see, and name no recipient.",
            examples=[["ada@example.com"]],
        ),
    ]
    priority: _Priority = NORMAL
    smtp_config_id: _AccountId = None
    send_at: _SendAt = None
    expires_at: _ExpiresAt = None
    tags: _Tags = _NOBODY
    metadata: _Metadata = None
    at_most_once: _AtMostOnce = False


class EmailAccepted(ReplyModel):
    """The email is stored and will be sent."""

    message: Annotated[str, Field(examples=["Email created and queued successfully"])]
    email_id: Id


_Emails: TypeAlias = Annotated[
    list[EmailRequest],
    Field(min_length=1, max_length=MOST_EMAILS, description="Each as for POST /api/emails."),
]
_Mode: TypeAlias = Annotated[
    Literal["all", "each"],
    Field(description="all: accept every email or none. each: accept the valid ones; see results."),
]


class BatchRequest(RequestModel):
    """Many emails in one call."""

    emails: _Emails
    mode: _Mode = "all"


class CommonFields(RequestModel):
    """What all emails of a batch have in common, as for POST /api/emails."""

    # "from" is the published name, and a word of the language
    sender: _Sender = None
    reply_to: _ReplyTo = _NOBODY
    headers: _Headers = None
    attachments: Attachments = NO_ATTACHMENTS
    calendar: _Calendar = None
    priority: _Priority = NORMAL
    smtp_config_id: _AccountId = None
    send_at: _SendAt = None
    at_most_once: _AtMostOnce = False
    expires_at: _ExpiresAt = None
    tags: _Tags = _NOBODY
    metadata: _Metadata = None
    topic: _TopicField = None
    bypass_suppression: _BypassSuppression = None
    variables: Annotated[
        Absent[Variables],
        Field(
            repr=False,
            description="Values for the template; those of a recipient come first.",
        ),
    ] = None


class TemplateRecipient(RequestModel):
    """One email of a batch that a template writes."""

    recipient: Annotated[AnyMailbox, Field(examples=["Ada Lovelace <ada@example.com>"])]
    variables: Annotated[
        Absent[Variables], Field(repr=False, description="The values for the template.")
    ] = None
    metadata: _Metadata = None


_To: TypeAlias = Annotated[
    list[TemplateRecipient],
    Field(
        min_length=1,
        max_length=MOST_EMAILS,
        description="One email for each; no recipient sees another one.",
    ),
]
_Template: TypeAlias = Annotated[TemplateUse, Field(description="Writes every email.")]


class TemplatedBatch(RequestModel):
    """One template for many recipients."""

    template: _Template
    # no default value: pydantic would try to write it into the schema
    common: Annotated[CommonFields, Field(default_factory=CommonFields)]
    to: _To


def _either_form(schema: dict[str, Any]) -> None:
    without_defaults(schema)
    schema |= {
        "if": {"required": ["to"]},
        "then": {"required": ["template"], "properties": {"emails": False, "mode": False}},
        "else": {"required": ["emails"], "properties": {"template": False, "common": False}},
    }


class BatchBody(RequestModel):
    """Many emails in one call: `emails`, or one `template` for all recipients in `to`."""

    model_config = ConfigDict(json_schema_extra=_either_form)

    emails: Absent[_Emails] = None
    mode: _Mode = "all"
    template: Absent[_Template] = None
    common: Absent[CommonFields] = None
    to: Absent[_To] = None


class LooseBatch(RequestModel):
    """A batch whose emails are validated one by one."""

    emails: Annotated[list[object], Field(min_length=1, max_length=MOST_EMAILS)]
    mode: Literal["each"]


class BatchError(ReplyModel):
    """Why one email of a batch was not accepted."""

    code: Annotated[
        str, Field(description="The same codes as in a problem.", examples=["invalid_input"])
    ]
    detail: str
    errors: Annotated[list[FieldProblem], Field(description="The invalid fields.")]


class BatchResult(ReplyModel):
    """The result for one email of a batch: its id, or why it was not accepted."""

    email_id: Id | None
    error: BatchError | None


class BatchAccepted(ReplyModel):
    """What was accepted; ``results`` is set with mode each, in the order of the emails."""

    message: Annotated[str, Field(examples=["2 emails created and queued successfully"])]
    email_ids: Annotated[list[Id], Field(description="The ids of the accepted emails, in order.")]
    results: list[BatchResult] | None
    go_now: Annotated[
        int | None,
        Field(
            description="An estimate of how many fit the limits now; null if no limit applies or"
            " several SMTP configurations may send them."
        ),
    ]
    last_due_at: Annotated[
        Instant | None,
        Field(description="An estimate of when the last one will fit the limits."),
    ]


class EmailRow(ReplyModel):
    """An email in a list."""

    id: Id
    subject: str
    recipients: Annotated[list[str], Field(description="The To line.")]
    status: StatusName
    priority: int
    retry_count: int
    created_at: Time
    reason_code: Annotated[str | None, Field(description="A stable word for the last result.")]
    tags: list[str]


class AttemptReply(ReplyModel):
    """One attempt to hand an email to a mail server."""

    attempt: Annotated[int, Field(description="Its number, from 1.")]
    account: Annotated[str, Field(description="The name of the SMTP configuration.")]
    started_at: Time
    ended_at: Time | None
    stage: Annotated[
        str | None, Field(description="The last stage of the SMTP dialogue.", examples=["dot"])
    ]
    code: Annotated[
        int | None, Field(description="The code of the server's last reply.", examples=[250])
    ]
    enhanced_code: Annotated[str | None, Field(examples=["2.0.0"])]
    text: str
    result: Annotated[str | None, Field(examples=["sent"])]
    reason: Annotated[str | None, Field(examples=["accepted"])]
    provider_message_id: Annotated[
        str | None,
        Field(description="What the mail server calls the message it accepted, if it says so."),
    ]
    duration_ms: float | None


class RecipientReply(ReplyModel):
    """The result for one recipient."""

    address: str
    name: Annotated[str, Field(description="As submitted; empty if it had none.")]
    kind: Literal["to", "cc", "bcc"]
    status: Annotated[
        Literal["open", "accepted", "rejected", "unknown", "suppressed"],
        Field(description="Only an open recipient is retried."),
    ]
    reason: str | None
    code: int | None
    enhanced_code: str | None
    text: str | None
    bounced_at: Annotated[
        Instant | None,
        Field(description="When a server reported that it could not deliver what was sent to it."),
    ]
    bounce_status: Annotated[
        str | None, Field(description="The enhanced status of that report.", examples=["5.1.1"])
    ]
    bounce_text: Annotated[str | None, Field(description="What it said.")]
    complained_at: Annotated[
        Instant | None, Field(description="When it was reported that the recipient calls it spam.")
    ]


class TemplateUsedReply(ReplyModel):
    """The version of a template that wrote an email; *locale* null is the default one."""

    name: str
    version: int
    locale: str | None


class MailboxReply(ReplyModel):
    """An address with the name that is shown for it; an empty name for none."""

    address: str
    name: str


class EmailReply(ReplyModel):
    """An email with everything that is known about it."""

    id: Id
    subject: str
    sender: Annotated[str | None, Field(description="The address of its SMTP configuration.")]
    sender_name: str | None
    shown_sender: Annotated[
        MailboxReply | None,
        Field(
            validation_alias=AliasChoices("from", "shown_sender"),
            serialization_alias="from",
            description="The From line; null if no SMTP configuration is known yet.",
        ),
    ]
    recipients: list[str]
    cc: list[str]
    bcc: list[str]
    reply_to: Annotated[
        list[MailboxReply],
        Field(description="Where replies go; empty for a raw message, which says it itself."),
    ]
    in_reply_to: Annotated[
        str | None,
        Field(
            description="The Message-ID of the message that it answers; null for a raw message,"
            " which says it itself."
        ),
    ]
    attachments: Annotated[
        list[AttachmentReply],
        Field(
            description="The files, as they were attached; empty for a raw message, whose files"
            " GET /api/emails/{email_id}/raw has."
        ),
    ]
    status: StatusName
    priority: int
    retry_count: Annotated[int, Field(description="The retries that were counted.")]
    smtp_config: Annotated[str | None, Field(description="The name of its SMTP configuration.")]
    created_at: Time
    updated_at: Time
    sent_at: Time | None
    send_at: Annotated[Time | None, Field(description="Set only while the email is scheduled.")]
    expires_at: Annotated[Time, Field(description="After this time it is not tried again.")]
    error_message: str | None
    reason_code: Annotated[str | None, Field(description="A stable word for the last result.")]
    waiting_reason: Annotated[
        str | None,
        Field(
            description="The first closed gate; in_line if all are open and other email is first."
        ),
    ]
    next_attempt_at: Annotated[
        Time | None, Field(description="An estimate; null if a person must act first.")
    ]
    message_id: str
    provider_message_id: Annotated[
        str | None,
        Field(
            description="What the mail server that accepted it last calls the message: the id of"
            " Amazon SES, Postfix's queue id; null if it does not say.",
            examples=["3DDFC23E5DA"],
        ),
    ]
    template: Annotated[
        TemplateUsedReply | None, Field(description="What wrote it; null without a template.")
    ]
    at_most_once: bool
    topic: Annotated[str | None, Field(description="What the recipient may unsubscribe from.")]
    tags: list[str]
    metadata: dict[str, str]
    partial: Annotated[bool, Field(description="Sent, but not to every recipient.")]
    possibly_delivered: Annotated[
        bool,
        Field(
            description="A server received the message and never replied whether it accepted it."
        ),
    ]
    rejected_recipients: list[str]
    recipient_status: list[RecipientReply]
    attempts: list[AttemptReply]
    content_purged_at: Annotated[
        Time | None,
        Field(
            description="When its message was removed, for it had ended long before; null while it"
            " is there."
        ),
    ]


class GateReply(ReplyModel):
    """One condition between an email and its next attempt."""

    name: str
    open: bool
    detail: str
    until: Annotated[
        Time | None, Field(description="When it opens without anybody's action, if that is known.")
    ]


class EmailForecast(ReplyModel):
    """When an email will go, as far as is known now."""

    goes_at: Annotated[
        Time | None,
        Field(
            description="When it will be handed off; null if only a person can change what holds it"
            " up. What is accepted or refused later is not known."
        ),
    ]
    limited_by: LimitedBy


class ExplainReply(ReplyModel):
    """Why an email has not been sent yet: every gate, in order."""

    id: Id
    status: StatusName
    waiting_reason: str | None
    next_attempt_at: Time | None
    gates: list[GateReply]
    forecast: Annotated[EmailForecast | None, Field(description="null if the email does not wait.")]
    content_purged_at: Annotated[
        Time | None,
        Field(
            description="When its message was removed, for it had ended long before; null while it"
            " is there."
        ),
    ]


class StatusChanged(ReplyModel):
    """The email has another status now."""

    message: str
    status: StatusName


class RescheduleRequest(RequestModel):
    """When to send an email that waits."""

    send_at: Annotated[
        Moment,
        Field(
            description="As for POST /api/emails: at most 30 days ahead, before its expires_at; a"
            " time in the past means now."
        ),
    ]


class RetryRequest(RequestModel):
    """How to retry a failed email; the body may be left out."""

    smtp_config_id: Annotated[
        Absent[Id],
        Field(
            description="The SMTP configuration that sends it from now on. If left out: as before."
        ),
    ] = None


class ResolveRequest(RequestModel):
    """How to resolve an unknown outcome."""

    model_config = ConfigDict(json_schema_extra=_without_account_if_sent)

    # "as" is the published name, and a word of the language
    verdict: Annotated[
        Literal["sent", "resend"],
        Field(
            alias="as", description="sent: a person found that it arrived. resend: send it again."
        ),
    ]
    smtp_config_id: Annotated[
        Absent[Id],
        Field(description="With resend: the SMTP configuration that sends it from now on."),
    ] = None

    @model_validator(mode="after")
    def _nothing_is_sent_again_as_sent(self) -> "ResolveRequest":
        if self.verdict == "sent" and self.smtp_config_id is not None:
            raise ValueError("smtp_config_id is allowed with resend only")
        return self


_METADATA: Final = "metadata"


class EmailQuery(RequestModel):
    """Which part of the list of emails; newest first."""

    recipient: Annotated[
        Absent[EmailAddress],
        Field(description="Only emails to this address, be it in to, cc or bcc; in any case."),
    ] = None
    tag: Annotated[Absent[Tag], Field(description="Only emails with this tag.")] = None
    metadata: Annotated[
        Absent[dict[MetadataKey, MetadataValue]],
        Field(
            max_length=MOST_METADATA,
            description="Only emails with this value in their metadata. Each parameter names a key"
            " of yours behind the dot, and an email must have all of them.",
        ),
        WithJsonSchema(_VALUE_SCHEMA),
    ] = None
    subject: Annotated[
        Absent[
            Annotated[
                str,
                Field(min_length=1, max_length=LONGEST_SUBJECT),
                AfterValidator(header_text),
                NO_CONTROLS,
            ]
        ],
        Field(description="Only emails whose subject begins so; in any case of ASCII letters."),
    ] = None
    since: Annotated[
        Absent[Moment], Field(description="Only emails that were created then or later.")
    ] = None
    until: Annotated[Absent[Moment], Field(description="Only emails that were created before.")] = (
        None
    )

    status: Annotated[Absent[StatusName], Field(description="Only emails with this status.")] = None
    smtp_config_id: Annotated[
        Absent[Annotated[Id, BeforeValidator(decimal)]],
        Field(description="Only emails of this SMTP configuration."),
    ] = None
    limit: PageSize = 100
    cursor: Cursor = None

    @model_validator(mode="before")
    @classmethod
    def _gather_metadata(cls, fields: Any) -> Any:
        """``metadata.order=7`` is the key ``order`` of the metadata."""
        start = f"{_METADATA}."
        named = {name: value for name, value in fields.items() if name.startswith(start)}
        if not named:
            return fields
        others = {name: value for name, value in fields.items() if name not in named}
        pairs = {name.removeprefix(start): value for name, value in named.items()}
        return {_METADATA: pairs} | others

    def given(self) -> dict[str, Any]:
        """As in the query, for the address of the next page."""
        given = super().given()
        pairs: dict[str, str] = given.pop(_METADATA, None) or {}
        for name in ("since", "until"):
            if name in given:
                given[name] = given[name].isoformat()
        return given | {f"{_METADATA}.{key}": value for key, value in pairs.items()}


class EmailsByStatusQuery(RequestModel):
    """Which part of the list of emails of one status; newest first."""

    limit: PageSize = 100
    cursor: Cursor = None
