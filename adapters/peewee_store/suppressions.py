"""The repositories of the suppression list and of the topics of emails."""

# ruff: noqa: S608 - the texts are made of constants; every value is a parameter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final
from zlib import crc32

import peewee

from adapters.peewee_store.queries import Prepared, all_given
from adapters.peewee_store.rows import Row, micros, micros_or_none, moment, moment_or_none
from adapters.peewee_store.session import Session, marks
from adapters.peewee_store.tables import SuppressionRow
from domain.email.status import TERMINAL, Status
from domain.suppression import Subscription, Suppression, SuppressionReason

_COLUMNS: Final = ("address", "scope", "reason", "email_id", "created_at", "expires_at")
_PUT: Final = Prepared(
    SuppressionRow.insert(all_given(SuppressionRow, _COLUMNS)).on_conflict(
        conflict_target=[SuppressionRow.address, SuppressionRow.scope, SuppressionRow.reason],
        update={
            column: getattr(peewee.EXCLUDED, column.column_name)
            for column in (
                SuppressionRow.email_id,
                SuppressionRow.created_at,
                SuppressionRow.expires_at,
            )
        },
        # as Suppression.outlasts
        where=SuppressionRow.expires_at.is_null(False)
        & (
            peewee.EXCLUDED.expires_at.is_null()
            | (peewee.EXCLUDED.expires_at > SuppressionRow.expires_at)
        ),
    )
)
_OF: Final = f"SELECT {', '.join(_COLUMNS)} FROM suppression WHERE address"
_MOST_PARAMETERS: Final = 500
# Where other processes write too, a work that asks for an address and one that puts it on the list
# run one after the other. The locks are few, whatever the number of addresses: the server's table
# of locks is small. Who asks shares them.
_LOCK_CLASS: Final = 0x73757070  # advisory locks: "supp" with a number
_LOCKS: Final = 64
_LOCK: Final = f"SELECT pg_advisory_xact_lock({_LOCK_CLASS}, ?::integer)"
_LOCK_SHARED: Final = f"SELECT pg_advisory_xact_lock_shared({_LOCK_CLASS}, ?::integer)"

_INTO_TOPIC: Final = "INSERT INTO email_topic (email_id, address, topic)"
_TOPIC_OF: Final = "SELECT address, topic FROM email_topic WHERE email_id = ?"
_OPEN: Final = (
    "SELECT email.id FROM email_topic JOIN email ON email.id = email_topic.email_id"
    " WHERE email_topic.address = ? AND email_topic.topic = ? AND email.status IN ({})"
    " ORDER BY email.id"
).format(", ".join(f"'{status}'" for status in Status if status not in TERMINAL))
_FOR_UPDATE: Final = " FOR UPDATE OF email"


class SqlSuppressions:
    """The SuppressionRepository port."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def put(self, suppression: Suppression) -> bool:
        """Insert, or update one that does not hold as long."""
        self._lock(_LOCK, [suppression.address])
        put = _PUT(
            self._session.execute,
            address=suppression.address,
            scope=suppression.scope,
            reason=suppression.reason.value,
            email_id=suppression.email_id,
            created_at=micros(suppression.created_at),
            expires_at=micros_or_none(suppression.expires_at),
        )
        return put.rowcount == 1

    def of(self, addresses: Collection[str]) -> Sequence[Suppression]:
        """By the primary key."""
        self._lock(_LOCK_SHARED, addresses)
        asked, found = sorted(addresses), []
        for start in range(0, len(asked), _MOST_PARAMETERS):
            some = asked[start : start + _MOST_PARAMETERS]
            sql = f"{_OF} IN ({marks(len(some))})"
            found += self._session.execute(sql, some).fetchall()
        # databases sort texts differently
        return [_suppression(row) for row in sorted(found, key=lambda row: row[:3])]

    def _lock(self, statement: str, addresses: Iterable[str]) -> None:
        """Until the commit, and in one order; one process alone at a time writes to a file."""
        if self._session.shared:
            for number in sorted({crc32(address.encode()) % _LOCKS for address in addresses}):
                self._session.execute(statement, (number,))


def _suppression(row: Row) -> Suppression:
    return Suppression(
        address=row[0],
        scope=row[1],
        reason=SuppressionReason(row[2]),
        email_id=row[3],
        created_at=moment(row[4]),
        expires_at=moment_or_none(row[5]),
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
