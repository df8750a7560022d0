"""Times as the API reads and shows them."""

import re
from datetime import UTC, datetime
from typing import Final

from flask import current_app

RFC_3339: Final = "API_TIMES_RFC_3339"  # in the configuration of the Flask application
_RFC_3339: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?"
    r"(?:[Zz]|[+-][0-9]{2}:[0-9]{2})"
)


def moment(text: object) -> datetime:
    """The time that *text* names (RFC 3339 with an offset), in UTC. ValueError if it is none."""
    if not isinstance(text, str) or not _RFC_3339.fullmatch(text):
        raise ValueError("must be a time with an offset such as 2026-01-31T09:30:00+01:00")
    try:
        return datetime.fromisoformat(text.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError("must be a time that exists") from None


def shown(when: datetime) -> str:
    """UTC, six digits of a second: 2023-05-24T10:30:00.000000, as it was published; with a Z if
    this application shows RFC 3339 (API_TIMES). For a request's answer only.
    """
    return rfc3339(when) if current_app.config.get(RFC_3339) else _published(when)


def rfc3339(when: datetime) -> str:
    """UTC as RFC 3339: 2023-05-24T10:30:00.000000Z."""
    return f"{_published(when)}Z"


def _published(when: datetime) -> str:
    return when.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds")


def rfc3339_if_any(when: datetime | None) -> str | None:
    """What `rfc3339` gives, or None."""
    return None if when is None else rfc3339(when)


def shown_if_any(when: datetime | None) -> str | None:
    """What `shown` gives, or None."""
    return None if when is None else shown(when)
