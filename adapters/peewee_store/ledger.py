"""The attempts, and the ledger of what each account has used of its limits."""

# ruff: noqa: S608 - the texts are made of constants; every value is a parameter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from operator import itemgetter
from typing import Final

from adapters.peewee_store import records
from adapters.peewee_store.changes import insertion, removal, update
from adapters.peewee_store.rows import micros, moment
from adapters.peewee_store.session import Session
from adapters.peewee_store.tables import AttemptRow, LedgerRow
from application.ports import Clock
from domain.email import Attempt, Email
from domain.errors import Conflict
from domain.limits import Window, WindowLengths

_ATTEMPT: Final = ("email_id", "attempt_no")
_OPEN: Final = insertion(AttemptRow, records.ATTEMPT_COLUMNS, key=2)
_CLOSE: Final = update(AttemptRow, records.ATTEMPT_END, _ATTEMPT, key=2)
_OF: Final = (
    f"SELECT {', '.join(records.ATTEMPT_COLUMNS)} FROM attempt"
    " WHERE email_id = ? ORDER BY attempt_no"
)
_RESERVE: Final = insertion(LedgerRow, (*_ATTEMPT, "account_id", "units"), key=2)
_CHARGE: Final = update(LedgerRow, ("ts", "units"), _ATTEMPT, key=2)
_FREE: Final = removal(LedgerRow, _ATTEMPT, only="ts IS NULL")
_RESERVED: Final = "SELECT COALESCE(SUM(units), 0) FROM ledger WHERE account_id = ? AND ts IS NULL"
_CHARGED: Final = (
    "SELECT COALESCE(SUM(units), 0), COUNT(*) FROM ledger"
    " WHERE account_id = ? AND ts > ? AND ts <= ?"
)
_EVER: Final = 2**63 - 1
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
        self._session.later_all(_OPEN, [records.new_attempt(attempt) for attempt in attempts])

    def close(self, attempt: Attempt) -> None:
        """Write its end. No error if it was never opened."""
        place = (attempt.email_id, attempt.attempt_no)
        self._session.later(_CLOSE, (*records.attempt_end(attempt), *place))

    def of(self, email_id: int) -> Sequence[Attempt]:
        """All attempts of one email."""
        return [records.attempt_of(row) for row in self._session.execute(_OF, (email_id,))]


class SqlLedger:
    """The Ledger port."""

    def __init__(self, session: Session, clock: Clock) -> None:
        self._session = session
        self._clock = clock

    def reserve(self, emails: Iterable[Email], *, units: Callable[[Email], int]) -> None:
        """One row for each, without a time."""
        reserved = [
            (email.id, email.attempt_no, email.account_id, units(email)) for email in emails
        ]
        if any(account_id is None for _, _, account_id, _ in reserved):
            raise Conflict("only a claimed email can be reserved")
        self._session.later_all(_RESERVE, reserved)

    def charge(self, email_id: int, attempt_no: int, *, units: int) -> None:
        """Give the row its time. No error if it was freed."""
        now = micros(self._clock.steady())
        self._session.later(_CHARGE, (now, units, email_id, attempt_no))

    def free(self, email_id: int, attempt_no: int) -> None:
        """Remove the row, if it is not charged."""
        self._session.later(_FREE, (email_id, attempt_no))

    def used(self, account_id: int, lengths: WindowLengths) -> Mapping[Window, int]:
        """The first of the totals."""
        return {window: units for window, (units, _) in self.totals(account_id, lengths).items()}

    def totals(self, account_id: int, lengths: WindowLengths) -> Mapping[Window, tuple[int, int]]:
        """What is reserved, and sums over one index."""
        (reserved,) = self._session.execute(_RESERVED, (account_id,)).fetchone()
        return {
            window: (int(reserved) + units, number)
            for window, (units, number) in self._charged(account_id, lengths).items()
        }

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

    def prune(self, *, before: datetime, limit: int) -> int:
        """Account by account, each along its own index."""
        gone, account_id = 0, None
        while gone < limit:
            after = -1 if account_id is None else account_id
            (account_id,) = self._session.execute(_NEXT_ACCOUNT, (after,)).fetchone()
            if account_id is None:
                break
            old = (account_id, micros(before), limit - gone)
            gone += self._session.execute(_PRUNE, old).rowcount
        return gone

    def _charged(self, account_id: int, lengths: WindowLengths) -> Mapping[Window, tuple[int, int]]:
        """Units and rows in each window. A longer one holds the shorter: no row is read twice."""
        charged: dict[Window, tuple[int, int]] = {}
        units, number, until = 0, 0, _EVER
        shorter_first = sorted(self._starts(lengths).items(), key=itemgetter(1), reverse=True)
        for window, start in shorter_first:
            more = self._session.execute(_CHARGED, (account_id, start, until)).fetchone()
            units, number, until = units + int(more[0]), number + more[1], start
            charged[window] = (units, number)
        return charged

    def _starts(self, lengths: WindowLengths) -> Mapping[Window, int]:
        now = self._clock.steady()
        return {window: micros(now - lengths.of(window)) for window in Window}
