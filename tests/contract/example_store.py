"""An example of a store: everything in memory, and after each write in one file."""

import fcntl
import os
import pickle
from collections.abc import Callable, Collection
from pathlib import Path
from typing import TypeVar

from adapters.fakes.memory_store import MemoryStore
from application.ports.store import Transaction
from application.ports.system import Clock
from domain.errors import StoreUnavailable
from domain.event.types import ALL_EVENTS, EventType

T = TypeVar("T")


class SnapshotStore(MemoryStore):
    """The Store port for one process and a few thousand emails. Trust the file: it is a pickle.

    A write costs as much as the whole file; what it buys is that nothing else has to be said.
    """

    def __init__(
        self, path: Path, *, clock: Clock, events: Collection[EventType] = ALL_EVENTS
    ) -> None:
        super().__init__(clock=clock, events=events)
        self._path = path
        self._lock_file = os.open(path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(self._lock_file)
            raise StoreUnavailable(f"another process works on {path}: stop it first") from error
        if path.exists():
            self._tables = pickle.loads(path.read_bytes())

    @classmethod
    def at(
        cls, url: str, *, clock: Clock, events: Collection[EventType], unbound: object = None
    ) -> "SnapshotStore":
        """The store in the file that *url* names: `snapshot:///path`."""
        return cls(cls.file_of(url), clock=clock, events=events)

    @staticmethod
    def file_of(url: str) -> Path:
        """The file that *url* names. ValueError if it names none."""
        path = url.removeprefix("snapshot:///")
        if path in (url, ""):
            raise ValueError("a snapshot store is snapshot:///path")
        return Path(path)

    def write(self, work: Callable[[Transaction], T]) -> T:
        """Run *work*; it is undone if it raises, and also if the file cannot be written."""

        def durable(tx: Transaction) -> T:
            answer = work(tx)
            self._save()
            return answer

        return super().write(durable)

    def scrub(self, seconds: float) -> bool:
        """True: each write makes the file anew, without what was removed."""
        return True

    def close(self) -> None:
        """Refuse everything from now on, and let another process in."""
        super().close()
        if self._lock_file >= 0:
            os.close(self._lock_file)
            self._lock_file = -1

    def _save(self) -> None:
        """The old file or the new one, whenever the power fails: never a part of one."""
        draft = self._path.with_suffix(".draft")
        try:
            with draft.open("wb") as file:
                file.write(pickle.dumps(self._tables))
                file.flush()
                os.fsync(file.fileno())
            draft.replace(self._path)
            folder = os.open(self._path.parent, os.O_DIRECTORY)
            os.fsync(folder)  # the new name, too, has to reach the disk
            os.close(folder)
        except OSError as error:
            raise StoreUnavailable(f"{self._path} cannot be written: {error}") from error
