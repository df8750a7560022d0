"""How a setting is declared: one variable, its default, what it may be and what it means."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any, TypeVar

import attrs

from entrypoints.settings import rules

T = TypeVar("T")


def setting(
    name: str,
    default: T,
    rule: rules.Rule[T],
    *,
    meaning: str,
    secret: bool = False,
    knob: bool = False,
    shown: Callable[[str], str] | None = None,
    written: Callable[[object], str] = rules.written,
) -> T:
    """A field read from the variable *name*; a *knob* is for tests only.

    *meaning* explains it to an owner. *shown* makes of its text what may be shown; *written*
    makes its text of a value.
    """
    metadata = {
        "name": name,
        "rule": rule,
        "meaning": meaning,
        "secret": secret,
        "knob": knob,
        "shown": shown or str,
        "written": written,
    }
    shown_as: Any = shown or not secret
    return attrs.field(default=default, metadata=metadata, repr=shown_as)


def seconds(number: float) -> timedelta:
    """A default in seconds."""
    return timedelta(seconds=number)
