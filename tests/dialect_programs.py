"""The vendors' clients, each a script in tests/dialect_clients/ that gets its calls as JSON."""

from collections.abc import Callable, Mapping
from typing import Any

import attrs

from entrypoints.http.dialects.ids import id_of
from tests.client_emails import REFUSED


@attrs.frozen(kw_only=True)
class Client:
    """One client. *refusals* are the name and the status of the error that each case raises.

    *id_of* makes the email's id of the one that the client read back; it is None where that is the
    Message-ID, or one that the client has put into the metadata. *takes_key*: its users can give
    it an Idempotency-Key. *retries*: it sends again by itself when the connection is lost.
    """

    script: str
    id_of: Callable[[Any], int] | None
    refusals: Mapping[str, tuple[str, int | None]]
    options: Callable[[str], Mapping[str, Any]] = lambda url: {}
    takes_key: bool = False
    retries: bool = False


def anymail(
    name: str,
    *,
    path: str,
    key: str,
    id_of: Callable[[Any], int] | None,
    statuses: tuple[int | None, int, int],
    wrong_address: str = "AnymailRequestsAPIError",
) -> Client:
    """django-anymail's backend *name*; *statuses* are those of `REFUSED`, in order."""
    kinds = (wrong_address, "AnymailRequestsAPIError", "AnymailRequestsAPIError")
    return Client(
        script="anymail_calls.py",
        id_of=id_of,
        refusals=dict(zip(REFUSED, zip(kinds, statuses, strict=True), strict=True)),
        options=lambda url: {
            "backend": f"anymail.backends.{name.lower()}.EmailBackend",
            "settings": {f"{name.upper()}_API_URL": url + path},
            "key_option": key,
        },
    )


CLIENTS = {
    "resend for Python": Client(
        script="resend_calls.py",
        takes_key=True,
        id_of=id_of,
        refusals={
            "wrong address": ("ValidationError", 422),
            "wrong key": ("InvalidApiKeyError", 403),
            "over quota": ("RateLimitError", 429),
        },
    ),
    "resend for Node": Client(
        script="resend_calls.mjs",
        takes_key=True,
        id_of=id_of,
        refusals={
            "wrong address": ("validation_error", 422),
            "wrong key": ("invalid_api_key", 403),
            "over quota": ("rate_limit_exceeded", 429),
        },
    ),
    "sendgrid for Python": Client(
        script="sendgrid_calls.py",
        takes_key=True,
        id_of=int,
        refusals={
            "wrong address": ("BadRequestsError", 400),
            "wrong key": ("UnauthorizedError", 401),
            "over quota": ("TooManyRequestsError", 429),
        },
    ),
    "sendgrid for Node": Client(
        script="sendgrid_calls.mjs",
        takes_key=True,
        id_of=int,
        refusals={
            "wrong address": ("ResponseError", 400),
            "wrong key": ("ResponseError", 401),
            "over quota": ("ResponseError", 429),
        },
    ),
    "postmarker": Client(
        script="postmark_calls.py",
        takes_key=True,
        id_of=id_of,
        refusals={
            "wrong address": ("ClientError", 300),
            "wrong key": ("ClientError", 10),
            "over quota": ("ClientError", 429),
        },
    ),
    "postmark for Node": Client(
        script="postmark_calls.mjs",
        id_of=id_of,
        refusals={
            "wrong address": ("InvalidEmailRequestError", 422),
            "wrong key": ("InvalidAPIKeyError", 401),
            "over quota": ("RateLimitExceededError", 429),
        },
    ),
    "mailgun for Python": Client(
        script="mailgun_calls.py",
        takes_key=True,
        retries=True,
        id_of=None,
        refusals={
            "wrong address": ("HTTPError", 400),
            "wrong key": ("HTTPError", 401),
            "over quota": ("HTTPError", 429),
        },
    ),
    "mailgun for Node": Client(
        script="mailgun_calls.mjs",
        id_of=None,
        refusals={
            "wrong address": ("MailgunAPIError", 400),
            "wrong key": ("MailgunAPIError", 401),
            "over quota": ("MailgunAPIError", 429),
        },
    ),
    "anymail to Mailgun": anymail(
        "Mailgun", path="/v3/", key="api_key", id_of=None, statuses=(400, 401, 429)
    ),
    "anymail to Resend": anymail(
        "Resend", path="/", key="api_key", id_of=id_of, statuses=(422, 403, 429)
    ),
    "anymail to SendGrid": anymail(
        "SendGrid", path="/v3/", key="api_key", id_of=None, statuses=(400, 401, 429)
    ),
    # it reads in the message which address is wrong
    "anymail to Postmark": anymail(
        "Postmark",
        path="/",
        key="server_token",
        id_of=id_of,
        statuses=(None, 401, 429),
        wrong_address="AnymailRecipientsRefused",
    ),
}
