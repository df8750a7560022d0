"""The templates: the list, the editor with its preview, versions, and a test."""

from collections.abc import Mapping, Sequence
from typing import Final

from flask import Blueprint, Response, render_template, url_for
from markupsafe import Markup

from application import Application
from application.templates import Preview
from domain.access import Caller, Scope
from domain.address import Address
from domain.errors import Conflict, EmailServiceError, FieldError, InvalidInput
from domain.message.template import Template, TemplateSource, TemplateSummary, Value, Variable
from entrypoints.addresses import email_address
from entrypoints.http.cursors import cursor_after, email_id_before
from entrypoints.http.dashboard.fields import number
from entrypoints.http.dashboard.page import caller_of_page, go_to, page
from entrypoints.http.dashboard.template_form import (
    FIELDS,
    VALUE,
    example,
    fields_of,
    problems_of,
    source_in,
    values_in,
)
from entrypoints.http.message_parts import frame
from entrypoints.http.requests import the_request

ROWS: Final = 50
_NEW: Final = {
    "name": "",
    "locale": "",
    "subject": "Welcome, {{ name }}",
    "kind": "html",
    "body": "<h1>Welcome, {{ name }}</h1>\n<p>It is good to have you here.</p>\n",
    "text": "",
    "variables": '{\n  "name": {"type": "string", "sample": "Ada"}\n}',
    "values": "",
}


class TemplatePages:
    """The list and the editor. Who may not change templates still looks at them."""

    def __init__(self, application: Application) -> None:
        self._templates = application.templates
        self._messages = application.messages
        self._account_queries = application.account_queries

    def add_to(self, routes: Blueprint) -> None:
        """Route them."""
        of_one = "/templates/<id:template_id>"
        post = ["POST"]
        routes.add_url_rule("/templates", "templates", self.templates)
        routes.add_url_rule("/templates/new", "new_template", self.new)
        routes.add_url_rule("/templates/new", "create_template", self.create, methods=post)
        routes.add_url_rule(
            "/templates/preview", "preview_new_template", self.preview_new, methods=["GET", "POST"]
        )
        routes.add_url_rule(of_one, "template", self.template)
        routes.add_url_rule(of_one, "change_template", self.change, methods=post)
        routes.add_url_rule(
            f"{of_one}/preview", "preview_template", self.preview, methods=["GET", "POST"]
        )
        routes.add_url_rule(f"{of_one}/publish", "publish_template", self.publish, methods=post)
        routes.add_url_rule(f"{of_one}/test", "test_template", self.test, methods=post)
        routes.add_url_rule(f"{of_one}/remove", "remove_template", self.remove, methods=post)

    # -- the list -----------------------------------------------------------------------------

    def templates(self) -> Response:
        """One page in the order in which the templates were made."""
        cursor = the_request().args.get("cursor")
        after = 0 if cursor is None else email_id_before(cursor)
        found = self._templates.page(after=after, limit=ROWS, caller=caller_of_page())
        later = found.next_after
        return page(
            "templates.html",
            templates=found.templates,
            later=None
            if later is None
            else url_for("dashboard.templates", cursor=cursor_after(later)),
            may_change=_may_change(caller_of_page()),
        )

    # -- the editor ---------------------------------------------------------------------------

    def new(self) -> Response:
        """The form for a new one, with an example in it."""
        return self._editor(None, typed=_NEW)

    def create(self) -> Response:
        """Save it: 303 to its editor, or 400 or 409 with what was typed."""
        form = the_request().form
        name, locale = form.get("name", "").strip(), form.get("locale", "").strip()
        try:
            source = source_in(form)
            made = self._templates.create(name, source, locale=locale, caller=caller_of_page())
        except (InvalidInput, Conflict) as error:
            return self._editor(None, typed=_typed(), error=error)
        return go_to("template", done="template-created", template_id=made.id)

    def template(self, template_id: int) -> Response:
        """The newest version, or the one that the address names, in the editor."""
        summary = self._summary(template_id)
        version = number("version", the_request().args.get("version", ""))
        shown = self._version(summary, version)
        return self._editor(summary, shown=shown, typed=fields_of(shown.source))

    def change(self, template_id: int) -> Response:
        """Save it as the next version: 303, or 400 with what was typed."""
        summary = self._summary(template_id)
        try:
            self._save(summary)
        except InvalidInput as error:
            return self._editor(summary, typed=_typed(), error=error)
        return go_to("template", done="template-saved", template_id=template_id)

    def publish(self, template_id: int) -> Response:
        """Send this version from now on."""
        summary = self._summary(template_id)
        version = number("version", the_request().form.get("version", ""))
        self._templates.publish(
            summary.name, locale=summary.locale, version=version, caller=caller_of_page()
        )
        return go_to("template", done="template-published", template_id=template_id)

    def remove(self, template_id: int) -> Response:
        """Remove all versions of this name and locale."""
        summary = self._summary(template_id)
        self._templates.remove(summary.name, locale=summary.locale, caller=caller_of_page())
        return go_to("templates", done="template-removed")

    def test(self, template_id: int) -> Response:
        """Save what was typed, and send it to one address: 303 to the email, or 400 or 409."""
        summary, caller, form = self._summary(template_id), caller_of_page(), the_request().form
        try:
            recipient = _recipient(form.get("recipient", ""))
            account_id = number("account_id", form.get("account", ""))
            saved = self._save(summary) if _may_change(caller) else self._version(summary)
            email_id = self._templates.test(
                summary.name,
                values_in(form, saved.source.variables),
                recipient=recipient,
                locale=summary.locale,
                version=saved.version,
                account_id=account_id,
                caller=caller,
            )
        except (InvalidInput, Conflict) as error:
            return self._editor(summary, typed=_typed(), error=error)
        return go_to("email", done="template-tested", email_id=email_id)

    # -- the preview: a document in a frame ----------------------------------------------------

    def preview(self, template_id: int) -> Response:
        """What the version comes to, or with a form what was typed."""
        summary = self._summary(template_id)
        if the_request().method == "POST":
            return self._preview_typed(summary.name, summary.locale)
        version = number("version", the_request().args.get("version", ""))
        return self._preview(summary.name, self._version(summary, version).source, {})

    def preview_new(self) -> Response:
        """The same of a template that is not saved."""
        if the_request().method == "POST":
            return self._preview_typed("new", "")
        return self._preview("new", source_in(_NEW), {})

    def _preview_typed(self, name: str, locale: str) -> Response:
        form = the_request().form
        try:
            source = source_in(form)
            values = values_in(form, source.variables)
        except InvalidInput as error:
            return document(None, problems_of(error), "")
        return self._preview(name, source, values, locale=locale)

    def _preview(
        self, name: str, source: TemplateSource, values: Mapping[str, Value], *, locale: str = ""
    ) -> Response:
        try:
            preview = self._templates.preview_of(name, source, values, locale=locale)
        except InvalidInput as error:
            return document(None, problems_of(error), "")
        return document(preview, (), self._messages.harmless(preview.rendered.html))

    # -- what they share ----------------------------------------------------------------------

    def _summary(self, template_id: int) -> TemplateSummary:
        return self._templates.with_id(template_id, caller=caller_of_page())

    def _version(self, summary: TemplateSummary, version: int | None = None) -> Template:
        return self._templates.show(
            summary.name, locale=summary.locale, version=version, caller=caller_of_page()
        )

    def _save(self, summary: TemplateSummary) -> Template:
        return self._templates.change(
            summary.name,
            source_in(the_request().form),
            locale=summary.locale,
            caller=caller_of_page(),
        )

    def _editor(
        self,
        summary: TemplateSummary | None,
        *,
        typed: Mapping[str, str],
        shown: Template | None = None,
        error: EmailServiceError | None = None,
    ) -> Response:
        """The editor; with an *error* as it was sent."""
        caller, form = caller_of_page(), the_request().form
        if summary is not None and shown is None:
            shown = self._version(summary)
        declared = shown.source.variables if shown else ()
        return page(
            "template.html",
            status=200 if error is None else 409 if isinstance(error, Conflict) else 400,
            place="dashboard.templates",
            summary=summary,
            shown=shown,
            typed=typed,
            problems=[] if error is None else _texts(error),
            values=_values(declared, form),
            value_prefix=VALUE,
            versions=self._versions(summary),
            accounts=self._account_queries.account_names(caller=caller),
            recipient=form.get("recipient", ""),
            account=form.get("account", ""),
            may_change=_may_change(caller),
        )

    def _versions(self, summary: TemplateSummary | None) -> Sequence[Template]:
        if summary is None:
            return ()
        return self._templates.versions(
            summary.name, locale=summary.locale, limit=ROWS, caller=caller_of_page()
        ).versions


