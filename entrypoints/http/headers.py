"""What stands on every reply: the request's id, and what a browser may do with it."""

import re
from typing import Final
from uuid import uuid4

from flask import Flask, Response, g, request

REQUEST_ID: Final = "X-Request-Id"
_ID: Final = re.compile(r"[A-Za-z0-9._:-]{1,128}")
_ALWAYS: Final = (
    ("X-Content-Type-Options", "nosniff"),
    ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"),
    ("Referrer-Policy", "no-referrer"),
)


def install_headers(app: Flask) -> None:
    """Give every request of *app* an id and every reply its headers."""
    app.before_request(_take_request_id)
    app.after_request(_add_headers)


def _take_request_id() -> None:
    given = request.headers.get(REQUEST_ID, "")
    g.request_id = given if _ID.fullmatch(given) else uuid4().hex


def _add_headers(response: Response) -> Response:
    """A route may have set its own; those are kept."""
    for name, value in _ALWAYS:
        response.headers.setdefault(name, value)
    if request.path.startswith("/api"):
        response.headers.setdefault("Cache-Control", "no-store")
    response.headers[REQUEST_ID] = g.request_id
    return response
