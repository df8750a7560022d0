"""Blobs and uploads that nobody uses: removed a day after they came, a few chunks at a time."""

from datetime import datetime, timedelta
from functools import partial
from typing import Final

from application.ports.store import Store, Transaction
from application.ports.system import Clock, Observe
from domain.events import Event
from domain.message.upload import KEPT

EVERY: Final = timedelta(hours=1)
SLICE: Final = 200
CHUNKS: Final = 4  # a commit that removes a megabyte is as short as one that stores a chunk


class Leftovers:
    """Removes what no email carries. Used by one thread."""

    def __init__(self, *, store: Store, clock: Clock, observe: Observe) -> None:
        self._store = store
        self._clock = clock
        self._observe = observe
        self._next = 0.0

    def run(self) -> int:
        """Remove all that is old enough, if it is time to look; how many blobs there were.

        By the steady clock: a wall that jumps forward must not remove what was just uploaded.
        """
        now = self._clock.monotonic()
        if now < self._next:
            return 0
        self._next = now + EVERY.total_seconds()
        before = self._clock.steady() - KEPT
        while self._store.write(lambda tx: tx.uploads.prune(before=before, limit=SLICE)) == SLICE:
            pass
        removed = 0
        while found := self._store.read(lambda tx: tx.blobs.unused(before=before, limit=SLICE)):
            for digest in found:
                while self._store.write(partial(_discard, digest=digest, before=before)):
                    pass
            removed += len(found)
        if removed:
            self._observe(Event(name="leftovers_removed", fields={"blobs": removed}))
        return removed


def _discard(tx: Transaction, *, digest: bytes, before: datetime) -> bool:
    return tx.blobs.discard(digest, before=before, chunks=CHUNKS)
