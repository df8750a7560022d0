"""What the sandbox keeps: the last messages, which of them were read, and a search among them."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import cached_property
from threading import Lock
from typing import Final

import attrs

from adapters.sandbox_inbox.search import Search
from application.ports.message import MessageReader
from application.ports.system import Clock
from domain.lint import Examined, Finding, lint
from domain.message.letter import Letter

MOST_MESSAGES: Final = 500
MOST_BYTES: Final = 64 * 1024**2


@attrs.frozen(kw_only=True)
class Received:
    """One message as it arrived, and read; *number* rises from 1. *seen* once it was opened."""

    number: int
    received_at: datetime
    sender: str
    recipients: tuple[str, ...]
    octets: bytes = attrs.field(repr=False)
    letter: Letter
    seen: bool = False
    _reader: MessageReader = attrs.field(eq=False, repr=False)

    @property
    def size(self) -> int:
        """The memory that it takes, nearly all of it."""
        return len(self.octets) + self.letter.size

    def html(self, *, remote: bool = False) -> str:
        """Its HTML with the images that it brings; with *remote* also those from elsewhere."""
        return self._reader.html(self.letter, self.octets, remote=remote)

    def part(self, number: int) -> bytes | None:
        """What is in this part; None if there is no such part, or it holds others."""
        return self._reader.part(self.octets, number)

    @cached_property
    def findings(self) -> Sequence[Finding]:
        """What filters and mail readers mind in it."""
        letter = self.letter
        return lint(
            Examined(
                octets=self.octets,
                headers=letter.headers,
                text=letter.text,
                outline=letter.outline,
                html_size=letter.html_size,
                files=tuple(part.filename for part in letter.files if part.filename),
                recipients=self.recipients,
            )
        )


class Mailbox:
    """The last 500 messages and at most 64 MB of them. Safe from many threads.

    *version* rises with every change.
    """

    def __init__(self, *, clock: Clock, reader: MessageReader) -> None:
        self._clock = clock
        self._reader = reader
        self._lock = Lock()
        self._kept: dict[int, Received] = {}
        self._bytes = 0
        self._count = 0
        self.version = 0

    def messages(self, search: str = "") -> Sequence[Received]:
        """What is kept, newest first; of a *search* those that it finds, see `Search`."""
        with self._lock:
            kept = tuple(reversed(self._kept.values()))
        return tuple(filter(Search(search), kept)) if search.strip() else kept

    @property
    def unread(self) -> int:
        """How many of them were not opened."""
        with self._lock:
            return sum(not received.seen for received in self._kept.values())

    def get(self, number: int) -> Received | None:
        """One of them; None if it never came or is no longer kept."""
        with self._lock:
            return self._kept.get(number)

    def keep(self, sender: str, recipients: Sequence[str], octets: bytes) -> Received:
        """Put a message in, and what is too much out."""
        letter = self._reader.read(octets, recipients)
        with self._lock:
            self._count += 1
            self.version += 1
            received = Received(
                number=self._count,
                received_at=self._clock.now(),
                sender=sender,
                recipients=tuple(recipients),
                octets=octets,
                letter=letter,
                reader=self._reader,
            )
            self._kept[received.number] = received
            self._bytes += received.size
            while len(self._kept) > MOST_MESSAGES or self._bytes > MOST_BYTES:
                self._drop(next(iter(self._kept)))
            return received

    def mark(self, numbers: Iterable[int], *, seen: bool) -> None:
        """Note that they were opened, or not."""
        with self._lock:
            for number in numbers:
                received = self._kept.get(number)
                if received is not None and received.seen is not seen:
                    self._kept[number] = attrs.evolve(received, seen=seen)
                    self.version += 1

    def delete(self, numbers: Iterable[int]) -> None:
        """Take them out; no error if one is gone."""
        with self._lock:
            for number in numbers:
                if number in self._kept:
                    self._drop(number)
                    self.version += 1

    def _drop(self, number: int) -> None:
        self._bytes -= self._kept.pop(number).size
