"""What stands on every reply: the request's id, and what a browser may do with it."""

import re
from secrets import token_hex
from typing import Final

from flask import Flask, Response

from entrypoints.http.requests import the_request
from entrypoints.trace_context import enter_trace

REQUEST_ID: Final = "X-Request-Id"
_GIVEN_ID: Final = "HTTP_X_REQUEST_ID"
_ID: Final = re.compile(r"[A-Za-z0-9._:-]{1,128}")
ALWAYS: Final = (
    ("X-Content-Type-Options", "nosniff"),
    ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"),
    ("Referrer-Policy", "no-referrer"),
)
_OF_ALL: Final = tuple((name.lower(), name, value) for name, value in ALWAYS)
_OF_THE_API: Final = (*_OF_ALL, ("cache-control", "Cache-Control", "no-store"))


def install_headers(app: Flask) -> None:
    """Give every request of *app* an id and a trace, and every reply its headers."""
    app.before_request(_take_ids)
    app.after_request(_add_headers)


def _take_ids() -> None:
    asked = the_request()
    asked.request_id = usable_request_id(asked.environ.get(_GIVEN_ID, "")) or token_hex(16)
    enter_trace(asked.environ.get("HTTP_TRACEPARENT"))


def usable_request_id(given: str) -> str | None:
    """The id that came with a request, if it is one that may be repeated."""
    return given if _ID.fullmatch(given) else None


def _add_headers(response: Response) -> Response:
    """A route may have set its own; those are kept."""
    asked = the_request()
    headers = response.headers
    there = {name.lower() for name, _ in headers}
    for lower, name, value in _OF_THE_API if asked.path.startswith("/api") else _OF_ALL:
        if lower not in there:
            headers.add(name, value)
    headers.add(REQUEST_ID, asked.request_id)
    return response
