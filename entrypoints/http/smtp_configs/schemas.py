"""What the calls under /api/smtp-configs take and answer."""

from typing import Annotated, Any, Final, Literal, TypeAlias

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
)

from domain.account.account import MOST_ALIASES, AuthMechanism, OnUnknown, Transport
from domain.account.limits import NEW_RESERVE, LimitUnit, Window
from domain.address import Address
from entrypoints.addresses import server_name
from entrypoints.http.schemas import (
    NO_CONTROLS,
    Absent,
    EmailAddress,
    Id,
    ReplyModel,
    RequestModel,
    Shown,
    Time,
    header_text,
    of_one_field_at_least,
)
from entrypoints.http.smtp_configs.auth import AuthReply, AuthRequest
from entrypoints.http.smtp_configs.inbox import InboxReply, InboxRequest

_NONE: Final[Any] = ()
_NO_LINE_END: Final = Shown(pattern=r"^[^\u0000\r\n]*$")


def _secret_text(text: str) -> str:
    # AUTH PLAIN separates by NUL; a line end is the rest of a file that was pasted
    if any(character in text for character in "\0\r\n"):
        raise ValueError("must not contain a line end or NUL")
    return text


# tab and the spaces of every script; never a line end, which is refused wherever it stands
_BLANKS: Final = "\t \u00a0\u1680\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B)))


def _trimmed(text: object) -> object:
    """Without outer blanks, which a copied text often has and nobody sees."""
    return text.strip(_BLANKS) if isinstance(text, str) else text


def _once_each(addresses: list[Address]) -> tuple[Address, ...]:
    return tuple(dict.fromkeys(addresses))


_Name: TypeAlias = Annotated[
    str,
    Field(
        min_length=1,
        max_length=200,
        description="Unique; leading and trailing blanks are removed.",
        examples=["main"],
    ),
    AfterValidator(header_text),
    BeforeValidator(_trimmed),
    NO_CONTROLS,
]
_DisplayName: TypeAlias = Annotated[
    str,
    Field(
        max_length=200,
        description="The name in the From line; leading and trailing blanks are removed.",
        examples=["Example Shop"],
    ),
    AfterValidator(header_text),
    BeforeValidator(_trimmed),
    NO_CONTROLS,
]
_Aliases: TypeAlias = Annotated[
    list[EmailAddress],
    Field(
        max_length=MOST_ALIASES,
        description="Further addresses that may stand in the From line; * before the @ stands for"
        " any name there.",
        examples=[["billing@example.com", "*@news.example.com"]],
    ),
    AfterValidator(_once_each),
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
    Field(max_length=1_000, description="Stored encrypted, never shown."),
    AfterValidator(_secret_text),
    _NO_LINE_END,
]
_UseTls: TypeAlias = Annotated[
    bool, Field(description="STARTTLS, required and verified. Not together with use_ssl.")
]
_UseSsl: TypeAlias = Annotated[
    bool, Field(description="TLS from the first byte (port 465). Not together with use_tls.")
]
_TLS_DEFAULT: Final = (
    "STARTTLS, required and verified. Not together with use_ssl. If left out: true, except on the "
    "ports 465 and 2465 or with use_ssl."
)
_SSL_DEFAULT: Final = (
    "TLS from the first byte. Not together with use_tls. If left out: false, except on the ports "
    "465 and 2465 without use_tls."
)
_Active: TypeAlias = Annotated[bool, Field(description="While false, its email waits.")]
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


def _transport(name: str) -> Transport:
    return Transport(name)


def _on_unknown(name: str) -> OnUnknown:
    return OnUnknown(name)


