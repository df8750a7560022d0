"""The format of log lines: text for a person, JSON for a machine; one line each."""

import json
import logging
import sys
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final, TextIO

from entrypoints.runtime.redacted_links import without_links
from entrypoints.settings import LogFormat, Settings
from entrypoints.trace_context import trace_fields

# They log every request or command at INFO; our own events say what matters of it.
NOISY: Final = (
    *("mail.log", "asyncio", "peewee.migrations", "psycopg"),
    *("celery.worker.strategy", "celery.app.trace", "celery.beat"),
)


def configure(settings: Settings) -> None:
    """Send every log line to stderr in the format and from the level of *settings*."""
    handler = RedactedLines(sys.stderr)
    as_json = settings.log_format is LogFormat.JSON
    handler.setFormatter(JsonFormatter() if as_json else TextFormatter())
    logging.basicConfig(handlers=[handler], level=settings.log_level, force=True)
    for name in NOISY:
        logging.getLogger(name).setLevel(logging.ERROR)


def warn_of(settings: Settings) -> None:
    """Warn about risky *settings*, on the terminal and in the log."""
    for warning in settings.warnings:
        print(f"warning: {warning}", file=sys.stderr, flush=True)
        logging.getLogger(__name__).warning("%s", warning)


def warn(doubts: Iterable[str]) -> None:
    """Log warnings that stop nothing, one line each."""
    for doubt in doubts:
        logging.getLogger("email_service.settings").warning(doubt)


class RedactedLines(logging.Handler):
    """Writes each line at once, without the links that only a recipient may have."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self._stream = stream

    def emit(self, record: logging.LogRecord) -> None:
        """Write its line. (The handler's lock is held.)"""
        try:
            line = without_links(self.format(record)) + "\n"
        except Exception:
            self.handleError(record)
            return
        with suppress(OSError, ValueError):  # a closed stderr must not end the service
            self._stream.write(line)
            self._stream.flush()


class TextFormatter(logging.Formatter):
    """``2026-01-05T09:00:00.000Z INFO    email_sent email_id=1 …``; tracebacks are indented."""

    def format(self, record: logging.LogRecord) -> str:
        """One line, and an indented traceback if there is one."""
        line = f"{_time(record)} {record.levelname:<7} {_one_line(record.getMessage())}"
        for name, value in trace_fields().items():
            line += f" {name}={value}"
        if record.exc_info:
            line += "\n" + self.formatException(record.exc_info)
        return line.replace("\n", "\n    ")


class JsonFormatter(logging.Formatter):
    """One object on one line: ``time level logger event``, what the event has of its own, and the
    ids of the trace and the request that it belongs to.
    """

    def format(self, record: logging.LogRecord) -> str:
        """One line of ASCII."""
        line: dict[str, object] = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": getattr(record, "event", None) or record.getMessage(),
        }
        for name, value in getattr(record, "fields", {}).items():
            line.setdefault(name, value)
        line |= trace_fields()
        if request_id := getattr(record, "request_id", None):
            line["request_id"] = request_id
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def _time(record: logging.LogRecord) -> str:
    second = int(record.created)
    return f"{_second(second)}.{int((record.created - second) * 1000):03d}Z"


@lru_cache(maxsize=4)
def _second(since_1970: int) -> str:
    return datetime.fromtimestamp(since_1970, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _one_line(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
