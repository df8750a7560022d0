"""The attempts, and the ledger of what each account has used of its limits. Hot.

SQL text: every email reserves, charges and closes here, in buffered statements that take one array
for each column. To build one with Peewee takes a tenth of a millisecond and more.
"""

# ruff: noqa: S608 - the texts are made of constants; every value is a parameter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from adapters.peewee_store import records
from adapters.peewee_store.rows import Row, micros, moment
from adapters.peewee_store.session import Session
from adapters.peewee_store.tables import AttemptRow, LedgerRow
from adapters.peewee_store.transaction_cache import TransactionCache
from adapters.peewee_store.write_buffer import array, insertion, removal, update
from application.ports.system import Clock
from domain.account.limits import Window, WindowLengths
from domain.email.attempt import Attempt
from domain.email.lifecycle import Email
from domain.errors import Conflict

_ATTEMPT: Final = ("email_id", "attempt_no")
_OPEN: Final = insertion(AttemptRow, records.NEW_ATTEMPT, key=2)
_CLOSE: Final = update(AttemptRow, records.ATTEMPT_END, _ATTEMPT, key=2)
_WITHDRAW: Final = removal(AttemptRow, _ATTEMPT, only="ended_at IS NULL")
_OF: Final = (
    f"SELECT {', '.join(records.ATTEMPT_COLUMNS)} FROM attempt"
    " WHERE email_id = ? ORDER BY attempt_no"
)
_OF_ALL: Final = (
    f"SELECT {', '.join(records.ATTEMPT_COLUMNS)} FROM attempt"
    " WHERE email_id {among} ORDER BY email_id, attempt_no"
)
_RESERVE: Final = insertion(LedgerRow, (*_ATTEMPT, "account_id", "units"), key=2)
_CHARGE: Final = update(LedgerRow, ("ts", "units"), _ATTEMPT, key=2)
_FREE: Final = removal(LedgerRow, _ATTEMPT, only="ts IS NULL")
# seconds; see the migrations 0006 and 0036
_FINE: Final = 10
_COARSE: Final = 600
_HOUR: Final = 3600
_FOLDED: Final = -1  # the slot of sums that are in those of their hours too
_SECOND: Final = 1_000_000
# As the index of the migration 0036 has it: `+ 0` keeps the planner off the primary key.
_NOT_FOLDED: Final = f"width + 0 = {_COARSE} AND slot >= 0"


def _part(name: str, rows: str, *, number: str = "SUM(number)") -> str:
    """A part of the totals: as integers, for the sums of PostgreSQL are decimals."""
    sums = f"CAST(SUM(units) AS BIGINT), CAST({number} AS BIGINT)"
    return f"SELECT {{account}} '{name}', {sums} FROM {rows} {{group}}"


def _sums(width: int) -> str:
    return f"ledger_sum WHERE account_id {{which}} AND width = {width} AND start >= ?"


def _parts(window: Window, *coarse: str) -> list[str]:
    """The first moments of a window row by row, then its fine sums, then what *coarse* has."""
    name = window.value
    return [
        _part(name, "ledger WHERE account_id {which} AND ts > ? AND ts < ?", number="COUNT(*)"),
        _part(name, f"{_sums(_FINE)} AND start < ?"),
        *(_part(name, rows) for rows in coarse),
    ]


