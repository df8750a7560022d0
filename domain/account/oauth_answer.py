"""What an authorization server's answer means (RFC 6749 5, RFC 8628 3.2 and 3.5).

Servers do not keep to the letter: lifetimes come as texts, ``token_type`` is missing, an error
comes with status 200, and what stands before the server answers in HTML. Nothing of an answer is
kept but what is named here: a description of an error is shown to people once it is known to repeat
no secret.
"""

import json
import re
from collections.abc import Iterable, Mapping
from datetime import timedelta
from enum import StrEnum
from typing import Any, Final

import attrs

from domain.outcome.secret_forms import SecretForms

USUAL_LIFE: Final = timedelta(hours=1)  # of a token whose server does not say
LONGEST_LIFE: Final = timedelta(days=90)
SHORTEST_LIFE: Final = timedelta(seconds=1)  # one that is over at once would be asked for for ever
LONGEST_WAIT: Final = timedelta(hours=1)  # that a server's Retry-After is heeded for
_LONGEST_TOKEN: Final = 16_384
_LONGEST_TEXT: Final = 300
_TOKEN: Final = re.compile(rf"[\x21-\x7e]{{1,{_LONGEST_TOKEN}}}")
_ERROR: Final = re.compile(r"[\x20\x21\x23-\x5b\x5d-\x7e]{1,100}")
_URL: Final = re.compile(r"https?://[\x21-\x7e]{1,2000}")


class Refusal(StrEnum):
    """Who can mend it that there is no token."""

    CONSENT = "consent"  # a person who authorizes again
    CLIENT = "client"  # who registered the application
    REQUEST = "request"  # who set the account up: a scope, a flow
    SERVER = "server"  # nobody but time
    PENDING = "pending"  # device: the person has not answered yet
    SLOW_DOWN = "slow_down"  # device: ask less often from now on


_REFUSALS: Final[Mapping[str, Refusal]] = {
    "invalid_grant": Refusal.CONSENT,
    "interaction_required": Refusal.CONSENT,
    "login_required": Refusal.CONSENT,
    "consent_required": Refusal.CONSENT,
    "account_selection_required": Refusal.CONSENT,
    "access_denied": Refusal.CONSENT,
    "authorization_declined": Refusal.CONSENT,
    "expired_token": Refusal.CONSENT,
    "bad_verification_code": Refusal.CONSENT,
    "invalid_client": Refusal.CLIENT,
    "unauthorized_client": Refusal.CLIENT,
    "server_error": Refusal.SERVER,
    "temporarily_unavailable": Refusal.SERVER,
    "authorization_pending": Refusal.PENDING,
    "slow_down": Refusal.SLOW_DOWN,
}
# RFC 6749 4.1.2.1 and 5.2: who set the account up can mend them.
_OTHERS: Final = frozenset(
    {"invalid_request", "invalid_scope", "unsupported_response_type", "unsupported_grant_type"}
)
_NAMELESS: Final = "an error without a name"


class GrantRefused(Exception):
    """There is no token. *detail* is for a person, and holds no secret."""

    def __init__(
        self, refusal: Refusal, detail: str, *, retry_after: timedelta | None = None
    ) -> None:
        super().__init__(detail)
        self.refusal = refusal
        self.detail = detail
        self.retry_after = retry_after


@attrs.frozen(kw_only=True)
class Granted:
    """An access token. ``refresh_token`` None: the one before goes on to be good."""

    access_token: str = attrs.field(repr=False)
    refresh_token: str | None = attrs.field(default=None, repr=False)
    lifetime: timedelta = USUAL_LIFE


@attrs.frozen(kw_only=True)
class DeviceCode:
    """What a person types in, and where; ``interval`` is how often may be asked for the token."""

    device_code: str = attrs.field(repr=False)
    user_code: str
    verification_uri: str
    lifetime: timedelta
    interval: timedelta


def granted(
    status: int, body: bytes, *, retry_after: str = "", secrets: Iterable[str] = ()
) -> Granted:
    """The token of an answer. *secrets* are those that were sent. GrantRefused."""
    fields = _good(status, body, retry_after=retry_after, secrets=secrets)
    token = fields.get("access_token")
    if not isinstance(token, str) or not _TOKEN.fullmatch(token):
        raise GrantRefused(Refusal.SERVER, f"the answer {status} holds no access token")
    refresh = fields.get("refresh_token")
    usable = isinstance(refresh, str) and _TOKEN.fullmatch(refresh)
    return Granted(
        access_token=token,
        refresh_token=refresh if usable else None,
        lifetime=_lifetime(fields.get("expires_in"), usual=USUAL_LIFE),
    )


