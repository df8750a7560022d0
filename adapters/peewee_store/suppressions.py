"""The repositories of the suppression list and of the topics of emails."""

# ruff: noqa: S608 - the texts are made of constants; every value is a parameter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final
from zlib import crc32

import attrs

from adapters.peewee_store.rows import Row, micros, micros_or_none, moment, moment_or_none
from adapters.peewee_store.session import Session, marks
from adapters.peewee_store.transaction_cache import TransactionCache
from domain.email.status import TERMINAL, Status
from domain.suppression import Additions, Subscription, Suppression, SuppressionReason

_COLUMNS: Final = "id, address, scope, reason, email_id, created_at, expires_at"
_INTO: Final = (
    "INSERT INTO suppression (address, scope, reason, email_id, created_at, expires_at,"
    " emails_until) VALUES (?, ?, ?, ?, ?, ?, ({last_email}))"
    " ON CONFLICT (address, scope, reason) DO UPDATE SET email_id = excluded.email_id,"
    " created_at = excluded.created_at, expires_at = excluded.expires_at,"
    " emails_until = excluded.emails_until"
)
_IF_IT_OUTLASTS: Final = (  # as Suppression.outlasts
    " WHERE suppression.expires_at IS NOT NULL AND (excluded.expires_at IS NULL"
    " OR excluded.expires_at > suppression.expires_at)"
)
_LAST_EMAIL: Final = "SELECT MAX(id) FROM email"
# the last id that was given out, to an email that is not committed yet too
_LAST_EMAIL_OF_SEQUENCE: Final = (
    "SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM email_id_seq"
)
_OF: Final = f"SELECT {_COLUMNS} FROM suppression WHERE address"
_PAGE: Final = f"SELECT {_COLUMNS} FROM suppression WHERE id > ?{{}} ORDER BY id LIMIT ?"
_REMOVE: Final = "DELETE FROM suppression WHERE id"
_EXPIRED: Final = "SELECT id FROM suppression WHERE expires_at <= ? ORDER BY expires_at LIMIT ?"
_ADDITIONS: Final = (
    "SELECT (SELECT MAX(emails_until) FROM suppression),"
    " EXISTS (SELECT 1 FROM suppression WHERE scope = ?)"
)
_MOST_PARAMETERS: Final = 500
# Where other processes write too, a work that asks for an address and one that puts it on the list
# run one after the other. The locks are few, whatever the number of addresses: the server's table
# of locks is small. Who asks shares them.
_LOCK_CLASS: Final = 0x73757070  # advisory locks: "supp" with a number
_LOCKS: Final = 64
_LOCK: Final = f"pg_advisory_xact_lock({_LOCK_CLASS}, ?::integer)"
_LOCK_SHARED: Final = f"pg_advisory_xact_lock_shared({_LOCK_CLASS}, ?::integer)"

_INTO_TOPIC: Final = "INSERT INTO email_topic (email_id, address, topic)"
_TOPIC_OF: Final = "SELECT address, topic FROM email_topic WHERE email_id = ?"
_OPEN: Final = (
    "SELECT email.id FROM email_topic JOIN email ON email.id = email_topic.email_id"
    " WHERE email_topic.address = ? AND email_topic.topic = ? AND email.status IN ({})"
    " ORDER BY email.id"
).format(", ".join(f"'{status}'" for status in Status if status not in TERMINAL))
_FOR_UPDATE: Final = " FOR UPDATE OF email"


