"""What passes through the service, in memory."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta

from adapters.fakes.memory_tables import Counted, Journal, Tables
from domain.email.attempt import Attempt
from domain.email.lifecycle import Email
from domain.email.status import TERMINAL, Status
from domain.outcome.verdict import Result
from domain.throughput import BOUNDS, Hour, Totals, Via, hour_of, place_of


class MemoryThroughput:
    """The ThroughputRepository port on a list of everything that was counted."""

    def __init__(self, tables: Tables, journal: Journal) -> None:
        self._tables = tables
        self._journal = journal

    def accept(self, email: Email, *, via: Via) -> None:
        """One row."""
        self._count(Counted(hour=hour_of(email.created_at), of=via))

    def attempt(self, attempt: Attempt) -> None:
        """One row."""
        assert attempt.ended_at is not None
        assert attempt.result is not None
        self._count(
            Counted(
                hour=hour_of(attempt.ended_at),
                of=attempt.result,
                account_id=attempt.account_id,
                duration=attempt.duration,
            )
        )

    def end(self, email: Email) -> None:
        """One row."""
        self._count(Counted(hour=hour_of(email.updated_at), of=email.status))

    def keep(self, account_id: int) -> None:
        """By its id."""
        self._journal.put(self._tables.kept_accounts, account_id, None)

    def totals(self) -> Totals:
        """All rows are looked at."""
        rows = list(self._tables.counted.values())
        taken = [row.duration for row in rows if row.duration is not None]
        places = Counter(map(place_of, taken))
        attempts = {(account_id, Result.SENT): 0 for account_id in self._tables.kept_accounts}
        for row in rows:
            if isinstance(row.of, Result):
                key = (row.account_id, row.of)
                attempts[key] = attempts.get(key, 0) + 1
        return Totals(
            accepted={via: sum(row.of is via for row in rows) for via in Via},
            ended={
                status: sum(row.of is status for row in rows)
                for status in Status
                if status in TERMINAL
            },
            attempts=attempts,
            durations=tuple(places[place] for place in range(len(BOUNDS) + 1)),
            handing_off=sum(taken, timedelta(0)),
        )

    def hours(self, *, since: datetime) -> Sequence[Hour]:
        """All rows are looked at."""
        forgotten = self._tables.forgotten
        rows = [row for n, row in self._tables.counted.items() if n not in forgotten]
        return [
            Hour(
                begins=begins,
                accepted=sum(row.hour == begins and isinstance(row.of, Via) for row in rows),
                sent=sum(row.hour == begins and row.of is Status.SENT for row in rows),
                failed=sum(row.hour == begins and row.of is Status.FAILED for row in rows),
            )
            for begins in sorted({row.hour for row in rows})
            if begins >= since
        ]

    def fold(self, *, now: datetime, limit: int) -> int:
        """Marks them: nothing is gained by adding up."""
        this = hour_of(now)
        over = [
            number
            for number, row in self._tables.counted.items()
            if row.hour != this and number not in self._tables.folded
        ][:limit]
        for number in over:
            self._journal.put(self._tables.folded, number, None)
        return len(over)

    def prune(self, *, before: datetime) -> None:
        """Remembers which were forgotten."""
        for number in self._tables.folded:
            if self._tables.counted[number].hour < before:
                self._journal.put(self._tables.forgotten, number, None)

    def _count(self, row: Counted) -> None:
        number = self._journal.next_id(self._tables, "counted")
        self._journal.put(self._tables.counted, number, row)
