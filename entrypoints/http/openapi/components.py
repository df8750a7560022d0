"""What the operations of the document share: headers, parameters and ways to authorise."""

from typing import Any, Final

HEADERS: Final[dict[str, Any]] = {
    "X-Request-Id": {
        "description": "The request's id: the one that was sent, if it is valid, else a new one.",
        "required": True,
        "schema": {"type": "string", "pattern": "^[A-Za-z0-9._:-]{1,128}$"},
        "example": "4f0c8b0e1d9a4c53b1f0a2d7c6e5f401",
    },
    "Location": {
        "description": "The path of what was created.",
        "required": True,
        "schema": {"type": "string", "format": "uri-reference"},
        "example": "/api/emails/1",
    },
    "Content-Disposition": {
        "description": "That it is a file, and its name (RFC 6266).",
        "required": True,
        "schema": {"type": "string"},
        "example": 'attachment; filename="email-1.eml"',
    },
    "Link": {
        "description": 'The next page, with rel="next" (RFC 8288); absent on the last one, unless'
        " more events may come.",
        "schema": {"type": "string"},
        "example": '</api/emails?limit=100&cursor=AAAAAAAAACoJvl-t>; rel="next"',
    },
    "RateLimit-Limit": {
        "description": "How many calls at once the API key is allowed.",
        "schema": {"type": "integer", "minimum": 1},
        "example": 100,
    },
    "RateLimit-Remaining": {
        "description": "How many of them are left.",
        "schema": {"type": "integer", "minimum": 0},
        "example": 99,
    },
    "RateLimit-Reset": {
        "description": "The seconds until all of them are available again.",
        "schema": {"type": "integer", "minimum": 0},
        "example": 1,
    },
    "WWW-Authenticate": {
        "description": "How to authenticate.",
        "required": True,
        "schema": {"type": "string"},
        "example": 'Bearer realm="email-service"',
    },
    "Retry-After": {
        "description": "The seconds to wait before the next try.",
        "required": True,
        "schema": {"type": "integer", "minimum": 1},
        "example": 5,
    },
    "Accept-Encoding": {
        "description": "Sent if the body was compressed: the encodings that this service accepts.",
        "schema": {"type": "string"},
        "example": "identity",
    },
    "Allow": {
        "description": "The methods that the path allows.",
        "required": True,
        "schema": {"type": "string"},
        "example": "GET, HEAD, OPTIONS",
    },
}
PARAMETERS: Final[dict[str, Any]] = {
    "RequestId": {
        "name": "X-Request-Id",
        "in": "header",
        "description": (
            "An id of your own for this request, of up to 128 letters, digits, dots, dashes, "
            "underscores and colons; an invalid one is replaced. The reply and the log have it too."
        ),
        "schema": {"type": "string"},
        "example": "order-1742",
    },
    "IdempotencyKey": {
        "name": "Idempotency-Key",
        "in": "header",
        "description": (
            "Makes a repeated call safe: the same key with the same body returns the same email, "
            "with another body 409."
        ),
        "schema": {"type": "string", "pattern": "^[!-~]{1,256}$"},
        "example": "order-1742-confirmation",
    },
}
# on every reply to a call with an API key
ALLOWANCE: Final = ("RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset")
SECURITY_SCHEMES: Final[dict[str, Any]] = {
    "apiKey": {
        "type": "apiKey",
        "in": "header",
        "name": "X-API-Key",
        "description": "An API key with the scope that the call asks for.",
    },
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "description": "The same key as a bearer token.",
    },
}
