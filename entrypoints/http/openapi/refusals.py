"""The errors of the API: one shared reply for each status, with every code it may carry."""

import re
from typing import Any, Final

import attrs


@attrs.frozen(kw_only=True)
class Refusal:
    """An error status: its name as RFC 9110 has it, its meaning, its codes, the text of one."""

    name: str
    meaning: str
    codes: tuple[str, ...]
    detail: str
    pointer: str | None = None
    headers: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """Its name in words."""
        return re.sub("(?<=[a-z])(?=[A-Z])", " ", self.name)

    def example(self, status: int) -> dict[str, Any]:
        """A problem as it is answered."""
        detail = f"{self.pointer}: {self.detail}" if self.pointer else self.detail
        found: dict[str, Any] = {
            "type": "about:blank",
            "title": self.title,
            "status": status,
            "detail": detail,
            "code": self.codes[0],
            "error": detail,
            "request_id": "4f0c8b0e1d9a4c53b1f0a2d7c6e5f401",
        }
        if self.pointer:
            found["errors"] = [{"pointer": self.pointer, "message": self.detail}]
        return found


REFUSALS: Final = {
    400: Refusal(
        name="BadRequest",
        meaning="The input is invalid; `errors` names every fault. Nothing was stored.",
        codes=(
            *("invalid_input", "unknown_field", "invalid_json", "invalid_idempotency_key"),
            *("template_error", "template_not_found", "unsafe_message", "cid_unknown"),
            *("cid_unused", "calendar_invalid", "attachment_unknown", "invalid_form"),
            *("header_reserved", "from_not_allowed", "no_public_url", "invalid_message"),
            "bad_request",
        ),
        detail="must be an email address such as ada@example.com",
        pointer="/recipients/0",
    ),
    401: Refusal(
        name="Unauthorized",
        meaning="The API key is absent, unknown, revoked or expired.",
        codes=("unauthorized",),
        detail="an API key is needed: send it as X-API-Key or as a bearer token",
        headers=("WWW-Authenticate",),
    ),
    403: Refusal(
        name="Forbidden",
        meaning="The API key may not do this, or, without a key, this request may not.",
        codes=("forbidden",),
        detail="this API key lacks the scope admin",
    ),
    404: Refusal(
        name="NotFound",
        meaning="It does not exist, or the API key may not see it.",
        codes=("not_found",),
        detail="there is no email 7",
    ),
    405: Refusal(
        name="MethodNotAllowed",
        meaning="This path does not allow that method; Allow names those that it allows.",
        codes=("method_not_allowed",),
        detail="this path does not allow that method, only GET, HEAD, OPTIONS",
        headers=("Allow",),
    ),
    409: Refusal(
        name="Conflict",
        meaning="It exists, but its state forbids this.",
        codes=(
            "conflict",
            "illegal_transition",
            "name_taken",
            "idempotency_mismatch",
            "content_purged",
        ),
        detail="it has just changed: look again",
    ),
    410: Refusal(
        name="Gone",
        meaning="It was there, and was removed because it was old.",
        codes=("content_purged",),
        detail="the message of email 7 was removed some time after the email had ended",
    ),
    413: Refusal(
        name="ContentTooLarge",
        meaning="The body is larger than this service accepts, or the message is larger than the"
        " mail server takes.",
        codes=("too_large", "message_too_large"),
        detail="the body is larger than this service accepts",
    ),
    415: Refusal(
        name="UnsupportedMediaType",
        meaning="The body is not sent as JSON in UTF-8, or it is compressed.",
        codes=("unsupported_media_type",),
        detail="send the body as JSON in UTF-8, with the header Content-Type: application/json",
        headers=("Accept-Encoding",),
    ),
    429: Refusal(
        name="TooManyRequests",
        meaning="A rate limit or a quota is used up; Retry-After says when to try again.",
        codes=("too_many_requests",),
        detail="too many requests: try again in 5 seconds",
        headers=("Retry-After",),
    ),
    500: Refusal(
        name="InternalServerError",
        meaning="An error of the service; the log has it with the request's id.",
        codes=("internal_error",),
        detail="something went wrong here: the log has it under this request_id",
    ),
    503: Refusal(
        name="ServiceUnavailable",
        meaning="Not possible now; Retry-After says when to try again. Nothing was stored.",
        codes=("not_accepting", "account_queue_full", "store_unavailable", "unavailable"),
        detail="the service is shutting down: try again",
        headers=("Retry-After",),
    ),
}
