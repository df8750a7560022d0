"""Every reply that is an error: application/problem+json (RFC 9457), whatever went wrong.

What is told was written by us. The text of an unexpected error, a path or a query never is.
"""

import logging
import math
from collections.abc import Sequence
from http import HTTPStatus
from typing import Final

from flask import Flask, Response
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from domain.errors import (
    AccountRemoved,
    Conflict,
    FieldError,
    Forbidden,
    InvalidInput,
    MessageTooLarge,
    NotFound,
    StaleAttempt,
    StoreUnavailable,
    TooMany,
    Unauthorized,
    Unavailable,
)
from entrypoints.http.dialects.dialect import CHALLENGE
from entrypoints.http.dialects.forms import FormNeeded
from entrypoints.http.dialects.responses import response_of
from entrypoints.http.failure import Failure
from entrypoints.http.fields import pointer_of
from entrypoints.http.json_reader import ContentEncoded
from entrypoints.http.requests import the_request
from entrypoints.http.schemas import FieldProblem, Problem

log = logging.getLogger("email_service.http")

_TOLD: Final = 5
CONTENT_ENCODED: Final = "send the body as it is, without compression (no Content-Encoding)"
_FORM_NEEDED: Final = (
    "send the body as a form: multipart/form-data, or application/x-www-form-urlencoded"
)

# HTTP status -> (code, what is told)
_HTTP: Final = {
    400: ("bad_request", "the request cannot be understood"),
    404: ("not_found", "there is nothing at this path: /docs lists every call"),
    405: ("method_not_allowed", "this path does not allow that method"),
    408: ("request_timeout", "the request took too long"),
    413: ("too_large", "the body is larger than this service accepts"),
    415: (
        "unsupported_media_type",
        "send the body as JSON in UTF-8, with the header Content-Type: application/json",
    ),
    500: ("internal_error", "something went wrong here: the log has it under this request_id"),
}


def problem(
    status: int, *, code: str, detail: str, errors: Sequence[FieldError] | None = None
) -> Response:
    """The reply that says why *status* was given, in the shape of the request's own API."""
    asked = the_request()
    if asked.dialect is not None:
        failure = Failure(status=status, code=code, detail=detail, errors=errors)
        return response_of(asked.dialect.error(failure))
    body = Problem(
        type="about:blank",
        title=HTTPStatus(status).phrase,
        status=status,
        detail=detail,
        code=code,
        error=detail,
        request_id=asked.request_id,
        errors=None
        if errors is None
        else [FieldProblem(pointer=pointer_of(error), message=error.message) for error in errors],
    )
    return Response(
        body.model_dump_json(exclude_none=True) + "\n",
        status=status,
        content_type="application/problem+json",
    )


def install_problems(app: Flask) -> None:
    """Let *app* answer every error as a problem."""
    app.register_error_handler(InvalidInput, _invalid)
    app.register_error_handler(MessageTooLarge, _message_too_large)
    app.register_error_handler(Unauthorized, _unauthorized)
    app.register_error_handler(Forbidden, _forbidden)
    app.register_error_handler(TooMany, _too_many)
    app.register_error_handler(NotFound, _not_found)
    app.register_error_handler(Conflict, _conflict)
    app.register_error_handler(AccountRemoved, _account_removed)
    app.register_error_handler(StaleAttempt, _stale)
    app.register_error_handler(Unavailable, _unavailable)
    app.register_error_handler(StoreUnavailable, _store_unavailable)
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(Exception, _unexpected)


def _message_too_large(error: MessageTooLarge) -> Response:
    return _refused(413, error)


def _invalid(error: InvalidInput) -> Response:
    return _refused(400, error)


def _refused(status: int, error: InvalidInput) -> Response:
    told = [
        f"{pointer_of(found)}: {found.message}" if found.field else found.message
        for found in error.errors
    ]
    more = [f"and {len(told) - _TOLD} more"] if len(told) > _TOLD else []
    detail = "; ".join(told[:_TOLD] + more)
    return problem(status, code=error.code, detail=detail, errors=error.errors)


def _unauthorized(error: Unauthorized) -> Response:
    reply = problem(401, code=error.code, detail=str(error))
    dialect = the_request().dialect
    reply.headers["WWW-Authenticate"] = CHALLENGE if dialect is None else dialect.challenge
    return reply


def _forbidden(error: Forbidden) -> Response:
    return problem(403, code=error.code, detail=str(error))


def _too_many(error: TooMany) -> Response:
    return _later(429, error, detail=str(error))


def _not_found(error: NotFound) -> Response:
    return problem(404, code=error.code, detail=str(error))


def _conflict(error: Conflict) -> Response:
    return problem(409, code=error.code, detail=str(error))


def _account_removed(error: AccountRemoved) -> Response:
    return problem(409, code=error.code, detail=f"{error}: name another one with smtp_config_id")


def _stale(_: StaleAttempt) -> Response:
    return problem(409, code=Conflict.code, detail="it has just changed: look again")


def _unavailable(error: Unavailable) -> Response:
    return _later(503, error, detail=str(error))


def _store_unavailable(error: StoreUnavailable) -> Response:
    log.error("the store is unavailable", extra={"request_id": the_request().request_id})
    return _later(503, error, detail="the store cannot be used for now: try again")


def _later(status: int, error: Unavailable | TooMany, *, detail: str) -> Response:
    reply = problem(status, code=error.code, detail=detail)
    reply.headers["Retry-After"] = str(max(1, math.ceil(error.retry_after.total_seconds())))
    return reply


def _http(error: HTTPException) -> Response:
    status = error.code if error.code in _HTTP else 500 if (error.code or 500) >= 500 else 400
    code, detail = _HTTP[status]
    if isinstance(error, ContentEncoded):
        detail = CONTENT_ENCODED
    if isinstance(error, FormNeeded):
        detail = _FORM_NEEDED
    if isinstance(error, MethodNotAllowed) and error.valid_methods:
        detail += f", only {', '.join(sorted(error.valid_methods))}"
    reply = problem(status, code=code, detail=detail)
    if isinstance(error, ContentEncoded):
        reply.headers["Accept-Encoding"] = "identity"  # RFC 9110, 15.5.16
    if isinstance(error, MethodNotAllowed) and error.valid_methods:
        reply.allow.update(error.valid_methods)
    return reply


def _unexpected(error: Exception) -> Response:
    request_id = the_request().request_id
    log.error(
        "unexpected %s in request %s",
        type(error).__name__,
        request_id,
        exc_info=error,
        extra={"request_id": request_id},
    )
    code, detail = _HTTP[500]
    return problem(500, code=code, detail=detail)
