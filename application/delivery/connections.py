"""Which connections of each account this process has in use, and how many are its own."""

from collections import defaultdict
from collections.abc import Sequence
from threading import Lock

from application.cluster.connection_share import share
from domain.account.account import Account


class Connections:
    """Connections in use by account. Safe from many threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._busy: dict[int, int] = defaultdict(int)
        self._allowed: dict[int, int] = {}  # connections of this process, when it looked last

    def free(self, account: Account, *, instance: int, members: Sequence[int]) -> int:
        """How many more connections of this account *instance* may open now."""
        ours = self._share(account, instance=instance, members=members)
        return max(0, ours - self._busy[account.id])

    def may_go_on(self, account: Account, *, instance: int, members: Sequence[int]) -> bool:
        """Whether a connection in use may take more: it is not one too many meanwhile."""
        return self._busy[account.id] <= self._share(account, instance=instance, members=members)

    def has_free(self, account_id: int) -> bool:
        """Whether another connection of this account stands free."""
        return self._busy[account_id] < self._allowed.get(account_id, 0)

    def busy(self, account_id: int) -> int:
        """How many connections of this account are in use."""
        return self._busy[account_id]

    def allowed(self, account_id: int) -> int:
        """How many this process may have in use, as of the last look; 0 before the first."""
        return self._allowed.get(account_id, 0)

    def count(self, account_id: int, change: int) -> None:
        """One more is in use (1), or one less (-1)."""
        with self._lock:
            self._busy[account_id] += change

    def _share(self, account: Account, *, instance: int, members: Sequence[int]) -> int:
        most = account.health.connections(account.limits.max_connections)
        ours = share(account.id, most, instance=instance, members=members)
        self._allowed[account.id] = ours
        return ours
