"""Times as the API reads and shows them."""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, time
from typing import Final

from flask import current_app

_EXAMPLE: Final = "2026-01-31T09:30:00+01:00"
_DAY_ENDS: Final = len("2026-01-31")
_TIME_ENDS: Final = len("2026-01-31T09:30:00")
_PUBLISHED: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}")
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_WITHOUT_OFFSET: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]+)?)?"
)
_WITH_A_BLANK: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]+)?"
    r" ?(?:[Zz]|[+-][0-9]{2}:[0-9]{2})"
)
RFC_3339: Final = "API_TIMES_RFC_3339"  # in the configuration of the Flask application
_RFC_3339: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?"
    r"(?:[Zz]|[+-][0-9]{2}:[0-9]{2})"
)


def moment(text: object) -> datetime:
    """The time that *text* names, in UTC: RFC 3339 with an offset, or the form in which this API
    shows times. ValueError says what is wrong with any other.
    """
    if not isinstance(text, str):
        raise ValueError(f"must be a string with a time, such as {_EXAMPLE}")
    if _PUBLISHED.fullmatch(text):
        text = f"{text}Z"
    elif not _RFC_3339.fullmatch(text):
        raise ValueError(_why_no_time(text))
    try:
        return datetime.fromisoformat(text.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError(_why_it_does_not_exist(text)) from None


def _why_no_time(text: str) -> str:
    if not text:
        return "must not be empty"
    if _DATE.fullmatch(text):
        return f"must have a time of day after the date, as in {_EXAMPLE}"
    if _WITHOUT_OFFSET.fullmatch(text):
        return (
            f"must have an offset, as in {_EXAMPLE} or with a Z for UTC"
            " (without one only the six decimals that this API shows are read, as UTC)"
        )
    if _WITH_A_BLANK.fullmatch(text):
        return f"must have a T between the date and the time, as in {_EXAMPLE}"
    return f"must be a time as in RFC 3339, such as {_EXAMPLE}"


def _why_it_does_not_exist(text: str) -> str:
    day, of_day = text[:_DAY_ENDS], text[_DAY_ENDS + 1 : _TIME_ENDS]
    try:
        date.fromisoformat(day)
    except ValueError:
        return "must be on a day that exists"
    try:
        time.fromisoformat(of_day)
    except ValueError:
        return "must have a time of day that exists, from 00:00:00 to 23:59:59"
    return "must have an offset that exists, from -23:59 to +23:59, and a year from 1 to 9999"


def shown(when: datetime) -> str:
    """UTC, six digits of a second: 2023-05-24T10:30:00.000000, as it was published; with a Z if
    this application shows RFC 3339 (API_TIMES). For a request's answer only.
    """
    return writer()(when)


def writer() -> Callable[[datetime], str]:
    """What `shown` does in this request, for many times: it is asked for once."""
    return rfc3339 if current_app.config.get(RFC_3339) else _as_published


def rfc3339(when: datetime) -> str:
    """UTC as RFC 3339: 2023-05-24T10:30:00.000000Z."""
    return f"{_as_published(when)}Z"


def _as_published(when: datetime) -> str:
    return when.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds")


def rfc3339_if_any(when: datetime | None) -> str | None:
    """What `rfc3339` gives, or None."""
    return None if when is None else rfc3339(when)


def shown_if_any(when: datetime | None) -> str | None:
    """What `shown` gives, or None."""
    return None if when is None else shown(when)
