"""Copy everything of one SQL store into another one, whichever databases they are.

Nobody may deliver one email from two stores. So both carry a note from the first moment on, and
whoever starts a service asks for it (`why_not`):

    source   moving ──────────▶ moved        it is not started again
    target   arriving ──────────▶ arrived    it is started from here on

The source says `moved` before the target has `arrived`: at no time may both be started. While
rows travel the source is held in one write transaction of its own, so that nothing is accepted or
changed meanwhile. Each page of rows is written to the target together with the place it reaches to:
a copy that was interrupted goes on there. In the end both are read again and compared, row by row.

What is `sending` travels as it is. Its instances are dead and their rows stay behind, so the target
finds it orphaned and mends it as after any crash: back to the queue, or an unknown outcome behind
the mark. Owner ids are never used again there, because the counters travel too.
"""

# ruff: noqa: S608 - the texts are made of the tables' own names; every value is a parameter
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import pairwise
from threading import Event
from typing import Any, Final, TypeVar

import attrs
import peewee

from adapters.peewee_store import tables
from adapters.peewee_store.rows import Row
from adapters.peewee_store.session import Session, marks
from adapters.peewee_store.sqlite import SqliteSession
from adapters.peewee_store.transaction import SqlTransaction
from application.ports.store import Store, Transaction
from domain.errors import Conflict

T = TypeVar("T")

PAGE_ROWS: Final = 500
PAGE_OCTETS: Final = 8 * 1024 * 1024

# who was logged in logs in again; the target's own triggers make the sums of what arrives
_STAYING: Final = (
    tables.CopyNoteRow,
    tables.DashboardSessionRow,
    tables.InstanceRow,
    tables.LeaseRow,
    tables.StatusCountRow,
    tables.LedgerSumRow,
)
# rows that may be large: what to count
_SIZES: Final = {"email_body": "LENGTH(octets)", "blob_chunk": "LENGTH(octets)"}
_DIGEST_BITS: Final = 256
# The number of a server's transaction: the target's own one takes its place.
_NOT_TRAVELLING: Final = frozenset({"tx"})

_NOTE, _TOKEN, _OTHER, _PLACE = "note", "token", "other", "place:"
_REASONS: Final = {
    "moving": "it is being copied to {other}: run that copy to its end",
    "moved": "everything in it was copied to {other}: set DATABASE_URL to that",
    "arriving": "a copy of {other} has begun to arrive in it: run that copy to its end",
}


@attrs.frozen(kw_only=True)
class Table:
    """A table that travels: its columns in an order of our own, its primary key first."""

    name: str
    columns: tuple[str, ...]
    key: int
    counted: bool

    @property
    def keys(self) -> tuple[str, ...]:
        """The columns of the primary key."""
        return self.columns[: self.key]


@attrs.frozen(kw_only=True)
class Copied:
    """How many rows each table has, in both stores; whether there was nothing left to do."""

    rows: Mapping[str, int]
    already: bool


def why_not(store: Store) -> str | None:
    """Why no service may be started on this store, or None. Only SQL stores are ever copied."""
    known = store.read(lambda tx: _remembered(tx.session) if isinstance(tx, SqlTransaction) else {})
    reason = _REASONS.get(known.get(_NOTE, ""))
    return reason.format(other=known.get(_OTHER, "another store")) if reason else None


def release(store: Store) -> None:
    """Take the note from the source of a copy, so that it may be started again. Conflict."""

    def work(tx: Transaction) -> None:
        session = _session(tx)
        note = _remembered(session).get(_NOTE)
        if note not in ("moving", "moved"):
            raise Conflict("this store was not copied to another one: there is nothing to release")
        session.execute("DELETE FROM moving")

    store.write(work)


