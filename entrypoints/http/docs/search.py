"""Search over what the documentation has: pages, headings, calls, fields and codes of errors."""

import re
from collections.abc import Iterable, Sequence
from enum import IntEnum
from typing import Final

import attrs

LONGEST_QUERY: Final = 100  # characters; what is longer is cut
MOST_RESULTS: Final = 40


class EntryKind(IntEnum):
    """What was found; of equal matches the lower one stands first."""

    PAGE = 0
    CALL = 1
    CODE = 2
    HEADING = 3
    FIELD = 4

    @property
    def label(self) -> str:
        """Its name for readers."""
        return _LABELS[self]


_LABELS: Final = {
    EntryKind.PAGE: "Page",
    EntryKind.CALL: "Call",
    EntryKind.CODE: "Error code",
    EntryKind.HEADING: "Section",
    EntryKind.FIELD: "Field",
}


@attrs.frozen(kw_only=True)
class Entry:
    """A place in the documentation: *anchor* on *page*. *names* are other words for the title."""

    kind: EntryKind
    title: str
    page: str
    anchor: str = ""
    within: str = ""
    text: str = ""
    names: tuple[str, ...] = ()

    def rank(self, query: str, words: Sequence[str]) -> int | None:
        """How well it answers *query*, 0 best; None if it lacks one of its *words*."""
        named = " ".join((self.title, *self.names)).casefold()
        everything = f"{named} {self.within} {self.text}".casefold()
        if not all(word in everything for word in words):
            return None
        title = self.title.casefold()
        if query == title or query in map(str.casefold, self.names):
            return 0
        if title.startswith(query):
            return 1
        if all(re.search(rf"\b{re.escape(word)}", named) for word in words):
            return 2
        return 3 if all(word in named for word in words) else 4


def search(entries: Iterable[Entry], query: str) -> Sequence[Entry]:
    """The entries that have every word of *query*, the best first; at most `MOST_RESULTS`."""
    query = query[:LONGEST_QUERY].casefold().strip()
    words = query.split()
    if not words:
        return []
    ranked = [
        (rank, entry.kind, place, entry)
        for place, entry in enumerate(entries)
        if (rank := entry.rank(query, words)) is not None
    ]
    return [entry for *_, entry in sorted(ranked, key=lambda one: one[:3])[:MOST_RESULTS]]
