"""What the API shows of templates, and what it takes for one."""

from collections.abc import Iterator
from contextlib import contextmanager

from application.templates import Preview
from domain.errors import FieldError, InvalidInput
from domain.message.template import (
    SourceKind,
    Template,
    TemplateSource,
    TemplateSummary,
    Variable,
    VariableType,
)
from entrypoints.http.email_templates.schemas import (
    PreviewReply,
    TemplateFields,
    TemplateReply,
    TemplateRow,
    VariableReply,
    VersionRow,
)
from entrypoints.http.fields import RequestError, pointer
from entrypoints.http.times import rfc3339, rfc3339_if_any

# The domain's names of fields that are called otherwise here.
_NAMES = {"to": "recipient", "account_id": "smtp_config_id"}


def source_of(wanted: TemplateFields) -> TemplateSource:
    """A template of the API as the application takes it."""
    kind = SourceKind.HTML if wanted.mjml is None else SourceKind.MJML
    return TemplateSource(
        subject=wanted.subject,
        kind=kind,
        body=wanted.html or wanted.mjml or "",
        text=wanted.text,
        variables=tuple(
            Variable(
                name=name,
                type=VariableType(one.type),
                required=one.required,
                default=one.default,
                sample=one.sample,
            )
            for name, one in (wanted.variables or {}).items()
        ),
    )


@contextmanager
def told_by_field() -> Iterator[None]:
    """Errors at the fields of a template, which are called otherwise than those of an email."""
    try:
        yield
    except InvalidInput as error:
        raise InvalidInput(*map(_field_of, error.errors), code=error.code) from None


def _field_of(error: FieldError) -> FieldError:
    if isinstance(error, RequestError):
        return error
    name, slash, part = error.field.partition("/")
    if name in ("", "template"):
        return RequestError("", error.message)
    return RequestError(
        pointer((_NAMES.get(name, name), *((part,) if slash else ()))), error.message
    )


def template_reply(template: Template) -> TemplateReply:
    """One version, with all of it."""
    source = template.source
    return TemplateReply(
        name=template.name,
        locale=template.locale or None,
        version=template.version,
        subject=source.subject,
        html=source.body if source.kind is SourceKind.HTML else None,
        mjml=source.body if source.kind is SourceKind.MJML else None,
        text=source.text,
        variables={
            one.name: VariableReply(
                type=one.type.value,
                required=one.required,
                default=one.default,
                sample=one.sample,
            )
            for one in source.variables
        },
        created_at=rfc3339(template.created_at),
        published_at=rfc3339_if_any(template.published_at),
    )


def template_row(template: TemplateSummary) -> TemplateRow:
    """A template in a list."""
    return TemplateRow(
        name=template.name,
        locale=template.locale or None,
        version=template.version,
        subject=template.subject,
        created_at=rfc3339(template.created_at),
        published_version=template.published_version,
        published_at=rfc3339_if_any(template.published_at),
    )


def version_row(template: Template) -> VersionRow:
    """A version in a list."""
    return VersionRow(
        version=template.version,
        subject=template.source.subject,
        created_at=rfc3339(template.created_at),
        published_at=rfc3339_if_any(template.published_at),
    )


def preview_reply(preview: Preview) -> PreviewReply:
    """What it comes to."""
    return PreviewReply(
        subject=preview.rendered.subject,
        html=preview.rendered.html,
        text=preview.rendered.text,
        size=preview.size,
        warnings=list(preview.warnings),
    )
