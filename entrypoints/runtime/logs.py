"""The format of log lines: text for a person, JSON for a machine; one line each."""

import json
import logging
import os
import sys
import threading
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final, TextIO

from entrypoints.runtime.redacted_links import without_links
from entrypoints.settings import LogFormat, Settings

# They log every request or command at INFO; our own events say what matters of it.
NOISY: Final = (
    *("mail.log", "asyncio", "peewee.migrations", "psycopg"),
    *("celery.worker.strategy", "celery.app.trace", "celery.beat"),
)
# Lines are written together: a system call for each is a fifth of what a line costs.
COALESCE_S: Final = 0.05


def configure(settings: Settings) -> None:
    """Send every log line to stderr in the format and from the level of *settings*."""
    handler = GatheredLines(sys.stderr)
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


class GatheredLines(logging.Handler):
    """Writes what was logged within `COALESCE_S` at once; from a warning on immediately.

    A process that is killed loses the lines of that moment, and nothing else.
    """

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self._stream = stream
        self._lines: list[str | logging.LogRecord] = []
        self._thread: threading.Thread | None = None
        self._waiting = threading.Event()
        self._closing = threading.Event()
        self._pid = os.getpid()

    def emit(self, record: logging.LogRecord) -> None:
        """Keep it for a moment: many lines are made together in half the time. (The handler's
        lock is held.)
        """
        try:
            # what another record refers to may change until then
            constant = isinstance(record.msg, str) and not (record.args or record.exc_info)
            self._lines.append(record if constant else self._line(record))
            if record.levelno >= logging.WARNING:
                self.flush()
            elif len(self._lines) == 1:
                self._soon()
        except Exception:
            self.handleError(record)

    def flush(self) -> None:
        """Write what is buffered."""
        assert self.lock is not None
        with self.lock:
            lines, self._lines = self._lines, []
            text = "".join([line if isinstance(line, str) else self._line(line) for line in lines])
            with suppress(OSError, ValueError):  # a closed stderr must not end the service
                self._stream.write(text)
                self._stream.flush()

    def close(self) -> None:
        """Write what is buffered, and buffer nothing from now on."""
        self._closing.set()
        self.flush()
        super().close()

    def _line(self, record: logging.LogRecord) -> str:
        try:
            return without_links(self.format(record)) + "\n"
        except Exception:
            self.handleError(record)
            return ""

    def _soon(self) -> None:
        if self._thread is None or self._pid != os.getpid():  # a fork has no copy of the thread
            self._pid, self._waiting = os.getpid(), threading.Event()
            self._thread = threading.Thread(target=self._write_on, name="log", daemon=True)
            self._thread.start()
        self._waiting.set()

    def _write_on(self) -> None:
        waiting = self._waiting
        while waiting.wait():
            waiting.clear()
            self._closing.wait(COALESCE_S)
            self.flush()


class TextFormatter(logging.Formatter):
    """``2026-01-05T09:00:00.000Z INFO    email_sent email_id=1 …``; tracebacks are indented."""

    def format(self, record: logging.LogRecord) -> str:
        """One line, and an indented traceback if there is one."""
        line = f"{_time(record)} {record.levelname:<7} {_one_line(record.getMessage())}"
        if record.exc_info:
            line += "\n" + self.formatException(record.exc_info)
        return line.replace("\n", "\n    ")


class JsonFormatter(logging.Formatter):
    """One object on one line: ``time level logger event``, and what the event has of its own."""

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