# A day is some two hundred rows, however many emails it has. One statement sees one moment.
_RESERVED: Final = _part("", "ledger WHERE account_id {which} AND ts IS NULL", number="0")
_ALL: Final = " UNION ALL ".join(
    [_RESERVED, *(part for window in Window for part in _parts(window, _sums(_COARSE)))]
)
_TOTALS: Final = _ALL.format(account="", which="= ?", group="")
_OF_MANY: Final = {"account": "account_id,", "group": "GROUP BY account_id"}
# PostgreSQL, where each connection has sums of its own: of a day the hours are read, some forty
# rows of an account. SQLite has one row for each sum, and to read them all takes 2 ms of 200
# accounts; an index of those that are not folded would cost each charge more.
_BY_HOURS: Final = " UNION ALL ".join(
    [
        _RESERVED,
        *_parts(Window.MINUTE, _sums(_COARSE)),
        *_parts(Window.HOUR, _sums(_COARSE)),
        *_parts(
            Window.DAY,
            f"{_sums(_COARSE)} AND start < ?",
            _sums(_HOUR),
            f"ledger_sum WHERE account_id {{which}} AND {_NOT_FOLDED} AND start >= ?",
        ),
    ]
).format(which="= ANY(?::bigint[])", **_OF_MANY)
_AT_ONCE: Final = 200  # accounts; ten parameters for each, of the 32,766 that SQLite takes
_UNFOLDED: Final = (
    "SELECT account_id, start, slot, units, number FROM ledger_sum"
    f" WHERE account_id IN (SELECT id FROM account) AND {_NOT_FOLDED}"
    " AND start >= ? AND start < ? ORDER BY account_id, start, slot LIMIT ?"
)
_DROP_UNFOLDED: Final = (
    f"DELETE FROM ledger_sum WHERE account_id = ? AND width = {_COARSE} AND start = ? AND slot = ?"
)
_ADD_FOLDED: Final = (
    "INSERT INTO ledger_sum (account_id, width, start, slot, units, number)"
    f" VALUES (?, ?, ?, {_FOLDED}, ?, ?) ON CONFLICT (account_id, width, start, slot) DO UPDATE"
    " SET units = ledger_sum.units + excluded.units, number = ledger_sum.number + excluded.number"
)
# Sums that have become nothing, and the hours that no window has as a whole any more. In
# PostgreSQL a sum that somebody changes meanwhile is passed over.
_OLD_SUMS: Final = (
    "SELECT width, start, slot, units, number FROM ledger_sum"
    f" WHERE account_id = ? AND width IN ({_FINE}, {_COARSE}, {_HOUR}) AND start < ?"
)
_DROP_SUMS: Final = (
    "WITH old AS ({old}), void AS (SELECT width, start FROM old GROUP BY width, start"
    f" HAVING width = {_HOUR} OR SUM(number) = 0 AND SUM(units) = 0)"
    " DELETE FROM ledger_sum WHERE account_id = ? AND (width, start, slot) IN"
    " (SELECT width, start, slot FROM old WHERE (width, start) IN"
    " (SELECT width, start FROM void))"
)
_LEAVING: Final = "SELECT ts, units FROM ledger WHERE account_id = ? AND ts > ? ORDER BY ts"
_NEXT_ACCOUNT: Final = "SELECT MIN(account_id) FROM ledger WHERE account_id > ?"
_PRUNE: Final = (
    "DELETE FROM ledger WHERE (email_id, attempt_no) IN (SELECT email_id, attempt_no FROM ledger"
    " WHERE account_id = ? AND ts < ? ORDER BY ts, email_id, attempt_no LIMIT ?)"
)


