"""The templates, in memory."""

from collections.abc import Iterable, Sequence
from datetime import datetime

import attrs

from adapters.fakes.memory_tables import Journal, Tables
from domain.errors import Conflict, NotFound
from domain.message.template import Template, TemplateSummary


class MemoryTemplates:
    """The TemplateRepository port on a dictionary."""

    def __init__(self, tables: Tables, journal: Journal) -> None:
        self._tables = tables
        self._journal = journal

    def add(self, template: Template) -> Template:
        if self.version(template.name, template.locale, template.version) is not None:
            raise Conflict(f"the template {template.name} has a version {template.version}")
        template = attrs.evolve(template, id=self._journal.next_id(self._tables, "template"))
        self._journal.put(self._tables.templates, template.id, template)
        return template

    def latest(self, name: str, locale: str) -> Template | None:
        return max(self._of(name, locale), key=lambda one: one.version, default=None)

    def current(self, name: str, locale: str) -> Template | None:
        published = [
            (one.published_at, one.version, one)
            for one in self._of(name, locale)
            if one.published_at is not None
        ]
        return max(published, key=lambda row: row[:2])[2] if published else None

    def version(self, name: str, locale: str, version: int) -> Template | None:
        return next((one for one in self._of(name, locale) if one.version == version), None)

    def versions(
        self, name: str, locale: str, *, before: int | None = None, limit: int
    ) -> Sequence[Template]:
        found = [one for one in self._of(name, locale) if before is None or one.version < before]
        return sorted(found, key=lambda one: -one.version)[:limit]

    def page(self, *, after: int = 0, limit: int) -> Sequence[TemplateSummary]:
        firsts = [
            one for one in self._tables.templates.values() if one.version == 1 and one.id > after
        ]
        return [self._summary(one) for one in sorted(firsts, key=lambda one: one.id)[:limit]]

    def locales(self, name: str) -> Sequence[str]:
        return sorted({one.locale for one in self._tables.templates.values() if one.name == name})

    def publish(self, template_id: int, *, at: datetime) -> None:
        stored = self._tables.templates.get(template_id)
        if stored is None:
            raise NotFound("there is no such version of a template")
        published = attrs.evolve(stored, published_at=at)
        self._journal.put(self._tables.templates, template_id, published)

    def remove(self, name: str, *, locale: str | None = None) -> int:
        gone = [
            one.id
            for one in self._tables.templates.values()
            if one.name == name and locale in (None, one.locale)
        ]
        for template_id in gone:
            self._journal.remove(self._tables.templates, template_id)
        return len(gone)

    def _of(self, name: str, locale: str) -> Iterable[Template]:
        return [
            one
            for one in self._tables.templates.values()
            if (one.name, one.locale) == (name, locale)
        ]

    def _summary(self, first: Template) -> TemplateSummary:
        newest = self.latest(first.name, first.locale)
        current = self.current(first.name, first.locale)
        assert newest is not None
        return TemplateSummary(
            id=first.id,
            name=first.name,
            locale=first.locale,
            version=newest.version,
            subject=newest.source.subject,
            created_at=newest.created_at,
            published_version=None if current is None else current.version,
            published_at=None if current is None else current.published_at,
        )
