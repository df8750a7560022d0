"""Which process starts the one that calls webhooks: the one that got the lease for it."""

from application.ports.store import Store
from application.webhooks.work_lease import WorkLease


class CallerElection:
    """The part of a process that delivers and lets a child process call. Of one thread.

    It takes the lease in the name of the child, which renews it from then on: a child that is
    started in the place of a dead one goes on at once, and two processes do not start one each.
    """

    def __init__(self, *, store: Store, lease: WorkLease) -> None:
        self._store = store
        self._lease = lease

    @property
    def holder(self) -> str:
        """In whose name the lease is held, for the child."""
        return self._lease.holder

    def needed(self) -> bool:
        """Whether there is a webhook to call."""
        webhooks = self._store.read_latest(lambda tx: tx.webhooks.all())
        return any(webhook.active for webhook in webhooks)

    def won(self) -> bool:
        """Whether a child of this process is to call; asked again every few seconds at most."""
        return self._lease.ask()

    def give_up(self) -> None:
        """Let another process do it at once."""
        self._lease.release()