_Unit: TypeAlias = Annotated[
    Literal["messages", "recipients"],
    Field(description="What the limits count."),
    AfterValidator(_limit_unit),
]
_TransportName: TypeAlias = Annotated[
    Literal["smtp", "graph"],
    Field(
        description="How its email leaves: by SMTP, or over the Graph API of Microsoft 365, which "
        "needs auth of the type oauth."
    ),
    AfterValidator(_transport),
]
_Connections: TypeAlias = Annotated[
    int, Field(ge=1, le=100, description="The most connections to the mail server at once.")
]
_Reserve: TypeAlias = Annotated[
    int,
    Field(
        ge=0,
        le=90,
        description="Percent of each limit that is kept for priorities 1 and 2, rounded up; at"
        " least one is left for other email.",
    ),
]
_OnUnknown: TypeAlias = Annotated[
    Annotated[Literal["resend_once", "hold"], AfterValidator(_on_unknown)] | None,
    Field(
        description="What to do when it is unknown whether the server accepted an email; null for "
        "the setting ON_UNKNOWN."
    ),
]
_AuthMechanism: TypeAlias = Annotated[
    Annotated[
        Literal["plain", "login", "cram-md5", "xoauth2", "oauthbearer"],
        AfterValidator(_auth_mechanism),
    ]
    | None,
    Field(
        description="How to log in; null for the first that the server offers. The first three"
        " present a password, the others an OAuth token."
    ),
]
_AnnounceNext: TypeAlias = Annotated[
    bool,
    Field(
        description="Send the next email's envelope together with the end of the previous email, "
        "without waiting for the reply. Saves a round trip; some servers fail on it (Dovecot, "
        "Haraka). The service sets it to false when a server fails on it."
    ),
]
_SesHeaders: TypeAlias = Annotated[
    bool,
    Field(
        description="For Amazon SES: an email that names this configuration may set the headers "
        "X-SES-CONFIGURATION-SET, X-SES-MESSAGE-TAGS, X-SES-LIST-MANAGEMENT-OPTIONS and "
        "X-SES-TENANT."
    ),
]
_MessageBytes: TypeAlias = Annotated[
    Annotated[int, Field(ge=1, le=2**31 - 1)] | None,
    Field(
        description="The largest message that may be sent, with its files in base64; null for what "
        "the server takes. What the server says when it is used lowers it. Larger emails are "
        "refused."
    ),
]


_Inbox: TypeAlias = Annotated[
    InboxRequest | None,
    Field(description="Where reports about its email arrive; null for nowhere."),
]


class SmtpConfigRequest(RequestModel):
    """A new SMTP configuration."""

    name: _Name
    email_address: EmailAddress
    provider: Annotated[
        Absent[str],
        Field(
            min_length=1,
            max_length=40,
            description="Fills in what is left out: smtp_host, smtp_port, the TLS mode, username "
            "if a password or auth is given, the limits, limit_unit, max_connections, "
            "max_message_bytes, announce_next. GET /api/providers lists them. It is not stored.",
            examples=["gmail"],
        ),
    ] = None
    region: Annotated[
        Absent[str],
        Field(
            min_length=1,
            max_length=40,
            description="Of a provider with a server for each, such as ses or zoho.",
            examples=["eu-west-1"],
        ),
    ] = None
    transport: Annotated[
        _TransportName,
        Field(
            description="How its email leaves: by SMTP, or over the Graph API of Microsoft 365, "
            "which needs auth of the type oauth and fills in what is left out: smtp_host, "
            "smtp_port, use_ssl, username, the limits, max_connections."
        ),
    ] = "smtp"
    smtp_host: Annotated[
        Absent[_Host],
        Field(
            description="Host name or IP address of the mail server; a trailing dot is removed. "
            "Required without a provider or the transport graph."
        ),
    ] = None
    smtp_port: Annotated[_Port, Field(description="465 is the default with use_ssl.")] = 587
    display_name: _DisplayName = ""
    aliases: _Aliases = _NONE
    username: _Username = ""
    password: Annotated[_Password | None, Field(repr=False)] = None
    auth: Absent[AuthRequest] = None
    inbox: _Inbox = None
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
    ses_headers: _SesHeaders = False
    max_message_bytes: _MessageBytes = None


class SmtpConfigChanges(RequestModel):
    """The fields to change, at least one; a field that is left out stays as it is."""

    model_config = ConfigDict(json_schema_extra=of_one_field_at_least)

    name: Absent[_Name] = None
    email_address: Absent[EmailAddress] = None
    transport: Absent[_TransportName] = None
    smtp_host: Absent[_Host] = None
    smtp_port: Absent[_Port] = None
    display_name: Absent[_DisplayName] = None
    aliases: Absent[_Aliases] = None
    username: Absent[_Username] = None
    password: Annotated[_Password | None, Field(repr=False)] = None
    auth: Absent[AuthRequest] = None
    inbox: _Inbox = None
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
    ses_headers: Absent[_SesHeaders] = None
    max_message_bytes: _MessageBytes = None


class SmtpConfigCreated(ReplyModel):
    """The SMTP configuration is stored."""

    message: Annotated[str, Field(examples=["SMTP configuration created successfully"])]
    config_id: Id


