"""The API's documentation: the OpenAPI document, and the same as a page for people.

The page needs no script: docs.js only adds buttons that copy. The document is made when it is first
asked for, and written once for each address that it is asked for at.
"""

import json
from collections.abc import Sequence
from functools import cached_property, lru_cache
from typing import ClassVar, Final

from flask import Blueprint, Response, render_template, request

from entrypoints.http.openapi import (
    HTML,
    Answer,
    JsonSchema,
    Operation,
    Tag,
    add_routes,
    build_document,
    operation,
)
from entrypoints.http.openapi.chapters import Chapter, Refused, chapters, refusals
from entrypoints.http.proxies import forwarded_of
from entrypoints.http.requests import the_request

KEPT_ADDRESSES: Final = 8
PAGE_CSP: Final = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


class Docs:
    """The calls that describe *operations*, which they are themselves among."""

    BLUEPRINT: ClassVar = "docs"

    def __init__(
        self, operations: Sequence[Operation], *, version: str, rfc3339_times: bool = False
    ) -> None:
        self._operations = operations
        self._version = version
        self._written_for = lru_cache(maxsize=KEPT_ADDRESSES)(self._write_for)
        self._rfc3339_times = rfc3339_times

    def routes(self) -> Blueprint:
        """Every path with what answers it."""
        routes = Blueprint(
            self.BLUEPRINT,
            __name__,
            template_folder="templates",
            static_folder="static/docs",
            static_url_path="/docs/static",
        )
        add_routes(routes, self)
        return routes

    @operation(
        "GET",
        "/api/openapi.json",
        name="openapi",
        tag=Tag.OPERATIONS,
        answer=Answer(description="OpenAPI 3.1."),
        refusals=(401, 403, 429, 503),
    )
    def openapi(self) -> Response:
        """Read this document.

        In production it needs a key, of any scope.
        """
        return Response(self._written_for(_server()), content_type="application/json")

    @operation(
        "GET",
        "/docs",
        name="docs",
        tag=Tag.OPERATIONS,
        answer=Answer(description="A page for people.", media_type=HTML),
    )
    def page(self) -> Response:
        """Read this document as a page."""
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
        return build_document(
            self._operations, version=self._version, rfc3339_times=self._rfc3339_times
        )

    def _write_for(self, server: str) -> bytes:
        document = {**self._document, "servers": [{"url": server}]}
        return json.dumps(document, ensure_ascii=False, indent=1).encode() + b"\n"

    @cached_property
    def _chapters(self) -> Sequence[Chapter]:
        return chapters(self._document)

    @cached_property
    def _refusals(self) -> Sequence[Refused]:
        return refusals(self._document)


def _server() -> str:
    """Where the API is: its path here, or the address that a proxy has for it."""
    asked = the_request()
    forwarded = forwarded_of(asked.environ)
    if forwarded is not None and forwarded.believed:
        return asked.url_root.rstrip("/")
    return asked.script_root or "/"
