"""What `email-service compact` does to a file. Names an adapter."""

from collections.abc import Callable
from pathlib import Path

from adapters.peewee_store.compacting import Compacted, compact


def compact_file(path: Path, *, tell: Callable[[str], object]) -> Compacted:
    """Give back the free pages of a SQLite file; see `compact` of the adapter."""
    return compact(path, tell=tell)
