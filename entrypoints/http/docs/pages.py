"""The pages under /docs: one for each resource, one for each guide, and the search.

They take any query: what others add to a link must not make it useless.
"""

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, ClassVar, Final

import attrs
from flask import Blueprint, Response, render_template, request
from markupsafe import Markup

from domain.errors import StoreUnavailable
from entrypoints.http.docs.guides import GUIDES, Guide, Section, guide_sources, sections_of
from entrypoints.http.docs.highlight import highlight
from entrypoints.http.docs.search import LONGEST_QUERY, MOST_RESULTS, Entry, EntryKind, search
from entrypoints.http.docs.site import Site
from entrypoints.http.openapi import HTML, Operation
from entrypoints.http.openapi.samples import LANGUAGES, SampleCall

PAGE_CSP: Final = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)


@attrs.frozen(kw_only=True)
class Source:
    """A sample in one language, coloured."""

    language: str
    label: str
    html: Markup


class DocsPages:
    """The pages that describe *operations*. With *try_calls* they can send calls, too.

    *is_open* tells whether calls need no key for now; StoreUnavailable if nobody can know.
    """

    BLUEPRINT: ClassVar = "docs_pages"

    def __init__(
        self,
        operations: Sequence[Operation],
        *,
        version: str,
        rfc3339_times: bool = False,
        try_calls: bool = False,
        is_open: Callable[[], bool] = lambda: False,
    ) -> None:
        self.site = Site(operations, version=version, rfc3339_times=rfc3339_times)
        self._try_calls = try_calls
        self._is_open = is_open

    def routes(self) -> Blueprint:
        """Every path but the first page's with what answers it."""
        routes = Blueprint(
            self.BLUEPRINT,
            "entrypoints.http",
            template_folder="templates",
            static_folder="static/docs",
            static_url_path="/docs/static",
        )
        routes.get("/docs/search")(self.search)
        routes.get("/docs/<name>")(self.page)
        return routes

    def first(self) -> Response:
        """Where to begin, and the list of all calls."""
        return self._shown("docs/index.html", page="")

    def page(self, name: str) -> Response:
        """A resource or a guide; what is neither is searched for."""
        if name in self.site.chapters:
            return self._shown("docs/resource.html", page=name, chapter=self.site.chapters[name])
        if name in self.site.guides:
            guide = self.site.guides[name]
            text = self._text_of(guide)
            sections = sections_of(text)
            return self._shown(
                "docs/guide.html", page=name, guide=guide, text=text, sections=sections
            )
        return self._results(name.replace("-", " "), status=404)

    def search(self) -> Response:
        """What the query ``q`` finds."""
        return self._results(request.args.get("q", ""))

    def _results(self, query: str, *, status: int = 200) -> Response:
        query = query[:LONGEST_QUERY].strip()
        return self._shown(
            "docs/search.html",
            page="search",
            query=query,
            most=MOST_RESULTS,
            results=search(self._entries, query),
            status=status,
        )

    @cached_property
    def _entries(self) -> Sequence[Entry]:
        sections = [
            Entry(
                kind=EntryKind.HEADING,
                title=section.title,
                page=guide.id,
                anchor=section.id,
                within=guide.title,
                text=section.text,
            )
            for guide in GUIDES
            for section in self._sections_of(guide)
        ]
        return [*self.site.entries, *sections]

    def _sections_of(self, guide: Guide) -> Sequence[Section]:
        # the headings of the errors are found as codes
        return sections_of(self._text_of(guide)) if guide.id != "errors" else ()

    def _text_of(self, guide: Guide) -> str:
        return render_template(f"docs/guides/{guide.id}.html", **self._context())

    def _shown(self, template: str, *, status: int = 200, **values: Any) -> Response:
        page = render_template(template, status=status, **self._context(), **values)
        return Response(
            page,
            status=status,
            content_type=HTML,
            headers={"Content-Security-Policy": PAGE_CSP, "Cache-Control": "no-cache"},
        )

    def _context(self) -> dict[str, Any]:
        root = request.url_root
        keyed = not self._needs_no_key()
        return {
            "info": self.site.document["info"],
            "guides": GUIDES,
            "chapters": self.site.chapters.values(),
            "errors": self.site.errors,
            "try_calls": self._try_calls,
            "root": root,
            "keyed": keyed,
            "sources": lambda example: _sources(example.at(root, keyed=keyed)),
            "guide_sources": lambda name: _guide_sources(name, root),
            "json": lambda source: highlight(source, "json"),
        }

    def _needs_no_key(self) -> bool:
        try:
            return self._is_open()
        except StoreUnavailable:
            return False


def _sources(call: SampleCall) -> Sequence[Source]:
    return [_source(language.id, language.label, language.write(call)) for language in LANGUAGES]


def _guide_sources(name: str, root: str) -> Sequence[Source]:
    written = guide_sources(name, root)
    return [_source(language.id, language.label, written[language.id]) for language in LANGUAGES]


def _source(language: str, label: str, text: str) -> Source:
    return Source(language=language, label=label, html=highlight(text.rstrip("\n"), language))
