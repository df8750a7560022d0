"""A check of a message, and what it found."""

from collections.abc import Callable, Sequence
from enum import StrEnum

import attrs

from domain.lint.outline import Outline


class Level(StrEnum):
    """How much a finding matters."""

    PROBLEM = "problem"  # receivers refuse the message, or readers do not see all of it
    WARNING = "warning"  # filters count it against the message
    NOTE = "note"  # it matters to some messages, or to some readers


@attrs.frozen(kw_only=True)
class Examined:
    """A message that is checked.

    *headers* are decoded, in their order. *html_size* counts octets after decoding; *outline* and
    *html_size* are None without HTML. *files* are the names of its attachments. *recipients* are
    those of the envelope.
    """

    octets: bytes = attrs.field(repr=False)
    headers: Sequence[tuple[str, str]] = ()
    text: str | None = attrs.field(default=None, repr=False)
    outline: Outline | None = None
    html_size: int | None = None
    files: Sequence[str] = ()
    recipients: Sequence[str] = ()

    def all(self, name: str) -> list[str]:
        """The values of each header of this name."""
        return [value for given, value in self.headers if given.lower() == name]

    def header(self, name: str) -> str | None:
        """The first value of this header; None if there is none."""
        return next(iter(self.all(name)), None)


@attrs.frozen(kw_only=True)
class Check:
    """What is looked for, what to do where it is found, and who says so.

    *found* gives the places, an empty list for the message as a whole, None where all is well.
    """

    code: str
    level: Level
    title: str
    advice: str
    source: str
    url: str
    found: Callable[[Examined], Sequence[str] | None]


@attrs.frozen(kw_only=True)
class Finding:
    """A check that found something, and where."""

    check: Check
    places: tuple[str, ...] = ()
