"""What stands on every reply: the request's id, and what a browser may do with it."""

import re
from secrets import token_hex
from typing import Final

from flask import Flask, Response

from entrypoints.http.lean import LeanResponse, the_request

REQUEST_ID: Final = "X-Request-Id"
_GIVEN_ID: Final = "HTTP_X_REQUEST_ID"
_ID: Final = re.compile(r"[A-Za-z0-9._:-]{1,128}")
_ALWAYS: Final = tuple(
    (name.lower(), (name, value))
    for name, value in (
        ("X-Content-Type-Options", "nosniff"),
        ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"),
        ("Referrer-Policy", "no-referrer"),
    )
)
_OF_THE_API: Final = (*_ALWAYS, ("cache-control", ("Cache-Control", "no-store")))


def install_headers(app: Flask) -> None:
    """Give every request of *app* an id and every reply its headers."""
    app.before_request(_take_request_id)
    app.after_request(_add_headers)


def _take_request_id() -> None:
    asked = the_request()
    given = asked.environ.get(_GIVEN_ID, "")
    asked.request_id = given if _ID.fullmatch(given) else token_hex(16)


def _add_headers(response: Response) -> Response:
    """A route may have set its own; those are kept."""
    asked = the_request()
    there = {name.lower() for name, _ in response.headers}
    wanted = _OF_THE_API if asked.path.startswith("/api") else _ALWAYS
    missing = [header for lower, header in wanted if lower not in there]
    assert isinstance(response, LeanResponse)
    response.last_headers = (*missing, (REQUEST_ID, asked.request_id))
    return response
