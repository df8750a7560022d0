"""What a forecast is made of, in memory: exact where the SQL stores estimate."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from statistics import median

from adapters.fakes.memory_tables import Tables
from application.ports.system import Clock
from domain.account.limits import Window, WindowLengths
from domain.email.backlog import Place, WaitingGroup, queue_of
from domain.email.lifecycle import Email
from domain.email.status import WAITING

_RECENT = 20


class MemoryBacklog:
    """The Backlog port on dictionaries."""

    def __init__(self, tables: Tables, clock: Clock) -> None:
        self._tables = tables
        self._clock = clock

    def groups(
        self, queues: Collection[int], *, now: datetime, most: int
    ) -> Sequence[WaitingGroup]:
        """One for each time that emails are due."""
        found: dict[tuple[int, int, datetime], list[int]] = {}
        for email in self._waiting():
            if queue_of(email) in queues:
                key = (queue_of(email), email.priority, email.eligible_at)
                found.setdefault(key, []).append(len(email.open_recipients))
        return [
            WaitingGroup(
                queue=queue,
                priority=priority,
                due_at=due_at,
                emails=len(recipients),
                recipients=sum(recipients),
            )
            for (queue, priority, due_at), recipients in sorted(found.items())
        ]

    def scheduled(
        self, queues: Collection[int], *, after: datetime, until: datetime, most: int
    ) -> Mapping[int, int]:
        """Counted."""
        times = [(queue_of(email), email.eligible_at) for email in self._waiting()]
        return {
            queue: sum(of == queue and after < at <= until for of, at in times) for queue in queues
        }

    def place(self, email: Email, queue: int, *, most: int) -> Place:
        """Counted."""
        key = (email.eligible_at, email.id)
        before = sum(
            (other.eligible_at, other.id) < key
            for other in self._waiting()
            if (queue_of(other), other.priority) == (queue, email.priority)
        )
        return Place(before=before, behind=None, fraction=0.0)

    def charged(
        self, account_id: int, lengths: WindowLengths
    ) -> Mapping[Window, Sequence[tuple[datetime, int]]]:
        """Each charge."""
        now = self._clock.steady()
        rows = sorted(
            (row.charged_at, row.units)
            for row in self._tables.ledger.values()
            if row.account_id == account_id and row.charged_at is not None
        )
        return {
            window: [(at, units) for at, units in rows if at > now - lengths.of(window)]
            for window in Window
        }

    def seconds_each(self, account_id: int) -> float | None:
        """Of the last twenty."""
        charged = sorted(
            (row.charged_at, key)
            for key, row in self._tables.ledger.items()
            if row.account_id == account_id and row.charged_at is not None
        )[-_RECENT:]
        ended = [self._tables.attempts[key] for _, key in charged if key in self._tables.attempts]
        times = [each.duration.total_seconds() for each in ended if each.duration is not None]
        return median(times) if times else None

    def _waiting(self) -> list[Email]:
        return [email for email in self._tables.emails.values() if email.status in WAITING]
