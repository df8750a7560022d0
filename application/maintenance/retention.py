"""The end of what is old: first the messages of ended emails, later their rows, then the audit."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from application.cluster.membership import Membership
from application.maintenance.slices import Slices
from application.ports.retention import EndedEmail
from application.ports.store import Store, Transaction
from application.ports.system import Clock, Observe
from domain.email.status import TERMINAL, Status
from domain.events import Event
from domain.retention import RetentionPolicy, ended_before

EVERY: Final = timedelta(minutes=10)  # how often to look when nothing was left to remove
BUDGET_S: Final = 0.25  # of one run
# Seconds of rest for each second of work. With less than one in a hundred no more than that many
# calls meet a slice, and the 99th percentile of their times stays what it was.
REST: Final = 110
ROWS_MOST: Final = 100  # emails are in many tables and indexes
OCTETS: Final = 4 * 1024 * 1024  # the messages that one slice removes


class Retention:
    """Removes what is older than the policy says, in one process, a little at a time. Used by one
    thread.

    By the steady clock: a wall that jumps forward must not remove anything.
    """

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        membership: Membership,
        policy: RetentionPolicy,
        observe: Observe,
    ) -> None:
        self._store = store
        self._clock = clock
        self._membership = membership
        self._policy = policy
        self._observe = observe
        self._slices = Slices(store=store, clock=clock)
        self._next = 0.0

    def run(self) -> None:
        """Remove what may be removed in a short time, if it is time and this process's part."""
        if self._clock.monotonic() < self._next or not self._membership.is_first():
            return
        self._tell()
        deadline = self._slices.spent + BUDGET_S
        done = self._remove(deadline)
        spent = self._slices.spent - deadline + BUDGET_S
        rest = max(EVERY.total_seconds(), REST * spent) if done else REST * spent
        self._next = self._clock.monotonic() + rest

    def _tell(self) -> None:
        """Say once that a database from before counts from its upgrade."""
        counts_from = self._store.read(lambda tx: tx.retention.counts_from())
        if counts_from is not None and self._store.write(lambda tx: tx.retention.tell()):
            fields = {"counts_from": counts_from.isoformat()}
            self._observe(Event(name="retention_begins", fields=fields))

    def _remove(self, deadline: float) -> bool:
        """Whether all of it was done before ``spent`` came to *deadline*."""
        now = self._clock.steady()
        counts_from = self._store.read(lambda tx: tx.retention.counts_from())
        old = partial(ended_before, now=now, counts_from=counts_from)
        done = True
        for status in sorted(TERMINAL):
            if (before := old(self._policy.content(status))) is not None:
                done &= self._purge_content(status, before, deadline)
        if (before := old(self._policy.rows)) is not None:
            for status in sorted(TERMINAL):
                done &= self._remove_rows(status, before, deadline)
            done &= self._all(partial(self._prune_audit, before=before), deadline, None)
        return done

    def _remove_rows(self, status: Status, before: datetime, deadline: float) -> bool:
        """Slices by id, from the beginning: what is behind one that was created later is younger.

        What was scheduled long ahead ended later than its neighbours, and is passed over.
        """
        removed, place = 0, 0
        while self._slices.spent < deadline:
            found = self._ended(status, after=place)
            if old := [email.id for email in found if email.ended_at < before]:
                removed += self._slices.write(partial(_remove, email_ids=old, before=before))
            if not found or found[-1].created_at >= before:
                break
            place = found[-1].id
        self._tell_of("emails_removed", removed)
        return self._slices.spent < deadline

    def _ended(self, status: Status, *, after: int) -> Sequence[EndedEmail]:
        size = min(self._slices.size, ROWS_MOST)
        return self._store.read(lambda tx: tx.retention.ended(status, after=after, limit=size))

    def _prune_audit(self, tx: Transaction, *, before: datetime) -> int:
        return tx.audit.prune(before=before, limit=self._slices.size)

    def _purge_content(self, status: Status, before: datetime, deadline: float) -> bool:
        def work(tx: Transaction) -> int:
            return tx.retention.purge_content(
                status,
                ended_before=before,
                limit=self._slices.size,
                octets=OCTETS,
                now=self._clock.now(),
            )

        return self._all(work, deadline, "content_removed")

    def _all(
        self, work: Callable[[Transaction], int], deadline: float, told_as: str | None
    ) -> bool:
        """Slices until one finds nothing; whether it came to that."""
        removed = 0
        while self._slices.spent < deadline:
            found = self._slices.write(work)
            removed += found
            if not found:
                break
        if told_as is not None:
            self._tell_of(told_as, removed)
        return self._slices.spent < deadline

    def _tell_of(self, name: str, emails: int) -> None:
        if emails:
            self._observe(Event(name=name, fields={"emails": emails}))


def _remove(tx: Transaction, *, email_ids: Sequence[int], before: datetime) -> int:
    return tx.retention.remove(email_ids, ended_before=before)