class StoreCopy:
    """One copy from *source* to *target*; run again it goes on where it stood.

    The names are what the note in either store calls the other one; they must hold no password.
    Nobody else may have either store open: whoever builds this has seen to it.
    """

    def __init__(
        self,
        source: Store,
        target: Store,
        *,
        source_name: str,
        target_name: str,
        token: str,
    ) -> None:
        self._source = source
        self._target = target
        self._source_name = source_name
        self._target_name = target_name
        self._token = token
        self._stopped = Event()

    def rows(self) -> int:
        """How many rows the source has, of all tables."""
        return self._source.read(lambda tx: sum(_counts(_session(tx)).values()))

    def run(self, *, advanced: Callable[[int], object]) -> Copied:
        """Copy, verify, hand over. Calls *advanced* with how many rows more are in place.

        Conflict if the target holds anything but a part of this very source, or if the two are not
        equal in the end; then the source still is what counts.
        """
        token = self._source.write(self._depart)
        already = self._target.write(lambda tx: self._admit(tx, token))
        try:
            rows = self._source.write(
                lambda tx: self._carry(_session(tx), advanced, already=already)
            )
        except BaseException:
            self._stopped.set()  # Ctrl+C comes here, while the rows travel on the writer's thread
            raise
        self._target.write(lambda tx: _remember(_session(tx), {_NOTE: "arrived"}))
        return Copied(rows=rows, already=already)

    def _depart(self, tx: Transaction) -> str:
        """Write the note into the source; the token by which its copy is known."""
        session = _session(tx)
        known = _remembered(session)
        note = known.get(_NOTE)
        if note == "arriving":
            raise Conflict(f"the source cannot be copied: {_REASONS[note].format(**known)}")
        if note in ("moving", "moved"):
            return known[_TOKEN]
        # what an earlier move left here is over: this store now begins one of its own
        session.execute("DELETE FROM moving")
        _remember(session, {_NOTE: "moving", _TOKEN: self._token, _OTHER: self._target_name})
        return self._token

    def _admit(self, tx: Transaction, token: str) -> bool:
        """Note it in the target, if that is empty or has a part of this; whether it has it all."""
        session = _session(tx)
        known = _remembered(session)
        if known.get(_TOKEN) == token:
            return known[_NOTE] == "arrived"
        if known:
            raise Conflict("the target belongs to the copy of another store: take an empty one")
        instances = _count(session, "instance")
        full = [name for name, number in _counts(session).items() if number]
        if full or instances:
            named = ", ".join(full) or "processes that deliver"
            raise Conflict(f"the target is not empty (it has {named}): take an empty one")
        _remember(session, {_NOTE: "arriving", _TOKEN: token, _OTHER: self._source_name})
        return False

    def _carry(
        self, source: Session, advanced: Callable[[int], object], *, already: bool
    ) -> Mapping[str, int]:
        """All that the source has, while it is held; marked `moved` if the target has it all."""
        if not isinstance(source, SqliteSession):
            _lock_for_copy(source)
        if already:
            return _counts(source)  # it lives its own life there: nothing to compare any more
        for table in TABLES:
            self._carry_table(source, table, advanced)
        counters, counts = _counters(source), _status_counts(source)
        self._target.write(lambda tx: _set_counters(_session(tx), counters))
        self._target.write(lambda tx: _set_status_counts(_session(tx), counts))
        rows = {table.name: self._verified(source, table) for table in TABLES}
        _remember(source, {_NOTE: "moved", _OTHER: self._target_name})
        return rows

    def _carry_table(
        self, source: Session, table: Table, advanced: Callable[[int], object]
    ) -> None:
        place = self._place(table)
        if place:
            advanced(self._target.read(lambda tx: _count(_session(tx), table.name)))
        for page in self._while_wanted(_pages(source, table, after=place)):
            self._target.write(partial(_put, table=table, page=page))
            advanced(len(page))

    def _place(self, table: Table) -> Row:
        """The key of the last row that has arrived; () if none has."""
        known = self._target.read(lambda tx: _remembered(_session(tx)))
        return tuple(json.loads(known.get(_PLACE + table.name, "[]")))

    def _verified(self, source: Session, table: Table) -> int:
        """How many rows both have. Conflict unless they are the same."""
        ours = _digest(self._while_wanted(_pages(source, table)))
        theirs = self._target.read(
            lambda tx: _digest(self._while_wanted(_pages(_session(tx), table)))
        )
        if ours != theirs:
            raise Conflict(
                f"the copies of {table.name} are not equal ({ours[0]} rows here, {theirs[0]} there)"
                f": nothing was handed over. Empty {self._target_name} and copy again"
            )
        return ours[0]

    def _while_wanted(self, pages: Iterator[Sequence[Row]]) -> Iterator[Sequence[Row]]:
        for page in pages:
            if self._stopped.is_set():
                raise Conflict("the copy was interrupted: run it again")
            yield page


