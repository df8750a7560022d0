"""How old a signed call may be: providers repeat one for a day, and a replay comes at any time."""

from datetime import datetime, timedelta
from typing import Final

WINDOW: Final = timedelta(hours=25)
AHEAD: Final = timedelta(minutes=10)  # how far a provider's clock may be before ours
_LONGEST: Final = 12  # digits of a Unix time


def is_fresh(timestamp: str, *, now: datetime) -> bool:
    """Whether *timestamp*, a Unix time in seconds or a time of RFC 3339 with Z, is about now."""
    at = _seconds(timestamp)
    if at is None:
        return False
    age = now.timestamp() - at
    return -AHEAD.total_seconds() <= age <= WINDOW.total_seconds()


def _seconds(text: str) -> float | None:
    if text.isascii() and text.isdigit():
        return float(text) if len(text) <= _LONGEST else None
    if not text.endswith("Z"):
        return None
    try:
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError):
        return None
