"""Observers of events: the log, or a list in tests."""

import logging
import re
from collections.abc import Callable, Mapping
from json.encoder import encode_basestring_ascii
from typing import Final

from domain.events import Event

LOGGER: Final = "email_service"
_PLAIN = re.compile(r"[\w.@:/+-]+", re.ASCII)


class LogObserver:
    """Writes one line for each event: its name, then ``email_id=… account_id=… attempt=…`` and its
    fields.

    A formatter that wants them apart (JSON) finds the name in the record's ``event`` and the rest
    in ``fields``. A server's text cannot break or forge a line: it is quoted as JSON.
    """

    def __init__(
        self, level_of: Callable[[Event], int], logger: logging.Logger | None = None
    ) -> None:
        """*level_of* gives the level of an event's line, as `logging` counts them."""
        self._level_of = level_of
        self._logger = logger or logging.getLogger(LOGGER)

    def __call__(self, event: Event) -> None:
        level = self._level_of(event)
        if self._logger.isEnabledFor(level):
            self._logger.handle(_Record(self._logger.name, level, event))


class _Record(logging.LogRecord):
    """An event on its way to the log: it becomes a line when the line is written."""

    def __init__(self, logger: str, level: int, event: Event) -> None:
        super().__init__(logger, level, "", 0, event.name, None, None)
        self.happened = event

    @property
    def event(self) -> str:
        """The name of the event."""
        return str(self.msg)

    @property
    def fields(self) -> Mapping[str, str | int | float]:
        """The fields of the event."""
        return _fields(self.happened)

    def getMessage(self) -> str:  # noqa: N802 - as logging calls it
        """The complete line."""
        line = self.event
        for name, value in self.fields.items():
            line += f" {name}={_quoted(value) if isinstance(value, str) else value}"
        return line


class ListObserver:
    """Keeps the events, for tests to look at. Safe from many threads."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def __call__(self, event: Event) -> None:
        self.events.append(event)

    @property
    def names(self) -> list[str]:
        """The events, in order."""
        return [event.name for event in self.events]

    def named(self, name: str) -> list[Event]:
        """The events of this name."""
        return [event for event in self.events if event.name == name]


def _fields(event: Event) -> dict[str, str | int | float]:
    named = {
        "email_id": event.email_id,
        "account_id": event.account_id,
        "attempt": event.attempt,
        **event.fields,
    }
    return {name: value for name, value in named.items() if value is not None}


def _quoted(text: str) -> str:
    return text if _PLAIN.fullmatch(text) else encode_basestring_ascii(text)
