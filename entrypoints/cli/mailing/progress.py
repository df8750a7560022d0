"""How far a mailing has come, in a file of its own: what is begun, accepted and refused.

A line of JSON for each event, durable before the next step. A mailing that was stopped, by kill -9
too, goes on from there; the Idempotency-Key of a call protects the one that was under way.
"""

import json
import os
from array import array
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, Final, TypeAlias

import attrs

from entrypoints.client.failures import WrongUsage
from entrypoints.os_errors import reason_of

Rows: TypeAlias = tuple[int, int]  # the first and the last row of a call

_BEGINNING: Final = b'{"terms"'


@attrs.frozen
class Begun:
    """A call that was begun *at* a time of the service, with the API key of this prefix."""

    at: datetime | None
    key: str


class Progress:
    """The file of one mailing. Only one process has it at a time."""

    def __init__(self, path: Path) -> None:
        """Open or create it. WrongUsage if another process has it, or it cannot be written."""
        self.path: Final = path
        self.terms: Mapping[str, Any] | None = None
        self.accepted: Final[dict[Rows, Sequence[int]]] = {}
        self.refused: Final[dict[int, str]] = {}
        self.under_way: Final[dict[Rows, Begun]] = {}
        self._ends: Final[dict[int, int]] = {}  # by the first row: where its shortest call ended
        try:
            self._file = _locked(path)
        except OSError as error:
            raise WrongUsage(
                f"{path}, which would keep how far it has come, cannot be used:"
                f" {reason_of(error)}. Name another file with --progress"
            ) from None
        try:
            self._read()
        except BaseException:
            self._file.close()
            raise

    @property
    def is_fresh(self) -> bool:
        """Whether nothing was sent yet as far as it says."""
        return not (self.accepted or self.under_way)

    def is_split(self, rows: Rows) -> bool:
        """Whether calls for parts of these rows were begun, because one for all was too large."""
        first, last = rows
        return self._ends.get(first, last) < last

    def start(self, terms: Mapping[str, Any]) -> None:
        """What is sent; in the place of terms under which nothing was."""
        self._file.truncate(0)
        self.terms = terms
        self.refused.clear()  # rows with these numbers may be others now
        self._ends.clear()
        self._add({"terms": terms})

    def begin(self, rows: Rows, *, at: datetime | None, key: str) -> None:
        """The call for these rows comes next. Of one that is under way still, with the same API
        key, the first time counts.
        """
        before = self.under_way.get(rows)
        if before is not None and before.key == key:
            return
        self._note_begun(rows, Begun(at, key))
        self._add({"begun": rows, "at": None if at is None else at.isoformat(), "key": key})

    def accept(self, rows: Rows, ids: Sequence[int]) -> None:
        """The call was accepted; the ids of its emails, none if they are not known."""
        self.under_way.pop(rows, None)
        self.accepted[rows] = array("Q", ids)
        self._add({"accepted": rows, "ids": list(ids)})

    def refuse(self, rows: Rows, reasons: Mapping[int, str]) -> None:
        """The call was refused, for these of its rows, if any."""
        self.under_way.pop(rows, None)
        self.refused.update(reasons)
        self._add({"refused": rows, "reasons": {str(row): why for row, why in reasons.items()}})

    def close(self) -> None:
        """Let another process have it. A file without terms is removed."""
        if self.terms is None:
            self.path.unlink(missing_ok=True)
        self._file.close()

    def _add(self, event: Mapping[str, Any]) -> None:
        self._file.write(json.dumps(event).encode() + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())

    def _read(self) -> None:
        self._file.seek(0)
        whole = 0
        for line in self._file:
            if not whole and not (line.startswith(_BEGINNING) or _BEGINNING.startswith(line)):
                raise self._not_ours()
            if not line.endswith(b"\n"):
                break  # it was stopped while it wrote this: that is as if it had not begun to
            try:
                self._note(json.loads(line))
            except (ValueError, TypeError, LookupError, AttributeError):
                raise self._not_ours() from None
            whole += len(line)
        self._file.truncate(whole)

    def _not_ours(self) -> WrongUsage:
        return WrongUsage(f"{self.path} is no file of this command: it is left as it is")

    def _note(self, event: Mapping[str, Any]) -> None:
        if "terms" in event:
            self.terms = event["terms"]
        elif "begun" in event:
            at = event["at"]
            begun = Begun(None if at is None else datetime.fromisoformat(at), event["key"])
            self._note_begun(_rows(event["begun"]), begun)
        elif "accepted" in event:
            rows = _rows(event["accepted"])
            self.under_way.pop(rows, None)
            self.accepted[rows] = array("Q", event["ids"])
        else:
            self.under_way.pop(_rows(event["refused"]), None)
            self.refused.update({int(row): str(why) for row, why in event["reasons"].items()})

    def _note_begun(self, rows: Rows, begun: Begun) -> None:
        first, last = rows
        self.under_way[rows] = begun
        self._ends[first] = min(last, self._ends.get(first, last))


def _rows(told: Iterable[int]) -> Rows:
    first, last = told
    return int(first), int(last)


def _locked(path: Path) -> BinaryIO:
    try:
        import fcntl  # here: Windows has none, and the help must be shown there too
    except ImportError:
        raise WrongUsage("this system has no locks of files: use Linux or macOS") from None
    while True:
        file = open(path, "a+b")  # noqa: SIM115 - it is open as long as the mailing runs
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            raise WrongUsage(f"another process is sending: it has {path}") from None
        if os.fstat(file.fileno()).st_nlink:
            return file
        file.close()  # the other one has just removed it
