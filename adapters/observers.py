"""Who hears what happened: the log, or a list in tests."""

import json
import logging
import re
from collections.abc import Mapping
from typing import Final

from domain.events import Event

LOGGER: Final = "email_service"
_LEVELS: Final[Mapping[str, int]] = logging.getLevelNamesMapping()
_PLAIN = re.compile(r"[\w.@:/+-]+", re.ASCII)


class LogObserver:
    """Writes one line for each event: its name, then ``email_id=… account_id=… attempt=…`` and its
    fields.

    A formatter that wants them apart (JSON) finds the name in the record's ``event`` and the rest
    in ``fields``. A server's text cannot break or forge a line: it is quoted as JSON.
    """

    def __init__(self, logger: logging.Logger | None = None) -> None:
        self._logger = logger or logging.getLogger(LOGGER)

    def __call__(self, event: Event) -> None:
        level = _LEVELS.get(event.level.upper(), logging.INFO)
        if not self._logger.isEnabledFor(level):
            return
        fields = _fields(event)
        words = [f"{name}={_quoted(value)}" for name, value in fields.items()]
        line = " ".join([event.name, *words])
        # made here: `Logger.log` would walk up the stack to find a caller that nobody is told
        record = logging.LogRecord(self._logger.name, level, "", 0, line, None, None)
        record.event, record.fields = event.name, fields
        self._logger.handle(record)


class ListObserver:
    """Keeps the events, for tests to look at. Safe from many threads."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def __call__(self, event: Event) -> None:
        self.events.append(event)

    @property
    def names(self) -> list[str]:
        """What happened, in order."""
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


def _quoted(value: str | int | float) -> str:
    if isinstance(value, str) and not _PLAIN.fullmatch(value):
        return json.dumps(value)
    return str(value)
