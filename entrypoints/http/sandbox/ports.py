"""What the pages need of the inbox."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Protocol

from domain.lint import Finding
from domain.message.letter import Letter


class Received(Protocol):
    """A message in the inbox."""

    @property
    def number(self) -> int: ...

    @property
    def received_at(self) -> datetime: ...

    @property
    def sender(self) -> str: ...

    @property
    def recipients(self) -> tuple[str, ...]: ...

    @property
    def octets(self) -> bytes: ...

    @property
    def letter(self) -> Letter: ...

    @property
    def seen(self) -> bool:
        """Whether it was opened."""
        ...

    @property
    def findings(self) -> Sequence[Finding]:
        """What filters and mail readers mind in it, what matters most first."""
        ...

    def html(self, *, remote: bool = False) -> str:
        """The letter's HTML with its own images, and with *remote* those from elsewhere."""
        ...

    def part(self, number: int) -> bytes | None:
        """What is in this part; None if there is no such part, or it holds others."""
        ...


class Inbox(Protocol):
    """Where mail arrives. *version* rises with every change."""

    @property
    def host(self) -> str: ...

    @property
    def port(self) -> int: ...

    @property
    def version(self) -> int: ...

    @property
    def unread(self) -> int: ...

    def messages(self, search: str = "") -> Sequence[Received]:
        """Newest first; of a search those that it finds."""
        ...

    def get(self, number: int) -> Received | None:
        """One of them, or None."""
        ...

    def mark(self, numbers: Iterable[int], *, seen: bool) -> None:
        """Note that they were opened, or not."""
        ...

    def delete(self, numbers: Iterable[int]) -> None:
        """Take them out."""
        ...


class Emails(Protocol):
    """The emails of the service that runs the sandbox."""

    def __call__(self, reference: str, *, recipients: Sequence[str]) -> int | None:
        """The id of the email with this X-Email-Ref and one of these recipients, if it has one."""
        ...
