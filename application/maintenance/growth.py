"""A look at the queue, from time to time: an event tells that it grows."""

from typing import Final

from application.cluster.membership import Membership
from application.ports.store import Store, Transaction
from application.ports.system import Clock
from domain.account.account import AccountState
from domain.email.status import Status
from domain.event.event import OtherEvent
from domain.event.growth import GrowthPolicy, look
from domain.event.types import EventType

# What is scheduled waits as its client wants it.
_WAITING: Final = (Status.QUEUED, Status.RETRY)


class QueueGrowth:
    """Tells it once, until it is over, whichever process looks. Used by one thread."""

    def __init__(
        self, *, store: Store, clock: Clock, membership: Membership, policy: GrowthPolicy
    ) -> None:
        self._store = store
        self._clock = clock
        self._membership = membership
        self._policy = policy
        self._next = 0.0

    def run(self) -> None:
        """Look, if it is time and this process's part. It costs the same for any number of emails:
        one look along the index of the queue, and the counts that are kept.
        """
        monotonic = self._clock.monotonic()
        if monotonic < self._next or not self._membership.is_first():
            return
        self._next = monotonic + self._policy.every.total_seconds()
        self._store.write(self._look)

    def _look(self, tx: Transaction) -> None:
        """What waits for an account that is paused or unreachable is not looked at: that is told of
        the account.
        """
        tx.watch.lock()
        now = self._clock.now()
        known = tx.watch.growth()
        open_now = [one.id for one in tx.accounts.all() if one.state(now) is AccountState.OPEN]
        counts = tx.emails.counts()
        changed, facts = look(
            known,
            waiting=sum(counts[status] for status in _WAITING),
            oldest_due=tx.emails.next_due(open_now) if open_now else None,
            now=now,
            policy=self._policy,
        )
        if changed != known:
            tx.watch.save_growth(changed)
        if facts is not None:
            told = OtherEvent(type=EventType.QUEUE_GROWING, at=now, account_id=None, facts=facts)
            tx.events.tell(told)
