"""The API's documentation: the OpenAPI document, and the same as a page for people.

The page needs no script: docs.js only adds buttons that copy. Both are made once, when they are
first asked for.
"""

import json
from collections.abc import Sequence
from functools import cached_property
from typing import Final

from flask import Blueprint, Response, render_template, request

from entrypoints.http.openapi import JsonSchema, build_document
from entrypoints.http.openapi.chapters import Chapter, Refused, chapters, refusals

PAGE_CSP: Final = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


class Docs:
    """The calls that describe the others."""

    def __init__(self, *, version: str) -> None:
        self._version = version

    def routes(self) -> Blueprint:
        """Every path with what answers it."""
        routes = Blueprint(
            "docs",
            __name__,
            template_folder="templates",
            static_folder="static/docs",
            static_url_path="/docs/static",
        )
        routes.get("/api/openapi.json")(self.openapi)
        routes.get("/docs")(self.page)
        return routes

    def openapi(self) -> Response:
        """The OpenAPI document."""
        return Response(self._octets, content_type="application/json")

    def page(self) -> Response:
        """The document as a page, with calls that can be typed as they stand."""
        page = render_template(
            "docs/index.html",
            info=self._document["info"],
            chapters=self._chapters,
            refusals=self._refusals,
            root=request.url_root,
        )
        return Response(
            page,
            content_type="text/html; charset=utf-8",
            headers={"Content-Security-Policy": PAGE_CSP, "Cache-Control": "no-cache"},
        )

    # Two requests at once may both build one; either is as good.

    @cached_property
    def _document(self) -> JsonSchema:
        return build_document(version=self._version)

    @cached_property
    def _octets(self) -> bytes:
        return json.dumps(self._document, ensure_ascii=False, indent=1).encode() + b"\n"

    @cached_property
    def _chapters(self) -> Sequence[Chapter]:
        return chapters(self._document)

    @cached_property
    def _refusals(self) -> Sequence[Refused]:
        return refusals(self._document)
