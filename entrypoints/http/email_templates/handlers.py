"""The calls about templates: save drafts, look at them, publish, delete."""

from typing import ClassVar, Final

from flask import Blueprint, Response, url_for
from pydantic import TypeAdapter

from application import Application
from domain.access import Scope
from domain.errors import InvalidInput
from domain.message.template import Template
from entrypoints.http.access import the_caller
from entrypoints.http.cursors import email_id_before
from entrypoints.http.email_templates import examples
from entrypoints.http.email_templates.replies import (
    preview_reply,
    source_of,
    template_reply,
    template_row,
    told_by_field,
    version_row,
)
from entrypoints.http.email_templates.schemas import (
    PreviewReply,
    PreviewRequest,
    PublishRequest,
    RemovalQuery,
    TemplateChanges,
    TemplateQuery,
    TemplateReply,
    TemplateRequest,
    TemplateRow,
    TemplateSaved,
    TemplatesQuery,
    TestRequest,
    VersionRow,
    VersionsQuery,
)
from entrypoints.http.emails.schemas import EmailAccepted
from entrypoints.http.fields import RequestError
from entrypoints.http.json_reader import read_object, read_optional_object
from entrypoints.http.openapi import Answer, Body, Tag, add_routes, operation
from entrypoints.http.paging import link_next
from entrypoints.http.replies import reply, reply_list
from entrypoints.http.schemas import Done
from entrypoints.http.validation import parse, parse_query

_ROWS: Final = TypeAdapter(list[TemplateRow])
_VERSIONS: Final = TypeAdapter(list[VersionRow])


