"""What passes through the service, counted without counting rows. Hot.

SQL text: it is written with every commit, on PostgreSQL from arrays, for which Peewee has no words.

What a work counts is noted here and added to the table right before the commit, once for all works
of a group. As in `status_counts` each connection to PostgreSQL has rows of its own, its slot.
"""

# ruff: noqa: S608 - the texts are made of constants; every value is a parameter
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final

from adapters.peewee_store.rows import Row, micros, moment
from adapters.peewee_store.session import Session
from adapters.peewee_store.transaction_cache import TransactionCache
from adapters.peewee_store.write_buffer import array
from domain.email.attempt import Attempt
from domain.email.lifecycle import Email
from domain.email.status import TERMINAL, Status
from domain.outcome.verdict import Result
from domain.throughput import BOUNDS, HOUR, Hour, Totals, Via, place_of

# the hour, what it is of, its label, the account, the place of its duration
Key = tuple[int, str, str, int, int]

_ACCEPTED, _ATTEMPT, _ENDED = "accepted", "attempt", "ended"
_DURATION: Final = "duration"  # in the totals: of the attempts of all accounts
_NO_ACCOUNT, _NO_PLACE = 0, -1
_MICROSECOND: Final = timedelta(microseconds=1)
_HOUR: Final = HOUR // _MICROSECOND

_KEY: Final = "hour, what, label, account_id, place"
_CONFLICT: Final = (
    f" ON CONFLICT ({_KEY}, slot) DO UPDATE SET n = throughput.n + excluded.n,"
    " duration = throughput.duration + excluded.duration"
)
_ADD: Final = (
    f"INSERT INTO throughput ({_KEY}, slot, n, duration) VALUES (?, ?, ?, ?, ?, 0, ?, ?){_CONFLICT}"
)
_ADD_TO_SLOT: Final = (
    f"INSERT INTO throughput ({_KEY}, slot, n, duration)"
    f" SELECT {_KEY}, ?::integer, n, duration FROM UNNEST(?::bigint[], ?::text[], ?::text[],"
    f" ?::bigint[], ?::integer[], ?::bigint[], ?::bigint[]) AS new ({_KEY}, n, duration){_CONFLICT}"
)
# As integers, for the sums of PostgreSQL are decimals, which are slow to read; by the hour too, for
# then it groups along the primary key and need not sort.
_RECENT: Final = (
    "SELECT what, label, account_id, place, CAST(SUM(n) AS BIGINT), CAST(SUM(duration) AS BIGINT)"
    " FROM throughput GROUP BY hour, what, label, account_id, place"
)
_TOTALS: Final = "SELECT what, label, account_id, place, n, duration FROM throughput_total"
_HOURS: Final = (
    "SELECT hour, what, label, SUM(n) FROM throughput WHERE hour >= ? GROUP BY hour, what, label"
    " UNION ALL SELECT hour, what, label, n FROM throughput_hour WHERE hour >= ?"
)
_OVER: Final = (
    f"SELECT {_KEY}, slot, n, duration FROM throughput WHERE hour < ? OR hour > ?"
    f" ORDER BY {_KEY}, slot LIMIT ?"
)
_DROP: Final = (
    "DELETE FROM throughput WHERE hour = ? AND what = ? AND label = ? AND account_id = ?"
    " AND place = ? AND slot = ?"
)
_ADD_TO_TOTAL: Final = (
    "INSERT INTO throughput_total (what, label, account_id, place, n, duration)"
    " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (what, label, account_id, place)"
    " DO UPDATE SET n = throughput_total.n + excluded.n,"
    " duration = throughput_total.duration + excluded.duration"
)
_ADD_TO_HOUR: Final = (
    "INSERT INTO throughput_hour (hour, what, label, n) VALUES (?, ?, ?, ?)"
    " ON CONFLICT (hour, what, label) DO UPDATE SET n = throughput_hour.n + excluded.n"
)
_PRUNE: Final = "DELETE FROM throughput_hour WHERE hour < ?"


