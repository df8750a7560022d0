"""What the authors of templates do: save drafts, look at them, publish, remove.

A template belongs to the whole installation: who changes it changes what every API key sends, so
that takes the scope `admin`, and a key that is not limited to some accounts. Looking and previews
take `read`. A test is an email and takes `send`.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

import attrs

from application.intake.draft import Draft
from application.intake.renderings import UNSUBSCRIBE_URL, rendered_for_email, written
from application.intake.submit import Submission
from application.ports.message import TemplateEngine
from application.ports.store import Store, Transaction
from application.ports.system import Clock
from domain.access import LOCAL, AuditEntry, Caller, Scope
from domain.address import Address
from domain.errors import Conflict, FieldError, InvalidInput, NotFound
from domain.message.headers import unsafe_character
from domain.message.template import (
    Rendered,
    Template,
    TemplateSource,
    TemplateSummary,
    Value,
    check_locale,
    check_name,
    check_variables,
    complete,
    samples,
)
from domain.message.template_warnings import size_of, warnings

_NO_LINK: Final = "https://example.com/unsubscribe"
_TICK: Final = timedelta(microseconds=1)


@attrs.frozen(kw_only=True)
class Preview:
    """What a version comes to with some values; *size* is in octets of HTML."""

    template: Template
    rendered: Rendered
    size: int
    warnings: tuple[str, ...]


@attrs.frozen(kw_only=True)
class Listing:
    """A page of templates; *next_after* is where the next one begins, None if it is the last."""

    templates: Sequence[TemplateSummary]
    next_after: int | None


@attrs.frozen(kw_only=True)
class Versions:
    """A page of versions, the newest first; *next_before* as above."""

    versions: Sequence[Template]
    next_before: int | None


class Templates:
    """The use cases about templates. ``locale=""`` is the default one."""

    def __init__(
        self, *, store: Store, clock: Clock, engine: TemplateEngine, submission: Submission
    ) -> None:
        self._store = store
        self._clock = clock
        self._engine = engine
        self._submission = submission

    def check(self, source: TemplateSource) -> None:
        """InvalidInput ``template_error`` for what could never be rendered."""
        check_variables(source.variables)
        character = unsafe_character(source.subject)
        if character is not None:
            message = f"must not contain the character {character}"
            raise InvalidInput(FieldError("subject", message), code="template_error")
        for field, text in (
            ("subject", source.subject),
            (source.kind.value, source.body),
            ("text", source.text),
        ):
            if text is not None and "\0" in text:
                message = "must not contain the character U+0000"
                raise InvalidInput(FieldError(field, message), code="template_error")
        self._engine.check(source)

    def create(
        self, name: str, source: TemplateSource, *, locale: str = "", caller: Caller = LOCAL
    ) -> Template:
        """The first version, a draft. Conflict if the name has this locale; InvalidInput."""
        _check_author(caller)
        check_name(name)
        if locale:
            check_locale(locale)
        self.check(source)

        def work(tx: Transaction) -> Template:
            if tx.templates.latest(name, locale) is not None:
                raise Conflict(f"there is a {_named(name, locale)} already: PUT changes it")
            template = self._draft(name, locale, source, version=1)
            return _added(tx, template, caller, action="template_created")

        return self._store.write(work)

    def change(
        self, name: str, source: TemplateSource, *, locale: str = "", caller: Caller = LOCAL
    ) -> Template:
        """The next version, a draft; the newest one if nothing would change. NotFound."""
        _check_author(caller)
        self.check(source)

        def work(tx: Transaction) -> Template:
            latest = _latest(tx, name, locale)
            if latest.source == source:
                return latest
            template = self._draft(name, locale, source, version=latest.version + 1)
            return _added(tx, template, caller, action="template_changed")

        return self._store.write(work)

    def publish(
        self, name: str, *, locale: str = "", version: int | None = None, caller: Caller = LOCAL
    ) -> Template:
        """What is sent from now on: the newest version, or this one. NotFound."""
        _check_author(caller)

        def work(tx: Transaction) -> Template:
            chosen = _version(tx, name, locale, version)
            current = tx.templates.current(name, locale)
            now = self._clock.now()
            if current is not None and current.id == chosen.id:
                return chosen
            if current is not None and current.published_at is not None:
                # it must be the last one, also where the clock was put back
                now = max(now, current.published_at + _TICK)
            tx.templates.publish(chosen.id, at=now)
            tx.audit.add(_entry(caller, "template_published", chosen, at=now))
            return attrs.evolve(chosen, published_at=now)

        return self._store.write(work)

    def remove(self, name: str, *, locale: str | None = None, caller: Caller = LOCAL) -> None:
        """All versions of a name, or those of one locale. NotFound. Accepted emails stay."""
        _check_author(caller)

        def work(tx: Transaction) -> None:
            versions = tx.templates.remove(name, locale=locale)
            if not versions:
                raise _not_found(name, locale or "")
            entry = caller.did(
                "template_deleted",
                f"template {name}",
                at=self._clock.now(),
                locale=locale,
                versions=versions,
            )
            tx.audit.add(entry)

        self._store.write(work)

    def page(self, *, after: int = 0, limit: int, caller: Caller = LOCAL) -> Listing:
        """Templates in the order of their creation."""
        caller.require(Scope.READ)
        found = self._store.read_latest(lambda tx: tx.templates.page(after=after, limit=limit + 1))
        more = len(found) > limit
        return Listing(templates=found[:limit], next_after=found[limit - 1].id if more else None)

    def with_id(self, template_id: int, *, caller: Caller = LOCAL) -> TemplateSummary:
        """The template that a list shows with this id. NotFound."""
        found = self.page(after=template_id - 1, limit=1, caller=caller).templates
        if not found or found[0].id != template_id:
            raise NotFound(f"there is no template {template_id}")
        return found[0]

    def show(
        self, name: str, *, locale: str = "", version: int | None = None, caller: Caller = LOCAL
    ) -> Template:
        """The newest version, or this one. NotFound."""
        caller.require(Scope.READ)
        return self._store.read_latest(lambda tx: _version(tx, name, locale, version))

    def versions(
        self,
        name: str,
        *,
        locale: str = "",
        before: int | None = None,
        limit: int,
        caller: Caller = LOCAL,
    ) -> Versions:
        """The versions of one locale, the newest first. NotFound."""
        caller.require(Scope.READ)

        def look(tx: Transaction) -> Sequence[Template]:
            _latest(tx, name, locale)
            return tx.templates.versions(name, locale, before=before, limit=limit + 1)

        found = self._store.read(look)
        more = len(found) > limit
        next_before = found[limit - 1].version if more else None
        return Versions(versions=found[:limit], next_before=next_before)

    def preview(
        self,
        name: str,
        variables: Mapping[str, Value],
        *,
        locale: str = "",
        version: int | None = None,
        caller: Caller = LOCAL,
    ) -> Preview:
        """What the newest version, or this one, comes to. Samples stand in for what is not given.

        NotFound, InvalidInput ``template_error``.
        """
        template = self.show(name, locale=locale, version=version, caller=caller)
        return self._preview(template, variables)

    def preview_of(
        self, name: str, source: TemplateSource, variables: Mapping[str, Value], *, locale: str = ""
    ) -> Preview:
        """The same of what was not saved. InvalidInput."""
        self.check(source)
        return self._preview(self._draft(name, locale, source, version=1), variables)

    def test(
        self,
        name: str,
        variables: Mapping[str, Value],
        *,
        recipient: Address,
        locale: str = "",
        version: int | None = None,
        account_id: int | None = None,
        caller: Caller = LOCAL,
    ) -> int:
        """Send what `preview` shows to *recipient*; the id of the email. Errors of `submit` too."""
        caller.require(Scope.SEND)
        template = self._store.read_latest(lambda tx: _version(tx, name, locale, version))
        rendered = self._preview(template, variables).rendered
        draft = Draft(subject="", to=(recipient,), account_id=account_id)
        draft = written(draft, template, rendered)
        return self._submission.submit((draft,), caller=caller).ids[0]

    def _preview(self, template: Template, variables: Mapping[str, Value]) -> Preview:
        source = template.source
        values = complete(source.variables, samples(source.variables, variables))
        values.setdefault(UNSUBSCRIBE_URL, _NO_LINK)  # only a topic has one
        rendered = rendered_for_email(self._engine.compile(source), values)
        return Preview(
            template=template,
            rendered=rendered,
            size=size_of(rendered.html),
            warnings=warnings(source, rendered),
        )

    def _draft(self, name: str, locale: str, source: TemplateSource, *, version: int) -> Template:
        return Template(
            name=name,
            locale=locale,
            version=version,
            source=source,
            created_at=self._clock.now(),
        )


def _check_author(caller: Caller) -> None:
    """Forbidden for who may not change what every API key sends."""
    caller.require(Scope.ADMIN)
    caller.require_every_account("change templates")


def _added(tx: Transaction, template: Template, caller: Caller, *, action: str) -> Template:
    stored = tx.templates.add(template)
    tx.audit.add(_entry(caller, action, stored, at=stored.created_at))
    return stored


def _entry(caller: Caller, action: str, template: Template, *, at: datetime) -> AuditEntry:
    return caller.did(
        action,
        f"template {template.name}",
        at=at,
        locale=template.locale,
        version=template.version,
    )


def _latest(tx: Transaction, name: str, locale: str) -> Template:
    found = tx.templates.latest(name, locale)
    if found is None:
        raise _not_found(name, locale)
    return found


def _version(tx: Transaction, name: str, locale: str, version: int | None) -> Template:
    if version is None:
        return _latest(tx, name, locale)
    found = tx.templates.version(name, locale, version)
    if found is None:
        raise NotFound(f"the {_named(name, locale)} has no version {version}")
    return found


def _not_found(name: str, locale: str) -> NotFound:
    return NotFound(f"there is no {_named(name, locale)}")


def _named(name: str, locale: str) -> str:
    return f"template {name} for the locale {locale}" if locale else f"template {name}"
