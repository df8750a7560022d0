"""The repositories of what watching the service remembers: few rows, read and written rarely."""

# ruff: noqa: S608 - the texts are made of constants; every value is a parameter
import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from adapters.peewee_store.rows import Row, micros, moment
from adapters.peewee_store.session import Session
from domain.event.alert import AlertRecord
from domain.event.event import Position
from domain.event.growth import Growth, Look
from domain.suppression import FULL_TIMES

_NOTE: Final = "SELECT value FROM watch_note WHERE name = ?"
_PUT_NOTE: Final = (
    "INSERT INTO watch_note (name, value) VALUES (?, ?)"
    " ON CONFLICT (name) DO UPDATE SET value = excluded.value"
)
_COLUMNS: Final = "account_id, reason, event_id, at, email_id, problem"
_LAST: Final = f"SELECT {_COLUMNS} FROM alert WHERE account_id = ? AND reason = ?"
_PUT: Final = (
    f"INSERT INTO alert ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?)"
    " ON CONFLICT (account_id, reason) DO UPDATE SET event_id = excluded.event_id,"
    " at = excluded.at, email_id = excluded.email_id, problem = excluded.problem"
)
_NEWEST: Final = f"SELECT {_COLUMNS} FROM alert ORDER BY at DESC, event_id DESC LIMIT ?"
_PRUNE_ALERTS: Final = (
    "DELETE FROM alert WHERE event_id IN (SELECT event_id FROM alert WHERE at < ? LIMIT ?)"
    " AND at < ?"
)
_LOCK: Final = "SELECT pg_advisory_xact_lock(?::bigint)"
_LOCK_ID: Final = 0x77617463_68  # "watch"
_NO_ACCOUNT: Final = 0
_POSITION, _GROWTH = "position", "growth"

_ADD_FULL: Final = (
    "INSERT INTO full_mailbox (address, email_id, at) VALUES (?, ?, ?)"
    " ON CONFLICT (address, email_id) DO NOTHING"
)
_COUNT_FULL: Final = (
    "SELECT COUNT(*) FROM"
    " (SELECT 1 FROM full_mailbox WHERE address = ? AND at >= ? LIMIT ?) AS found"
)
_FORGET_FULL: Final = "DELETE FROM full_mailbox WHERE address = ?"
_OLD_FULL: Final = "SELECT address, email_id FROM full_mailbox WHERE at < ? ORDER BY at LIMIT ?"
_PRUNE_FULL: Final = f"DELETE FROM full_mailbox WHERE (address, email_id) IN ({_OLD_FULL})"


class SqlWatch:
    """The WatchRepository port."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def lock(self) -> None:
        """One process alone at a time writes to a file."""
        if self._session.shared:
            self._session.execute(_LOCK, (_LOCK_ID,))

    def position(self) -> Position | None:
        """A note."""
        found = self._note(_POSITION)
        return None if found is None else Position(*found)

    def move(self, position: Position) -> None:
        """A note."""
        self._put_note(_POSITION, [position.commit, position.id])

    def growth(self) -> Growth:
        """A note."""
        found = self._note(_GROWTH)
        if found is None:
            return Growth()
        looks = tuple(Look(moment(at), waiting) for at, waiting in found["looks"])
        return Growth(looks=looks, told=found["told"])

    def save_growth(self, growth: Growth) -> None:
        """A note."""
        looks = [(micros(one.at), one.waiting) for one in growth.looks]
        self._put_note(_GROWTH, {"looks": looks, "told": growth.told})

    def last_alert(self, account_id: int | None, reason: str) -> AlertRecord | None:
        """By the primary key."""
        row = self._session.execute(_LAST, (account_id or _NO_ACCOUNT, reason)).fetchone()
        return None if row is None else _record(row)

    def put_alert(self, record: AlertRecord) -> None:
        """Insert or update."""
        row = (
            record.account_id or _NO_ACCOUNT,
            record.reason,
            record.event_id,
            micros(record.at),
            record.email_id,
            record.problem,
        )
        self._session.execute(_PUT, row)

    def alerts(self, *, limit: int) -> Sequence[AlertRecord]:
        """All are looked at: there is one for each account and reason."""
        return [_record(row) for row in self._session.execute(_NEWEST, (limit,)).fetchall()]

    def prune_alerts(self, *, before: datetime, limit: int) -> int:
        """All are looked at."""
        old = micros(before)
        return self._session.execute(_PRUNE_ALERTS, (old, limit, old)).rowcount

    def _note(self, name: str) -> Any:
        row = self._session.execute(_NOTE, (name,)).fetchone()
        return None if row is None else json.loads(row[0])

    def _put_note(self, name: str, value: object) -> None:
        self._session.execute(_PUT_NOTE, (name, json.dumps(value)))


def _record(row: Row) -> AlertRecord:
    account_id, reason, event_id, at, email_id, problem = row
    return AlertRecord(
        account_id=account_id or None,
        reason=reason,
        event_id=event_id,
        at=moment(at),
        email_id=email_id,
        problem=problem,
    )


class SqlFullMailboxes:
    """The FullMailboxes port."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, address: str, *, email_id: int, at: datetime) -> None:
        """Insert, unless it is there."""
        self._session.execute(_ADD_FULL, (address, email_id, micros(at)))

    def count(self, address: str, *, since: datetime) -> int:
        """Along the primary key."""
        values = (address, micros(since), FULL_TIMES)
        (number,) = self._session.execute(_COUNT_FULL, values).fetchone()
        return int(number)

    def forget(self, address: str) -> None:
        """Along the primary key."""
        self._session.execute(_FORGET_FULL, (address,))

    def prune(self, *, before: datetime, limit: int) -> int:
        """By the index of the times."""
        return self._session.execute(_PRUNE_FULL, (micros(before), limit)).rowcount