class SqlThroughput:
    """The ThroughputRepository port."""

    def __init__(self, session: Session, cache: TransactionCache) -> None:
        self._session = session
        self._noted: dict[Key, tuple[int, int]] = cache.notes()

    # -- counted ------------------------------------------------------------------------------

    def accept(self, email: Email, *, via: Via) -> None:
        """A note."""
        self._note((_hour(email.created_at), _ACCEPTED, via._value_, _NO_ACCOUNT, _NO_PLACE))

    def attempt(self, attempt: Attempt) -> None:
        """A note; its account, outcome and duration have one row together."""
        assert attempt.ended_at is not None
        assert attempt.result is not None
        place, duration = _NO_PLACE, 0
        if attempt.duration is not None:
            place, duration = place_of(attempt.duration), attempt.duration // _MICROSECOND
        hour, result = _hour(attempt.ended_at), attempt.result._value_
        self._note((hour, _ATTEMPT, result, attempt.account_id, place), duration)

    def end(self, email: Email) -> None:
        """A note."""
        hour = _hour(email.updated_at)
        self._note((hour, _ENDED, email.status._value_, _NO_ACCOUNT, _NO_PLACE))

    def keep(self, account_id: int) -> None:
        """A row of none."""
        row = (_ATTEMPT, Result.SENT.value, account_id, _NO_PLACE, 0, 0)
        self._session.execute(_ADD_TO_TOTAL, row)

    def write(self) -> None:
        """Write the notes since the last call: before a commit or a read."""
        noted = self._noted
        if not noted:
            return
        rows = [(*key, *noted[key]) for key in sorted(noted)]
        slot = self._session.slot
        if slot is None:
            self._session.execute_many(_ADD, rows)
        else:
            self._session.execute(_ADD_TO_SLOT, (slot, *map(array, zip(*rows, strict=True))))
        noted.clear()

    def _note(self, key: Key, duration: int = 0) -> None:
        number, before = self._noted.get(key, (0, 0))
        self._noted[key] = (number + 1, before + duration)

    # -- read ---------------------------------------------------------------------------------

    def totals(self) -> Totals:
        """The folded ones, and the sums of what is not folded yet."""
        self.write()
        sums: dict[Row, int] = {}
        durations, handing_off = [0] * (len(BOUNDS) + 1), 0
        recent = self._session.execute(_RECENT).fetchall()
        folded = self._session.execute(_TOTALS).fetchall()
        for what, label, account_id, place, number, duration in (*recent, *folded):
            if place != _NO_PLACE:
                durations[place] += int(number)
                handing_off += int(duration)
            if what != _DURATION:
                key = (what, label, account_id)
                sums[key] = sums.get(key, 0) + int(number)
        return Totals(
            accepted={via: sums.get((_ACCEPTED, via.value, _NO_ACCOUNT), 0) for via in Via},
            ended={
                status: sums.get((_ENDED, status.value, _NO_ACCOUNT), 0)
                for status in Status
                if status in TERMINAL
            },
            attempts={
                (account_id, Result(label)): number
                for (what, label, account_id), number in sums.items()
                if what == _ATTEMPT
            },
            durations=tuple(durations),
            handing_off=handing_off * _MICROSECOND,
        )

    def hours(self, *, since: datetime) -> Sequence[Hour]:
        """A few rows for each hour."""
        self.write()
        first = micros(since)
        counts: dict[int, dict[str, int]] = {}
        for hour, what, label, number in self._session.execute(_HOURS, (first, first)):
            of = counts.setdefault(hour, dict.fromkeys(("accepted", "sent", "failed"), 0))
            name = _ACCEPTED if what == _ACCEPTED else label if what == _ENDED else None
            if name in of:
                of[name] += int(number)
        return [Hour(begins=moment(hour), **counts[hour]) for hour in sorted(counts)]

    # -- folded -------------------------------------------------------------------------------

    def fold(self, *, now: datetime, limit: int) -> int:
        """Rows that nobody writes any more, but for a process with another clock: it waits, and
        then makes a new row.
        """
        self.write()
        hour = _hour(now)
        query = _OVER + self._session.skip_locked
        rows = self._session.execute(query, (hour, hour, limit)).fetchall()
        if not rows:
            return 0
        self._session.execute_many(_DROP, [row[:6] for row in rows])
        self._session.execute_many(_ADD_TO_TOTAL, _added(_shares_of_totals(rows)))
        self._session.execute_many(_ADD_TO_HOUR, [row[:-1] for row in _added(_of_hours(rows))])
        return len(rows)

    def prune(self, *, before: datetime) -> None:
        """By the primary key."""
        self._session.execute(_PRUNE, (micros(before),))


def _hour(at: datetime) -> int:
    now = micros(at)
    return now - now % _HOUR


Share = tuple[Row, int, int]


def _shares_of_totals(rows: Iterable[Row]) -> Iterable[Share]:
    """The durations of all accounts stand together: there would be ten times as many rows."""
    for _, what, label, account_id, place, _, number, duration in rows:
        yield (what, label, account_id, _NO_PLACE), number, 0
        if place != _NO_PLACE:
            yield (_DURATION, "", _NO_ACCOUNT, place), number, duration


def _of_hours(rows: Iterable[Row]) -> Iterable[Share]:
    for hour, what, label, _, _, _, number, _ in rows:
        if what != _ATTEMPT:
            yield (hour, what, label), number, 0


def _added(shares: Iterable[Share]) -> Sequence[Row]:
    """One row for each key, in the order of the keys: who locks several does so in one order."""
    sums: dict[Row, tuple[int, int]] = {}
    for key, number, duration in shares:
        before = sums.get(key, (0, 0))
        sums[key] = (before[0] + number, before[1] + duration)
    return [(*key, *sums[key]) for key in sorted(sums)]
