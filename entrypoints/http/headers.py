"""What stands on every reply: the request's id, and what a browser may do with it."""

import re
from secrets import token_hex
from typing import Final

from flask import Flask, Response, g, request

REQUEST_ID: Final = "X-Request-Id"
_GIVEN_ID: Final = "HTTP_X_REQUEST_ID"
_ID: Final = re.compile(r"[A-Za-z0-9._:-]{1,128}")
_ALWAYS: Final = (
    ("X-Content-Type-Options", "nosniff"),
    ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"),
    ("Referrer-Policy", "no-referrer"),
)
_OF_THE_API: Final = (*_ALWAYS, ("Cache-Control", "no-store"))


def install_headers(app: Flask) -> None:
    """Give every request of *app* an id and every reply its headers."""
    app.before_request(_take_request_id)
    app.after_request(_add_headers)


def _take_request_id() -> None:
    given = request.environ.get(_GIVEN_ID, "")
    g.request_id = given if _ID.fullmatch(given) else token_hex(16)


def _add_headers(response: Response) -> Response:
    """A route may have set its own; those are kept."""
    headers = response.headers
    there = {name.lower() for name, _ in headers}
    for name, value in _ALWAYS if not request.path.startswith("/api") else _OF_THE_API:
        if name.lower() not in there:
            headers.add(name, value)
    headers.add(REQUEST_ID, g.request_id)
    return response