class Templates:
    """The calls under /api/templates."""

    BLUEPRINT: ClassVar = "templates"

    def __init__(self, application: Application) -> None:
        self._templates = application.templates

    def routes(self) -> Blueprint:
        """Every path with what answers it."""
        routes = Blueprint(self.BLUEPRINT, __name__)
        add_routes(routes, self)
        return routes

    @operation(
        "POST",
        "/api/templates",
        name="createTemplate",
        tag=Tag.TEMPLATES,
        scope=Scope.ADMIN,
        body=Body(
            model=TemplateRequest,
            examples={"shortest": examples.LEAST, "everything": examples.MOST},
        ),
        answer=Answer(
            status=201,
            description="Saved as a draft; Location is the path of the template.",
            model=TemplateSaved,
            example=examples.SAVED,
            headers=("Location",),
            links=("showTemplate", "previewTemplate", "publishTemplate", "deleteTemplate"),
        ),
        refusals=(409,),
    )
    def create(self) -> Response:
        """Create a template.

        Its first version is a draft: nothing can be sent with it until it is published. The syntax
        is that of Jinja. 409 if there is one of this name and locale.
        """
        wanted = parse(TemplateRequest, read_object())
        with told_by_field():
            template = self._templates.create(
                wanted.name, source_of(wanted), locale=wanted.locale or "", caller=the_caller()
            )
        created = _saved(template, f"Template saved as draft version {template.version}", 201)
        created.headers["Location"] = url_for(
            "templates.show", name=template.name, locale=wanted.locale
        )
        return created

    @operation(
        "GET",
        "/api/templates",
        name="listTemplates",
        tag=Tag.TEMPLATES,
        scope=Scope.READ,
        query=TemplatesQuery,
        answer=Answer(
            description="One page.",
            model=TemplateRow,
            many=True,
            example=[examples.ROW],
            headers=("Link",),
        ),
    )
    def page(self) -> Response:
        """List templates.

        In the order of their creation, one page at a time; the Link header has the next page.
        """
        query = parse_query(TemplatesQuery)
        found = self._templates.page(
            after=_after(query.cursor) or 0, limit=query.limit, caller=the_caller()
        )
        rows = reply_list(_ROWS, [template_row(one) for one in found.templates])
        return link_next(rows, query.given(), found.next_after)

    @operation(
        "GET",
        "/api/templates/{name}",
        name="showTemplate",
        tag=Tag.TEMPLATES,
        scope=Scope.READ,
        query=TemplateQuery,
        answer=Answer(description="One version.", model=TemplateReply, example=examples.SHOWN),
    )
    def show(self, name: str) -> Response:
        """Show a template.

        Its newest version, which may be a draft, or the one that is asked for.
        """
        query = parse_query(TemplateQuery)
        template = self._templates.show(
            name, locale=query.locale or "", version=query.version, caller=the_caller()
        )
        return reply(template_reply(template))

    @operation(
        "PUT",
        "/api/templates/{name}",
        name="changeTemplate",
        tag=Tag.TEMPLATES,
        scope=Scope.ADMIN,
        body=Body(model=TemplateChanges, examples={"html": examples.CHANGES}),
        answer=Answer(description="Saved as a draft.", model=TemplateSaved, example=examples.SAVED),
    )
    def change(self, name: str) -> Response:
        """Change a template.

        The whole template is replaced by a new version, a draft: what is published stays as it is
        and is still sent. If nothing would change, no version is made.
        """
        wanted = parse(TemplateChanges, read_object())
        if wanted.name not in (None, name):
            raise InvalidInput(
                RequestError("/name", "is not the name in the path: a name does not change")
            )
        with told_by_field():
            template = self._templates.change(
                name, source_of(wanted), locale=wanted.locale or "", caller=the_caller()
            )
        state = "draft version" if template.published_at is None else "version"
        return _saved(template, f"Template saved as {state} {template.version}")

    @operation(
        "DELETE",
        "/api/templates/{name}",
        name="deleteTemplate",
        tag=Tag.TEMPLATES,
        scope=Scope.ADMIN,
        query=RemovalQuery,
        answer=Answer(
            description="Removed.",
            model=Done,
            example={"message": "Template deleted successfully"},
        ),
    )
    def delete(self, name: str) -> Response:
        """Delete a template.

        With all its versions and locales, or one locale of it. Emails that were accepted with it
        are sent all the same.
        """
        query = parse_query(RemovalQuery)
        self._templates.remove(name, locale=query.locale, caller=the_caller())
        return reply(Done(message="Template deleted successfully"))

    @operation(
        "GET",
        "/api/templates/{name}/versions",
        name="listTemplateVersions",
        tag=Tag.TEMPLATES,
        scope=Scope.READ,
        query=VersionsQuery,
        answer=Answer(
            description="One page.",
            model=VersionRow,
            many=True,
            example=[examples.VERSION],
            headers=("Link",),
        ),
    )
    def versions(self, name: str) -> Response:
        """List the versions of a template.

        Newest first, one page at a time; the Link header has the next page. A version never
        changes.
        """
        query = parse_query(VersionsQuery)
        found = self._templates.versions(
            name,
            locale=query.locale or "",
            before=_after(query.cursor),
            limit=query.limit,
            caller=the_caller(),
        )
        rows = reply_list(_VERSIONS, [version_row(one) for one in found.versions])
        return link_next(rows, query.given(), found.next_before)

    @operation(
        "POST",
        "/api/templates/{name}/publish",
        name="publishTemplate",
        tag=Tag.TEMPLATES,
        scope=Scope.ADMIN,
        body=Body(
            model=PublishRequest,
            examples={"newest": {}, "go back": {"version": 1}},
            required=False,
        ),
        answer=Answer(
            description="Published.",
            model=TemplateSaved,
            example={**examples.SAVED, "message": "Template version 1 is published"},
        ),
    )
    def publish(self, name: str) -> Response:
        """Publish a template.

        Emails that are accepted from now on are written by this version: the newest one, or the
        one that is named, to go back to it.
        """
        wanted = parse(PublishRequest, read_optional_object())
        template = self._templates.publish(
            name, locale=wanted.locale or "", version=wanted.version, caller=the_caller()
        )
        return _saved(template, f"Template version {template.version} is published")

    @operation(
        "POST",
        "/api/templates/{name}/preview",
        name="previewTemplate",
        tag=Tag.TEMPLATES,
        scope=Scope.READ,
        body=Body(
            model=PreviewRequest,
            examples={"samples": {}, "values": {"variables": {"name": "Ada"}}},
            required=False,
        ),
        answer=Answer(
            description="What an email would be.", model=PreviewReply, example=examples.PREVIEW
        ),
    )
    def preview(self, name: str) -> Response:
        """Preview a template.

        What the newest version comes to, published or not, or the version that is named. Nothing
        is sent or stored.
        """
        wanted = parse(PreviewRequest, read_optional_object())
        with told_by_field():
            preview = self._templates.preview(
                name,
                wanted.variables or {},
                locale=wanted.locale or "",
                version=wanted.version,
                caller=the_caller(),
            )
        return reply(preview_reply(preview))

    @operation(
        "POST",
        "/api/templates/{name}/test",
        name="testTemplate",
        tag=Tag.TEMPLATES,
        scope=Scope.SEND,
        body=Body(
            model=TestRequest,
            examples={"samples": {"recipient": "ada@example.org"}},
        ),
        answer=Answer(
            status=201,
            description="Accepted as an email; Location is its path.",
            model=EmailAccepted,
            example={"message": "Email created and queued successfully", "email_id": 1},
            headers=("Location",),
            links=("showEmail",),
        ),
        refusals=(409,),
    )
    def test(self, name: str) -> Response:
        """Send a test of a template.

        One email with what the preview shows, published or not.
        """
        wanted = parse(TestRequest, read_object())
        with told_by_field():
            email_id = self._templates.test(
                name,
                wanted.variables or {},
                recipient=wanted.recipient,
                locale=wanted.locale or "",
                version=wanted.version,
                account_id=wanted.smtp_config_id,
                caller=the_caller(),
            )
        message = "Email created and queued successfully"
        accepted = reply(EmailAccepted(message=message, email_id=email_id), 201)
        accepted.headers["Location"] = url_for("emails.show", email_id=email_id)
        return accepted


def _after(cursor: str | None) -> int | None:
    return None if cursor is None else email_id_before(cursor)


def _saved(template: Template, message: str, status: int = 200) -> Response:
    saved = TemplateSaved(
        message=message,
        name=template.name,
        locale=template.locale or None,
        version=template.version,
    )
    return reply(saved, status)
