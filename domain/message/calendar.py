"""An invitation (RFC 5545, RFC 6047): checked for what makes Outlook and Gmail show no buttons."""

import re
from enum import StrEnum
from typing import Final

import attrs

from domain.errors import FieldError, InvalidInput

MAX_CALENDAR: Final = 256 * 1024  # characters


class CalendarMethod(StrEnum):
    """What the receiver is asked for. PUBLISH gives no buttons."""

    REQUEST = "REQUEST"
    CANCEL = "CANCEL"
    REPLY = "REPLY"


@attrs.frozen(kw_only=True)
class CalendarPart:
    """An iCalendar object and its method, which the Content-Type repeats."""

    content: str = attrs.field(repr=False)
    method: CalendarMethod


_FOLD: Final = re.compile(r"\r?\n[ \t]")
# NAME, its parameters, in which a colon stands within quotes only, and VALUE. Each sign of the
# parameters can be read in one way: with a choice, some lines took time without end.
_LINE: Final = re.compile(r"([A-Za-z0-9-]+)((?:;(?:[^:\"]|\"[^\"]*+\"?+)*+)?):(.*)")
_TIME: Final = re.compile(r"\d{8}T\d{6}Z?|\d{8}")


def check_calendar(part: CalendarPart, *, field: str = "calendar") -> None:
    """Nothing, or InvalidInput with the code ``calendar_invalid``."""
    content = f"{field}/content"
    if len(part.content) > MAX_CALENDAR:
        raise _error(content, f"has {len(part.content)} characters; {MAX_CALENDAR} are the most")
    if "\0" in part.content:
        raise _error(content, "must not contain the character U+0000")
    lines = [line for line in _FOLD.sub("", part.content).splitlines() if line]
    if not lines or lines[0].strip().upper() != "BEGIN:VCALENDAR":
        raise _error(content, "must begin with BEGIN:VCALENDAR")
    if lines[-1].strip().upper() != "END:VCALENDAR":
        raise _error(content, "must end with END:VCALENDAR")
    for problem in _problems(lines, part.method):
        raise _error(content, problem)


def _problems(lines: list[str], method: CalendarMethod) -> list[str]:
    properties = [found.groups() for line in lines if (found := _LINE.fullmatch(line)) is not None]
    named: dict[str, list[tuple[str, str]]] = {}
    for name, parameters, value in properties:
        named.setdefault(name.upper(), []).append((parameters.upper(), value.strip()))
    zones = {value for _, value in named.get("TZID", [])}
    problems = []
    if len(properties) < len(lines):
        problems.append("a line is neither NAME:VALUE nor the rest of one")
    if [value.upper() for _, value in named.get("METHOD", [])] != [method]:
        problems.append(f"must say METHOD:{method} once, as the field method does")
    if len({value for _, value in named.get("UID", [])}) != 1:
        problems.append("must have one UID")
    if "DTSTAMP" not in named:
        problems.append("must have a DTSTAMP")
    for name in ("ORGANIZER", "ATTENDEE"):
        if any(not value.lower().startswith("mailto:") for _, value in named.get(name, [])):
            problems.append(f"{name} must be a mailto: address")
    if "ORGANIZER" not in named:
        problems.append("must have an ORGANIZER")
    for name in ("DTSTART", "DTEND", "RECURRENCE-ID"):
        for parameters, value in _of_events(lines, name):
            if not _has_zone(parameters, value, zones):
                problems.append(f"{name} must end in Z or name a VTIMEZONE that is there")
    return problems


def _of_events(lines: list[str], name: str) -> list[tuple[str, str]]:
    """The parameters and values of *name* outside of time zones."""
    found, in_zone = [], False
    for line in lines:
        upper = line.upper().strip()
        if upper in ("BEGIN:VTIMEZONE", "END:VTIMEZONE"):
            in_zone = upper.startswith("BEGIN")
        elif not in_zone and (match := _LINE.fullmatch(line)) and match[1].upper() == name:
            found.append((match[2], match[3].strip()))
    return found


def _has_zone(parameters: str, value: str, zones: set[str]) -> bool:
    if not _TIME.fullmatch(value):
        return False
    if value.endswith("Z") or len(value) == len("20261130"):
        return True
    zone = re.search(r';TZID="?([^";:]+)', parameters, re.IGNORECASE)
    return zone is not None and zone[1] in zones


def _error(field: str, message: str) -> InvalidInput:
    return InvalidInput(FieldError(field, message), code="calendar_invalid")