class SqlSuppressions:
    """The SuppressionRepository port. What a claim asks is read once for all works of a
    transaction.
    """

    def __init__(self, session: Session, cache: TransactionCache) -> None:
        self._session = session
        self._into = _INTO.format(
            last_email=_LAST_EMAIL_OF_SEQUENCE if session.shared else _LAST_EMAIL
        )
        self._known: dict[str, Additions] = cache.reads()

    def put(self, suppression: Suppression, *, wait: bool = True) -> bool:
        """Insert, or update one that does not hold as long."""
        if wait:
            self._lock(_LOCK, [suppression.address])
        self._known.clear()
        put = self._session.execute(self._into + _IF_IT_OUTLASTS, _row(suppression))
        return put.rowcount == 1

    def lock(self, addresses: Collection[str]) -> None:
        """All with one statement, in the order of the locks."""
        self._lock(_LOCK, addresses)

    def replace(self, suppression: Suppression) -> Suppression:
        """Insert or update."""
        self._known.clear()
        put = self._session.execute(f"{self._into} RETURNING id", _row(suppression))
        return attrs.evolve(suppression, id=put.fetchone()[0])

    def remove(self, suppressions: Collection[Suppression]) -> None:
        """By the primary key."""
        self._known.clear()
        ids = [one.id for one in suppressions]
        for start in range(0, len(ids), _MOST_PARAMETERS):
            some = ids[start : start + _MOST_PARAMETERS]
            self._session.execute(f"{_REMOVE} IN ({marks(len(some))})", some)

    def of(self, addresses: Collection[str], *, wait: bool = True) -> Sequence[Suppression]:
        """By the unique index."""
        asked: list[str] = sorted(addresses)
        if wait:
            self._lock(_LOCK_SHARED, asked)
        found: list[Row] = []
        for start in range(0, len(asked), _MOST_PARAMETERS):
            some = asked[start : start + _MOST_PARAMETERS]
            sql = f"{_OF} IN ({marks(len(some))})"
            found += self._session.execute_unflushed(sql, some).fetchall()
        # databases sort texts differently
        return [_suppression(row) for row in sorted(found, key=lambda row: row[1:4])]

    def additions(self, scope: str) -> Additions:
        """The end of one index, and any row of another one."""
        known = self._known.get(scope)
        if known is None:
            until, of_scope = self._session.execute_unflushed(_ADDITIONS, (scope,)).fetchone()
            known = self._known[scope] = Additions(until or 0, bool(of_scope))
        return known

    def page(
        self,
        *,
        scopes: Collection[str] | None = None,
        reason: SuppressionReason | None = None,
        after: int = 0,
        limit: int,
    ) -> Sequence[Suppression]:
        """Along one index for each scope and reason."""
        found: list[Row] = []
        for where, values in _filters(scopes, reason):
            sql = _PAGE.format(where)
            found += self._session.execute(sql, (after, *values, limit)).fetchall()
        return [_suppression(row) for row in sorted(found)[:limit]]

    def prune(self, *, now: datetime, limit: int) -> int:
        """The oldest first, by the index of their ends."""
        found = self._session.execute(_EXPIRED, (micros(now), limit)).fetchall()
        if not found:
            return 0
        self._known.clear()
        ids = [number for (number,) in found]
        return self._session.execute(f"{_REMOVE} IN ({marks(len(ids))})", ids).rowcount

    def _lock(self, lock: str, addresses: Iterable[str]) -> None:
        """Until the commit, and in one order; one process alone at a time writes to a file."""
        if self._session.shared:
            numbers = sorted({crc32(address.encode()) % _LOCKS for address in addresses})
            if numbers:
                self._session.execute(f"SELECT {', '.join([lock] * len(numbers))}", numbers)


def _filters(
    scopes: Collection[str] | None, reason: SuppressionReason | None
) -> Iterator[tuple[str, Sequence[str]]]:
    """Conditions that one index each answers in the order of the ids, and their values."""
    if scopes is None:
        yield ("", ()) if reason is None else (" AND reason = ?", (reason.value,))
        return
    for scope in scopes:
        for one in SuppressionReason if reason is None else (reason,):
            yield " AND scope = ? AND reason = ?", (scope, one.value)


def _row(suppression: Suppression) -> Row:
    return (
        suppression.address,
        suppression.scope,
        suppression.reason.value,
        suppression.email_id,
        micros(suppression.created_at),
        micros_or_none(suppression.expires_at),
    )


def _suppression(row: Row) -> Suppression:
    return Suppression(
        id=row[0],
        address=row[1],
        scope=row[2],
        reason=SuppressionReason(row[3]),
        email_id=row[4],
        created_at=moment(row[5]),
        expires_at=moment_or_none(row[6]),
    )


class SqlTopics:
    """The TopicRepository port."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._open = _OPEN + (_FOR_UPDATE if session.shared else "")

    def add_all(self, subscriptions: Mapping[int, Subscription]) -> None:
        """Insert them."""
        new = [(email_id, one.address, one.topic) for email_id, one in subscriptions.items()]
        if new:
            self._session.insert(_INTO_TOPIC, new)

    def of(self, email_id: int) -> Subscription | None:
        """One query."""
        row = self._session.execute(_TOPIC_OF, (email_id,)).fetchone()
        return None if row is None else Subscription(*row)

    def lock_open(self, subscription: Subscription) -> Sequence[int]:
        """By the index of the topics; rows that a claim holds are waited for."""
        found = self._session.execute(self._open, (subscription.address, subscription.topic))
        return [email_id for (email_id,) in found.fetchall()]
