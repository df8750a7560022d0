"""What the calls under /api/providers answer."""

from datetime import date
from typing import Annotated, Final, Literal, TypeAlias

from pydantic import Field, WithJsonSchema

from application.provider_lookup import Lookup, Proposal
from domain.account.account import Security
from domain.account.provider import Provider
from entrypoints.http.schemas import EmailAddress, ReplyModel, RequestModel

LONGEST_CONFIG_NAME: Final = 200
_Source: TypeAlias = Annotated[
    str, Field(description="The page that was read.", examples=["https://support.google.com/a"])
]
_Day: TypeAlias = Annotated[
    str,
    WithJsonSchema(
        {
            "type": "string",
            "format": "date",
            "description": "When it was read there.",
            "examples": ["2026-11-30"],
        }
    ),
]
_Confidence: TypeAlias = Annotated[
    Literal["published", "secondary", "unpublished"],
    Field(
        description="published: by the provider. secondary: told by others. unpublished: the page "
        "tells nothing, and this is a safe default."
    ),
]


class ProviderRegion(ReplyModel):
    """A part of a provider with a server of its own."""

    region: str
    smtp_host: str


class ProviderPort(ReplyModel):
    """A port, as the fields of an SMTP configuration."""

    smtp_port: int
    use_tls: bool
    use_ssl: bool


class ProviderFigure(ReplyModel):
    """One limit of a provider."""

    name: Annotated[str, Field(examples=["messages_per_day"])]
    value: Annotated[int | None, Field(description="null: no limit.")]
    source: _Source
    checked_on: _Day
    confidence: _Confidence


class ProviderReply(ReplyModel):
    """What is known of a mail provider, and what its name fills in for an SMTP configuration."""

    id: Annotated[str, Field(examples=["gmail"])]
    title: str
    kind: Annotated[
        Literal["mailbox", "relay", "own"],
        Field(description="A mailbox, a relay that is rented to send, or a server of your own."),
    ]
    domains: Annotated[list[str], Field(description="Mail domains that it alone has.")]
    mx: Annotated[list[str], Field(description="What the names of its mail exchangers end with.")]
    smtp_host: Annotated[
        str | None, Field(description="null where region or smtp_host must be given.")
    ]
    regions: Annotated[
        list[ProviderRegion], Field(description="Empty also where any region of its form is taken.")
    ]
    region_host: Annotated[
        str | None, Field(description="The form of its servers, with {region} in it.")
    ]
    ports: Annotated[list[ProviderPort], Field(description="The usual one first.")]
    username: Annotated[
        str | None,
        Field(description="What one logs in as; {address} is email_address. null: your own."),
    ]
    passwords: Annotated[
        list[Literal["mailbox", "app_password", "smtp_password", "api_key"]],
        Field(description="What is stored as the password, the best first; empty: none."),
    ]
    oauth: Annotated[
        Literal["google", "microsoft", "custom"] | None,
        Field(description="Whose tokens are taken in the place of a password."),
    ]
    daily_limit: int | None
    hourly_limit: int | None
    minute_limit: int | None
    limit_unit: Literal["messages", "recipients"]
    max_connections: int
    announce_next: bool
    figures: Annotated[list[ProviderFigure], Field(description="The limits that are known.")]
    steps: Annotated[list[str], Field(description="What a person does at the provider.")]
    notes: list[str]
    source: _Source
    checked_on: _Day
    confidence: _Confidence


class LookupQuery(RequestModel):
    """Whose server is looked up."""

    address: Annotated[EmailAddress, Field(description="The address that mail is sent from.")]


