"""The port to the schema of a store."""

from collections.abc import Sequence
from typing import Protocol


class Migrations(Protocol):
    """What a store's schema lacks, and adding it: before anything else is done with the store.

    Both calls raise StoreUnavailable, and SchemaTooNew if a newer version has made the schema for
    newer programs only. A store that has no schema is always up to date.
    """

    def pending(self) -> Sequence[str]:
        """The names of the migrations that `migrate` would apply, in order; nothing is changed."""
        ...

    def migrate(self) -> Sequence[str]:
        """Bring the schema up to date; the names of the migrations that were applied, in order.

        All of them or none, and once: of two processes the second finds nothing to do.
        """
        ...
