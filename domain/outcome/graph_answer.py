"""What Microsoft's Graph API answers, told as the hand-off to a mail server that it amounts to.

So one vocabulary and one table of rules judge both. An answer becomes a reply whose code says what
HTTP's status says, and whose text is ``HTTP 403 ErrorSendAsDenied: …``: the rules in
``smtp_rules.toml`` that begin with ``HTTP`` read Graph's error code from there. SMTP's stages are
kept as far as HTTP has them: what is refused before the request is looked at (401) ended at AUTH,
everything after it at the dot, which is the request's last octet.

Sources: learn.microsoft.com/en-us/graph/api/user-sendmail, …/graph/errors, …/graph/throttling, and
the response codes of Exchange (exchange/client-developer/web-service-reference/responsecode).
"""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Final

from domain.outcome.handoff import Handoff, Problem, Reply, Stage

LONGEST_WAIT: Final = timedelta(hours=24)
_LONGEST_MESSAGE: Final = 500  # characters
_CODE: Final = re.compile(r"[A-Za-z][\w.]{0,99}", re.ASCII)
_ID: Final = re.compile(r"[0-9A-Fa-f-]{8,64}")
_SECONDS: Final = re.compile(r"[0-9]{1,9}")
_REPLIES: Final[Mapping[int, tuple[int, str]]] = {
    400: (554, "5.6.0"),
    403: (550, "5.7.1"),
    404: (550, "5.1.0"),
    413: (552, "5.3.4"),
    429: (451, "4.7.0"),
}
_MAY_NOT_READ: Final = frozenset({"Authorization_RequestDenied", "ErrorAccessDenied"})
_OTHER_REFUSAL: Final = (451, "4.3.0")
_UNAVAILABLE: Final = (451, "4.3.2")


def of_sending(status: int, headers: Mapping[str, str], body: bytes, *, now: datetime) -> Handoff:
    """What an answer to sendMail means; header names are in small letters.

    202 has accepted the message, whatever stands beside it. 4xx has not; nor has 503 that says when
    to come again. But an email was seen that had been sent and was answered with 429: these are
    ``doubted``. Other 5xx tell nothing: copies were seen of emails that were sent again after one.
    """
    wait = _wait(headers.get("retry-after", ""), now=now)
    text = _text(status, body)
    if status == 202:
        ident = headers.get("request-id", "")
        known = f", request-id {ident}" if _ID.fullmatch(ident) else ""
        reply = Reply.of(250, f"2.0.0 HTTP 202 Accepted{known}")
        return Handoff(stage=Stage.DOT, reply=reply, wait=wait, usable=True)
    if status == 401:
        return Handoff(
            stage=Stage.AUTH, reply=Reply.of(535, f"5.7.8 {text}"), by_token=True, usable=True
        )
    if status == 503 and wait is not None:
        return _refused(_UNAVAILABLE, text, wait, doubted=True)
    if 400 <= status < 500:
        return _refused(
            _REPLIES.get(status, _OTHER_REFUSAL), text, wait, doubted=status in (408, 429)
        )
    problem = Problem.TIMEOUT if status == 504 else Problem.PROTOCOL
    return Handoff(stage=Stage.DOT, problem=problem, detail=text)


def of_asking(status: int, headers: Mapping[str, str], body: bytes, *, now: datetime) -> Handoff:
    """What an answer to a question about the mailbox means: MAIL without a reply if all is well.

    A token that may send and nothing else is refused there, which is as good: it was taken, for 401
    comes first. Only Graph's own word for that counts.
    """
    text = _text(status, body)
    no_more = status == 403 and _error(body).get("code") in _MAY_NOT_READ
    if 200 <= status < 300 or no_more:
        return Handoff(stage=Stage.MAIL)
    if status == 401:
        return Handoff(stage=Stage.AUTH, reply=Reply.of(535, f"5.7.8 {text}"), by_token=True)
    if not 400 <= status < 600:
        return Handoff(stage=Stage.AUTH, problem=Problem.PROTOCOL, detail=text)
    code, enhanced = _REPLIES.get(status, _OTHER_REFUSAL)
    wait = _wait(headers.get("retry-after", ""), now=now)
    return Handoff(stage=Stage.MAIL, reply=Reply.of(code, f"{enhanced} {text}"), wait=wait)


def _refused(
    reply: tuple[int, str], text: str, wait: timedelta | None, *, doubted: bool
) -> Handoff:
    code, enhanced = reply
    return Handoff(
        stage=Stage.DOT,
        reply=Reply.of(code, f"{enhanced} {text}"),
        wait=wait,
        doubted=doubted,
        usable=True,
    )


def _text(status: int, body: bytes) -> str:
    """``HTTP 403 ErrorSendAsDenied: the message``; of a body that is none of Graph's the status."""
    error = _error(body)
    code, message = error.get("code"), error.get("message")
    if not isinstance(code, str) or not _CODE.fullmatch(code):
        return f"HTTP {status}"
    if not isinstance(message, str):
        return f"HTTP {status} {code}:"
    words = " ".join("".join(c if c.isprintable() else " " for c in message).split())
    return f"HTTP {status} {code}: {words[:_LONGEST_MESSAGE]}"


def _error(body: bytes) -> Mapping[str, Any]:
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    error = fields.get("error") if isinstance(fields, dict) else None
    return error if isinstance(error, dict) else {}


def _wait(value: str, *, now: datetime) -> timedelta | None:
    """Retry-After, which has seconds or a date (RFC 9110, 10.2.3)."""
    if _SECONDS.fullmatch(value):
        return min(timedelta(seconds=int(value)), LONGEST_WAIT)
    try:
        until = parsedate_to_datetime(value)
    except ValueError:
        return None
    if until.tzinfo is None:
        until = until.replace(tzinfo=UTC)
    return min(max(until - now, timedelta()), LONGEST_WAIT)