def device_code(
    status: int, body: bytes, *, retry_after: str = "", secrets: Iterable[str] = ()
) -> DeviceCode:
    """What a device authorization endpoint answered. GrantRefused."""
    fields = _good(status, body, retry_after=retry_after, secrets=secrets)
    # Google's older endpoint calls it verification_url
    place = fields.get("verification_uri") or fields.get("verification_url")
    code, user_code = fields.get("device_code"), fields.get("user_code")
    if not (
        isinstance(code, str)
        and _TOKEN.fullmatch(code)
        and isinstance(user_code, str)
        and _ERROR.fullmatch(user_code)
        and isinstance(place, str)
        and _URL.fullmatch(place)
    ):
        raise GrantRefused(Refusal.SERVER, f"the answer {status} holds no device code")
    interval = _seconds(fields.get("interval")) or 5  # RFC 8628, 3.2
    return DeviceCode(
        device_code=code,
        user_code=user_code,
        verification_uri=place,
        lifetime=_lifetime(fields.get("expires_in"), usual=timedelta(minutes=15)),
        interval=timedelta(seconds=min(interval, 60)),
    )


def refusal_of(error: str, status: int) -> Refusal:
    """Who can mend an *error* that came with *status*.

    Whatever stands in an answer of 5xx, 408 or 429: it is the server that is unwell, and a refresh
    token is not thrown away for it.
    """
    if status >= 500 or status in (408, 429):
        return Refusal.SERVER
    return _REFUSALS.get(error, Refusal.REQUEST)


def refused(error: str) -> GrantRefused:
    """The error that a person's browser was sent back with: told only if it is a known one."""
    known = error if _is_known(error) else _NAMELESS
    return GrantRefused(refusal_of(known, 400), known)


def _is_known(error: str) -> bool:
    return error in _REFUSALS or error in _OTHERS


def _good(
    status: int, body: bytes, *, retry_after: str, secrets: Iterable[str]
) -> Mapping[str, Any]:
    """The fields of an answer that is no refusal."""
    fields = _fields(body)
    error = fields.get("error")
    wait = _wait(retry_after)
    if isinstance(error, str) and _ERROR.fullmatch(error):
        text = _told(error, fields.get("error_description"), secrets)
        raise GrantRefused(refusal_of(error, status), text, retry_after=wait)
    if 200 <= status < 300:
        return fields
    if 300 <= status < 400:
        text = f"the answer {status} leads elsewhere, and redirects are not followed"
    else:
        text = f"the answer {status} is none of an authorization server"
    raise GrantRefused(Refusal.SERVER, text, retry_after=wait)


def _fields(body: bytes) -> Mapping[str, Any]:
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return fields if isinstance(fields, dict) else {}


def _told(error: str, description: object, secrets: Iterable[str]) -> str:
    """The error in words. What repeats a part of what was sent is left out."""
    forms = [SecretForms(username="", password=secret) for secret in secrets if secret]
    if not _is_known(error) and any(form.in_lines([error]) for form in forms):
        error = _NAMELESS
    if not isinstance(description, str) or not description:
        return error
    text = " ".join("".join(c if c.isprintable() else " " for c in description).split())
    if any(form.in_lines([text]) for form in forms):
        return error
    return f"{error}: {text[:_LONGEST_TEXT]}"


def _lifetime(value: object, *, usual: timedelta) -> timedelta:
    seconds = _seconds(value)
    if seconds is None:
        return usual
    return max(min(timedelta(seconds=seconds), LONGEST_LIFE), SHORTEST_LIFE)


def _seconds(value: object) -> float | None:
    """A number above 0, be it a text; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return min(number, LONGEST_LIFE.total_seconds()) if number > 0 else None


def _wait(retry_after: str) -> timedelta | None:
    """Seconds; a date (RFC 9110 10.2.3) is left to our own schedule."""
    text = retry_after.strip()
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        return None
    return min(timedelta(seconds=int(text)), LONGEST_WAIT)
