"""The calls that describe the API: the OpenAPI document and the first page for people."""

import json
from functools import lru_cache
from typing import ClassVar, Final

from flask import Blueprint, Response

from entrypoints.http.docs.pages import DocsPages
from entrypoints.http.openapi import HTML, Answer, Tag, add_routes, operation
from entrypoints.http.proxies import forwarded_of
from entrypoints.http.requests import the_request

KEPT_ADDRESSES: Final = 8


class Docs:
    """The calls that describe the operations of *pages*, which they are themselves among.

    The document is written once for each address that it is asked for at.
    """

    BLUEPRINT: ClassVar = "docs"

    def __init__(self, pages: DocsPages) -> None:
        self._pages = pages
        self._written_for = lru_cache(maxsize=KEPT_ADDRESSES)(self._write_for)

    def routes(self) -> Blueprint:
        """Every path with what answers it."""
        routes = Blueprint(self.BLUEPRINT, __name__)
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
        """Read this document as a page.

        It links to a page for each resource.
        """
        return self._pages.first()

    def _write_for(self, server: str) -> bytes:
        document = {**self._pages.site.document, "servers": [{"url": server}]}
        return json.dumps(document, ensure_ascii=False, indent=1).encode() + b"\n"


def _server() -> str:
    """Where the API is: its path here, or the address that a proxy has for it."""
    asked = the_request()
    forwarded = forwarded_of(asked.environ)
    if forwarded is not None and forwarded.believed:
        return asked.url_root.rstrip("/")
    return asked.script_root or "/"