_State: TypeAlias = Annotated[
    Literal["open", "inactive", "paused", "unreachable"],
    Field(description="Whether it may send now, apart from its limits."),
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

    max: Annotated[int, Field(description="The field max_connections.")]
    allowed: Annotated[int, Field(description="What congestion control allows now.")]
    in_flight: Annotated[int, Field(description="Emails being sent now.")]


class LearnedLimitReply(ReplyModel):
    """A limit of the provider, estimated from its refusals."""

    window: Window
    refused_after_least: Annotated[
        int, Field(description="The fewest messages in the window before a refusal.")
    ]
    refused_after_most: int
    times: Annotated[int, Field(description="How often the limit was reached.")]
    last_at: Time
    put: Annotated[
        dict[str, int],
        Field(
            description="The body of a PUT of this SMTP configuration that stays below the limit."
        ),
    ]


class DkimState(ReplyModel):
    """A pair of DKIM keys of one SMTP configuration."""

    selector: str
    domain: str
    active: Annotated[bool, Field(description="Whether mail is signed with these keys.")]


class SmtpConfigReply(SmtpConfigRow):
    """An SMTP configuration with everything but its password."""

    display_name: str
    aliases: list[str]
    transport: Annotated[
        Literal["smtp", "graph"],
        Field(description="graph: over the Graph API of Microsoft 365."),
    ]
    smtp_host: str
    smtp_port: int
    username: str
    password_set: bool
    auth: AuthReply
    inbox: InboxReply | None
    auth_mechanism: Literal["plain", "login", "cram-md5", "xoauth2", "oauthbearer"] | None
    use_tls: bool
    use_ssl: bool
    hourly_limit: int | None
    minute_limit: int | None
    limit_unit: Literal["messages", "recipients"]
    max_connections: int
    priority_reserve: int
    on_unknown: Literal["resend_once", "hold"] | None
    announce_next: bool
    ses_headers: bool
    last_sent: Time | None
    created_at: Time
    updated_at: Time
    pause_reason: Annotated[
        str | None, Field(description="Why its email waits: a pause, its server or a limit.")
    ]
    pause_text: str | None
    pause_until: Annotated[
        Time | None, Field(description="null if a person, new credentials or a login must end it.")
    ]
    used_minute: Annotated[
        int, Field(description="What counts against the limit, reservations included.")
    ]
    used_hour: int
    used_day: int
    next_capacity_at: Annotated[
        Time | None,
        Field(
            description="When there is room for one more of any priority; null if it is unknown."
        ),
    ]
    connections: ConnectionsReply
    last_reply: Annotated[str | None, Field(description="The last error that the server reported.")]
    pace: Annotated[
        int | None,
        Field(description="Messages a minute, after the server replied that mail comes too fast."),
    ]
    learned_limits: Annotated[
        list[LearnedLimitReply], Field(description="Limits of the provider that were reached.")
    ]
    dkim: Annotated[
        list[DkimState],
        Field(description="The keys that its mail is or can be signed with, the oldest first."),
    ]
    max_message_bytes: Annotated[
        int | None,
        Field(
            description="The largest message that may be sent: what was set, or less if the server"
            " said so when it was last used; null if neither is known. Larger ones are refused."
        ),
    ]


class PauseChanged(ReplyModel):
    """The SMTP configuration was paused or resumed."""

    message: str
    state: _State


class VerifyRequest(RequestModel):
    """The recipient that is named; nothing is sent to it."""

    recipient: Annotated[
        Absent[EmailAddress],
        Field(description="If left out: the address of the SMTP configuration."),
    ] = None


class VerifyStage(ReplyModel):
    """The result of one stage of the connection."""

    stage: Annotated[str, Field(examples=["auth"])]
    ok: bool
    code: Annotated[int | None, Field(description="null for a stage without a reply.")]
    text: str
    advice: Annotated[
        str, Field(description="What a person should do; empty if the stage succeeded.")
    ]


class VerifyReply(ReplyModel):
    """The result of a connection: connect, TLS, AUTH, MAIL and RCPT; nothing was sent."""

    ok: bool
    stage: Annotated[str | None, Field(description="The stage that failed.", examples=["auth"])]
    problem: Annotated[str | None, Field(description="Why it failed, if the server gave no reply.")]
    code: int | None
    enhanced_code: str | None
    text: str
    stages: Annotated[
        list[VerifyStage], Field(description="Every stage that was reached, in order.")
    ]
    warnings: Annotated[
        list[str],
        Field(
            description="What is wrong beside the connection: mail from email_address that no"
            " active DKIM key signs, although there are some."
        ),
    ]
