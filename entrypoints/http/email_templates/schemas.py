"""What the calls under /api/templates take and answer."""

from typing import Annotated, Any, Final, Literal, TypeAlias

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, model_validator

from domain.message.template import MAX_VARIABLES, VARIABLE
from domain.message.template_source import MAX_SOURCE
from entrypoints.http.emails.schemas import Locale, TemplateName, TemplateVersion, Variables
from entrypoints.http.paging import Cursor, PageSize, decimal
from entrypoints.http.schemas import (
    NO_CONTROLS,
    Absent,
    EmailAddress,
    Id,
    Instant,
    ReplyModel,
    RequestModel,
    header_text,
    without_defaults,
)

_TypeName: TypeAlias = Literal["string", "number", "boolean", "list", "object"]
_Source: TypeAlias = Annotated[str, Field(min_length=1, max_length=MAX_SOURCE)]
_LocaleField: TypeAlias = Annotated[
    Absent[Locale], Field(description="If left out: the template for everybody else.")
]
_Version: TypeAlias = Annotated[
    Absent[Annotated[TemplateVersion, BeforeValidator(decimal)]],
    Field(description="If left out: the newest one, published or not."),
]


class VariableRequest(RequestModel):
    """A variable of a template."""

    type: Annotated[_TypeName, Field(description="What its values are.")] = "string"
    required: Annotated[
        bool, Field(description="Whether an email needs a value, if there is no default.")
    ] = True
    default: Annotated[Any, Field(description="Stands in where no value is given.")] = None
    sample: Annotated[Any, Field(description="Stands in for it in previews and tests.")] = None


def _of_html_or_mjml(schema: dict[str, Any]) -> None:
    """Exactly one of the two; see `_of_template_html_or_text` for why it is told by `if`."""
    without_defaults(schema)
    schema |= {
        "if": {"required": ["html"]},
        "then": {"properties": {"mjml": False}},
        "else": {"required": ["mjml"]},
    }


class TemplateFields(RequestModel):
    """What a template consists of, but for its name."""

    model_config = ConfigDict(json_schema_extra=_of_html_or_mjml)

    locale: _LocaleField = None
    subject: Annotated[
        _Source,
        Field(examples=["Welcome, {{ name }}"]),
        AfterValidator(header_text),
        NO_CONTROLS,
    ]
    html: Annotated[
        Absent[_Source],
        Field(
            repr=False,
            description="The body as HTML. Values are escaped; style sheets are copied to the"
            " elements. Either this or mjml.",
            examples=["<h1>Hello {{ name }}</h1>"],
        ),
    ] = None
    mjml: Annotated[Absent[_Source], Field(repr=False, description="The body as MJML.")] = None
    text: Annotated[
        Absent[_Source],
        Field(
            repr=False, description="The plain text part. If left out, it is made from the HTML."
        ),
    ] = None
    variables: Annotated[
        Absent[dict[str, VariableRequest]],
        Field(
            description="The variables by name, at most 50. If left out, an email may have any.",
            examples=[{"name": {"type": "string", "sample": "Ada"}}],
            json_schema_extra={
                "propertyNames": {"pattern": f"^{VARIABLE.pattern}$"},
                "maxProperties": MAX_VARIABLES,
            },
        ),
    ] = None

    @model_validator(mode="after")
    def _has_one_body(self) -> "TemplateFields":
        if (self.html is None) == (self.mjml is None):
            raise ValueError("exactly one of html and mjml is needed")
        return self


class TemplateRequest(TemplateFields):
    """A new template."""

    name: TemplateName


class TemplateChanges(TemplateFields):
    """A template as its author writes it, as a whole."""

    name: Annotated[
        Absent[TemplateName], Field(description="May be left out: the path has the name.")
    ] = None


class PublishRequest(RequestModel):
    """What to publish; the body may be left out."""

    locale: _LocaleField = None
    version: _Version = None


class PreviewRequest(RequestModel):
    """What to show; the body may be left out."""

    locale: _LocaleField = None
    version: _Version = None
    variables: Annotated[
        Absent[Variables],
        Field(repr=False, description="The values; samples stand in for the others."),
    ] = None


class TestRequest(PreviewRequest):
    """Whom to send a test to."""

    recipient: Annotated[EmailAddress, Field(examples=["ada@example.com"])]
    smtp_config_id: Annotated[
        Absent[Id], Field(description="The SMTP configuration that sends it.")
    ] = None


class TemplateQuery(RequestModel):
    """Which one to show."""

    locale: _LocaleField = None
    version: _Version = None


class RemovalQuery(RequestModel):
    """What to delete."""

    locale: Annotated[
        Absent[Locale], Field(description="Only this one. If left out: the whole template.")
    ] = None


class TemplatesQuery(RequestModel):
    """Which part of the list of templates; in the order of their creation."""

    limit: PageSize = 100
    cursor: Cursor = None


class VersionsQuery(RequestModel):
    """Which part of the list of versions; newest first."""

    locale: _LocaleField = None
    limit: PageSize = 100
    cursor: Cursor = None


_SHOWN_LOCALE: Final = Field(description="null: for everybody else.")


class TemplateSaved(ReplyModel):
    """The template is stored."""

    message: Annotated[str, Field(examples=["Template saved as draft version 1"])]
    name: str
    locale: Annotated[str | None, _SHOWN_LOCALE]
    version: int


class VariableReply(ReplyModel):
    """A variable of a template."""

    type: _TypeName
    required: bool
    default: Any
    sample: Any


class TemplateReply(ReplyModel):
    """One version of a template."""

    name: str
    locale: Annotated[str | None, _SHOWN_LOCALE]
    version: int
    subject: str
    html: str | None
    mjml: str | None
    text: str | None
    variables: dict[str, VariableReply]
    created_at: Instant
    published_at: Annotated[
        Instant | None, Field(description="When it was published last; null for a draft.")
    ]


class TemplateRow(ReplyModel):
    """A template in a list: one row for each name and locale."""

    name: str
    locale: Annotated[str | None, _SHOWN_LOCALE]
    version: Annotated[int, Field(description="Its newest version.")]
    subject: str
    created_at: Annotated[Instant, Field(description="When the newest version was saved.")]
    published_version: Annotated[
        int | None, Field(description="What is sent; null: nothing can be sent with it.")
    ]
    published_at: Instant | None


class VersionRow(ReplyModel):
    """A version in a list. The one that was published last is sent."""

    version: int
    subject: str
    created_at: Instant
    published_at: Instant | None


class PreviewReply(ReplyModel):
    """What a template comes to."""

    subject: str
    html: str
    text: str
    size: Annotated[int, Field(description="Octets of the HTML: Gmail clips it at 104,448.")]
    warnings: Annotated[list[str], Field(description="What a reader may not see as meant.")]
