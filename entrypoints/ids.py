"""Ids that somebody has typed, in a form, an address or a file."""

from typing import Final

LARGEST_ID: Final = 2**63 - 1  # what a database can hold
_LONGEST: Final = len(str(LARGEST_ID))


def id_of(text: str) -> int | None:
    """The id that *text* is, in digits of ASCII; None if it is none."""
    # the length comes first: int() refuses more than 4,300 digits in its own words
    if not (text.isascii() and text.isdecimal() and len(text) <= _LONGEST):
        return None
    number = int(text)
    return number if 0 < number <= LARGEST_ID else None
