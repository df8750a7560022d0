"""Lists that are read page by page: what a query asks for, and the link to the next page."""

from collections.abc import Mapping
from typing import Annotated, TypeAlias
from urllib.parse import urlencode

from flask import Response
from pydantic import BeforeValidator, Field

from entrypoints.http.cursors import cursor_after
from entrypoints.http.requests import the_request
from entrypoints.http.schemas import Absent, Shown


def decimal(text: object) -> object:
    """A query parameter as an integer; left as it is if it is none."""
    # digits of ASCII only, and so few that int() is quick
    if isinstance(text, str) and text.isascii() and text.isdecimal() and len(text) < len("9" * 20):
        return int(text)
    return text


PageSize: TypeAlias = Annotated[int, Field(ge=1, le=500), BeforeValidator(decimal)]
Cursor: TypeAlias = Annotated[
    Absent[Annotated[str, Field(max_length=64), Shown(pattern="^[A-Za-z0-9_-]{16}$")]],
    Field(description="From the Link header of the previous page."),
]


def link_next(response: Response, query: Mapping[str, object], last: int | None) -> Response:
    """*response* with the link to what follows *last*, unless that is None."""
    if last is not None:
        asked = the_request()
        following = urlencode({**query, "cursor": cursor_after(last)})
        response.headers["Link"] = f'<{asked.script_root}{asked.path}?{following}>; rel="next"'
    return response
