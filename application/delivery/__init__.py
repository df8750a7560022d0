"""What a worker does: claim emails, hand them off, write down what came of it.

The order is the guarantee (guarantees.md): claim, attempt and reservation in one commit; the
dialogue up to the body; the fenced mark `committing`; the final dot; the result in one commit.
No transaction is open while a server is talked to.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from math import inf

from application.delivery.account_health import AccountHealth
from application.delivery.batch import Batch
from application.delivery.claim import Claims
from application.delivery.policy import DeliveryPolicy
from application.delivery.probe import LoginProbe
from application.delivery.recovery import Recovery
from application.delivery.result_writer import ResultWriter
from application.delivery.scheduler import Scheduler
from application.delivery.settle import Settlement
from application.delivery.signing import Signing
from application.delivery.transmit import TURN_SECONDS, Transmission
from application.ports.sender import Sender
from application.ports.store import Store
from application.ports.system import Clock, Entropy, Headroom, Observe
from application.pseudonyms import Pseudonyms

__all__ = ["TURN_SECONDS", "Batch", "Delivery", "DeliveryPolicy"]


class Delivery:
    """The worker's use cases. Safe from many threads; one instance for each process."""

    def __init__(
        self,
        *,
        store: Store,
        sender: Sender,
        signing: Signing,
        clock: Clock,
        entropy: Entropy,
        headroom: Headroom,
        rules: DeliveryPolicy,
        observe: Observe,
        pseudonyms: Pseudonyms,
        lease_ends: Callable[[int], float] = lambda instance: inf,
    ) -> None:
        """*lease_ends* tells until when, by the clock that counts suspension, nobody can take what
        this instance holds.
        """
        self._sender = sender
        self._headroom = headroom
        self.scheduler = Scheduler(windows=rules.windows, fairness_every=rules.fairness_every)
        self.results = ResultWriter(store)
        health = AccountHealth(rules)
        self._recovery = Recovery(
            store=store,
            clock=clock,
            entropy=entropy,
            observe=observe,
            rules=rules,
            scheduler=self.scheduler,
            results=self.results,
        )
        self._claims = Claims(
            store=store,
            sender=sender,
            clock=clock,
            headroom=headroom,
            rules=rules,
            scheduler=self.scheduler,
            recovery=self._recovery,
            pseudonyms=pseudonyms,
            observe=observe,
            lease_ends=lease_ends,
        )
        self._probe = LoginProbe(
            store=store,
            sender=sender,
            clock=clock,
            entropy=entropy,
            observe=observe,
            rules=rules,
            scheduler=self.scheduler,
            health=health,
        )
        self._transmission = Transmission(
            store=store,
            sender=sender,
            signing=signing,
            clock=clock,
            observe=observe,
            rules=rules,
            scheduler=self.scheduler,
            results=self.results,
            claims=self._claims,
            settlement=Settlement(
                clock=clock,
                entropy=entropy,
                observe=observe,
                rules=rules,
                results=self.results,
                health=health,
            ),
            recovery=self._recovery,
            lease_ends=lease_ends,
        )

    def claim(self, instance: int, *, places: int, round_robin: bool = False) -> Sequence[Batch]:
        """Up to *places* batches, each for a connection its account has free.

        Attempts and reservations are durable when this returns. Every account gets one connection
        before any gets two. The one with the most room is asked first, or where there are too few
        places for all (*round_robin*) the one whose turn is the longest ago. Nothing is claimed
        while the disk is low: its result could not be written down. Nor by a process that has not
        shown for so long that it lives that others may take what it holds.
        """
        return self._claims.claim(instance, places=places, round_robin=round_robin)

    def due(self, instance: int) -> datetime | None:
        """When there will be something to claim, as far as the rows can tell; None for nothing."""
        return self._claims.due(instance)

    def anything_due(self) -> bool:
        """Whether an email could be claimed now by a process with all the connections."""
        return self._claims.anything_due()

    def anything_to_do(self) -> bool:
        """Whether an email is due for any process, or in the hands of one, which may be dead.

        What waits for its account or its time is no work yet.
        """
        return self._claims.anything_to_do()

    def deliver(
        self,
        batch: Batch,
        *,
        stopping: Callable[[], bool],
        on_claimed: Callable[[Batch], None] | None = None,
        should_yield: Callable[[], bool] = lambda: True,
    ) -> None:
        """Hand the batch off over one connection; what cannot be tried now goes back uncharged.

        With *on_claimed* it goes on: more of the account's emails are claimed in time for the last
        one's dot, in the commit of its mark. *on_claimed* is called with what is held then, before
        anybody can forget it. It ends when nothing is left, or after a while if *should_yield*.
        """
        if not batch.emails:
            self._probe.run(batch.account)
            return
        self._transmission.deliver(
            batch, stopping=stopping, on_claimed=on_claimed, should_yield=should_yield
        )

    def abandon(self, batch: Batch) -> bool:
        """Give up what a batch still holds, by what its rows say; whether an outcome is unknown.

        For a worker that died, or that hangs behind the final dot when the process must end.
        """
        return self._recovery.abandon(batch)

    def return_place(self, batch: Batch) -> None:
        """Put a whole batch back that no worker took."""
        self._recovery.return_place(batch)

    def recover(self, instance: int, *, limit: int = 200) -> int:
        """Take up to *limit* emails from a holder that is dead; how many there were.

        Behind the mark their outcome is unknown; before it they go back as if never claimed.
        """
        return self._recovery.recover(instance, limit=limit)

    def deal_out(self) -> None:
        """Put back the emails that wait behind a server that hangs, for other connections.

        Call it from time to time, from any thread; StoreUnavailable never.
        """
        self._transmission.deal_out()

    def retry_writes(self) -> None:
        """Post once more the results the store could not take."""
        self._headroom()  # which makes room for them on a full disk, if there is a reserve
        self.results.retry()

    def flush(self, *, timeout: float) -> bool:
        """Wait until every result is durable, at most *timeout* seconds; whether it is."""
        return self.results.wait(timeout=timeout)

    def drop_sessions(self) -> None:
        """Let go of idle connections."""
        self._sender.drop_idle()

    def close_sessions(self) -> None:
        """Let go of idle connections for good."""
        self._sender.close()

    def abort(self) -> None:
        """Drop every dialogue that has not passed the final dot."""
        self._sender.abort()
