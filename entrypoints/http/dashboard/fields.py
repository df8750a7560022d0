"""What a person typed into a field, as the use cases take it."""

from datetime import UTC, datetime
from typing import Final

from domain.errors import FieldError, InvalidInput
from domain.message.headers import unsafe_character
from entrypoints.ids import id_of

_LONGEST: Final = 1000  # characters of a line


def line(field: str, text: str) -> str | None:
    """One line of text, None if it is empty. InvalidInput."""
    text = text.strip()
    if len(text) > _LONGEST:
        raise InvalidInput(FieldError(field, f"must have at most {_LONGEST} characters"))
    character = unsafe_character(text)
    if character is not None:
        raise InvalidInput(FieldError(field, f"must not contain the character {character}"))
    return text or None


def moment(field: str, text: str) -> datetime | None:
    """A time in UTC as a browser's field gives it, 2026-01-31T09:30; None if it is empty.

    One with an offset is taken too. InvalidInput.
    """
    text = text.strip()
    if not text:
        return None
    try:
        when = datetime.fromisoformat(text)
        return when.replace(tzinfo=UTC) if when.tzinfo is None else when.astimezone(UTC)
    except (ValueError, OverflowError):
        problem = "must be a time such as 2026-01-31T09:30"
        raise InvalidInput(FieldError(field, problem)) from None


def number(field: str, text: str) -> int | None:
    """An id, None if the field is empty. InvalidInput."""
    text = text.strip()
    if not text:
        return None
    found = id_of(text)
    if found is None:
        raise InvalidInput(FieldError(field, "must be a number"))
    return found
