"""The headers that a client may set: an allow list, for each other one is ours or the account's.

X-* is text, whatever it says. The others are read by programs: they have a form of their own, and
stand on one line as they were given, because readers and DKIM stumble over a folded one
(nodemailer#1654).
"""

import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final

from domain.errors import FieldError
from domain.message.headers import MAX_LINE, unstructured

MOST_HEADERS: Final = 30
LONGEST_HEADER: Final = 900  # characters
REF: Final = "X-Email-Ref"  # the service's own
RESERVED: Final = "header_reserved"

_X_NAME: Final = re.compile(r"X-[A-Z0-9][A-Z0-9_.-]{0,61}", re.IGNORECASE | re.ASCII)
# what Gmail and Amazon SES take orders from
_ORDERS: Final = re.compile("X-Google-.*|X-SES-.*", re.IGNORECASE | re.ASCII)
_URIS: Final = re.compile(
    r"<(?:https?|mailto):[!-;=?-~]+>(?:, ?<(?:https?|mailto):[!-;=?-~]+>)*", re.IGNORECASE
)
_LABEL: Final = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_SES_WORD: Final = r"[A-Za-z0-9_-]{1,256}"
_SES_PAIR: Final = rf"{_SES_WORD}={_SES_WORD}"
_A_LINK: Final = "must be URIs in angle brackets, such as <https://example.com/help>"
_FORMS: Final = {
    "auto-submitted": (
        re.compile(r"no|auto-generated|auto-replied|auto-notified", re.IGNORECASE),
        "must be auto-generated, auto-replied, auto-notified or no",
    ),
    "feedback-id": (
        re.compile(r"(?=[!-~])[!-9;-~]*(?::[!-9;-~]*){0,3}"),
        "must be up to four words of ASCII with colons between them",
    ),
    "importance": (re.compile(r"high|normal|low", re.IGNORECASE), "must be high, normal or low"),
    "list-help": (_URIS, _A_LINK),
    "list-id": (
        re.compile(rf'(?:(?:[\w .-]+|"[ !#-\[\]-~]*") ?)?<{_LABEL}(?:\.{_LABEL})+>', re.ASCII),
        "must be a list in angle brackets behind its name, such as News <news.example.com>",
    ),
    "list-unsubscribe": (_URIS, _A_LINK),
    "list-unsubscribe-post": (
        re.compile(r"List-Unsubscribe=One-Click"),
        "must be List-Unsubscribe=One-Click",
    ),
    "x-ses-configuration-set": (
        re.compile(_SES_WORD),
        "must be the name of a configuration set: letters, digits, _ and -",
    ),
    "x-ses-list-management-options": (
        re.compile(rf"{_SES_WORD}(?:; ?topic={_SES_WORD})?"),
        "must be a contact list, or one with a topic, such as news; topic=sports",
    ),
    "x-ses-message-tags": (
        re.compile(rf"{_SES_PAIR}(?:, ?{_SES_PAIR})*"),
        "must be pairs such as campaign=spring, kind=news: letters, digits, _ and -",
    ),
    "x-ses-tenant": (
        re.compile(_SES_WORD),
        "must be the name of a tenant: letters, digits, _ and -",
    ),
}
# What Amazon SES may be told by those who send through an account with `ses_headers`. It takes them
# out of the message. Not those that choose an identity: X-SES-SOURCE-ARN and the like.
_FOR_SES: Final = frozenset(name for name in _FORMS if name.startswith("x-ses-"))


def message_token(random: str, *, at: datetime) -> str:
    """The part of a new Message-ID before its @: the milliseconds since 1970 and 80 bits of chance.

    *random* are 32 hexadecimal digits, and so is the answer. It is laid out as in a UUID of version
    7: emails that are stored together stand together in the index of references.
    """
    return f"{int(at.timestamp() * 1000):012x}{random[-20:]}"


def reference_of(message_id: str) -> str:
    """What tells an email where a relay has put another Message-ID: ours before its @."""
    return message_id[1 : message_id.index("@")]


def is_reserved(name: str) -> bool:
    """Whether no client may set the header."""
    if name.lower() in _FORMS:
        return False
    return not _X_NAME.fullmatch(name) or name.lower() == REF.lower() or gives_orders(name)


def is_for_ses(name: str) -> bool:
    """Whether it may be set where the account says so: an order to Amazon SES."""
    return name.lower() in _FOR_SES


def ses_errors(headers: Sequence[tuple[str, str]]) -> Iterator[FieldError]:
    """What is wrong with orders to Amazon SES where no account that takes them was named."""
    for name, _ in headers:
        if is_for_ses(name):
            yield FieldError(
                f"headers/{name}",
                "may be set only where the email names an SMTP configuration that has ses_headers",
            )


def gives_orders(name: str) -> bool:
    """Whether a provider does something for the header, beyond passing it on."""
    return bool(_ORDERS.fullmatch(name))


def header_errors(headers: Sequence[tuple[str, str]]) -> Iterator[FieldError]:
    """What is wrong with the headers that a client sets, at most one error for each."""
    if len(headers) > MOST_HEADERS:
        yield FieldError("headers", f"must have at most {MOST_HEADERS} items")
    seen = set()
    for name, value in headers:
        error = _error(name, value, again=name.lower() in seen)
        seen.add(name.lower())
        if error is not None:
            yield FieldError(f"headers/{name}", error)


def _error(name: str, value: str, *, again: bool) -> str | None:
    if is_reserved(name):
        return "must not be set: only X-* and a few others may, and none that the service writes"
    if again:
        return "stands more than once, but for upper and lower case"
    if len(value) > LONGEST_HEADER:
        return f"must have at most {LONGEST_HEADER} characters"
    form, told = _FORMS.get(name.lower(), (None, ""))
    if form is None or (form.fullmatch(value) and "=?" not in value):
        return None
    return told


def header_line(name: str, value: str) -> str:
    """The header with its CRLF."""
    if name.lower() in _FORMS and value.isascii() and "=?" not in value:
        line = f"{name}: {value}\r\n"
        if len(line) <= MAX_LINE:
            return line
    return unstructured(name, value)