# -- the tables ------------------------------------------------------------------------------------


def _table(model: type[peewee.Model]) -> Table:
    meta = model._meta
    # Peewee has no types
    key = tuple(f.column_name for f in meta.get_primary_keys())  # type: ignore[no-untyped-call]
    names = (field.column_name for field in meta.sorted_fields)
    columns = tuple(name for name in names if name not in _NOT_TRAVELLING)
    return Table(
        name=meta.table_name,
        columns=(*key, *(column for column in columns if column not in key)),
        key=len(key),
        counted=isinstance(meta.primary_key, peewee.BigAutoField),
    )


# in the order of tables.py: an email stands before what refers to it
TABLES: Final = tuple(_table(model) for model in tables.TABLES if model not in _STAYING)
COUNTED: Final = (*(table.name for table in TABLES if table.counted), "instance")


def _pages(session: Session, table: Table, *, after: Row = ()) -> Iterator[Sequence[Row]]:
    """All rows behind the key *after*, in pages of a bounded size."""
    for first, last in pairwise(_bounds(session, table, after)):
        rows = session.execute(
            f"SELECT {', '.join(table.columns)} FROM {table.name}"
            f" WHERE {_behind(table, first)} {'AND' if first else ''} ({_keys(table)})"
            f" <= ({marks(table.key)}) ORDER BY {_keys(table)}",
            (*first, *last),
        ).fetchall()
        yield [tuple(map(_plain, row)) for row in rows]


def _bounds(session: Session, table: Table, after: Row) -> Iterator[Row]:
    """The key before the first page, and the last one of each."""
    yield after
    size = _SIZES.get(table.name, "0")
    while True:
        keys = session.execute(
            f"SELECT {_keys(table)}, {size} FROM {table.name}"
            + (f" WHERE {_behind(table, after)}" if after else "")
            + f" ORDER BY {_keys(table)} LIMIT {PAGE_ROWS}",
            after,
        ).fetchall()
        if not keys:
            return
        gathered = 0
        for row in keys:
            after = tuple(row[: table.key])
            gathered += row[table.key]
            if gathered >= PAGE_OCTETS:
                break
        yield after


def _behind(table: Table, key: Row) -> str:
    return f"({_keys(table)}) > ({marks(table.key)})" if key else ""


def _keys(table: Table) -> str:
    return ", ".join(table.keys)


def _put(tx: Transaction, *, table: Table, page: Sequence[Row]) -> None:
    """Insert a page and write down how far it reaches."""
    session = _session(tx)
    session.execute_many(
        f"INSERT INTO {table.name} ({', '.join(table.columns)})"
        f" VALUES ({marks(len(table.columns))})",
        page,
    )
    _remember(session, {_PLACE + table.name: json.dumps(page[-1][: table.key])})


def _counts(session: Session) -> Mapping[str, int]:
    return {table.name: _count(session, table.name) for table in TABLES}


def _count(session: Session, table: str) -> int:
    (number,) = session.execute(f"SELECT COUNT(*) FROM {table}").fetchone()
    return int(number)


def _digest(pages: Iterator[Sequence[Row]]) -> tuple[int, str]:
    """How many rows there are, and one number for all of them, whatever their order.

    (Databases sort texts differently.) Each value says its type and length, so that no two rows
    are written alike.
    """
    number, total = 0, 0
    for page in pages:
        for row in page:
            octets = hashlib.sha256(b"".join(map(_written, row))).digest()
            total += int.from_bytes(octets, "big")
        number += len(page)
    return number, f"{total % 2**_DIGEST_BITS:064x}"


