"""The cache of one transaction: what was read, and what is still to be written.

The works of a group share a transaction. What one of them has read the next ones need not read
again, and what all of them add to is written once, before the commit. Each repository is given
dictionaries of its own here; when they are emptied or set back is decided here alone.
"""

from typing import Any


class TransactionCache:
    """Hands out dictionaries, and keeps them consistent with the transaction."""

    def __init__(self) -> None:
        self._reads: list[dict[Any, Any]] = []
        self._notes: list[dict[Any, Any]] = []
        self._notes_before: list[dict[Any, Any]] = []

    def reads(self) -> dict[Any, Any]:
        """A dictionary of what was read: emptied with each transaction and each undone work."""
        self._reads.append({})
        return self._reads[-1]

    def notes(self) -> dict[Any, Any]:
        """A dictionary of what is still to be written: an undone work takes back its own share."""
        self._notes.append({})
        return self._notes[-1]

    def begin(self) -> None:
        """Begin a transaction: the cache is empty."""
        for known in (*self._reads, *self._notes):
            known.clear()

    def forget(self) -> None:
        """Rows were changed by another repository than their own: they are read again."""
        for read in self._reads:
            read.clear()

    def save_point(self) -> None:
        """Begin a work that may be rolled back alone."""
        self._notes_before = [dict(notes) for notes in self._notes]

    def undo(self) -> None:
        """Roll that work back; what was read may have been its own writes."""
        for read in self._reads:
            read.clear()
        for notes, before in zip(self._notes, self._notes_before, strict=True):
            notes.clear()
            notes.update(before)
