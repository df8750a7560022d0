"""What the server refuses by itself, before the application sees it: problem details (RFC 9457)."""

import json
from collections.abc import Sequence
from http import HTTPStatus
from secrets import token_hex
from typing import Final

import attrs

from entrypoints.http.dialects.dialect import Dialect
from entrypoints.http.dialects.responses import octets_of
from entrypoints.http.failure import Failure
from entrypoints.http.headers import ALWAYS, REQUEST_ID, usable_request_id
from entrypoints.http.json_reader import JSON

PROBLEM: Final = "application/problem+json"


@attrs.frozen
class Refusal:
    """A reply that is an error; *retry_after* in whole seconds."""

    status: int
    code: str
    detail: str
    retry_after: int | None = None

    def reply_to(self, given_id: str = "", dialect: Dialect | None = None) -> "RefusalReply":
        """The reply in the shape of *dialect*, or of our own API; *given_id* is the request's
        X-Request-Id.
        """
        request_id = usable_request_id(given_id) or token_hex(16)
        if dialect is None:
            kind, status, body = PROBLEM, self.status, self._problem(request_id)
        else:
            told = dialect.error(Failure(status=self.status, code=self.code, detail=self.detail))
            kind, status, body = JSON, told.status, octets_of(told)
        headers = [
            ("Content-Type", kind),
            ("Content-Length", str(len(body))),
            *ALWAYS,
            ("Cache-Control", "no-store"),
            (REQUEST_ID, request_id),
        ]
        if self.retry_after is not None:
            headers.append(("Retry-After", str(self.retry_after)))
        return RefusalReply(status, encoded(headers), body)

    def _problem(self, request_id: str) -> bytes:
        members = {
            "type": "about:blank",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
            "error": self.detail,
            "request_id": request_id,
        }
        return json.dumps(members).encode() + b"\n"


@attrs.frozen
class RefusalReply:
    """A complete reply."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes

    @property
    def title(self) -> str:
        """The words beside the number."""
        return HTTPStatus(self.status).phrase

    def octets(self) -> bytes:
        """All of it, for a request that does not become one of the application's."""
        lines = [b"%s: %s\r\n" % header for header in self.headers]
        status = f"HTTP/1.1 {self.status} {self.title}\r\n".encode()
        return b"".join([status, *lines, b"Connection: close\r\n\r\n", self.body])


def encoded(headers: Sequence[tuple[str, str]]) -> list[tuple[bytes, bytes]]:
    """Headers as ASGI wants them."""
    return [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]


BAD_REQUEST: Final = Refusal(400, "bad_request", "the request cannot be understood")
TIMEOUT: Final = Refusal(408, "request_timeout", "the request took too long")
TOO_LARGE: Final = Refusal(413, "too_large", "the body is larger than this service accepts")
HEADERS_TOO_LARGE: Final = Refusal(
    431, "headers_too_large", "the request's headers are larger than this service accepts"
)
NOT_IMPLEMENTED: Final = Refusal(
    501, "not_implemented", "this service does not support the transfer encoding of the request"
)
NO_ROOM: Final = Refusal(
    503, "unavailable", "too many bodies are being received: try again", retry_after=1
)
NO_CONNECTION: Final = Refusal(
    503, "unavailable", "too many connections are open: try again", retry_after=1
)
NO_PLACE: Final = Refusal(
    429, "too_many_requests", "too many calls with this API key run at once", retry_after=1
)
INTERNAL: Final = Refusal(500, "internal_error", "something went wrong here: the log has it")
