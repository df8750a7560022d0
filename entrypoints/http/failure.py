"""Why a request was refused, before it has the shape of a reply."""

from collections.abc import Sequence

import attrs

from domain.errors import (
    Conflict,
    EmailServiceError,
    FieldError,
    Forbidden,
    InvalidInput,
    MessageTooLarge,
    NotFound,
    TooMany,
    Unauthorized,
    Unavailable,
)

# the narrowest first
_STATUS: Sequence[tuple[type[EmailServiceError], int]] = (
    (MessageTooLarge, 413),
    (InvalidInput, 400),
    (Unauthorized, 401),
    (Forbidden, 403),
    (TooMany, 429),
    (NotFound, 404),
    (Conflict, 409),
    (Unavailable, 503),
)


@attrs.frozen(kw_only=True)
class Failure:
    """An HTTP status, a stable code, what is told, and every field that is wrong."""

    status: int
    code: str
    detail: str
    errors: Sequence[FieldError] | None = None


def failure_of(error: EmailServiceError) -> Failure:
    """What one email of a call that goes on for the others was refused for."""
    status = next((status for kind, status in _STATUS if isinstance(error, kind)), 500)
    errors = error.errors if isinstance(error, InvalidInput) else None
    return Failure(status=status, code=error.code, detail=str(error), errors=errors)
