"""How many emails one connection claims together.

A batch is about BATCH_SECONDS of work: long enough to make one commit cheap, short enough that an
urgent email does not wait behind it. Whichever of an account's connections is through first takes
what is most urgent, so that where many are in use each may take more: with the square root of
their number it is hardly ever longer than this until the first of them claims again.
"""

from math import sqrt
from threading import Lock
from typing import Final

BATCH_SECONDS: Final = 0.05
LARGEST_BATCH: Final = 50
# Of a server that is far away that would be one email, for which a claim is as much work as the
# dialogue: a few are claimed together, if the server does not take too long for them. How long our
# own store takes must not count here: smaller claims would make it slower still.
A_FEW: Final = 8
A_FEW_SECONDS: Final = 0.2


class BatchSizes:
    """Follows how fast each account's server is, and whether more waits than a claim takes.

    Safe from many threads.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._pace: dict[int, float] = {}
        self._server_pace: dict[int, float] = {}
        self._found: dict[int, bool] = {}
        self._deep: dict[int, bool] = {}  # whether the last claim found as much as it asked for

    def of(self, account_id: int, *, busy: int, allowed: int) -> int:
        """How many emails one connection of this account claims together, limits aside.

        *busy* connections of it are in use, of *allowed* ones.
        """
        pace = self._pace.get(account_id)
        if pace is None:
            return 1
        few = _emails_in(A_FEW_SECONDS, self._server_pace[account_id], most=A_FEW)
        if not self._deep.get(account_id) and busy + 1 < allowed:
            few = 1  # where little waits and connections stand free, each takes some of it
        seconds = BATCH_SECONDS * sqrt(max(1, busy))
        return max(1, few, _emails_in(seconds, pace, most=LARGEST_BATCH))

    def found(self, account_id: int, emails: int, *, asked: int) -> None:
        """How many a claim found of those it asked for; it counts from `looked` on."""
        self._found[account_id] = emails >= asked

    def looked(self) -> None:
        """The claim is over: the next one knows whether more waited than it took."""
        self._deep.update(self._found)
        self._found.clear()

    def record_latency(self, account_id: int, seconds: float, *, of_server: float) -> None:
        """How long one email took, and how much of it the server did."""
        with self._lock:
            for pace, now in ((self._pace, seconds), (self._server_pace, of_server)):
                before = pace.get(account_id, now)
                pace[account_id] = before + (now - before) / 8


def _emails_in(seconds: float, pace: float, *, most: int) -> int:
    return min(most, int(seconds / max(pace, 1e-6)))
