"""Emails that are written by a template: rendered when they are accepted, and never again."""

from collections.abc import Mapping, Sequence
from typing import Final

import attrs

from application.intake.draft import Draft, TemplateChoice
from application.ports.message import CompiledTemplate, TemplateEngine
from application.ports.store import StoreReader, Transaction
from application.ports.templates import TemplateRepository
from domain.email.detail import TemplateUsed
from domain.errors import FieldError, InvalidInput
from domain.intake import LONGEST_SUBJECT, MOST_RENDERED, SEND_FEWER
from domain.message.headers import unsafe_character
from domain.message.template import Rendered, Template, Value, complete, fallbacks

UNSUBSCRIBE_URL: Final = "unsubscribe_url"
ERROR: Final = "template_error"


class Renderings:
    """The renderings of one call: each template is read and compiled once."""

    def __init__(self, store: StoreReader, engine: TemplateEngine, drafts: Sequence[Draft]) -> None:
        choices = {draft.template for draft in drafts if draft.template is not None}
        self._engine = engine
        self._chosen = store.read_latest(lambda tx: _all_chosen(tx, choices)) if choices else {}
        self._compiled: dict[int, CompiledTemplate] = {}
        self._left = MOST_RENDERED

    def of(self, draft: Draft, *, unsubscribe_url: str | None = None) -> Draft:
        """The draft with subject and contents; as it is if no template writes it.

        The template may print *unsubscribe_url*, which no client has to give.

        InvalidInput: ``template_not_found``, or ``template_error``, which points to a variable or
        to the template.
        """
        if draft.template is None:
            return draft
        template = self._chosen.get(draft.template)
        if template is None:
            raise _not_found(draft.template)
        values = complete(template.source.variables, draft.variables)
        if unsubscribe_url is not None:
            values[UNSUBSCRIBE_URL] = unsubscribe_url
        rendered = rendered_for_email(self._compile(template), values)
        self._left -= len(rendered.html) + len(rendered.text)
        if self._left < 0:
            message = f"more than {MOST_RENDERED} characters come of one call: {SEND_FEWER}"
            raise InvalidInput(FieldError("template", message), code=ERROR)
        return written(draft, template, rendered)

    def _compile(self, template: Template) -> CompiledTemplate:
        compiled = self._compiled.get(template.id)
        if compiled is None:
            compiled = self._compiled[template.id] = self._engine.compile(template.source)
        return compiled


def written(draft: Draft, template: Template, rendered: Rendered) -> Draft:
    """*draft* with what came of *template*."""
    return attrs.evolve(
        draft,
        subject=rendered.subject,
        html=rendered.html,
        text=rendered.text,
        template=None,
        template_used=TemplateUsed(template.name, template.version, template.locale),
    )


def rendered_for_email(compiled: CompiledTemplate, values: Mapping[str, Value]) -> Rendered:
    """What a message can be made of. InvalidInput ``template_error``, of the field `template`."""
    try:
        rendered = compiled.render(values)
    except InvalidInput as error:
        told = [FieldError("template", str(one)) for one in error.errors]
        raise InvalidInput(*told, code=ERROR) from None
    problem = _problem(rendered)
    if problem is not None:
        raise InvalidInput(FieldError("template", problem), code=ERROR)
    return rendered


def _problem(rendered: Rendered) -> str | None:
    """Why no message can be made of it."""
    character = unsafe_character(rendered.subject)
    if character is not None:
        return f"subject: must not contain the character {character}"
    if not rendered.subject:
        return "subject: nothing comes of it"
    if len(rendered.subject) > LONGEST_SUBJECT:
        return f"subject: more than {LONGEST_SUBJECT} characters come of it"
    if not rendered.html:
        return "nothing comes of its body"
    if "\0" in rendered.html or "\0" in rendered.text:
        return "must not contain the character U+0000"
    return None


def _all_chosen(
    tx: Transaction, choices: set[TemplateChoice]
) -> dict[TemplateChoice, Template | None]:
    return {choice: _chosen(tx.templates, choice) for choice in choices}


def _chosen(templates: TemplateRepository, choice: TemplateChoice) -> Template | None:
    """A version is one of its locale; without a version, the best locale that has one to send."""
    if choice.version is not None:
        found = templates.version(choice.name, choice.locale or "", choice.version)
        return None if found is None or found.published_at is None else found
    for locale in fallbacks(choice.locale):
        current = templates.current(choice.name, locale)
        if current is not None:
            return current
    return None


def _not_found(choice: TemplateChoice) -> InvalidInput:
    version = "" if choice.version is None else f" version {choice.version}"
    locale = f" for the locale {choice.locale}" if choice.locale else ""
    message = f"there is no published template {choice.name}{version}{locale}"
    return InvalidInput(FieldError("template/name", message), code="template_not_found")
