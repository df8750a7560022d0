"""The repository of templates: every version that was ever saved, until its template is deleted."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from domain.message.template import Template, TemplateSummary


class TemplateRepository(Protocol):
    """Versions of templates. Names and locales are distinguished by case; locale "" is the default.

    What a version consists of never changes; only the time of its publication does.
    """

    def add(self, template: Template) -> Template:
        """Store a version and return it with its id (from 1, rising). Conflict if it is there."""
        ...

    def latest(self, name: str, locale: str) -> Template | None:
        """The version with the highest number, published or not."""
        ...

    def current(self, name: str, locale: str) -> Template | None:
        """The version that was published last: what is sent. None while none was published."""
        ...

    def version(self, name: str, locale: str, version: int) -> Template | None:
        """One version, published or not."""
        ...

    def versions(
        self, name: str, locale: str, *, before: int | None = None, limit: int
    ) -> Sequence[Template]:
        """Up to *limit* versions with numbers below *before*, the highest first."""
        ...

    def page(self, *, after: int = 0, limit: int) -> Sequence[TemplateSummary]:
        """Up to *limit* templates, one for each name and locale, in the order of their creation.

        *after* is the `id` of the last one of the page before.
        """
        ...

    def locales(self, name: str) -> Sequence[str]:
        """The locales that have a version, in their order as texts."""
        ...

    def publish(self, template_id: int, *, at: datetime) -> None:
        """Write when this version was published (last). NotFound."""
        ...

    def remove(self, name: str, *, locale: str | None = None) -> int:
        """Remove all versions of a name, or of one of its locales; how many there were."""
        ...
