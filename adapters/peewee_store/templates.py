"""The repository of templates."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import attrs
import peewee

from adapters.peewee_store.queries import Prepared, all_given, fields, given
from adapters.peewee_store.rows import Row, micros, micros_or_none, moment, moment_or_none
from adapters.peewee_store.session import Session
from adapters.peewee_store.tables import TemplateRow
from domain.errors import Conflict, NotFound
from domain.message.template import (
    SourceKind,
    Template,
    TemplateSource,
    TemplateSummary,
    Variable,
    VariableType,
)

_COLUMNS: Final = (
    *("name", "locale", "version", "subject", "kind", "body", "text", "variables"),
    *("created_at", "published_at"),
)
_ADD: Final = Prepared(
    TemplateRow.insert(all_given(TemplateRow, _COLUMNS))
    .on_conflict_ignore()
    .returning(TemplateRow.id)
)
_OF: Final = TemplateRow.select(*fields(TemplateRow, ("id", *_COLUMNS))).where(
    TemplateRow.name == given("name"), TemplateRow.locale == given("locale")
)
_LATEST: Final = Prepared(_OF.order_by(TemplateRow.version.desc()).limit(1))
_CURRENT: Final = Prepared(
    _OF.where(TemplateRow.published_at.is_null(False))
    .order_by(TemplateRow.published_at.desc(), TemplateRow.version.desc())
    .limit(1)
)
_VERSION: Final = Prepared(_OF.where(TemplateRow.version == given("version")))
_VERSIONS: Final = Prepared(
    _OF.where(TemplateRow.version < given("before"))
    .order_by(TemplateRow.version.desc())
    .limit(given("limit"))
)
_FIRST: Final = TemplateRow.alias("first")
_NEWEST: Final = TemplateRow.alias("newest")
_SENT: Final = TemplateRow.alias("sent")
_EACH: Final = TemplateRow.alias("each")
_IDS_OF_FIRST: Final = (
    _EACH.select(_EACH.id).where(_EACH.name == _FIRST.name, _EACH.locale == _FIRST.locale).limit(1)
)
_NEWEST_ID: Final = _IDS_OF_FIRST.order_by(_EACH.version.desc())
_SENT_ID: Final = _IDS_OF_FIRST.where(_EACH.published_at.is_null(False)).order_by(
    _EACH.published_at.desc(), _EACH.version.desc()
)
_PAGE: Final = Prepared(
    _FIRST.select(
        *(_FIRST.id, _FIRST.name, _FIRST.locale),
        *(_NEWEST.version, _NEWEST.subject, _NEWEST.created_at),
        *(_SENT.version, _SENT.published_at),
    )
    .join(_NEWEST, on=_NEWEST.id == _NEWEST_ID)
    .join_from(_FIRST, _SENT, peewee.JOIN.LEFT_OUTER, on=_SENT.id == _SENT_ID)
    .where(_FIRST.version == 1, _FIRST.id > given("after"))
    .order_by(_FIRST.id)
    .limit(given("limit"))
)
_LOCALES: Final = Prepared(
    TemplateRow.select(TemplateRow.locale).where(
        TemplateRow.name == given("name"), TemplateRow.version == 1
    )
)
_PUBLISH: Final = Prepared(
    TemplateRow.update({TemplateRow.published_at: given("at")}).where(TemplateRow.id == given("id"))
)
_DELETE: Final = TemplateRow.delete().where(TemplateRow.name == given("name"))
_REMOVE: Final = Prepared(_DELETE)
_REMOVE_LOCALE: Final = Prepared(_DELETE.where(TemplateRow.locale == given("locale")))
_ABOVE_ALL: Final = 2**31 - 1


class SqlTemplates:
    """The TemplateRepository port."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, template: Template) -> Template:
        """Insert it, unless that version is there."""
        found = _ADD(self._session.execute, **_row(template)).fetchone()
        if found is None:
            raise Conflict(f"the template {template.name} has a version {template.version}")
        return attrs.evolve(template, id=found[0])

    def latest(self, name: str, locale: str) -> Template | None:
        """The end of the unique index."""
        return self._one(_LATEST, name=name, locale=locale)

    def current(self, name: str, locale: str) -> Template | None:
        """By the time of publication."""
        return self._one(_CURRENT, name=name, locale=locale)

    def version(self, name: str, locale: str, version: int) -> Template | None:
        """By the unique index."""
        return self._one(_VERSION, name=name, locale=locale, version=version)

    def versions(
        self, name: str, locale: str, *, before: int | None = None, limit: int
    ) -> Sequence[Template]:
        """Back along the unique index."""
        upper = _ABOVE_ALL if before is None else min(before, _ABOVE_ALL)
        found = _VERSIONS(
            self._session.execute, name=name, locale=locale, before=upper, limit=limit
        )
        return [_template(row) for row in found]

    def page(self, *, after: int = 0, limit: int) -> Sequence[TemplateSummary]:
        """One query, without the contents."""
        rows = _PAGE(self._session.execute, after=after, limit=limit)
        return [
            TemplateSummary(
                id=row[0],
                name=row[1],
                locale=row[2],
                version=row[3],
                subject=row[4],
                created_at=moment(row[5]),
                published_version=row[6],
                published_at=moment_or_none(row[7]),
            )
            for row in rows
        ]

    def locales(self, name: str) -> Sequence[str]:
        """Sorted here: the databases sort texts differently."""
        return sorted(row[0] for row in _LOCALES(self._session.execute, name=name))

    def publish(self, template_id: int, *, at: datetime) -> None:
        """One row."""
        if _PUBLISH(self._session.execute, id=template_id, at=micros(at)).rowcount != 1:
            raise NotFound("there is no such version of a template")

    def remove(self, name: str, *, locale: str | None = None) -> int:
        """One statement."""
        if locale is None:
            return _REMOVE(self._session.execute, name=name).rowcount
        return _REMOVE_LOCALE(self._session.execute, name=name, locale=locale).rowcount

    def _one(self, query: Prepared, **values: str | int) -> Template | None:
        row = query(self._session.execute, **values).fetchone()
        return None if row is None else _template(row)


def _row(template: Template) -> dict[str, Any]:
    source = template.source
    return {
        "name": template.name,
        "locale": template.locale,
        "version": template.version,
        "subject": source.subject,
        "kind": source.kind.value,
        "body": source.body,
        "text": source.text,
        "variables": json.dumps([attrs.asdict(one) for one in source.variables]),
        "created_at": micros(template.created_at),
        "published_at": micros_or_none(template.published_at),
    }


def _template(row: Row) -> Template:
    return Template(
        id=row[0],
        name=row[1],
        locale=row[2],
        version=row[3],
        source=TemplateSource(
            subject=row[4],
            kind=SourceKind(row[5]),
            body=row[6],
            text=row[7],
            variables=tuple([_variable(fields) for fields in json.loads(row[8])]),
        ),
        created_at=moment(row[9]),
        published_at=moment_or_none(row[10]),
    )


def _variable(fields: dict[str, Any]) -> Variable:
    return Variable(**{**fields, "type": VariableType(fields["type"])})