class LookupReply(ReplyModel):
    """What was found out about the server that an address sends by."""

    address: str
    found_by: Annotated[
        Literal["known_domain", "mx", "autoconfig", "ispdb", "srv"] | None,
        Field(
            description="known_domain: the domain is one of a known provider. mx: its mail arrives "
            "at one. autoconfig: the domain published it. ispdb: Thunderbird's database has it. "
            "srv: SRV records of the domain. null: nobody tells."
        ),
    ]
    source: Annotated[
        str | None, Field(description="What told it: a page, a URL, or a DNS record.")
    ]
    provider: Annotated[
        str | None, Field(description="Its id in /api/providers, which has its steps.")
    ]
    login: Annotated[
        Literal["password", "oauth", "none"] | None,
        Field(description="What one logs in with; null if it is not known."),
    ]
    smtp_config: Annotated[
        dict[str, str | int | bool] | None,
        Field(description="The body of a POST to /api/smtp-configs, once missing is added."),
    ]
    missing: Annotated[
        list[Literal["region", "username", "password", "auth"]],
        Field(description="The fields that smtp_config lacks and needs."),
    ]
    warnings: Annotated[
        list[str], Field(description="What a person should know before it is used.")
    ]
    unknown: Annotated[
        list[str], Field(description="Sources that gave no answer; asked again they may.")
    ]


def lookup_reply(lookup: Lookup) -> LookupReply:
    """What became of a look-up, as the API shows it."""
    found = lookup.proposal
    server = None if found is None else found.server
    provider = None if found is None else found.provider
    return LookupReply(
        address=str(lookup.address),
        found_by=None if found is None else found.found_by.value,
        source=None if found is None else found.source,
        provider=None if provider is None else provider.id,
        login=None if server is None else server.login.value,
        smtp_config=None if found is None else _config(found, str(lookup.address)),
        missing=[] if found is None else list(found.missing),
        warnings=list(lookup.warnings),
        unknown=list(lookup.unknown),
    )


def _config(found: Proposal, address: str) -> dict[str, str | int | bool]:
    """The fields that are known; what a provider fills in by its name is left to it."""
    fields: dict[str, str | int | bool] = {
        "name": address[:LONGEST_CONFIG_NAME],
        "email_address": address,
    }
    if found.provider is not None:
        fields["provider"] = found.provider.id
    if found.region is not None:
        fields["region"] = found.region
    if found.server is not None:
        fields["smtp_host"] = found.server.host
        fields["smtp_port"] = found.server.port
        fields["use_tls"] = found.server.security is Security.STARTTLS
        fields["use_ssl"] = found.server.security is Security.TLS
        if found.server.username:
            fields["username"] = found.server.username
    return fields


def provider_reply(provider: Provider) -> ProviderReply:
    """A row as the API shows it."""
    limits, origin = provider.limits(), provider.origin
    return ProviderReply(
        id=provider.id,
        title=provider.title,
        kind=provider.kind.value,
        domains=list(provider.all_domains),
        mx=list(provider.all_mx),
        smtp_host=provider.host,
        regions=[
            ProviderRegion(region=region.name, smtp_host=region.host) for region in provider.regions
        ],
        region_host=provider.region_host,
        ports=[
            ProviderPort(
                smtp_port=port.number,
                use_tls=port.security is Security.STARTTLS,
                use_ssl=port.security is Security.TLS,
            )
            for port in provider.ports
        ],
        username=provider.username,
        passwords=[kind.value for kind in provider.passwords],
        oauth=provider.oauth.value if provider.oauth else None,
        daily_limit=limits.daily,
        hourly_limit=limits.hourly,
        minute_limit=limits.minute,
        limit_unit=limits.unit.value,
        max_connections=limits.max_connections,
        announce_next=provider.announce_next,
        figures=[
            ProviderFigure(
                name=figure.name,
                value=figure.value,
                source=figure.origin.source,
                checked_on=_day(figure.origin.checked_on),
                confidence=figure.origin.confidence.value,
            )
            for figure in provider.figures
        ],
        steps=list(provider.steps),
        notes=list(provider.notes),
        source=origin.source,
        checked_on=_day(origin.checked_on),
        confidence=origin.confidence.value,
    )


def _day(day: date) -> str:
    return day.isoformat()