def _written(value: object) -> bytes:
    if value is None:
        return b"-;"
    if isinstance(value, bytes):
        kind, octets = b"b", value
    elif isinstance(value, str):
        # PostgreSQL's texts cannot hold NUL: its session writes this in its place
        kind, octets = b"t", value.replace("\0", "\N{REPLACEMENT CHARACTER}").encode("utf-8")
    else:
        kind, octets = b"n", str(value).encode("ascii")
    return b"%b%d:%b;" % (kind, len(octets), octets)


def _plain(value: Any) -> Any:
    """A driver's buffer as bytes."""
    return bytes(value) if isinstance(value, memoryview | bytearray) else value


def _status_counts(session: Session) -> Sequence[Row]:
    """How many emails stand in each status of each queue, whatever slots that is kept in."""
    found = session.execute("SELECT queue, status, SUM(n) FROM tally GROUP BY queue, status")
    return [(queue, status, int(number)) for queue, status, number in found]


def _set_status_counts(session: Session, rows: Sequence[Row]) -> None:
    session.execute("DELETE FROM tally")
    session.execute_many("INSERT INTO tally (queue, status, n) VALUES (?, ?, ?)", rows)


# -- what the stores remember ----------------------------------------------------------------------


def _session(tx: Transaction) -> Session:
    if not isinstance(tx, SqlTransaction):
        raise TypeError("only a SQL store can be copied")
    return tx.session


def _remembered(session: Session) -> dict[str, str]:
    return dict(session.execute("SELECT name, value FROM moving").fetchall())


def _remember(session: Session, words: Mapping[str, str]) -> None:
    session.execute_many(
        "INSERT INTO moving (name, value) VALUES (?, ?)"
        " ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        list(words.items()),
    )


# -- in what the databases differ ------------------------------------------------------------------


def _lock_for_copy(session: Session) -> None:
    """Keep other processes from writing for as long as it takes; SQLite has one writer anyway."""
    for limit in ("statement_timeout", "idle_in_transaction_session_timeout"):
        session.execute(f"SET LOCAL {limit} = 0")
    names = ", ".join(table.name for table in TABLES)
    session.execute(f"LOCK TABLE {names} IN SHARE ROW EXCLUSIVE MODE")


def _counters(session: Session) -> Mapping[str, int]:
    """The last id given out in each table that gives them, though its row may be gone."""
    if isinstance(session, SqliteSession):
        given = dict(session.execute("SELECT name, seq FROM sqlite_sequence").fetchall())
        counters = {name: int(given.get(name, 0)) for name in COUNTED}
    else:
        counters = {name: _postgresql_counter(session, name) for name in COUNTED}
    instances = session.execute(
        "SELECT COALESCE(MAX(owner), 0) FROM (SELECT MAX(owner) AS owner FROM attempt"
        " UNION ALL SELECT MAX(owner) FROM email) AS owners"
    ).fetchone()
    counters["instance"] = max(counters["instance"], int(instances[0]))
    return counters


def _postgresql_counter(session: Session, table: str) -> int:
    (sequence,) = session.execute(
        "SELECT pg_get_serial_sequence(CAST(? AS TEXT), 'id')", (table,)
    ).fetchone()
    last, called = session.execute(f"SELECT last_value, is_called FROM {sequence}").fetchone()
    return int(last) if called else 0


def _set_counters(session: Session, counters: Mapping[str, int]) -> None:
    """Give out only ids above these."""
    if isinstance(session, SqliteSession):
        for name, last in counters.items():
            session.execute("DELETE FROM sqlite_sequence WHERE name = ?", (name,))
            session.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", (name, last))
        return
    for name, last in counters.items():
        session.execute(
            "SELECT setval(pg_get_serial_sequence(CAST(? AS TEXT), 'id'), CAST(? AS BIGINT), ?)",
            (name, max(last, 1), last > 0),
        )
