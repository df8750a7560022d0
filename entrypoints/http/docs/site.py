"""What the documentation consists of: the document, its chapters and errors, and what can be found.

Made once, when it is first asked for: two requests at once may both make it, and either is as good.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property

from entrypoints.http.docs.chapters import Call, Chapter, chapters
from entrypoints.http.docs.errors import Error, errors_of
from entrypoints.http.docs.fields import Row
from entrypoints.http.docs.guides import GUIDES, Guide
from entrypoints.http.docs.search import Entry, EntryKind
from entrypoints.http.openapi import JsonSchema, Operation, build_document


class Site:
    """The documentation of *operations*."""

    def __init__(
        self, operations: Sequence[Operation], *, version: str, rfc3339_times: bool
    ) -> None:
        self._operations = operations
        self._version = version
        self._rfc3339_times = rfc3339_times

    @cached_property
    def document(self) -> JsonSchema:
        """The OpenAPI document."""
        return build_document(
            self._operations, version=self._version, rfc3339_times=self._rfc3339_times
        )

    @cached_property
    def chapters(self) -> Mapping[str, Chapter]:
        """The chapters of calls by the names of their pages."""
        return {chapter.id: chapter for chapter in chapters(self.document)}

    @cached_property
    def guides(self) -> Mapping[str, Guide]:
        """The pages of prose by their names."""
        return {guide.id: guide for guide in GUIDES}

    @cached_property
    def errors(self) -> Sequence[Error]:
        """Every error by its status."""
        return errors_of(self.document)

    @cached_property
    def entries(self) -> Sequence[Entry]:
        """What can be found, but for the sections of guides."""
        return [*self._of_pages(), *self._of_errors(), *self._of_calls()]

    def _of_pages(self) -> Iterator[Entry]:
        for guide in GUIDES:
            yield Entry(
                kind=EntryKind.PAGE,
                title=guide.title,
                page=guide.id,
                text=guide.lead,
                names=guide.names,
            )
        for chapter in self.chapters.values():
            yield Entry(kind=EntryKind.PAGE, title=chapter.name, page=chapter.id, text=chapter.text)

    def _of_errors(self) -> Iterator[Entry]:
        for error in self.errors:
            for row in error.codes:
                yield Entry(
                    kind=EntryKind.CODE,
                    title=row.name,
                    page="errors",
                    anchor=row.anchor,
                    within=f"{error.refused.status} {error.refused.title}",
                    text=row.code.means,
                )

    def _of_calls(self) -> Iterator[Entry]:
        for chapter in self.chapters.values():
            for call in chapter.calls:
                yield Entry(
                    kind=EntryKind.CALL,
                    title=call.summary,
                    page=chapter.id,
                    anchor=call.id,
                    within=f"{call.method} {call.path}",
                    text=call.description,
                    names=(call.id, call.path, f"{call.method} {call.path}"),
                )
                yield from _of_fields(chapter, call)


def _of_fields(chapter: Chapter, call: Call) -> Iterator[Entry]:
    for part, rows in (
        ("parameters", call.parameters),
        ("body", call.fields),
        ("answer", call.answer_fields),
    ):
        for row in rows:
            yield from _of_row(row, f"{call.id}-{part}", row.name, chapter=chapter, call=call)


def _of_row(row: Row, under: str, name: str, *, chapter: Chapter, call: Call) -> Iterator[Entry]:
    anchor = f"{under}-{row.name}"
    yield Entry(
        kind=EntryKind.FIELD,
        title=name,
        page=chapter.id,
        anchor=anchor,
        within=f"{call.summary}{' · answer' if '-answer-' in anchor else ''}",
        text=" ".join((row.text, *row.values)),
        names=(row.name,) if row.name != name else (),
    )
    for inner in row.rows:
        yield from _of_row(inner, anchor, f"{name}.{inner.name}", chapter=chapter, call=call)
