"""What a forecast is made of.

SQL text: Peewee has no words for a count of rows along an index that ends at a number of them.

A million emails wait in an index by queue, priority and time. Of each line a bounded number of its
entries is counted; how many wait in a queue in all stands in the counts. If several lines are
longer than that, a sample by id tells how what was not counted is distributed.
"""

# ruff: noqa: S608 - the texts are made of constants; every value is a parameter
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from statistics import median
from typing import Final

from adapters.peewee_store.rows import IS_WAITING, micros, moment
from adapters.peewee_store.session import Session
from adapters.peewee_store.status_counts import StatusCounts
from application.ports.system import Clock
from domain.account.limits import PRIORITIES, Window, WindowLengths
from domain.email.backlog import CountedGroup, LineKey, Place, WaitingGroup, completed
from domain.email.lifecycle import Email

_MINUTE: Final = 60_000_000
_DUE_PARTS: Final = 8
_LATER_PARTS: Final = 50
_SAMPLE: Final = 500
_RECENT: Final = 20  # attempts
_GOLDEN: Final = 0.618033988749895  # spreads a sample so that no pattern in the ids is followed

_LINE: Final = f"FROM email WHERE queue = ? AND priority = ? AND {IS_WAITING}"
_ENDS: Final = (
    f"SELECT (SELECT eligible_at {_LINE} ORDER BY eligible_at LIMIT 1),"
    f" (SELECT eligible_at {_LINE} ORDER BY eligible_at DESC LIMIT 1)"
)
_GROUPS: Final = (
    "SELECT part, MIN(eligible_at), COUNT(*), SUM(open_count) FROM"
    " (SELECT eligible_at, open_count, eligible_at / ? AS part"
    f" {_LINE} AND eligible_at {{when}} ? ORDER BY eligible_at, id LIMIT ?) AS counted"
    " GROUP BY part ORDER BY part"
)
_DUE: Final = _GROUPS.format(when="<=")
_LATER: Final = _GROUPS.format(when=">")
_BETWEEN: Final = (
    "SELECT COUNT(*) FROM (SELECT 1"
    f" {_LINE} AND eligible_at > ? AND eligible_at <= ? LIMIT ?) AS counted"
)
_NEIGHBOURS: Final = (
    "SELECT COUNT(*) FROM (SELECT 1"
    f" {_LINE} AND (eligible_at, id) {{side}} (?, ?) LIMIT ?) AS counted"
)
_BEFORE: Final = _NEIGHBOURS.format(side="<")
_BEHIND: Final = _NEIGHBOURS.format(side=">")
_END_IDS: Final = (
    f"SELECT (SELECT id {_LINE} ORDER BY eligible_at, id LIMIT 1),"
    f" (SELECT id {_LINE} ORDER BY eligible_at DESC, id DESC LIMIT 1)"
)
# The status is wrapped and the queue a sum so that SQLite goes by the ids.
_STILL_WAITING: Final = IS_WAITING.replace("status", "status || ''")
_SAMPLED: Final = (
    "SELECT priority, COUNT(*) FROM email WHERE id {among} AND queue + 0 = ?"
    f" AND {_STILL_WAITING} GROUP BY priority"
)
_SUMS: Final = (
    "SELECT start, SUM(units) FROM ledger_sum WHERE account_id = ? AND width = ? AND start > ?"
    " GROUP BY start ORDER BY start"
)
_DURATIONS: Final = (
    "SELECT attempt.duration FROM (SELECT email_id, attempt_no FROM ledger"
    " WHERE account_id = ? AND ts > 0 ORDER BY ts DESC LIMIT ?) AS charged"
    " JOIN attempt ON attempt.email_id = charged.email_id"
    " AND attempt.attempt_no = charged.attempt_no WHERE attempt.duration IS NOT NULL"
)
# seconds; see the migration 0006
_WIDTHS: Final = {Window.MINUTE: 10, Window.HOUR: 10, Window.DAY: 600}