class SqlAttempts:
    """The AttemptRepository port."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def open(self, attempts: Iterable[Attempt]) -> None:
        """Insert them. Conflict if one was begun before, or if there is no such email."""
        for attempt in attempts:  # hardly ever more than one
            self._session.buffer(_OPEN, records.new_attempt(attempt))

    def close(self, attempt: Attempt) -> None:
        """Write its end. No error if it was never opened."""
        place = (attempt.email_id, attempt.attempt_no)
        self._session.buffer(_CLOSE, (*records.attempt_end(attempt), *place))

    def withdraw(self, email_id: int, attempt_no: int) -> None:
        """Delete the row, if it has no end."""
        self._session.buffer(_WITHDRAW, (email_id, attempt_no))

    def of(self, email_id: int) -> Sequence[Attempt]:
        """All attempts of one email."""
        return [records.attempt_of(row) for row in self._session.execute(_OF, (email_id,))]

    def of_all(self, email_ids: Sequence[int]) -> Mapping[int, Sequence[Attempt]]:
        """One query."""
        if not email_ids:
            return {}
        among, listed = self._session.among(email_ids)
        found: dict[int, list[Attempt]] = {}
        for row in self._session.execute(_OF_ALL.format(among=among), listed):
            found.setdefault(row[0], []).append(records.attempt_of(row))
        return found


Totals = Mapping[Window, tuple[int, int]]


class SqlLedger:
    """The Ledger port.

    What an account has used is read once for all works of a group until one of them changes it:
    each that accepts asks for the account with the most headroom. Not where others may charge
    meanwhile.
    """

    def __init__(self, session: Session, cache: TransactionCache, clock: Clock) -> None:
        self._session = session
        self._clock = clock
        self._known: dict[tuple[int, WindowLengths], Totals] = cache.reads()
        self._drop_sums = _DROP_SUMS.format(old=_OLD_SUMS + session.skip_locked)

    def reserve(self, emails: Iterable[Email], *, units: Callable[[Email], int]) -> None:
        """One row for each, without a time."""
        self._known.clear()
        reserved = [
            (email.id, email.attempt_no, email.account_id, units(email)) for email in emails
        ]
        if any(account_id is None for _, _, account_id, _ in reserved):
            raise Conflict("only a claimed email can be reserved")
        self._session.buffer_all(_RESERVE, reserved)

    def charge(self, email_id: int, attempt_no: int, *, units: int) -> None:
        """Give the row its time. No error if it was freed."""
        self._known.clear()
        now = micros(self._clock.steady())
        self._session.buffer(_CHARGE, (now, units, email_id, attempt_no))

    def free(self, email_id: int, attempt_no: int) -> None:
        """Remove the row, if it is not charged."""
        self._known.clear()
        self._session.buffer(_FREE, (email_id, attempt_no))

    def used(self, account_id: int, lengths: WindowLengths) -> Mapping[Window, int]:
        """The first of the totals."""
        return {window: units for window, (units, _) in self.totals(account_id, lengths).items()}

    def totals(self, account_id: int, lengths: WindowLengths) -> Totals:
        """What is reserved, and sums of sums, with one statement."""
        known = self._known.get((account_id, lengths))
        if known is None:
            known = self._totals(account_id, lengths)
            if not self._session.shared:
                self._known[account_id, lengths] = known
        return known

    def totals_of(self, account_ids: Sequence[int], lengths: WindowLengths) -> Mapping[int, Totals]:
        """With one statement for many."""
        self._session.plan_without_workers()
        sums: dict[int, dict[str, tuple[int, int]]] = {one: {} for one in account_ids}
        for first in range(0, len(account_ids), _AT_ONCE):
            some = account_ids[first : first + _AT_ONCE]
            for account_id, *part in self._parts_of(some, lengths):
                _add_part(sums[account_id], *part)
        return {account_id: _of_windows(parts) for account_id, parts in sums.items()}

    def room_returns_at(
        self, account_id: int, window: Window, lengths: WindowLengths, *, units: int
    ) -> datetime | None:
        """Walk along what is charged until enough has gone."""
        start = self._starts(lengths)[window]
        gone = 0
        for charged_at, left in self._session.execute(_LEAVING, (account_id, start)):
            gone += left
            if gone >= units:
                return moment(charged_at) + lengths.of(window)
        return None

    def fold(self, lengths: WindowLengths, *, limit: int) -> int:
        """Rows that nobody writes any more: who charges late makes a new one in its own slot.

        SQLite has one row for each sum: nothing is folded.
        """
        if not self._session.shared:
            return 0
        now = self._clock.steady()
        _, _, first = _boundaries(micros(now - lengths.of(Window.DAY)))
        span = (first, _start_of(_HOUR, micros(now)))
        query = _UNFOLDED + self._session.skip_locked
        rows = self._session.execute(query, (*span, limit)).fetchall()
        if rows:
            self._session.execute_many(_DROP_UNFOLDED, [row[:3] for row in rows])
            self._session.execute_many(_ADD_FOLDED, _folded(rows))
        return len(rows)

    def prune(self, *, before: datetime, limit: int) -> int:
        """Account by account, each along its own index."""
        self._known.clear()
        gone, account_id = 0, None
        while gone < limit:
            after = -1 if account_id is None else account_id
            (account_id,) = self._session.execute(_NEXT_ACCOUNT, (after,)).fetchone()
            if account_id is None:
                break
            old = (account_id, micros(before), limit - gone)
            gone += self._session.execute(_PRUNE, old).rowcount
            self._session.execute(self._drop_sums, (account_id, micros(before), account_id))
        return gone

    def _parts_of(self, account_ids: Sequence[int], lengths: WindowLengths) -> Sequence[Row]:
        if self._session.shared:  # as an array, which is planned in half the time of a list
            values = self._values_by_hours((array(account_ids),), lengths)
            return self._session.execute(_BY_HOURS, values).fetchall()
        among, ids = self._session.among(account_ids)
        statement = _ALL.format(which=among, **_OF_MANY)
        return self._session.execute(statement, self._values(ids, lengths)).fetchall()

    def _totals(self, account_id: int, lengths: WindowLengths) -> Totals:
        sums: dict[str, tuple[int, int]] = {}
        for part in self._session.execute(_TOTALS, self._values((account_id,), lengths)):
            _add_part(sums, *part)
        return _of_windows(sums)

    def _values(self, which: Sequence[Any], lengths: WindowLengths) -> list[Any]:
        """The parameters of the totals; those in *which* say of which accounts."""
        values = [*which]
        for start in self._starts(lengths).values():
            fine, coarse, _ = _boundaries(start)
            values += (*which, start, fine, *which, fine, coarse, *which, coarse)
        return values

    def _values_by_hours(self, which: Sequence[Any], lengths: WindowLengths) -> list[Any]:
        """The same, of the statement that reads the hours of the day, the last window."""
        _, _, hour = _boundaries(self._starts(lengths)[Window.DAY])
        return [*self._values(which, lengths), hour, *which, hour, *which, hour]

    def _starts(self, lengths: WindowLengths) -> Mapping[Window, int]:
        now = self._clock.steady()
        return {window: micros(now - lengths.of(window)) for window in Window}


def _boundaries(start: int) -> tuple[int, int, int]:
    """Where the sums of a window begin that holds all that is later than *start*: fine, coarse,
    those of hours.
    """
    fine = _start_of(_FINE, start) + _FINE * _SECOND
    coarse = -_start_of(_COARSE, -fine)
    return fine, coarse, -_start_of(_HOUR, -coarse)


def _start_of(width: int, at: int) -> int:
    """Where the sum of this *width* begins that *at* is in."""
    return at - at % (width * _SECOND)


def _folded(rows: Iterable[Row]) -> Sequence[Row]:
    """What they add to the sums, those of the hours too, in the order of the keys: who locks
    several does so in one order.
    """
    sums: dict[tuple[int, int, int], tuple[int, int]] = {}
    for account_id, start, _, units, number in rows:
        for width in (_COARSE, _HOUR):
            key = (account_id, width, _start_of(width, start))
            before = sums.get(key, (0, 0))
            sums[key] = (before[0] + units, before[1] + number)
    return [(*key, *sums[key]) for key in sorted(sums)]


def _add_part(
    sums: dict[str, tuple[int, int]], name: str, units: int | None, number: int | None
) -> None:
    before = sums.get(name, (0, 0))
    sums[name] = (before[0] + int(units or 0), before[1] + int(number or 0))


def _of_windows(sums: Mapping[str, tuple[int, int]]) -> Totals:
    """What is reserved counts in every window."""
    reserved, _ = sums.get("", (0, 0))
    found = {window: sums.get(window.value, (0, 0)) for window in Window}
    return {window: (reserved + units, number) for window, (units, number) in found.items()}