def _may_change(caller: Caller) -> bool:
    """Whether the editor offers it; the use cases refuse it by themselves."""
    return Scope.ADMIN in caller.scopes and caller.accounts is None


def _typed() -> dict[str, str]:
    form = the_request().form
    return {name: form.get(name, "") for name in FIELDS}


def _values(
    declared: Sequence[Variable], form: Mapping[str, str]
) -> Sequence[tuple[Variable, str, str]]:
    """Each declared variable with what was typed, and what stands in for it."""
    return [(one, form.get(f"{VALUE}{one.name}", ""), example(one)) for one in declared]


def _recipient(text: str) -> Address:
    try:
        return email_address(text.strip())
    except ValueError as error:
        raise InvalidInput(FieldError("recipient", str(error))) from None


def _texts(error: EmailServiceError) -> Sequence[str]:
    return problems_of(error) if isinstance(error, InvalidInput) else [str(error)]


def document(
    preview: Preview | None, problems: Sequence[str], html: str, *, bare: bool = False
) -> Response:
    """The document of the frame. *html* is harmless, and the frame lets it do nothing.

    *bare*: without the subject and the plain text, which the page around it shows.
    """
    shown = Markup(html)  # noqa: S704 - cleaned, and in a sandboxed frame
    text = render_template(
        "dashboard/preview.html", preview=preview, problems=problems, html=shown, bare=bare
    )
    reply = frame(text)
    reply.headers["Cache-Control"] = "private, no-store"
    return reply