class SqlBacklog:
    """The Backlog port."""

    def __init__(self, session: Session, status_counts: StatusCounts, clock: Clock) -> None:
        self._session = session
        self._status_counts = status_counts
        self._clock = clock

    def groups(
        self, queues: Collection[int], *, now: datetime, most: int
    ) -> Sequence[WaitingGroup]:
        """Along the index of what is due, line by line."""
        depths = self._status_counts.depths()
        wanted = {queue: depths[queue] for queue in queues if depths.get(queue)}
        counted = [
            group
            for queue in wanted
            for priority in PRIORITIES
            for group in self._counted((queue, priority), due_at=micros(now), most=most)
        ]
        return completed(counted, wanted, self._weights(counted))

    def scheduled(
        self, queues: Collection[int], *, after: datetime, until: datetime, most: int
    ) -> Mapping[int, int]:
        """Along the same index, line by line."""
        span = (micros(after), micros(until), most)
        return {
            queue: sum(
                self._session.execute(_BETWEEN, (queue, priority, *span)).fetchone()[0]
                for priority in PRIORITIES
            )
            for queue in queues
        }

    def place(self, email: Email, queue: int, *, most: int) -> Place:
        """Along the index to both sides; by its id if both are long."""
        line = (queue, email.priority)
        at = (*line, micros(email.eligible_at), email.id, most)
        (before,) = self._session.execute(_BEFORE, at).fetchone()
        if before < most:
            return Place(before=before, behind=None, fraction=0.0)
        (behind,) = self._session.execute(_BEHIND, at).fetchone()
        if behind < most:
            return Place(before=None, behind=behind, fraction=1.0)
        first, last = self._session.execute(_END_IDS, (*line, *line)).fetchone()
        fraction = (email.id - first) / max(1, last - first)
        return Place(before=None, behind=None, fraction=min(1.0, max(0.0, fraction)))

    def charged(
        self, account_id: int, lengths: WindowLengths
    ) -> Mapping[Window, Sequence[tuple[datetime, int]]]:
        """From the sums beside the ledger: some hundreds of rows."""
        now = self._clock.steady()
        found = {}
        for window, width in _WIDTHS.items():
            start = micros(now - lengths.of(window))
            values = (account_id, width, start - width * 1_000_000)
            rows = self._session.execute(_SUMS, values).fetchall()
            found[window] = [
                (min(now, moment(begins + width * 1_000_000)), int(units))
                for begins, units in rows
                if units
            ]
        return found

    def seconds_each(self, account_id: int) -> float | None:
        """Of the last twenty."""
        found = self._session.execute(_DURATIONS, (account_id, _RECENT)).fetchall()
        return median(duration for (duration,) in found) / 1_000_000 if found else None

    def _counted(self, line: LineKey, *, due_at: int, most: int) -> list[CountedGroup]:
        first, last = self._session.execute(_ENDS, (*line, *line)).fetchone()
        if first is None:
            return []
        due = max(_MINUTE, (due_at - first) // _DUE_PARTS)
        later = max(_MINUTE, (last - due_at) // _LATER_PARTS)
        return [
            *(
                self._part(_DUE, line, width=due, due_at=due_at, most=most)
                if first <= due_at
                else ()
            ),
            *(
                self._part(_LATER, line, width=later, due_at=due_at, most=most)
                if last > due_at
                else ()
            ),
        ]

    def _part(
        self, statement: str, line: LineKey, *, width: int, due_at: int, most: int
    ) -> list[CountedGroup]:
        queue, priority = line
        rows = self._session.execute(statement, (width, *line, due_at, most)).fetchall()
        groups = [
            WaitingGroup(
                queue=queue,
                priority=priority,
                due_at=moment(at),
                emails=number,
                recipients=int(recipients),
            )
            for _, at, number, recipients in rows
        ]
        cut = sum(group.emails for group in groups) >= most
        last = len(groups) - 1
        return [CountedGroup(group=g, cut=cut and n == last) for n, g in enumerate(groups)]

    def _weights(self, counted: Sequence[CountedGroup]) -> Mapping[LineKey, int]:
        """How many of a sample stand in each line, for the queues that need one."""
        cut = [each.group.queue for each in counted if each.cut]
        weights: dict[LineKey, int] = {}
        for queue in {queue for queue in cut if cut.count(queue) > 1}:
            lines = {each.group.priority for each in counted if each.group.queue == queue}
            ids = [
                n
                for priority in lines
                for n in self._session.execute(_END_IDS, (queue, priority) * 2).fetchone()
            ]
            among, listed = self._session.among(_spread(min(ids), max(ids)))
            sql = _SAMPLED.format(among=among)
            for priority, number in self._session.execute(sql, (*listed, queue)).fetchall():
                weights[queue, priority] = number
        return weights


def _spread(first: int, last: int) -> Sequence[int]:
    """Ids from the first to the last, everywhere as many."""
    step = (last - first + 1) / _SAMPLE
    return sorted({first + int((n + n * _GOLDEN % 1) * step) for n in range(_SAMPLE)})
